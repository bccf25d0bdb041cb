/* Order statistics: the key sorts as floats do, and the percentile is what sorting gives. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/segment/order_statistic.h"
#include "tests/unit/test_volume_fixture.h"

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* The two rounds, over the whole image at once. */
static float percentile(float *image, const int64_t size[3], double percent, int threads, int64_t total) {
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(image, size));
    tk_work work = work_with(threads, tk_isa_detect(), tk_order_scratch(threads));
    int64_t *counts = calloc(TK_ORDER_BUCKETS, sizeof *counts), below = 0;
    assert_non_null(counts);
    assert_int_equal(tk_order_count(view, 0, 0, counts, &work), TK_OK);
    const int64_t rank = tk_order_rank(percent, total);
    const uint32_t high = tk_order_bucket(counts, rank, &below);
    const int64_t rest = rank - below;
    memset(counts, 0, TK_ORDER_BUCKETS * sizeof *counts);
    assert_int_equal(tk_order_count(view, 1, high, counts, &work), TK_OK);
    const uint32_t low = tk_order_bucket(counts, rest, &below);
    free(counts);
    tk_scratch_release(&work.scratch);
    return tk_order_value(high << 16 | low);
}

static void keys_sort_as_values_do(void **state) {
    (void)state;
    const float values[] = {-INFINITY, -3e38f, -1, -1e-40f, 0, 1e-45f, 1e-40f, 1, 1.0000001f, 3e38f, INFINITY};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_true(tk_order_value(tk_order_key(values[i])) == values[i]);
        if (i) assert_true(tk_order_key(values[i - 1]) < tk_order_key(values[i]));
    }
    assert_int_equal(tk_order_key(-0.0f), tk_order_key(0.0f));
}

/* Whole percents of whole counts have whole ranks, whatever the percentage is in binary. */
static void whole_percents_have_whole_ranks(void **state) {
    (void)state;
    for (int64_t percent = 1; percent <= 100; percent++)
        for (int64_t hundreds = 1; hundreds <= 1000000000; hundreds *= 10)
            assert_int_equal(tk_order_rank((double)percent, 100 * hundreds), percent * hundreds);
    assert_int_equal(tk_order_rank(33.3, 100), 34);
    assert_int_equal(tk_order_rank(0, 100), 1);
}

/* The smallest value v with count(<= v) >= p N, counted one by one. */
static void equals_sorting(void **state) {
    (void)state;
    const int64_t size[3] = {3, 7, 143};
    const int64_t count = count_of(size);
    const double percents[] = {0, 0.01, 1, 25, 33.3, 50, 99.97, 100};
    float *image = random_image(size, 21), *sorted = must_allocate(count, sizeof *sorted);
    for (int64_t i = 0; i < count; i += 2) image[i] = rintf(image[i] * 3) / 3; /* with many ties */
    memcpy(sorted, image, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, by_value);
    for (size_t p = 0; p < sizeof percents / sizeof *percents; p++) {
        int64_t i = 0;
        while ((double)(i + 1) < percents[p] / 100 * (double)count) i++;
        for (int threads = 1; threads <= 4; threads += 3)
            assert_true(percentile(image, size, percents[p], threads, count) == sorted[i]);
    }
    free(image);
    free(sorted);
}

static void nan_takes_no_part(void **state) {
    (void)state;
    const int64_t size[3] = {1, 10, 100}, half[3] = {1, 5, 100};
    float *image = random_image(size, 4), *numbers = must_allocate(500, sizeof *numbers);
    for (int64_t i = 0; i < 500; i++) {
        numbers[i] = image[2 * i];
        image[2 * i + 1] = i % 2 ? NAN : -NAN;
    }
    for (double p = 0; p <= 100; p += 12.5)
        assert_true(percentile(image, size, p, 2, 500) == percentile(numbers, half, p, 1, 500));
    free(image);
    free(numbers);
}

static void no_scratch_is_an_error(void **state) {
    (void)state;
    const int64_t size[3] = {1, 2, 3};
    float *image = random_image(size, 4);
    int64_t *counts = calloc(TK_ORDER_BUCKETS, sizeof *counts);
    tk_work work = work_with(1, TK_ISA_BASELINE, tk_order_scratch(1) - 64);
    assert_int_equal(tk_order_count(tk_read_f32(tk_dense_f32(image, size)), 0, 0, counts, &work), TK_NO_MEMORY);
    tk_scratch_release(&work.scratch);
    free(image);
    free(counts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_sort_as_values_do), cmocka_unit_test(whole_percents_have_whole_ranks),
        cmocka_unit_test(equals_sorting),         cmocka_unit_test(nan_takes_no_part),
        cmocka_unit_test(no_scratch_is_an_error),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
