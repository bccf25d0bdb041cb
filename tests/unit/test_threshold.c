/* Range, histogram, Otsu's threshold and the mask, against counting and trying one by one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/segment/histogram.h"
#include "kernels/segment/level.h"
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
        double level = 0;
        assert_true(tk_level_otsu(&(tk_level_histogram){counts, BINS, false}, &level));
        assert_true(level == best);
    }
}

static void one_bin_has_no_threshold(void **state) {
    (void)state;
    const int64_t counts[4] = {0, 12, 0, 0};
    const tk_level_histogram h = {counts, 4, false};
    double level = 0;
    int64_t levels[2];
    tk_scratch scratch = {0};
    assert_false(tk_level_otsu(&h, &level));
    assert_false(tk_level_yen(&h, &level));
    assert_int_equal(tk_level_multi_otsu(&h, 3, levels, &scratch), TK_UNSOLVABLE);
}

/* The sum over all classes of the squared deviations from their means, for ends of classes at[0 .. classes-2]. */
static double within_classes(const int64_t *counts, int bins, const int64_t *at, int classes) {
    double sum = 0;
    for (int c = 0; c < classes; c++) {
        const int64_t from = c ? at[c - 1] + 1 : 0, to = c + 1 < classes ? at[c] + 1 : bins;
        double n = 0, mean = 0;
        for (int64_t b = from; b < to; b++) n += (double)counts[b], mean += (double)counts[b] * (double)b;
        if (n == 0) continue;
        mean /= n;
        for (int64_t b = from; b < to; b++) sum += (double)counts[b] * pow((double)b - mean, 2);
    }
    return sum;
}

/* The least that any choice of ends leaves: all are tried. */
static double least_within(const int64_t *counts, int bins, int64_t *at, int c, int classes) {
    if (c == classes - 1) return within_classes(counts, bins, at, classes);
    double least = INFINITY;
    for (at[c] = c ? at[c - 1] + 1 : 0; at[c] < bins - 1; at[c]++)
        least = fmin(least, least_within(counts, bins, at, c + 1, classes));
    return least;
}

/* Also with bins that are empty, and against too little scratch. */
static void multi_otsu_leaves_the_least_variance_of_all(void **state) {
    (void)state;
    enum { BINS = 22 };
    for (int classes = 2; classes <= TK_LEVEL_CLASSES_MOST; classes++)
        for (uint64_t seed = 0; seed < 6; seed++) {
            int64_t counts[BINS], at[TK_LEVEL_CLASSES_MOST], levels[TK_LEVEL_CLASSES_MOST];
            tk_rng rng = tk_rng_stream(seed, 10, 0);
            for (int b = 0; b < BINS; b++) counts[b] = seed % 2 && b % 3 ? 0 : 1 + tk_rng_poisson(&rng, 20);
            const tk_level_histogram h = {counts, BINS, false};
            const double least = least_within(counts, BINS, at, 0, classes);
            tk_scratch scratch = {0};
            assert_int_equal(tk_scratch_reserve(&scratch, tk_level_multi_otsu_scratch(BINS, classes)), TK_OK);
            assert_int_equal(tk_level_multi_otsu(&h, classes, levels, &scratch), TK_OK);
            assert_true(within_classes(counts, BINS, levels, classes) <= least * (1 + 1e-12));
            for (int c = 0; c + 1 < classes; c++) assert_true(counts[levels[c]] > 0); /* the first of equals */
            scratch.size = 100;
            assert_int_equal(tk_level_multi_otsu(&h, classes, levels, &scratch), TK_NO_MEMORY);
            tk_scratch_release(&scratch);
        }
}

static void levels_of_small_histograms_by_hand(void **state) {
    (void)state;
    const int64_t counts[8] = {10, 2, 1, 0, 0, 1, 4, 6};
    const tk_level_histogram h = {counts, 8, true};
    double level = 0;
    assert_true(tk_level_mean(&h, &level));
    assert_true(fabs(level - (2 + 2 + 5 + 24 + 42) / 24.0) < 1e-15);
    assert_true(tk_level_isodata(&h, &level)); /* means 4/13 and 71/11: half-way is 3.38 */
    assert_true(level == 3);
    assert_true(tk_level_triangle(&h, &level)); /* 10 i - 7 n, i bins from the end: 60 - 14 is the largest */
    assert_true(level == 1);
    assert_true(tk_level_li(&h, &level));
    assert_true(fabs(level - (4.0 / 13 - 71.0 / 11) / (log(4.0 / 13) - log(71.0 / 11))) < 1e-12);
    const int64_t mirrored[8] = {6, 4, 1, 0, 0, 1, 2, 10};
    double other = 0;
    assert_true(tk_level_triangle(&(tk_level_histogram){mirrored, 8, true}, &other));
    assert_true(tk_level_triangle(&h, &level) && other == 7 - level);
}

static void whole_numbers_are_known(void **state) {
    (void)state;
    float *image = must_allocate(count_of(size), sizeof *image);
    for (int64_t i = 0; i < count_of(size); i++) image[i] = (float)(i % 1000 - 500);
    image[17] = NAN;
    const float others[] = {0.5f, -3.25f, 16777216.0f, INFINITY};
    for (int threads = 1; threads <= 3; threads++) {
        const tk_work work = work_with(threads, tk_isa_detect(), 0);
        const tk_cview_f32 view = tk_read_f32(tk_dense_f32(image, size));
        assert_true(tk_all_whole(view, &work));
        for (int k = 0; k < 4; k++) {
            image[5000 + k] = others[k];
            assert_false(tk_all_whole(view, &work));
            image[5000 + k] = 0;
        }
    }
    free(image);
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
        cmocka_unit_test(multi_otsu_leaves_the_least_variance_of_all),
        cmocka_unit_test(levels_of_small_histograms_by_hand),
        cmocka_unit_test(whole_numbers_are_known),
        cmocka_unit_test(one_bin_has_no_threshold),
        cmocka_unit_test(the_mask_is_above_the_threshold),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
