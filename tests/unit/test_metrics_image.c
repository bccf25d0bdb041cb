/* Image metrics against their definitions on random images, in slabs and with any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/rng.h"
#include "kernels/metrics/image.h"
#include "tests/reference/metrics.h"

enum { DEPTH = 11, HEIGHT = 13, WIDTH = 19, COUNT = DEPTH * HEIGHT * WIDTH };

static float truth[COUNT], result[COUNT];
static const int64_t size[3] = {DEPTH, HEIGHT, WIDTH};

/* A random truth on a large background, and a result like it. */
static void make_images(void) {
    for (int i = 0; i < COUNT; i++) {
        tk_rng rng = tk_rng_stream(3, 0, (uint64_t)i);
        truth[i] = (float)(1000 + 40 * tk_rng_normal(&rng));
        result[i] = truth[i] + (float)(15 * tk_rng_normal(&rng));
    }
}

static tk_work make_work(int threads, size_t scratch) {
    tk_work work = {.threads = threads};
    assert_int_equal(tk_scratch_reserve(&work.scratch, scratch), TK_OK);
    return work;
}

/* The planes from … to of the images, as views. */
static tk_cview_f32 planes(const float *voxels, int64_t from, int64_t to) {
    return (tk_cview_f32){voxels + from * HEIGHT * WIDTH, {to - from, HEIGHT, WIDTH}, {HEIGHT * WIDTH, WIDTH, 1}};
}

static tk_image_sums sums_in_slabs(int threads, int64_t slab) {
    tk_work work = make_work(threads, tk_image_sums_scratch(size));
    tk_image_sums sums = {0};
    for (int64_t z = 0; z < DEPTH; z += slab) {
        const int64_t end = z + slab < DEPTH ? z + slab : DEPTH;
        assert_int_equal(tk_image_sums_add(planes(result, z, end), planes(truth, z, end), &work, &sums), TK_OK);
    }
    tk_scratch_release(&work.scratch);
    return sums;
}

static void metrics_equal_their_definitions(void **state) {
    (void)state;
    make_images();
    const tk_image_sums sums = sums_in_slabs(2, DEPTH);
    const tk_image_metrics m = tk_image_metrics_of(&sums);
    double largest = 0;
    for (int i = 0; i < COUNT; i++) largest = fmax(largest, fabs((double)result[i] - (double)truth[i]));
    assert_true(fabs(m.nrmse - tk_ref_nrmse(result, truth, COUNT)) < 1e-12);
    assert_true(fabs(m.psnr - tk_ref_psnr(result, truth, COUNT)) < 1e-10);
    assert_true(fabs(m.pearson - tk_ref_pearson(result, truth, COUNT)) < 1e-12);
    assert_true(m.max_difference == largest);
    assert_int_equal(sums.count, COUNT);
}

static void sums_do_not_depend_on_threads_or_slabs(void **state) {
    (void)state;
    make_images();
    const tk_image_sums whole = sums_in_slabs(1, DEPTH);
    for (int threads = 1; threads <= 3; threads++)
        for (int64_t slab = 1; slab <= DEPTH; slab++) {
            const tk_image_sums sums = sums_in_slabs(threads, slab);
            assert_memory_equal(&sums, &whole, sizeof sums);
        }
}

static void one_different_voxel_is_seen(void **state) {
    (void)state;
    make_images();
    memcpy(result, truth, sizeof result);
    tk_image_sums sums = sums_in_slabs(2, 3);
    tk_image_metrics m = tk_image_metrics_of(&sums);
    assert_int_equal(sums.differing, 0);
    assert_true(m.nrmse == 0 && m.max_difference == 0 && isinf(m.psnr));
    assert_true(fabs(m.pearson - 1) < 1e-12);
    result[COUNT - 1] += 2;
    sums = sums_in_slabs(2, 3);
    m = tk_image_metrics_of(&sums);
    assert_int_equal(sums.differing, 1);
    assert_true(m.max_difference == 2 && m.nrmse > 0);
    result[5] = truth[6] = NAN;
    sums = sums_in_slabs(2, 3);
    m = tk_image_metrics_of(&sums);
    assert_int_equal(sums.differing, 3);
    assert_true(isnan(m.nrmse) && isnan(m.max_difference));
}

static double ssim_of(const int64_t extent[3], int threads, double range) {
    tk_work work = make_work(threads, tk_ssim_scratch(extent, threads));
    tk_ssim_sum ssim = {0};
    const tk_cview_f32 x = tk_read_f32(tk_dense_f32(result, extent)), t = tk_read_f32(tk_dense_f32(truth, extent));
    assert_int_equal(tk_ssim_add(x, t, range, &work, &ssim), TK_OK);
    tk_scratch_release(&work.scratch);
    return ssim.sum / (double)ssim.windows;
}

static void ssim_equals_its_definition(void **state) {
    (void)state;
    static const int64_t extents[][3] = {{DEPTH, HEIGHT, WIDTH}, {7, 7, 7}, {1, HEIGHT, WIDTH}, {8, 7, 9}};
    make_images();
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++)
        for (int threads = 1; threads <= 3; threads++) {
            const double reference = tk_ref_ssim(result, truth, extents[i], 250);
            assert_true(fabs(ssim_of(extents[i], threads, 250) - reference) < 1e-9);
            assert_true(ssim_of(extents[i], threads, 250) == ssim_of(extents[i], 1, 250));
            assert_true(reference < 0.99);
        }
}

static void ssim_adds_up_over_overlapping_slabs(void **state) {
    (void)state;
    make_images();
    tk_work work = make_work(2, tk_ssim_scratch(size, 2));
    tk_ssim_sum ssim = {0};
    assert_int_equal(tk_ssim_add(planes(result, 0, 8), planes(truth, 0, 8), 250, &work, &ssim), TK_OK);
    assert_int_equal(tk_ssim_add(planes(result, 2, DEPTH), planes(truth, 2, DEPTH), 250, &work, &ssim), TK_OK);
    tk_scratch_release(&work.scratch);
    assert_int_equal(ssim.windows, (DEPTH - 6) * (HEIGHT - 6) * (WIDTH - 6));
    assert_true(fabs(ssim.sum / (double)ssim.windows - ssim_of(size, 1, 250)) < 1e-12);
}

static void ssim_of_images_smaller_than_its_window_does_not_exist(void **state) {
    (void)state;
    static const int64_t small[][3] = {{6, 9, 9}, {2, 9, 9}, {9, 6, 9}, {1, 9, 6}};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        tk_work work = make_work(1, 1 << 20);
        tk_ssim_sum ssim = {0};
        const tk_cview_f32 view = tk_read_f32(tk_dense_f32(truth, small[i]));
        assert_false(tk_ssim_exists(small[i]));
        assert_int_equal(tk_ssim_add(view, view, 1, &work, &ssim), TK_USAGE);
        tk_scratch_release(&work.scratch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_equal_their_definitions),
        cmocka_unit_test(sums_do_not_depend_on_threads_or_slabs),
        cmocka_unit_test(one_different_voxel_is_seen),
        cmocka_unit_test(ssim_equals_its_definition),
        cmocka_unit_test(ssim_adds_up_over_overlapping_slabs),
        cmocka_unit_test(ssim_of_images_smaller_than_its_window_does_not_exist),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
