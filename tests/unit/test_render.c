/* Pictures: projections and percentiles against sorting and searching, panels against positions worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/rng.h"
#include "kernels/render/panel.h"
#include "kernels/render/project.h"

enum { DEPTH = 9, HEIGHT = 8, WIDTH = 13, PLANE = HEIGHT * WIDTH, COUNT = DEPTH * PLANE };

static float volume[COUNT];
static uint32_t volume_labels[COUNT];

/* Few different values, so that some are equal, of both signs. */
static void make_volume(void) {
    for (int i = 0; i < COUNT; i++) {
        tk_rng rng = tk_rng_stream(23, 0, (uint64_t)i);
        volume[i] = (float)rint(9 * tk_rng_normal(&rng)) / 4;
        volume_labels[i] = tk_rng_word(&rng) % 3 ? 0 : tk_rng_word(&rng) % 5;
    }
}

static tk_cview_f32 planes(int64_t from, int64_t to) {
    return (tk_cview_f32){volume + from * PLANE, {to - from, HEIGHT, WIDTH}, {PLANE, WIDTH, 1}};
}

static tk_cview_u32 label_planes(int64_t from, int64_t to) {
    return (tk_cview_u32){volume_labels + from * PLANE, {to - from, HEIGHT, WIDTH}, {PLANE, WIDTH, 1}};
}

static void projections_find_the_brightest_voxel_and_the_topmost_label(void **state) {
    (void)state;
    static const int64_t size[3] = {1, HEIGHT, WIDTH};
    make_volume();
    volume[3 * PLANE + 5] = NAN;
    float most[PLANE];
    uint32_t labels[PLANE] = {0};
    for (int i = 0; i < PLANE; i++) most[i] = -INFINITY;
    tk_work work = {.threads = 3};
    for (int64_t z = 0; z < DEPTH; z += 3) {
        tk_project_max(planes(z, z + 3), &work, tk_dense_f32(most, size));
        tk_project_labels(label_planes(z, z + 3), &work, tk_dense_u32(labels, size));
    }
    for (int i = 0; i < PLANE; i++) {
        double largest = -INFINITY;
        uint32_t topmost = 0;
        for (int z = DEPTH - 1; z >= 0; z--) {
            largest = fmax(largest, (double)volume[z * PLANE + i]);
            if (volume_labels[z * PLANE + i]) topmost = volume_labels[z * PLANE + i];
        }
        assert_true((double)most[i] == largest);
        assert_int_equal(labels[i], topmost);
    }
}

static int ascending(const void *a, const void *b) {
    const float p = *(const float *)a, q = *(const float *)b;
    return (p > q) - (p < q);
}

static void percentiles_are_those_of_the_sorted_values(void **state) {
    (void)state;
    make_volume();
    float sorted[COUNT];
    memcpy(sorted, volume, sizeof sorted);
    qsort(sorted, COUNT, sizeof *sorted, ascending);
    tk_work work = {.threads = 1};
    assert_int_equal(tk_scratch_reserve(&work.scratch, tk_percentile_scratch()), TK_OK);
    static const double percents[] = {0, 0.5, 10, 33.3, 50, 77, 99.8, 100};
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        float value = NAN;
        assert_int_equal(tk_percentile(planes(0, DEPTH), percents[i], &work, &value), TK_OK);
        assert_true(value == sorted[(int)(percents[i] / 100 * (COUNT - 1))]);
    }
    const float special[] = {NAN, -INFINITY, -7.25f, INFINITY, 1e-40f, 3e38f};
    const tk_cview_f32 row = {special, {1, 1, 6}, {6, 6, 1}};
    float value = NAN;
    assert_int_equal(tk_percentile(row, 0, &work, &value), TK_OK);
    assert_true(value == -7.25f);
    assert_int_equal(tk_percentile(row, 50, &work, &value), TK_OK);
    assert_true(value == 1e-40f);
    assert_int_equal(tk_percentile(row, 100, &work, &value), TK_OK);
    assert_true(value == 3e38f);
    assert_int_equal(tk_percentile((tk_cview_f32){special, {1, 1, 2}, {2, 2, 1}}, 50, &work, &value), TK_UNSOLVABLE);
    tk_scratch_release(&work.scratch);
}

static void panels_enlarge_and_stretch(void **state) {
    (void)state;
    static const float values[6] = {0, 1, 2, 3, 4, NAN};
    static const int expected[6] = {0, 0, 128, 255, 255, 0};
    static const unsigned char blue[3] = {1, 2, 200};
    unsigned char rgb[3 * 12 * 9];
    const tk_picture picture = {rgb, 12, 9};
    const tk_panel panel = {.left = 2, .top = 1, .scale = 3, .black = 1, .white = 3, .gamma = 1};
    tk_picture_fill(picture, blue);
    tk_panel_draw(&panel, (tk_cview_f32){values, {1, 2, 3}, {6, 3, 1}}, picture);
    for (int y = 0; y < 9; y++)
        for (int x = 0; x < 12; x++) {
            const unsigned char *pixel = rgb + 3 * (y * 12 + x);
            const bool inside = y >= 1 && y < 7 && x >= 2 && x < 11;
            const int grey = inside ? expected[(y - 1) / 3 * 3 + (x - 2) / 3] : 0;
            for (int c = 0; c < 3; c++) assert_int_equal(pixel[c], inside ? grey : blue[c]);
        }
    const tk_panel brighter = {.scale = 1, .black = 0, .white = 4, .gamma = 2};
    tk_panel_draw(&brighter, (tk_cview_f32){values, {1, 2, 3}, {6, 3, 1}}, picture);
    assert_int_equal(rgb[3], 128); /* 255 sqrt(1 / 4) */
}

static void outlines_lie_inside_objects_where_they_end(void **state) {
    (void)state;
    static const uint32_t labels[5 * 6] = {
        1, 1, 1, 0, 0, 0, /* */
        1, 1, 1, 0, 0, 0, /* */
        1, 1, 1, 0, 2, 3, /* */
        0, 0, 0, 0, 2, 3, /* */
        0, 0, 0, 0, 2, 3, /* */
    };
    static const char expected[] = "..#..."
                                   "..#..."
                                   "###.##"
                                   "....##"
                                   "....##";
    static const unsigned char colour[3] = {255, 10, 20};
    unsigned char rgb[3 * 10 * 12] = {0};
    const tk_cview_u32 view = {labels, {1, 5, 6}, {30, 6, 1}};
    tk_panel panel = {.scale = 1};
    tk_panel_outline(&panel, view, 1, colour, (tk_picture){rgb, 6, 5});
    for (int i = 0; i < 30; i++) assert_int_equal(rgb[3 * i], expected[i] == '#' ? 255 : 0);
    memset(rgb, 0, sizeof rgb);
    panel.scale = 2;
    tk_panel_outline(&panel, view, 1, colour, (tk_picture){rgb, 12, 10});
    for (int x = 0; x < 12; x++) { /* one pixel thick: the last columns of object 1, all of 2 and 3 but their inside */
        assert_int_equal(rgb[3 * x], x == 5 ? 255 : 0);
        assert_int_equal(rgb[3 * (9 * 12 + x)], x >= 8 && x <= 10 ? 255 : 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(projections_find_the_brightest_voxel_and_the_topmost_label),
        cmocka_unit_test(percentiles_are_those_of_the_sorted_values),
        cmocka_unit_test(panels_enlarge_and_stretch),
        cmocka_unit_test(outlines_lie_inside_objects_where_they_end),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
