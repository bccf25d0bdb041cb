/* Gaussian PSFs against their moments and sums, normalisation, and what is refused; and exact totals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/deconvolve/total.h"
#include "kernels/psf/psf.h"

static void assert_near(double a, double b, double most) { assert_true(fabs(a - b) <= most); }

static tk_view_f32 gaussian(const double sigma[3]) {
    int64_t size[3];
    assert_int_equal(tk_psf_gaussian_size(sigma, size), TK_OK);
    float *data = malloc((size_t)(size[0] * size[1] * size[2]) * sizeof *data);
    assert_non_null(data);
    const tk_view_f32 psf = tk_dense_f32(data, size);
    tk_psf_gaussian(sigma, psf);
    return psf;
}

/* Sum, and central second moment along an axis. */
static double moment(tk_view_f32 psf, int axis, double *sum) {
    double second = 0;
    *sum = 0;
    for (int64_t i = 0; i < psf.size[0] * psf.size[1] * psf.size[2]; i++) {
        const int64_t at[3] = {i / psf.stride[0], i / psf.stride[1] % psf.size[1], i % psf.size[2]};
        const double d = (double)(at[axis] - psf.size[axis] / 2);
        *sum += psf.data[i];
        second += d * d * psf.data[i];
    }
    return second / *sum;
}

static void test_gaussian_has_its_moments(void **state) {
    (void)state;
    const double sigma[3] = {2.1, 0.7, 1.3};
    const tk_view_f32 psf = gaussian(sigma);
    assert_true(psf.size[0] == 19 && psf.size[1] == 7 && psf.size[2] == 13);
    for (int axis = 0; axis < 3; axis++) {
        double sum;
        /* Integration over voxels adds the variance of a voxel, 1/12; the support loses little. */
        assert_near(moment(psf, axis, &sum), sigma[axis] * sigma[axis] + 1.0 / 12, 6e-3 * sigma[axis]);
        assert_near(sum, 1, 2e-4);
    }
    free(psf.data);
}

static void test_gaussian_of_zero_is_a_point(void **state) {
    (void)state;
    const tk_view_f32 psf = gaussian((const double[3]){0, 0, 0});
    assert_true(psf.size[0] == 1 && psf.size[1] == 1 && psf.size[2] == 1 && psf.data[0] == 1);
    free(psf.data);
    int64_t size[3];
    assert_int_equal(tk_psf_gaussian_size((const double[3]){1, -1, 1}, size), TK_INVALID);
    assert_int_equal(tk_psf_gaussian_size((const double[3]){1, NAN, 1}, size), TK_INVALID);
    assert_int_equal(tk_psf_gaussian_size((const double[3]){1, INFINITY, 1}, size), TK_INVALID);
}

static void test_normalise_gives_sum_one_or_the_fault(void **state) {
    (void)state;
    float values[24];
    const int64_t size[3] = {2, 3, 4};
    const tk_view_f32 psf = tk_dense_f32(values, size);
    double sum = 0;
    for (int i = 0; i < 24; i++) values[i] = (float)(i * i % 17);
    assert_int_equal(tk_psf_normalise(psf), TK_PSF_GOOD);
    for (int i = 0; i < 24; i++) sum += values[i];
    assert_near(sum, 1, 1e-6);
    assert_near(values[5] / values[1], 8, 1e-6); /* 25 mod 17 over 1 */
    const float bad[] = {NAN, INFINITY, -1e-6F};
    const tk_psf_fault faults[] = {TK_PSF_NOT_FINITE, TK_PSF_NOT_FINITE, TK_PSF_NEGATIVE};
    for (int i = 0; i < 3; i++) {
        values[23] = bad[i];
        assert_int_equal(tk_psf_normalise(psf), faults[i]);
    }
    for (int i = 0; i < 24; i++) values[i] = 0;
    assert_int_equal(tk_psf_normalise(psf), TK_PSF_EMPTY);
}

static void test_halo_reaches_to_the_psf_ends(void **state) {
    (void)state;
    int64_t halo[3];
    tk_psf_halo((const int64_t[3]){1, 8, 9}, halo);
    assert_true(halo[0] == 0 && halo[1] == 4 && halo[2] == 4);
}

static void test_total_is_exact_in_any_order(void **state) {
    (void)state;
    enum { PLANES = 5, PLANE = 6 * 7 };
    float values[PLANES * PLANE];
    int64_t quanta = 0;
    for (int64_t i = 0; i < PLANES * PLANE; i++) {
        const int64_t quantum = (i * 7919 % 16001 - 8000) * (i % 2 ? 1 : 1024);
        values[i] = (float)((double)quantum * 0x1p-20);
        quanta += quantum;
    }
    const int64_t size[3] = {PLANES, 6, 7}, plane[3] = {1, 6, 7};
    for (int threads = 1; threads <= 4; threads++) {
        const tk_total total = tk_total_of(tk_read_f32(tk_dense_f32(values, size)), threads);
        assert_true((int64_t)total.low == quanta && total.high == (quanta < 0 ? -1 : 0));
        assert_true(total.voxels == PLANES * PLANE && total.refused == 0);
        assert_near(tk_total_mean(&total), (double)quanta * 0x1p-20 / (PLANES * PLANE), 1e-12);
    }
    const int64_t thin[3] = {PLANES * PLANE, 1, 1}; /* many small parts that meet */
    for (int repeat = 0; repeat < 200; repeat++)
        assert_true((int64_t)tk_total_of(tk_read_f32(tk_dense_f32(values, thin)), 4).low == quanta);
    tk_total sum = {0};
    for (int i = PLANES - 1; i >= 0; i--) {
        const tk_total part = tk_total_of(tk_read_f32(tk_dense_f32(values + (ptrdiff_t)i * PLANE, plane)), 2);
        tk_total_add(&sum, &part);
    }
    assert_true((int64_t)sum.low == quanta && sum.high == (quanta < 0 ? -1 : 0));
}

static void test_total_carries_beyond_64_bits_and_refuses_the_absurd(void **state) {
    (void)state;
    float values[64];
    const int64_t size[3] = {1, 8, 8};
    for (int i = 0; i < 64; i++) values[i] = 0x1p39F;
    values[10] = NAN;
    values[20] = -0x1p40F;
    values[30] = INFINITY;
    const tk_total total = tk_total_of(tk_read_f32(tk_dense_f32(values, size)), 1);
    assert_int_equal(total.refused, 3);
    assert_int_equal(total.voxels, 61);
    assert_true(total.high == 1); /* 61 * 2^59 is above 2^64 */
    assert_true(tk_total_mean(&total) == 0x1p39);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaussian_has_its_moments),
        cmocka_unit_test(test_gaussian_of_zero_is_a_point),
        cmocka_unit_test(test_normalise_gives_sum_one_or_the_fault),
        cmocka_unit_test(test_halo_reaches_to_the_psf_ends),
        cmocka_unit_test(test_total_is_exact_in_any_order),
        cmocka_unit_test(test_total_carries_beyond_64_bits_and_refuses_the_absurd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
