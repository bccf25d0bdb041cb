/* Range, histogram, Otsu's threshold and the mask, against counting and trying one by one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/segment/histogram.h"
#include "tests/unit/test_volume_fixture.h"

static const int64_t size[3] = {3, 11, 701};

/* Two populations, a third of the voxels around 5. */
static float *two_populations(uint64_t seed) {
    float *image = random_image(size, seed);
    for (int64_t i = 0; i < count_of(size); i += 3) image[i] = image[i] * 0.7f + 5;
    return image;
}

static tk_range range_of(float *image, int threads) {
    tk_work work = work_with(threads, tk_isa_detect(), 0);
    tk_range range = TK_RANGE_NONE;
    tk_range_of(tk_read_f32(tk_dense_f32(image, size)), &range, &work);
    return range;
}

static void the_range_is_exact_and_without_nan(void **state) {
    (void)state;
    float *image = two_populations(1), lo = INFINITY, hi = -INFINITY;
    for (int64_t i = 5; i < count_of(size); i += 97) image[i] = NAN;
    for (int64_t i = 0; i < count_of(size); i++) {
        lo = fminf(lo, image[i]);
        hi = fmaxf(hi, image[i]);
    }
    for (int threads = 1; threads <= 4; threads++) {
        const tk_range range = range_of(image, threads);
        assert_true(range.lo == lo && range.hi == hi);
    }
    free(image);
}

static void bins_are_counted(void **state) {
    (void)state;
    enum { BINS = 37 };
    float *image = two_populations(2);
    const tk_range range = range_of(image, 1);
    image[7] = NAN;
    int64_t expected[BINS] = {0};
    for (int64_t i = 0; i < count_of(size); i++) {
        if (isnan(image[i])) continue;
        int64_t bin =
            (int64_t)floor(((double)image[i] - (double)range.lo) * (BINS / ((double)range.hi - (double)range.lo)));
        expected[bin < BINS ? bin : BINS - 1]++;
    }
    for (int threads = 1; threads <= 4; threads++) {
        int64_t counts[BINS] = {0};
        tk_work work = work_with(threads, tk_isa_detect(), tk_histogram_scratch(BINS, threads));
        const tk_cview_f32 view = tk_read_f32(tk_dense_f32(image, size));
        assert_int_equal(tk_histogram_count(view, range, BINS, counts, &work), TK_OK);
        assert_memory_equal(counts, expected, sizeof counts);
        tk_scratch_release(&work.scratch);
    }
    free(image);
}

/* The variance within the classes, by its definition; smallest where the variance between them is largest. */
static double within(const int64_t *counts, int bins, int split) {
    double sum = 0;
    for (int side = 0; side < 2; side++) {
        const int from = side ? split + 1 : 0, to = side ? bins : split + 1;
        double n = 0, mean = 0;
        for (int b = from; b < to; b++) {
            n += (double)counts[b];
            mean += (double)counts[b] * b;
        }
        mean /= n;
        for (int b = from; b < to; b++) sum += (double)counts[b] * (b - mean) * (b - mean);
    }
    return sum;
}

static void otsu_leaves_the_least_variance_within_classes(void **state) {
    (void)state;
    enum { BINS = 64 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        int64_t counts[BINS];
        tk_rng rng = tk_rng_stream(seed, 9, 0);
        for (int b = 0; b < BINS; b++) counts[b] = 1 + tk_rng_poisson(&rng, b < 20 ? 50 : b > 40 ? 30 : 3);
        int best = 0;
        for (int split = 1; split < BINS - 1; split++)
            if (within(counts, BINS, split) < within(counts, BINS, best) * (1 - 1e-12)) best = split;
        double threshold = 0;
        assert_true(tk_otsu(counts, BINS, (tk_range){10, 10 + BINS}, &threshold));
        assert_true(fabs(threshold - (10.5 + best)) < 1e-9);
    }
}

static void one_bin_has_no_threshold(void **state) {
    (void)state;
    const int64_t counts[4] = {0, 12, 0, 0};
    double threshold = 0;
    assert_false(tk_otsu(counts, 4, (tk_range){0, 1}, &threshold));
}

static void the_mask_is_above_the_threshold(void **state) {
    (void)state;
    float *image = two_populations(3);
    image[11] = 2.5f;
    image[12] = NAN;
    uint8_t *mask = must_allocate(count_of(size), 1);
    tk_work work = work_with(3, tk_isa_detect(), 0);
    tk_threshold(tk_read_f32(tk_dense_f32(image, size)), 2.5f, tk_dense_u8(mask, size), &work);
    for (int64_t i = 0; i < count_of(size); i++) assert_int_equal(mask[i], image[i] > 2.5f ? 1 : 0);
    assert_int_equal(mask[11] + mask[12], 0);
    free(image);
    free(mask);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_range_is_exact_and_without_nan),
        cmocka_unit_test(bins_are_counted),
        cmocka_unit_test(otsu_leaves_the_least_variance_within_classes),
        cmocka_unit_test(one_bin_has_no_threshold),
        cmocka_unit_test(the_mask_is_above_the_threshold),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
