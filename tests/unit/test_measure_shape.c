/* Shapes from sums: weights of Crofton's formula, balls, ellipsoids, boxes, tori; axes; largest diameters. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/measure/crofton.h"
#include "kernels/measure/shape.h"
#include "tests/unit/test_volume_fixture.h"

static const double PI = 3.14159265358979323846;

enum { PARTS = TK_OBJECT_MOMENTS | TK_OBJECT_SURFACE | TK_OBJECT_EXTREMES };

/* One object, alone in its image. */
typedef struct thing {
    int64_t size[3];
    double voxel[3];
    bool planar;
    uint32_t *labels;
    tk_objects_spec spec;
    unsigned char record[2048];
} thing;

static tk_status take(void *user, const void *records, int64_t count) {
    thing *t = user;
    assert_int_equal(count, 1);
    memcpy(t->record, records, t->spec.layout.size);
    return TK_OK;
}

/* How an object is given: positive inside, at a place relative to the image's centre, in space. */
typedef double (*body)(double z, double y, double x);

static void measure(thing *t, body inside) {
    t->labels = must_allocate(count_of(t->size), sizeof *t->labels);
    t->spec.layout = tk_object_layout_of(PARTS, 0);
    tk_extreme_directions(t->voxel, t->planar, t->spec.direction);
    for (int64_t i = 0; i < count_of(t->size); i++) {
        const int64_t at[3] = {i / (t->size[1] * t->size[2]), i / t->size[2] % t->size[1], i % t->size[2]};
        double place[3];
        for (int a = 0; a < 3; a++) place[a] = ((double)at[a] - (double)(t->size[a] - 1) / 2) * t->voxel[a];
        t->labels[i] = inside(place[0], place[1], place[2]) > 0;
    }
    const tk_box all = tk_box_of_size(t->size);
    const tk_objects_block block = {tk_read_u32(tk_dense_u32(t->labels, t->size)), all, all, all, {{0}}};
    const tk_object_sink sink = {take, NULL, t};
    tk_work work = work_with(1, tk_isa_detect(), tk_objects_scratch(&t->spec.layout, t->size, 1));
    assert_int_equal(tk_objects_measure(&t->spec, &block, &sink, &work), TK_OK);
    tk_scratch_release(&work.scratch);
    free(t->labels);
}

static double surface_of(const thing *t) {
    double weight[TK_OBJECTS_DIRECTIONS];
    tk_crofton_weights(t->voxel, t->planar, weight);
    return tk_crofton_sum(tk_object_surface_of(&t->spec.layout, t->record), weight);
}

static double feret_of(const thing *t) {
    return tk_object_feret(tk_object_extremes_of(&t->spec.layout, t->record), t->voxel);
}

static tk_object_axes axes_of(const thing *t) {
    return tk_object_axes_of((const tk_object *)(const void *)t->record,
                             tk_object_moments_of(&t->spec.layout, t->record), t->voxel, t->planar);
}

static int64_t euler_of(const thing *t, bool open) {
    return tk_object_surface_of(&t->spec.layout, t->record)->number[TK_OBJECTS_DIRECTIONS + open] / 8;
}

static double square(double v) { return v * v; }

static void near(double value, double expected, double part) {
    if (!(fabs(value - expected) <= part * fabs(expected))) print_error("%.17g is not near %.17g\n", value, expected);
    assert_true(fabs(value - expected) <= part * fabs(expected));
}

/* Tabulated for cubic voxels (J. Ohser, F. Muecklich). */
static void weights_are_those_of_the_literature(void **state) {
    (void)state;
    const double cubic[3] = {0.3, 0.3, 0.3}, flat[3] = {2, 0.5, 0.7};
    double fraction[TK_OBJECTS_DIRECTIONS], sum = 0;
    tk_crofton_fractions(cubic, false, fraction);
    for (int d = 0; d < TK_OBJECTS_DIRECTIONS; d++)
        assert_true(fabs(fraction[d] - 2 * (d < 3 ? 0.045778 : d < 9 ? 0.036981 : 0.035196)) < 2e-6);
    tk_crofton_fractions(flat, false, fraction);
    for (int d = 0; d < TK_OBJECTS_DIRECTIONS; d++) sum += fraction[d];
    near(sum, 1, 1e-12);
    tk_crofton_fractions(cubic, true, fraction);
    for (int d = 1; d < 5; d++) near(fraction[d], 0.25, 1e-12);
}

static double ball(double z, double y, double x) { return 400 - z * z - y * y - x * x; }
static double ellipsoid(double z, double y, double x) { return 1 - square(z / 10) - square(y / 18) - square(x / 14); }
static double shell(double z, double y, double x) { return ball(z, y, x) > 0 ? z * z + y * y + x * x - 144 : -1; }
static double disc(double z, double y, double x) { return (void)z, 900 - y * y - x * x; }

static double torus(double z, double y, double x) { return 36 - square(sqrt(y * y + x * x) - 15) - z * z; }

static double slanted(double z, double y, double x) {
    const double along = 0.6 * y + 0.8 * x, across = 0.8 * y - 0.6 * x;
    return 1 - square(along / 30) - square(across / 12) - 0 * z;
}

/* A ball, with cubic and with flat voxels. */
static void balls(void **state) {
    (void)state;
    thing t = {.size = {45, 45, 45}, .voxel = {1, 1, 1}}, flat = {.size = {15, 45, 91}, .voxel = {3, 1, 0.5}};
    measure(&t, ball);
    near(surface_of(&t), 4 * PI * 400, 0.02);
    near(feret_of(&t), 41, 0.01);
    assert_int_equal(euler_of(&t, false), 1);
    assert_int_equal(euler_of(&t, true), 1);
    for (int i = 0; i < 3; i++) near(axes_of(&t).axis[i], 40, 0.005);
    const double volume = (double)((const tk_object *)(const void *)t.record)->count;
    near(tk_equivalent_diameter(volume, false), 40, 0.005);
    near(tk_sphericity(volume, surface_of(&t), false), 1, 0.01);
    measure(&flat, ball);
    near(surface_of(&flat), 4 * PI * 400, 0.03);
    near(feret_of(&flat), 40 + 3, 0.03); /* with half a voxel at both ends */
    for (int i = 0; i < 3; i++) near(axes_of(&flat).axis[i], 40, 0.01);
}

/* Knud Thomsen's formula of the surface is within 1.1 %. */
static void ellipsoids(void **state) {
    (void)state;
    const double p = 1.6075, a = pow(10, p), b = pow(18, p), c = pow(14, p);
    const double expected = 4 * PI * pow((a * b + a * c + b * c) / 3, 1 / p);
    thing t = {.size = {13, 81, 63}, .voxel = {2, 0.5, 0.5}};
    measure(&t, ellipsoid);
    near(surface_of(&t), expected, 0.03);
    const tk_object_axes axes = axes_of(&t);
    near(axes.axis[0], 36, 0.01);
    near(axes.axis[1], 28, 0.01);
    near(axes.axis[2], 20, 0.025);
    near(axes.direction[1], 1, 1e-9);
    near(feret_of(&t), 36, 0.03);
}

static void euler_numbers(void **state) {
    (void)state;
    thing hollow = {.size = {45, 45, 45}, .voxel = {1, 1, 1}}, ring = {.size = {15, 45, 45}, .voxel = {1, 1, 1}};
    measure(&hollow, shell);
    assert_int_equal(euler_of(&hollow, false), 2);
    assert_int_equal(euler_of(&hollow, true), 2);
    measure(&ring, torus);
    assert_int_equal(euler_of(&ring, false), 0);
    assert_int_equal(euler_of(&ring, true), 0);
    near(surface_of(&ring), 4 * PI * PI * 15 * 6, 0.03);
}

static void in_a_plane(void **state) {
    (void)state;
    thing t = {.size = {1, 65, 65}, .voxel = {0, 1, 1}, .planar = true};
    measure(&t, disc);
    near(surface_of(&t), 2 * PI * 30, 0.01);
    near(feret_of(&t), 60, 0.02);
    near(axes_of(&t).axis[0], 60, 0.01);
    thing oval = {.size = {1, 65, 131}, .voxel = {0, 1, 0.5}, .planar = true};
    measure(&oval, slanted);
    near(axes_of(&oval).axis[0], 60, 0.01);
    near(axes_of(&oval).axis[1], 24, 0.01);
    near(axes_of(&oval).orientation, atan2(0.8, 0.6), 0.01);
    near(feret_of(&oval), 60, 0.02);
}

static double box(double z, double y, double x) { return fabs(z) < 3.6 && fabs(y) < 2.6 && fabs(x) < 7.6 ? 1 : -1; }

/* Corners are found exactly; the axes are those of mean squares (n^2 - 1) / 12. */
static void boxes(void **state) {
    (void)state;
    thing t = {.size = {10, 10, 20}, .voxel = {1, 1, 1}};
    measure(&t, box);
    near(feret_of(&t), sqrt(49 + 25 + 256), 1e-12);
    near(axes_of(&t).axis[0], sqrt(20 * 255 / 12.), 1e-12);
    near(axes_of(&t).axis[1], sqrt(20 * 63 / 12.), 1e-12);
    near(axes_of(&t).axis[2], sqrt(20 * 35 / 12.), 1e-12);
    near(axes_of(&t).direction[2], 1, 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_those_of_the_literature),
        cmocka_unit_test(balls),
        cmocka_unit_test(ellipsoids),
        cmocka_unit_test(euler_numbers),
        cmocka_unit_test(in_a_plane),
        cmocka_unit_test(boxes),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
