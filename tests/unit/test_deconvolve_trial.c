/* Held-out data: their statistics, their independence of tiles, and the stop that they find. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/rng.h"
#include "kernels/deconvolve/deconvolve.h"
#include "kernels/psf/psf.h"

enum { MOST = 80 };
static tk_deconvolve_sums sums[MOST];

static int64_t count(const int64_t n[3]) { return n[0] * n[1] * n[2]; }

static float *floats(int64_t n) {
    float *data = aligned_alloc(64, ((size_t)n * sizeof(float) + 63) / 64 * 64);
    assert_non_null(data);
    return data;
}

static tk_view_f32 gaussian(double sigma) {
    const double sigmas[3] = {sigma, sigma, sigma};
    int64_t size[3];
    assert_int_equal(tk_psf_gaussian_size(sigmas, size), TK_OK);
    const tk_view_f32 psf = tk_dense_f32(floats(count(size)), size);
    tk_psf_gaussian(sigmas, psf);
    assert_int_equal(tk_psf_normalise(psf), TK_PSF_GOOD);
    return psf;
}

static void try(const tk_deconvolve_data *data, const tk_deconvolve_trial *trial, const tk_deconvolve_options *options,
                int threads, tk_isa isa) {
    const tk_view_f32 psf = gaussian(1);
    const tk_cview_f32 one = tk_read_f32(psf);
    tk_deconvolver_shape shape;
    tk_deconvolver d;
    tk_work work = {.threads = threads, .isa = isa};
    assert_int_equal(tk_deconvolver_layout(psf.size, data->image.size, 1, false, &shape), TK_OK);
    assert_int_equal(tk_deconvolver_make(&shape, &one, NULL, "", 1, &d), TK_OK);
    const size_t bytes = tk_deconvolve_trial_scratch(&shape, data->image.size, options);
    assert_int_equal(tk_scratch_reserve(&work.scratch, bytes), TK_OK);
    memset(work.scratch.base, 0xFF, bytes);
    memset(sums, 0xFF, sizeof sums);
    assert_int_equal(tk_deconvolve_try(&d, data, trial, options, sums, &work), TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    tk_deconvolver_free(&d);
    free(psf.data);
}

static void try_alone(const tk_deconvolve_data *data, double share, const tk_deconvolve_options *options) {
    tk_deconvolve_trial trial = {.share = share, .seed = 3};
    memcpy(trial.image, data->image.size, sizeof trial.image);
    try(data, &trial, options, 1, tk_isa_detect());
}

static void assert_close(double a, double b, double relative) { assert_true(fabs(a - b) <= relative * fabs(b)); }

/* Without light nothing is held out, and both figures are what is expected. */
static void test_dark(void **state) {
    (void)state;
    const int64_t n[3] = {5, 9, 21};
    float *g = calloc((size_t)count(n), sizeof *g);
    assert_non_null(g);
    tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(g, n)));
    data.background = 3;
    g[100] = NAN, g[200] = 1e6F, data.saturation = 1e5;
    try_alone(&data, 0.2, &(tk_deconvolve_options){.iterations = 2, .start = 5});
    assert_int_equal(sums[0].voxels, count(n) - 2);
    assert_close(sums[0].held_out, 1.6 * 1.6 * (double)(count(n) - 2), 1e-5);
    assert_close(sums[0].divergence, 0.8 * 8 * (double)(count(n) - 2), 1e-5);
    free(g);
}

/* What both figures are on average: the variance of the held-out data, and that of the fitted ones over what the model
 * has for it. Of n photons, without noise of their own, n s (1 - s) is the variance of either part. */
static void test_moments(void **state) {
    (void)state;
    const int64_t n[3] = {8, 40, 40};
    const double voxels = (double)count(n), share = 0.25, photons = 1000.5;
    float *g = floats(count(n));
    for (int noise = 0; noise <= 20; noise += 20) {
        for (int64_t i = 0; i < count(n); i++) g[i] = (float)photons / 2 + 100; /* counts of 2 photons above 100 */
        tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(g, n)));
        data.camera_gain = 2, data.camera_offset = 100, data.background = 200;
        const tk_deconvolve_options options = {.iterations = 1, .start = photons - 200, .read_noise = noise};
        try_alone(&data, share, &options);
        const double more = noise * noise, variance = share * (1 - share) * (photons + more);
        assert_close(sums[0].held_out / voxels, variance, 0.05);
        assert_close(2 * sums[0].divergence / voxels, variance / ((1 - share) * (photons + more)), 0.05);
        assert_close(sums[0].light, (1 - share) * (photons - 200) * voxels, 1e-2);
    }
    free(g);
}

/* Two tiles see the division that the whole image does: before anything is fitted, what they are far from is alike. */
static void test_tiles_see_the_same_division(void **state) {
    (void)state;
    const int64_t n[3] = {6, 10, 24}, half[3] = {6, 10, 12};
    float *g = floats(count(n));
    for (int64_t i = 0; i < count(n); i++) g[i] = (float)(i * 7919 % 53);
    tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(g, n)));
    const tk_deconvolve_options options = {.iterations = 1, .start = 26};
    tk_deconvolve_trial trial = {0.1, 99, {2, 3, 4}, {30, 31, 32}};
    try(&data, &trial, &options, 1, tk_isa_detect());
    const double whole = sums[0].held_out;
    double parts = 0;
    for (int i = 0; i < 2; i++) {
        memcpy(data.image.size, half, sizeof half);
        data.image.data = g + 12 * i;
        trial.origin[2] = 4 + 12 * i;
        try(&data, &trial, &options, 1, tk_isa_detect());
        parts += sums[0].held_out;
    }
    assert_close(parts, whole, 1e-6);
    trial.seed++;
    const double before = sums[0].held_out;
    try(&data, &trial, &options, 1, tk_isa_detect());
    assert_true(fabs(sums[0].held_out - before) > 1e-3 * before); /* another seed, another division */
    free(g);
}

static void test_same_bits_for_any_threads_and_instruction_set(void **state) {
    (void)state;
    const int64_t n[3] = {6, 20, 37};
    static tk_deconvolve_sums first[MOST];
    float *g = floats(count(n)), *map = floats(count(n));
    for (int64_t i = 0; i < count(n); i++) g[i] = (float)(i * 7919 % 53) / 3 - 2, map[i] = (float)(i % 5);
    tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(g, n)));
    data.background_map = tk_read_f32(tk_dense_f32(map, n));
    const tk_deconvolve_options options = {
        .method = TK_DECONVOLVE_BIGGS, .iterations = 4, .start = 10, .read_noise = 1, .tv = 0.01};
    const tk_deconvolve_trial trial = {0.1, 1, {0, 0, 0}, {6, 20, 37}};
    for (int threads = 1; threads <= 3; threads++)
        for (int isa = 0; isa <= (int)tk_isa_detect(); isa++) {
            try(&data, &trial, &options, threads, (tk_isa)isa);
            if (threads == 1 && isa == 0) memcpy(first, sums, sizeof sums);
            assert_memory_equal(first, sums, sizeof sums);
        }
    assert_true(first[2].denominator > 0 && first[0].denominator == 0);
    free(g), free(map);
}

/* Of noisy data, the held-out ones are predicted worse and worse once noise is fitted; the fitted ones better. */
static void test_a_stop_is_found(void **state) {
    (void)state;
    const int64_t n[3] = {8, 32, 32};
    float *g = floats(count(n));
    for (int64_t i = 0; i < count(n); i++) {
        tk_rng rng = tk_rng_stream(8, 0, (uint64_t)i);
        const double wave = cos(0.5 * (double)(i % 32)) * cos(0.4 * (double)(i / 32 % 32));
        g[i] = (float)tk_rng_poisson(&rng, 20 + 18 * wave);
    }
    const tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(g, n)));
    try_alone(&data, 0.1, &(tk_deconvolve_options){.iterations = MOST, .start = 20});
    int best = 0;
    for (int k = 1; k < MOST; k++)
        if (sums[k].held_out < sums[best].held_out) best = k;
    assert_true(best > 1 && best < 25);
    assert_true(sums[MOST - 1].held_out > 1.005 * sums[best].held_out);
    assert_true(sums[MOST - 1].divergence < sums[best].divergence);
    free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dark),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_tiles_see_the_same_division),
        cmocka_unit_test(test_same_bits_for_any_threads_and_instruction_set),
        cmocka_unit_test(test_a_stop_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
