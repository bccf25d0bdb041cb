/* The distance transform against looking at every voxel, for every instruction set and number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/rng.h"
#include "kernels/distance/distance.h"
#include "tests/reference/distance.h"
#include "tests/unit/test_volume_fixture.h"

static const double isotropic[3] = {1, 1, 1}, microscope[3] = {0.3, 0.2, 0.2}, odd[3] = {0.31, 0.2, 0.2137};

/* How a transform is made. */
typedef struct manner {
    float limit;
    bool border;
    tk_isa isa;
    int threads;
} manner;

static tk_distance distance_of(const int64_t size[3], const double spacing[3], bool border) {
    tk_distance d = tk_distance_of(spacing, size);
    for (int a = 0; a < 3; a++) d.outside[a][0] = d.outside[a][1] = border && size[a] > 1;
    return d;
}

static void transform(const uint8_t *mask, const int64_t size[3], const double spacing[3], manner how, float *out) {
    const tk_distance d = distance_of(size, spacing, how.border);
    const int threads = how.threads;
    const int64_t count = size[0] * size[1] * size[2];
    void *squared = must_allocate(count, d.element);
    const tk_cview_u8 view = {mask, {size[0], size[1], size[2]}, {size[1] * size[2], size[2], 1}};
    tk_work work = {.threads = threads, .isa = how.isa};
    const size_t a = tk_distance_planes_scratch(&d, size, threads),
                 b = tk_distance_columns_scratch(&d, size[0], threads);
    assert_int_equal(tk_scratch_reserve(&work.scratch, a > b ? a : b), TK_OK);
    assert_int_equal(tk_distance_planes(&d, view, squared, &work), TK_OK);
    assert_int_equal(tk_distance_columns(&d, size[0], size[1], size[2], squared, &work), TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_distance_root(&d, squared, count, how.limit, out, &work);
    tk_scratch_release(&work.scratch);
    free(squared);
}

/* Against the reference, with all instruction sets and two numbers of threads. */
static void check_border(const uint8_t *mask, const int64_t size[3], const double spacing[3], bool border) {
    const int64_t count = size[0] * size[1] * size[2];
    double *expected = must_allocate(count, sizeof *expected);
    float *first = must_allocate(count, sizeof *first), *again = must_allocate(count, sizeof *again);
    ref_distance(mask, size, spacing, border, expected);
    transform(mask, size, spacing, (manner){INFINITY, border, TK_ISA_BASELINE, 1}, first);
    for (int64_t i = 0; i < count; i++) {
        if (isinf(expected[i])) assert_true(isinf(first[i]));
        if (isfinite(expected[i])) assert_true(fabs((double)first[i] - expected[i]) <= 2e-7 * expected[i]);
    }
    for (int isa = 0; isa <= (int)tk_isa_detect(); isa++) {
        transform(mask, size, spacing, (manner){INFINITY, border, (tk_isa)isa, 3}, again);
        assert_memory_equal(first, again, (size_t)count * sizeof *first);
    }
    free(expected);
    free(first);
    free(again);
}

static void check(const uint8_t *mask, const int64_t size[3], const double spacing[3]) {
    check_border(mask, size, spacing, false);
    check_border(mask, size, spacing, true);
}

static uint8_t *random_mask(const int64_t size[3], double share, uint64_t seed) {
    const int64_t count = size[0] * size[1] * size[2];
    uint8_t *mask = must_allocate(count, 1);
    tk_rng rng = tk_rng_stream(seed, 1, 0);
    for (int64_t i = 0; i < count; i++) mask[i] = tk_rng_uniform(&rng) < share;
    return mask;
}

static void check_random(const int64_t size[3], double share) {
    static const double *const spacings[] = {isotropic, microscope, odd};
    for (int s = 0; s < 3; s++) {
        uint8_t *mask = random_mask(size, share, 7 + (uint64_t)s);
        check(mask, size, spacings[s]);
        free(mask);
    }
}

static void test_random(void **state) {
    (void)state;
    check_random((const int64_t[3]){9, 14, 70}, 0.5);
    check_random((const int64_t[3]){9, 14, 70}, 0.98);
    check_random((const int64_t[3]){1, 40, 33}, 0.95);
    check_random((const int64_t[3]){40, 1, 5}, 0.95);
    check_random((const int64_t[3]){3, 5, 1}, 0.7);
    check_random((const int64_t[3]){1, 1, 1}, 1.1);
}

/* So few background voxels that the search gives up and the envelope is taken. */
static void test_far(void **state) {
    (void)state;
    const int64_t sizes[][3] = {{2, 130, 70}, {120, 3, 66}, {60, 60, 9}};
    for (int s = 0; s < 3; s++) {
        const int64_t count = sizes[s][0] * sizes[s][1] * sizes[s][2];
        uint8_t *mask = must_allocate(count, 1);
        memset(mask, 1, (size_t)count);
        mask[count / 3] = 0;
        check_border(mask, sizes[s], isotropic, s > 0);
        check_border(mask, sizes[s], odd, s == 0);
        mask[7] = mask[count - 2] = 0;
        check_border(mask, sizes[s], microscope, false);
        free(mask);
    }
}

static void test_empty_and_full(void **state) {
    (void)state;
    const int64_t size[3] = {4, 9, 70};
    uint8_t mask[4 * 9 * 70] = {0};
    float out[4 * 9 * 70];
    check(mask, size, microscope);
    memset(mask, 1, sizeof mask);
    check(mask, size, microscope);
    check(mask, size, odd);
    transform(mask, size, microscope, (manner){2.5F, false, TK_ISA_BASELINE, 1}, out);
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) assert_float_equal(out[i], 2.5, 0);
}

/* A crop that is larger by the limit has the same values inside. */
static void test_limit(void **state) {
    (void)state;
    const int64_t size[3] = {30, 41, 44}, crop[3] = {18, 29, 30};
    uint8_t *mask = random_mask(size, 0.995, 3), part[18 * 29 * 30];
    float *whole = must_allocate(30 * 41 * 44, sizeof *whole), *cut = must_allocate(18 * 29 * 30, sizeof *cut);
    for (int64_t z = 0; z < crop[0]; z++)
        for (int64_t y = 0; y < crop[1]; y++)
            for (int64_t x = 0; x < crop[2]; x++)
                part[(z * crop[1] + y) * crop[2] + x] = mask[((z + 5) * size[1] + y + 6) * size[2] + x + 7];
    transform(mask, size, isotropic, (manner){5, false, TK_ISA_BASELINE, 1}, whole);
    transform(part, crop, isotropic, (manner){5, false, TK_ISA_BASELINE, 1}, cut);
    for (int64_t z = 5; z < crop[0] - 5; z++)
        for (int64_t y = 5; y < crop[1] - 5; y++)
            for (int64_t x = 5; x < crop[2] - 5; x++)
                assert_float_equal(cut[(z * crop[1] + y) * crop[2] + x],
                                   whole[((z + 5) * size[1] + y + 6) * size[2] + x + 7], 0);
    free(mask);
    free(whole);
    free(cut);
}

/* Edges in no ratio: squares are sums of whole numbers all the same, the least of them to the last digit, by searching
 * (the second mask) as by envelopes. */
static void test_squares_are_exact(void **state) {
    (void)state;
    const int64_t size[3] = {7, 61, 70}, count = 7 * 61 * 70;
    const tk_distance d = tk_distance_of(odd, size);
    uint8_t *mask = random_mask(size, 0.9995, 5);
    double *found = must_allocate(count, sizeof *found);
    tk_work work = work_with(1, tk_isa_detect(), tk_distance_planes_scratch(&d, size, 1));
    for (int fill = 0; fill < 2; fill++) {
        for (int64_t i = 0; fill && i < count; i += 331) mask[i] = 0;
        assert_int_equal(tk_distance_planes(&d, tk_read_u8(tk_dense_u8(mask, size)), found, &work), TK_OK);
        assert_int_equal(tk_distance_columns(&d, size[0], size[1], size[2], found, &work), TK_OK);
        for (int64_t i = 0; i < count; i += 13) {
            int64_t least = INT64_MAX;
            for (int64_t j = 0; j < count; j++) {
                if (mask[j]) continue;
                const int64_t z = i / 4270 - j / 4270, y = i / 70 % 61 - j / 70 % 61, x = i % 70 - j % 70;
                const int64_t square =
                    z * z * (int64_t)d.weight[0] + y * y * (int64_t)d.weight[1] + x * x * (int64_t)d.weight[2];
                least = square < least ? square : least;
            }
            assert_true(found[i] == (double)least);
        }
    }
    tk_scratch_release(&work.scratch);
    free(found);
    free(mask);
}

static void test_whole_numbers(void **state) {
    (void)state;
    const int64_t small[3] = {64, 512, 512}, large[3] = {20000, 20000, 20000};
    const tk_distance a = tk_distance_of(isotropic, small), b = tk_distance_of(microscope, small);
    assert_true(a.whole && b.whole);
    assert_float_equal(b.weight[TK_Z], 9, 0);
    assert_float_equal(b.weight[TK_X], 4, 0);
    const tk_distance c = tk_distance_of(odd, large);
    assert_false(c.whole);
    for (int i = 0; i < 3; i++) {
        assert_float_equal(c.weight[i], round(c.weight[i]), 0);
        assert_true(fabs(c.unit * sqrt(c.weight[i]) - odd[i]) < 1e-7);
    }
    assert_false(tk_distance_of(microscope, large).whole);
}

static void test_too_little_scratch(void **state) {
    (void)state;
    const int64_t size[3] = {4, 9, 70};
    const tk_distance d = tk_distance_of(isotropic, size);
    uint8_t mask[4 * 9 * 70] = {0};
    int32_t squared[4 * 9 * 70];
    tk_work work = {.threads = 1};
    assert_int_equal(tk_scratch_reserve(&work.scratch, tk_distance_planes_scratch(&d, size, 1) - 64), TK_OK);
    assert_int_equal(tk_distance_planes(&d, tk_read_u8(tk_dense_u8(mask, size)), squared, &work), TK_NO_MEMORY);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_far),
        cmocka_unit_test(test_empty_and_full),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_squares_are_exact),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_too_little_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
