/* Wiener's and Tikhonov's filters against sums written out, and what any linear deconvolution must do. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/deconvolve/linear.h"
#include "kernels/deconvolve/total.h"
#include "kernels/psf/psf.h"
#include "tests/reference/linear.h"

/* A pseudo-random value in 0 … 1 that depends on the index alone. */
static float noise(int64_t i) {
    uint64_t h = (uint64_t)i * 0x9E3779B97F4A7C15U + 31;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9U;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBU;
    return (float)((double)((h ^ (h >> 31)) >> 40) / 16777216.0);
}

static int64_t count(const int64_t n[3]) { return n[0] * n[1] * n[2]; }

static float *floats(int64_t n) {
    float *data = aligned_alloc(64, ((size_t)n * sizeof(float) + 63) / 64 * 64);
    assert_non_null(data);
    return data;
}

static tk_view_f32 random_psf(const int64_t size[3]) {
    const tk_view_f32 psf = tk_dense_f32(floats(count(size)), size);
    for (int64_t i = 0; i < count(size); i++) psf.data[i] = noise(i + 99) * noise(i + 99);
    assert_int_equal(tk_psf_normalise(psf), TK_PSF_GOOD);
    return psf;
}

static tk_deconvolver make(tk_view_f32 psf, const int64_t n[3]) {
    tk_deconvolver_shape shape;
    tk_deconvolver d;
    const tk_cview_f32 one = tk_read_f32(psf);
    assert_int_equal(tk_deconvolver_layout(psf.size, n, 1, false, &shape), TK_OK);
    assert_int_equal(tk_deconvolver_make(&shape, &one, NULL, "", 2, &d), TK_OK);
    return d;
}

static float *run(const tk_deconvolver *d, const tk_deconvolve_data *data, const tk_box *part,
                  const tk_linear_options *options, int threads, tk_isa isa) {
    tk_work work = {.threads = threads, .isa = isa};
    const int64_t size[3] = {tk_box_size(part, 0), tk_box_size(part, 1), tk_box_size(part, 2)};
    float *out = floats(count(size));
    assert_int_equal(tk_scratch_reserve(&work.scratch, tk_deconvolve_linear_scratch(&d->shape)), TK_OK);
    memset(work.scratch.base, 0xFF, work.scratch.size); /* NaN: nothing may be read before it is written */
    assert_int_equal(tk_deconvolve_linear(d, data, part, tk_dense_f32(out, size), options, &work), TK_OK);
    assert_true(work.scratch.used == 0);
    tk_scratch_release(&work.scratch);
    return out;
}

static void compare_with_reference(const int64_t n[3], const int64_t psf_size[3], tk_linear_method method,
                                   double lambda) {
    const tk_view_f32 psf = random_psf(psf_size);
    const tk_box all = tk_box_of_size(n);
    tk_deconvolver d = make(psf, n);
    float *counts = floats(count(n));
    double *photons = malloc((size_t)count(n) * sizeof *photons),
           *expected = malloc((size_t)count(n) * sizeof *expected);
    double *psf_double = malloc((size_t)count(psf_size) * sizeof *psf_double);
    for (int64_t i = 0; i < count(psf_size); i++) psf_double[i] = (double)psf.data[i];
    for (int64_t i = 0; i < count(n); i++) {
        counts[i] = 100 + 200 * noise(i);
        if (i % 17 == 3) counts[i] = i % 2 ? NAN : 5000; /* saturated */
        photons[i] = counts[i] < 4000 ? ((double)counts[i] - 100) * 0.5 - 7 : NAN;
    }
    tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(counts, n)));
    data.camera_offset = 100, data.camera_gain = 0.5, data.background = 7, data.saturation = 4000;
    const tk_linear_options options = {method, lambda, 40};
    ref_linear q = {.photons = photons, .psf = psf_double, .level = 40, .lambda = lambda};
    q.tikhonov = method == TK_LINEAR_TIKHONOV;
    memcpy(q.size, n, sizeof q.size), memcpy(q.psf_size, psf_size, sizeof q.psf_size);
    tk_deconvolver_padded(&d.shape, q.padded);
    ref_linear_deconvolve(&q, expected);
    float *out = run(&d, &data, &all, &options, 2, tk_isa_detect());
    for (int64_t i = 0; i < count(n); i++) assert_true(fabs((double)out[i] - expected[i]) < 2e-3);
    free(out), free(counts), free(photons), free(expected), free(psf_double), free(psf.data);
    tk_deconvolver_free(&d);
}

static void test_equals_the_sums_written_out(void **state) {
    (void)state;
    for (int method = TK_LINEAR_WIENER; method <= TK_LINEAR_TIKHONOV; method++) {
        compare_with_reference((const int64_t[3]){4, 5, 6}, (const int64_t[3]){3, 4, 5}, (tk_linear_method)method,
                               0.02);
        compare_with_reference((const int64_t[3]){1, 11, 14}, (const int64_t[3]){1, 5, 3}, (tk_linear_method)method,
                               0.3);
    }
}

static void test_a_constant_image_stays(void **state) {
    (void)state;
    const int64_t n[3] = {5, 20, 22}, psf_size[3] = {3, 7, 7};
    const tk_view_f32 psf = random_psf(psf_size);
    const tk_box all = tk_box_of_size(n);
    tk_deconvolver d = make(psf, n);
    float *image = floats(count(n));
    for (int64_t i = 0; i < count(n); i++) image[i] = 30;
    const tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(image, n)));
    for (int method = TK_LINEAR_WIENER; method <= TK_LINEAR_TIKHONOV; method++) {
        float *out = run(&d, &data, &all, &(tk_linear_options){(tk_linear_method)method, 0.01, 30}, 1, TK_ISA_BASELINE);
        for (int64_t i = 0; i < count(n); i++) assert_true(fabsf(out[i] - 30) < 3e-4F);
        free(out);
    }
    free(image), free(psf.data);
    tk_deconvolver_free(&d);
}

/* A blurred point becomes sharper, and nothing rings far from it. */
static void test_sharpens(void **state) {
    (void)state;
    const int64_t n[3] = {12, 40, 40};
    const double sigma[3] = {1.5, 2, 2};
    int64_t psf_size[3];
    assert_int_equal(tk_psf_gaussian_size(sigma, psf_size), TK_OK);
    const tk_view_f32 psf = tk_dense_f32(floats(count(psf_size)), psf_size);
    tk_psf_gaussian(sigma, psf);
    assert_int_equal(tk_psf_normalise(psf), TK_PSF_GOOD);
    float *image = floats(count(n));
    for (int64_t i = 0; i < count(n); i++) {
        const int64_t z = i / 1600 - 6, y = i / 40 % 40 - 17, x = i % 40 - 22;
        const double r = (double)(z * z) / (2 * 2.25) + (double)(y * y + x * x) / 8;
        image[i] = (float)(10 + 100 * exp(-r));
    }
    const tk_box all = tk_box_of_size(n);
    tk_deconvolver d = make(psf, n);
    const tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(image, n)));
    for (int method = TK_LINEAR_WIENER; method <= TK_LINEAR_TIKHONOV; method++) {
        float *out = run(&d, &data, &all, &(tk_linear_options){(tk_linear_method)method, 0.05, 11}, 2, TK_ISA_BASELINE);
        assert_true(out[6 * 1600 + 17 * 40 + 22] > 1.3F * image[6 * 1600 + 17 * 40 + 22]);
        double edge = 0; /* nothing rings at the border, where there is nothing */
        for (int64_t x = 0; x < 40; x++) edge = fmax(edge, fabs((double)out[x] - 10));
        assert_true(edge < 2);
        free(out);
    }
    free(image), free(psf.data);
    tk_deconvolver_free(&d);
}

static void test_same_bits_for_any_threads_and_a_part(void **state) {
    (void)state;
    const int64_t n[3] = {6, 21, 33}, psf_size[3] = {4, 5, 7};
    const tk_view_f32 psf = random_psf(psf_size);
    const tk_box all = tk_box_of_size(n), part = {{1, 3, 5}, {4, 19, 30}};
    tk_deconvolver d = make(psf, n);
    float *image = floats(count(n));
    for (int64_t i = 0; i < count(n); i++) image[i] = 50 * noise(i);
    const tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(image, n)));
    const tk_linear_options options = {TK_LINEAR_TIKHONOV, 0.01, 25};
    float *first = run(&d, &data, &all, &options, 1, TK_ISA_BASELINE);
    for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++) {
        float *again = run(&d, &data, &all, &options, 2 + isa, (tk_isa)isa);
        float *some = run(&d, &data, &part, &options, 3, (tk_isa)isa);
        assert_memory_equal(first, again, (size_t)count(n) * sizeof(float));
        for (int64_t z = 1; z < 4; z++)
            for (int64_t y = 3; y < 19; y++)
                assert_memory_equal(some + ((z - 1) * 16 + y - 3) * 25, first + (z * 21 + y) * 33 + 5,
                                    25 * sizeof(float));
        free(again), free(some);
    }
    free(first), free(image), free(psf.data);
    tk_deconvolver_free(&d);
}

static void test_squares_are_summed_exactly(void **state) {
    (void)state;
    float image[] = {3, -4, 0.5F, NAN, 0x1p24F, 1};
    const int64_t n[3] = {3, 1, 2};
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(image, n));
    for (int threads = 1; threads < 4; threads++) {
        const tk_total total = tk_total_of_squares(view, threads);
        assert_int_equal(total.voxels, 4);
        assert_int_equal(total.refused, 2);
        assert_true(tk_total_mean(&total) == (9 + 16 + 0.25 + 1) / 4);
    }
}

static void test_squares_of_bright_voxels(void **state) {
    (void)state;
    const float most = 0x1.fffffep23F;
    float image[] = {most, -most, 0x1.8p21F, 0x1p23F, 0.5F, most};
    const int64_t n[3] = {3, 1, 2};
    const double square = (double)most * (double)most;
    for (int threads = 1; threads < 4; threads++) {
        const tk_total total = tk_total_of_squares(tk_read_f32(tk_dense_f32(image, n)), threads);
        assert_int_equal(total.voxels, 6);
        assert_int_equal(total.refused, 0);
        const double mean = (3 * square + 0x1.2p43 + 0x1p46 + 0.25) / 6;
        assert_true(fabs(tk_total_mean(&total) - mean) < 1e-12 * mean);
    }
}

static void test_the_automatic_choice_and_errors(void **state) {
    (void)state;
    /* Mean 100, standard deviation 20: variance 400, of which 100 + 2^2 are noise. */
    assert_true(fabs(tk_linear_regularisation(100, 10400, 2) - 104.0 / 296) < 1e-12);
    assert_true(tk_linear_regularisation(100, 10050, 0) == 1); /* all noise */
    assert_true(tk_linear_regularisation(1, 1e9, 0) == 1e-6);
    const int64_t n[3] = {2, 6, 6}, psf_size[3] = {1, 3, 3};
    const tk_view_f32 psf = random_psf(psf_size);
    tk_deconvolver d = make(psf, n);
    float image[72] = {0};
    const tk_box all = tk_box_of_size(n);
    const tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(image, n)));
    tk_work work = {.threads = 1};
    assert_int_equal(tk_deconvolve_linear(&d, &data, &all, tk_dense_f32(image, n), &(tk_linear_options){0}, &work),
                     TK_NO_MEMORY);
    d.shape.terms = 2;
    assert_int_equal(tk_deconvolve_linear(&d, &data, &all, tk_dense_f32(image, n), &(tk_linear_options){0}, &work),
                     TK_INVALID);
    tk_deconvolver_free(&d);
    free(psf.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_the_sums_written_out),
        cmocka_unit_test(test_a_constant_image_stays),
        cmocka_unit_test(test_sharpens),
        cmocka_unit_test(test_same_bits_for_any_threads_and_a_part),
        cmocka_unit_test(test_squares_are_summed_exactly),
        cmocka_unit_test(test_squares_of_bright_voxels),
        cmocka_unit_test(test_the_automatic_choice_and_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
