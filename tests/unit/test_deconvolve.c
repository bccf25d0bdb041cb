/* Deconvolution against its mathematics (adjoint, impulse, fixed point, flux) and the direct double-precision form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/deconvolve/deconvolve.h"
#include "kernels/deconvolve/psf.h"
#include "kernels/fft/sweep.h"
#include "tests/reference/deconvolve.h"

static void assert_near(double a, double b, double most) { assert_true(fabs(a - b) <= most); }

/* A pseudo-random value in 0 … 1 that depends on the index alone. */
static float noise(int64_t i) {
    uint64_t h = (uint64_t)i * 0x9E3779B97F4A7C15U + 777;
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

/* A lopsided random PSF of sum 1. */
static tk_view_f32 random_psf(const int64_t size[3]) {
    const tk_view_f32 psf = tk_dense_f32(floats(count(size)), size);
    for (int64_t i = 0; i < count(size); i++)
        psf.data[i] = noise(i + 99) * noise(i + 99) + (i % size[2] == 0 ? 1.F : 0);
    assert_int_equal(tk_psf_normalise(psf), TK_PSF_GOOD);
    return psf;
}

static tk_view_f32 gaussian_psf(double z, double y, double x) {
    const double sigma[3] = {z, y, x};
    int64_t size[3];
    assert_int_equal(tk_psf_gaussian_size(sigma, size), TK_OK);
    const tk_view_f32 psf = tk_dense_f32(floats(count(size)), size);
    tk_psf_gaussian(sigma, psf);
    assert_int_equal(tk_psf_normalise(psf), TK_PSF_GOOD);
    return psf;
}

/* The part of the deconvolved image; freed by the caller. */
static float *run_part(const tk_deconvolver *d, const float *g, const int64_t n[3], const tk_box *part,
                       const tk_deconvolve_options *options, int threads, tk_isa isa) {
    tk_work work = {.threads = threads, .isa = isa};
    const int64_t size[3] = {tk_box_size(part, 0), tk_box_size(part, 1), tk_box_size(part, 2)};
    float *out = floats(count(size)), *input = floats(count(n));
    memcpy(input, g, (size_t)count(n) * sizeof(float));
    const size_t bytes = tk_deconvolve_scratch(&d->fft);
    assert_int_equal(tk_scratch_reserve(&work.scratch, bytes), TK_OK);
    memset(work.scratch.base, 0xFF, bytes); /* NaN: nothing may be read before it is written */
    const tk_cview_f32 image = tk_read_f32(tk_dense_f32(input, n));
    assert_int_equal(tk_deconvolve(d, image, part, tk_dense_f32(out, size), options, &work), TK_OK);
    assert_true(work.scratch.used == 0);
    assert_memory_equal(input, g, (size_t)count(n) * sizeof(float));
    tk_scratch_release(&work.scratch);
    free(input);
    return out;
}

static float *run(tk_view_f32 psf, const float *g, const int64_t n[3], const tk_deconvolve_options *options) {
    tk_deconvolver d;
    const tk_box all = tk_box_of_size(n);
    assert_int_equal(tk_deconvolver_make(tk_read_f32(psf), n, "", 1, &d), TK_OK);
    float *out = run_part(&d, g, n, &all, options, 1, tk_isa_detect());
    tk_deconvolver_free(&d);
    return out;
}

/* Something to deconvolve: photons with structure, in 0 … 200. */
static float *photons(const int64_t n[3]) {
    float *g = floats(count(n));
    for (int64_t i = 0; i < count(n); i++) g[i] = floorf(200 * noise(i) * noise(i / 5 + 3000));
    return g;
}

static void compare_with_reference(const int64_t n[3], const int64_t p[3], const ref_deconvolve_options *o) {
    const tk_view_f32 psf = random_psf(p);
    float *g = photons(n);
    double *expected = malloc((size_t)count(n) * sizeof *expected);
    assert_non_null(expected);
    assert_true(ref_deconvolve(g, n, psf.data, p, o, expected));
    const tk_deconvolve_options options = {o->momentum ? TK_DECONVOLVE_SHB : TK_DECONVOLVE_RL, o->iterations,
                                           o->background, o->read_noise, o->start};
    float *out = run(psf, g, n, &options);
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count(n); i++) {
        difference += pow(out[i] - expected[i], 2);
        norm += pow(expected[i], 2);
    }
    assert_true(sqrt(difference / norm) < 1e-4);
    free(psf.data), free(g), free(expected), free(out);
}

static void test_equals_the_direct_form(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {{6, 9, 11}, {1, 13, 10}, {8, 7, 16}};
    static const int64_t psfs[][3] = {{3, 5, 5}, {1, 4, 6}, {4, 3, 2}};
    for (int i = 0; i < 3; i++)
        for (int momentum = 0; momentum < 2; momentum++)
            for (int iterations = 1; iterations <= 9; iterations += 4) {
                compare_with_reference(sizes[i], psfs[i], &(ref_deconvolve_options){momentum, iterations, 0, 0, 50});
                compare_with_reference(sizes[i], psfs[i], &(ref_deconvolve_options){momentum, iterations, 7, 1.5, 40});
            }
}

/* H and H^T as the iteration applies them, from the data's voxels to all and back. */
static void apply(const tk_deconvolver *d, bool conjugate, float *volume, const int64_t n[3]) {
    const tk_fft *fft = &d->fft;
    float *buffer = floats(tk_fft_buffer_count(fft));
    const tk_fft_filter filter = {d->otf, conjugate, n[TK_Z], fft->size[TK_Z]};
    for (int64_t z = 0; z < n[TK_Z]; z++) tk_fft_plane_forward(fft, volume + z * fft->plane_stride, n[TK_Y], buffer);
    tk_fft_filter_volume(fft, volume, &filter, buffer, 1, tk_isa_detect());
    for (int64_t z = 0; z < fft->size[TK_Z]; z++)
        tk_fft_plane_inverse(fft, volume + z * fft->plane_stride, fft->size[TK_Y], buffer);
    free(buffer);
}

static float *padded_noise(const tk_fft *fft, const int64_t n[3], int64_t seed) {
    float *volume = floats(tk_fft_volume_count(fft));
    memset(volume, 0, (size_t)tk_fft_volume_count(fft) * sizeof(float));
    for (int64_t z = 0; z < n[0]; z++)
        for (int64_t y = 0; y < n[1]; y++)
            for (int64_t x = 0; x < n[2]; x++)
                volume[z * fft->plane_stride + y * fft->row_stride + x] = noise((z * n[1] + y) * n[2] + x + seed) - .4F;
    return volume;
}

static double dot(const tk_fft *fft, const float *a, const float *b) {
    double sum = 0;
    for (int64_t z = 0; z < fft->size[0]; z++)
        for (int64_t y = 0; y < fft->size[1]; y++)
            for (int64_t x = 0; x < fft->size[2]; x++) {
                const int64_t at = z * fft->plane_stride + y * fft->row_stride + x;
                sum += (double)a[at] * b[at];
            }
    return sum;
}

static void test_transposed_blur_is_the_adjoint(void **state) {
    (void)state;
    const int64_t n[3] = {9, 20, 31}, p[3] = {4, 7, 6};
    const tk_view_f32 psf = random_psf(p);
    tk_deconvolver d;
    assert_int_equal(tk_deconvolver_make(tk_read_f32(psf), n, "", 2, &d), TK_OK);
    float *x = padded_noise(&d.fft, n, 0), *y = padded_noise(&d.fft, n, 5000);
    float *hx = padded_noise(&d.fft, n, 0), *hty = padded_noise(&d.fft, n, 5000);
    apply(&d, false, hx, n);
    apply(&d, true, hty, n);
    const double forward = dot(&d.fft, hx, y), backward = dot(&d.fft, x, hty);
    assert_true(fabs(forward - backward) < 1e-5 * sqrt(dot(&d.fft, hx, hx) * dot(&d.fft, y, y)));
    assert_true(fabs(forward) > 1); /* the test would say nothing of zeros */
    free(x), free(y), free(hx), free(hty), free(psf.data);
    tk_deconvolver_free(&d);
}

static void test_an_impulse_becomes_the_psf(void **state) {
    (void)state;
    const int64_t n[3] = {8, 12, 15}, p[3] = {3, 4, 7}, at[3] = {2, 5, 6};
    const tk_view_f32 psf = random_psf(p);
    tk_deconvolver d;
    assert_int_equal(tk_deconvolver_make(tk_read_f32(psf), n, "", 1, &d), TK_OK);
    const tk_fft *fft = &d.fft;
    float *volume = floats(tk_fft_volume_count(fft));
    memset(volume, 0, (size_t)tk_fft_volume_count(fft) * sizeof(float));
    volume[at[0] * fft->plane_stride + at[1] * fft->row_stride + at[2]] = 1;
    apply(&d, false, volume, n);
    for (int64_t z = 0; z < n[0]; z++)
        for (int64_t y = 0; y < n[1]; y++)
            for (int64_t x = 0; x < n[2]; x++) {
                const int64_t i[3] = {z - at[0] + p[0] / 2, y - at[1] + p[1] / 2, x - at[2] + p[2] / 2};
                bool inside = true;
                for (int k = 0; k < 3; k++) inside = inside && i[k] >= 0 && i[k] < p[k];
                const float expected = inside ? psf.data[(i[0] * p[1] + i[1]) * p[2] + i[2]] : 0;
                assert_near(volume[z * fft->plane_stride + y * fft->row_stride + x], expected, 1e-7);
            }
    free(volume), free(psf.data);
    tk_deconvolver_free(&d);
}

static void test_a_constant_is_a_fixed_point_up_to_the_border(void **state) {
    (void)state;
    const int64_t n[3] = {10, 21, 24};
    const tk_view_f32 psf = gaussian_psf(1.1, 1.7, 1.6);
    float *g = floats(count(n));
    for (int64_t i = 0; i < count(n); i++) g[i] = 137.5F;
    for (int method = 0; method < 2; method++) {
        float *out = run(psf, g, n, &(tk_deconvolve_options){(tk_deconvolve_method)method, 20, 30, 2, 107.5});
        for (int64_t i = 0; i < count(n); i++) assert_near(out[i] / 107.5, 1, 1e-5);
        free(out);
    }
    free(psf.data), free(g);
}

static void test_flux_of_an_object_inside_is_kept(void **state) {
    (void)state;
    const int64_t n[3] = {20, 40, 40};
    const tk_view_f32 psf = gaussian_psf(0.8, 1.2, 1.2);
    int64_t m[3];
    for (int k = 0; k < 3; k++) m[k] = n[k] + psf.size[k] - 1;
    double *object = calloc((size_t)count(m), sizeof *object), *data = calloc((size_t)count(n), sizeof *data);
    float *g = floats(count(n));
    double in = 0, out_sum = 0;
    for (int i = 0; i < 40; i++) /* points around the middle */
        object[((m[0] / 2 - 2 + i % 5) * m[1] + m[1] / 2 - 8 + i * 7 % 16) * m[2] + m[2] / 2 - 6 + i * 5 % 12] += 500;
    ref_blur(object, n, psf.data, psf.size, data);
    for (int64_t i = 0; i < count(n); i++) in += g[i] = (float)data[i];
    for (int method = 0; method < 2; method++) {
        const tk_deconvolve_options options = {(tk_deconvolve_method)method, 25, 0, 0, in / (double)count(n)};
        float *out = run(psf, g, n, &options);
        out_sum = 0;
        for (int64_t i = 0; i < count(n); i++) out_sum += out[i];
        assert_near(out_sum / in, 1, 1e-3);
        free(out);
    }
    free(object), free(data), free(g), free(psf.data);
}

static void test_same_bits_for_any_threads_and_instruction_set(void **state) {
    (void)state;
    const int64_t n[3] = {7, 30, 45}, p[3] = {5, 9, 8};
    const tk_view_f32 psf = random_psf(p);
    float *g = photons(n);
    const tk_deconvolve_options options = {TK_DECONVOLVE_SHB, 6, 3, 1.5, 50};
    const tk_box all = tk_box_of_size(n);
    float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        tk_deconvolver d;
        assert_int_equal(tk_deconvolver_make(tk_read_f32(psf), n, "", threads, &d), TK_OK);
        for (int isa = 0; isa <= (int)tk_isa_detect(); isa++) {
            float *out = run_part(&d, g, n, &all, &options, threads, (tk_isa)isa);
            if (first) assert_memory_equal(out, first, (size_t)count(n) * sizeof(float));
            if (first)
                free(out);
            else
                first = out;
        }
        tk_deconvolver_free(&d);
    }
    free(first), free(g), free(psf.data);
}

static void test_a_part_is_a_part_of_the_whole(void **state) {
    (void)state;
    const int64_t n[3] = {9, 22, 27};
    const tk_view_f32 psf = gaussian_psf(0.5, 1, 1);
    const tk_box all = tk_box_of_size(n), part = {{2, 5, 3}, {6, 19, 27}};
    const tk_deconvolve_options options = {TK_DECONVOLVE_SHB, 4, 0, 0, 50};
    float *g = photons(n);
    tk_deconvolver d;
    assert_int_equal(tk_deconvolver_make(tk_read_f32(psf), n, "", 1, &d), TK_OK);
    float *whole = run_part(&d, g, n, &all, &options, 1, tk_isa_detect());
    float *some = run_part(&d, g, n, &part, &options, 2, tk_isa_detect());
    for (int64_t z = 0; z < 4; z++)
        for (int64_t y = 0; y < 14; y++)
            assert_memory_equal(some + (z * 14 + y) * 24, whole + ((z + 2) * n[1] + y + 5) * n[2] + 3,
                                24 * sizeof(float));
    free(whole), free(some), free(g), free(psf.data);
    tk_deconvolver_free(&d);
}

/* Blocks smaller than the largest run in its padded volume; only rounding may differ. */
static void test_a_small_block_in_a_large_deconvolver(void **state) {
    (void)state;
    const int64_t n[3] = {5, 14, 17}, largest[3] = {12, 40, 33}, p[3] = {3, 6, 5};
    const tk_view_f32 psf = random_psf(p);
    const tk_deconvolve_options options = {TK_DECONVOLVE_SHB, 5, 2, 1, 50};
    const tk_box all = tk_box_of_size(n);
    float *g = photons(n), *own = run(psf, g, n, &options);
    tk_deconvolver d;
    assert_int_equal(tk_deconvolver_make(tk_read_f32(psf), largest, "", 1, &d), TK_OK);
    float *shared = run_part(&d, g, n, &all, &options, 1, tk_isa_detect());
    for (int64_t i = 0; i < count(n); i++) assert_near(shared[i], own[i], 1e-3 + 1e-4 * own[i]);
    free(g), free(own), free(shared), free(psf.data);
    tk_deconvolver_free(&d);
}

static void test_too_little_scratch_is_said(void **state) {
    (void)state;
    const int64_t n[3] = {4, 8, 8};
    const tk_view_f32 psf = gaussian_psf(0.5, 0.5, 0.5);
    const tk_box all = tk_box_of_size(n);
    const tk_deconvolve_options options = {TK_DECONVOLVE_RL, 1, 0, 0, 1};
    float *g = photons(n), *out = photons(n);
    tk_deconvolver d;
    tk_work work = {.threads = 1, .isa = tk_isa_detect()};
    assert_int_equal(tk_deconvolver_make(tk_read_f32(psf), n, "", 1, &d), TK_OK);
    assert_int_equal(tk_scratch_reserve(&work.scratch, tk_deconvolve_scratch(&d.fft) - 64), TK_OK);
    const tk_cview_f32 image = tk_read_f32(tk_dense_f32(g, n));
    assert_int_equal(tk_deconvolve(&d, image, &all, tk_dense_f32(out, n), &options, &work), TK_NO_MEMORY);
    tk_scratch_release(&work.scratch);
    free(g), free(out), free(psf.data);
    tk_deconvolver_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_the_direct_form),
        cmocka_unit_test(test_transposed_blur_is_the_adjoint),
        cmocka_unit_test(test_an_impulse_becomes_the_psf),
        cmocka_unit_test(test_a_constant_is_a_fixed_point_up_to_the_border),
        cmocka_unit_test(test_flux_of_an_object_inside_is_kept),
        cmocka_unit_test(test_same_bits_for_any_threads_and_instruction_set),
        cmocka_unit_test(test_a_part_is_a_part_of_the_whole),
        cmocka_unit_test(test_a_small_block_in_a_large_deconvolver),
        cmocka_unit_test(test_too_little_scratch_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
