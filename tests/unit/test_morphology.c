/* Grey-value morphology: against looking at each voxel, for any threads, instruction set and box; and what mathematics
 * says of openings. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/morphology/morphology.h"
#include "tests/reference/morphology.h"
#include "tests/unit/test_volume_fixture.h"

static const struct {
    int64_t size[3], radius[3];
} cases[] = {
    {{6, 20, 41}, {1, 2, 3}}, {{5, 9, 300}, {2, 1, 1}}, {{1, 35, 70}, {0, 3, 2}},
    {{9, 12, 5}, {3, 4, 0}},  {{3, 2, 4}, {4, 3, 6}}, /* radius beyond the image */
    {{1, 1, 1}, {2, 0, 1}},   {{4, 5, 33}, {0, 0, 0}},
};
enum { CASES = sizeof cases / sizeof *cases, SHAPES = 3, OPERATIONS = 6 };

/* A box of the image, from exactly the voxels that are needed. */
static float *filter(const float *image, const int64_t size[3], const tk_morphology *how, const tk_box *box,
                     int threads, tk_isa isa) {
    int64_t in_size[3], out_size[3], halo[3];
    tk_morphology_halo(how, halo);
    const tk_box whole = tk_box_of_size(size), in_box = tk_box_grow(box, halo, &whole);
    for (int a = 0; a < 3; a++) in_size[a] = tk_box_size(&in_box, a), out_size[a] = tk_box_size(box, a);
    float *part = must_allocate(count_of(in_size), sizeof *part), *at = part;
    for (int64_t z = in_box.lo[0]; z < in_box.hi[0]; z++)
        for (int64_t y = in_box.lo[1]; y < in_box.hi[1]; y++, at += in_size[2])
            memcpy(at, image + (z * size[1] + y) * size[2] + in_box.lo[2], (size_t)in_size[2] * sizeof *at);
    float *out = must_allocate(count_of(out_size), sizeof *out);
    tk_work work = work_with(threads, isa, tk_morphology_scratch(how, size, in_size, threads));
    assert_int_equal(tk_morphology_apply(how, &whole, &in_box, tk_read_f32(tk_dense_f32(part, in_size)), box,
                                         tk_dense_f32(out, out_size), &work),
                     TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    free(part);
    return out;
}

static float *filter_all(const float *image, const int64_t size[3], const tk_morphology *how) {
    const tk_box whole = tk_box_of_size(size);
    return filter(image, size, how, &whole, 1, tk_isa_detect());
}

static tk_morphology morphology(int operation, int shape, const int64_t radius[3]) {
    return (tk_morphology){
        (tk_morphology_operation)operation, (tk_morphology_shape)shape, {radius[0], radius[1], radius[2]}, 1.25};
}

/* The reference for all operations. */
static double *expected_of(const float *image, const int64_t size[3], const tk_morphology *how) {
    const tk_morphology_operation o = how->operation;
    const bool down = o == TK_MORPHOLOGY_ERODE || o == TK_MORPHOLOGY_OPEN || o == TK_MORPHOLOGY_TOPHAT;
    const int64_t count = count_of(size);
    double *in = must_allocate(count, sizeof *in), *out = must_allocate(count, sizeof *out);
    double *first = must_allocate(count, sizeof *first);
    for (int64_t i = 0; i < count; i++) in[i] = (double)image[i];
    ref_erode(in, size, (int)how->shape, how->radius, how->height, down ? 1 : -1, out);
    if (o >= TK_MORPHOLOGY_OPEN) {
        memcpy(first, out, (size_t)count * sizeof *out);
        ref_erode(first, size, (int)how->shape, how->radius, how->height, down ? -1 : 1, out);
    }
    for (int64_t i = 0; i < count; i++) {
        if (o == TK_MORPHOLOGY_TOPHAT) out[i] = in[i] - out[i];
        if (o == TK_MORPHOLOGY_BOTTOMHAT) out[i] -= in[i];
    }
    free(in);
    free(first);
    return out;
}

/* Random voxels, many of them zero of either sign, some not finite; one corner has nothing at all. */
static float *hard_image(const int64_t size[3], uint64_t seed) {
    float *image = random_image(size, seed);
    for (int64_t i = 0; i < count_of(size); i++) {
        if (i % 3 == 0) image[i] = image[i] < 0 ? -0.0F : 0.0F;
        if (i % 11 == 0) image[i] = INFINITY;
        if (i % 13 == 0) image[i] = -INFINITY;
        if (i % 17 < 2 || i < 30) image[i] = NAN;
    }
    return image;
}

static void check(const float *image, const int64_t size[3], const tk_morphology *how) {
    const tk_box whole = tk_box_of_size(size);
    const int64_t count = count_of(size);
    double *expected = expected_of(image, size, how);
    float *first = filter(image, size, how, &whole, 1, TK_ISA_BASELINE);
    const double tolerance = how->shape == TK_MORPHOLOGY_PARABOLOID   ? 2e-6
                             : how->operation >= TK_MORPHOLOGY_TOPHAT ? 3e-7
                                                                      : 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(expected[i])) assert_true(isnan(first[i]) == isnan(expected[i]));
        if (isfinite(expected[i])) assert_true(fabs((double)first[i] - expected[i]) <= tolerance);
    }
    for (tk_isa isa = TK_ISA_BASELINE; isa <= tk_isa_detect(); isa++) {
        float *out = filter(image, size, how, &whole, 3, isa);
        assert_memory_equal(out, first, (size_t)count * sizeof *out);
        free(out);
    }
    free(expected);
    free(first);
}

static void equals_looking_at_each_voxel(void **state) {
    (void)state;
    for (int c = 0; c < CASES; c++)
        for (int shape = 0; shape < SHAPES; shape++)
            for (int operation = 0; operation < OPERATIONS; operation++) {
                const tk_morphology how = morphology(operation, shape, cases[c].radius);
                float *image = random_image(cases[c].size, (uint64_t)c), *hard = hard_image(cases[c].size, 9);
                check(image, cases[c].size, &how);
                check(hard, cases[c].size, &how);
                free(image);
                free(hard);
            }
}

static void boxes_give_the_same_bits(void **state) {
    (void)state;
    static const tk_box boxes[] = {{{1, 3, 5}, {5, 17, 30}}, {{0, 19, 40}, {1, 20, 41}}, {{0, 0, 12}, {6, 5, 13}}};
    const int64_t *size = cases[0].size;
    float *image = hard_image(size, 3);
    for (int n = 0; n < SHAPES * OPERATIONS; n++) {
        const tk_morphology how = morphology(n % OPERATIONS, n / OPERATIONS, cases[0].radius);
        float *expected = filter_all(image, size, &how);
        for (size_t b = 0; b < sizeof boxes / sizeof *boxes; b++) {
            const tk_box *box = &boxes[b];
            float *out = filter(image, size, &how, box, 2, tk_isa_detect()), *at = out;
            const int64_t row = tk_box_size(box, TK_X);
            for (int64_t z = box->lo[0]; z < box->hi[0]; z++)
                for (int64_t y = box->lo[1]; y < box->hi[1]; y++, at += row)
                    assert_memory_equal(at, expected + (z * size[1] + y) * size[2] + box->lo[2],
                                        (size_t)row * sizeof *at);
            free(out);
        }
        free(expected);
    }
    free(image);
}

/* An opening is below the image, and opening it again changes nothing. */
static void openings_are_idempotent(void **state) {
    (void)state;
    const int64_t *size = cases[0].size;
    float *image = random_image(size, 4);
    for (int shape = 0; shape < SHAPES; shape++) {
        const tk_morphology how = morphology(TK_MORPHOLOGY_OPEN, shape, cases[0].radius);
        float *once = filter_all(image, size, &how), *twice = filter_all(once, size, &how);
        for (int64_t i = 0; i < count_of(size); i++) {
            assert_true(once[i] <= image[i] + 1e-6F);
            assert_true(fabsf(once[i] - twice[i]) <= 2e-6F);
        }
        free(once);
        free(twice);
    }
    free(image);
}

/* A bowl that is flatter than the paraboloid is left as it is, a peak is not. */
static void paraboloids_keep_what_is_flat(void **state) {
    (void)state;
    const int64_t size[3] = {1, 41, 43}, radius[3] = {0, 8, 8};
    const tk_morphology how = {TK_MORPHOLOGY_OPEN, TK_MORPHOLOGY_PARABOLOID, {0, 8, 8}, 10};
    float *image = must_allocate(count_of(size), sizeof *image);
    for (int64_t i = 0; i < count_of(size); i++) {
        const int64_t row = i / size[2], column = i % size[2];
        const double y = (double)(row - 20) / (double)radius[1], x = (double)(column - 21) / (double)radius[2];
        image[i] = (float)(100 - 5 * (y * y + x * x));
    }
    image[20 * size[2] + 21] += 50;
    float *out = filter_all(image, size, &how);
    assert_true(out[20 * size[2] + 21] < 101 && out[20 * size[2] + 21] > 99);
    assert_float_equal(out[16 * size[2] + 15], image[16 * size[2] + 15], 1e-4);
    free(image);
    free(out);
}

static void what_is_missing_is_an_error(void **state) {
    (void)state;
    const int64_t size[3] = {4, 5, 6}, radius[3] = {1, 1, 1};
    const tk_box box = tk_box_of_size(size), larger = {{0, 0, 0}, {4, 5, 7}};
    float *image = random_image(size, 1), *out = must_allocate(count_of(size), sizeof *out);
    const tk_cview_f32 in = tk_read_f32(tk_dense_f32(image, size));
    for (int shape = 0; shape < SHAPES; shape++) {
        const tk_morphology how = morphology(TK_MORPHOLOGY_OPEN, shape, radius);
        const size_t enough = tk_morphology_scratch(&how, size, size, 1);
        tk_work work = work_with(1, TK_ISA_BASELINE, enough);
        assert_int_equal(tk_morphology_apply(&how, &larger, &box, in, &box, tk_dense_f32(out, size), &work), TK_FAILED);
        tk_scratch_release(&work.scratch);
        work = work_with(1, TK_ISA_BASELINE, enough - 64);
        assert_int_equal(tk_morphology_apply(&how, &box, &box, in, &box, tk_dense_f32(out, size), &work), TK_NO_MEMORY);
        tk_scratch_release(&work.scratch);
    }
    free(image);
    free(out);
}

static void balls_have_their_rows(void **state) {
    (void)state;
    const tk_morphology small = morphology(0, TK_MORPHOLOGY_BALL, (const int64_t[3]){1, 1, 1});
    const tk_morphology flat = morphology(0, TK_MORPHOLOGY_BALL, (const int64_t[3]){0, 2, 0});
    const tk_morphology large = morphology(0, TK_MORPHOLOGY_BALL, (const int64_t[3]){3, 2, 30});
    assert_int_equal(tk_morphology_rows(&small), 5);
    assert_int_equal(tk_morphology_rows(&flat), 5);
    assert_int_equal(tk_morphology_rows(&large), 19);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_looking_at_each_voxel), cmocka_unit_test(boxes_give_the_same_bits),
        cmocka_unit_test(openings_are_idempotent),      cmocka_unit_test(paraboloids_keep_what_is_flat),
        cmocka_unit_test(what_is_missing_is_an_error),  cmocka_unit_test(balls_have_their_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
