/* Deconvolution against its mathematics (adjoint, impulse, fixed point, flux) and the direct double-precision form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/deconvolve/deconvolve.h"
#include "kernels/deconvolve/update.h"
#include "kernels/fft/sweep.h"
#include "kernels/psf/psf.h"
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

static tk_status make_of(tk_view_f32 psf, const int64_t largest[3], bool lean, int threads, tk_deconvolver *d) {
    tk_deconvolver_shape shape;
    const tk_cview_f32 one = tk_read_f32(psf);
    *d = (tk_deconvolver){0};
    TK_TRY(tk_deconvolver_layout(psf.size, largest, 1, lean, &shape));
    return tk_deconvolver_make(&shape, &one, NULL, "", threads, d);
}

static tk_status make_deconvolver(tk_view_f32 psf, const int64_t largest[3], int threads, tk_deconvolver *d) {
    return make_of(psf, largest, false, threads, d);
}

/* The part of the deconvolved block; freed by the caller. */
static float *run_data(const tk_deconvolver *d, const tk_deconvolve_data *data, const tk_box *part,
                       const tk_deconvolve_options *options, int threads, tk_isa isa) {
    tk_work work = {.threads = threads, .isa = isa};
    const int64_t size[3] = {tk_box_size(part, 0), tk_box_size(part, 1), tk_box_size(part, 2)};
    float *out = floats(count(size));
    const size_t bytes = tk_deconvolve_scratch(&d->shape, options);
    assert_int_equal(tk_scratch_reserve(&work.scratch, bytes), TK_OK);
    memset(work.scratch.base, 0xFF, bytes); /* NaN: nothing may be read before it is written */
    assert_int_equal(tk_deconvolve(d, data, part, tk_dense_f32(out, size), options, &work), TK_OK);
    assert_true(work.scratch.used == 0);
    tk_scratch_release(&work.scratch);
    return out;
}

static float *run_part(const tk_deconvolver *d, const float *g, const int64_t n[3], const tk_box *part,
                       const tk_deconvolve_options *options, int threads, tk_isa isa) {
    float *input = floats(count(n));
    memcpy(input, g, (size_t)count(n) * sizeof(float));
    const tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(input, n)));
    float *out = run_data(d, &data, part, options, threads, isa);
    assert_memory_equal(input, g, (size_t)count(n) * sizeof(float));
    free(input);
    return out;
}

static float *run(tk_view_f32 psf, const float *g, const int64_t n[3], const tk_deconvolve_options *options) {
    tk_deconvolver d;
    const tk_box all = tk_box_of_size(n);
    assert_int_equal(make_deconvolver(psf, n, 1, &d), TK_OK);
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

/* What the reference calls photons, mask and background of these data; freed by the caller through `photons`. */
static ref_deconvolve_problem problem_of(const tk_deconvolve_data *data, tk_view_f32 psf,
                                         const tk_deconvolver_shape *shape) {
    const int64_t *n = data->image.size;
    double *photons = malloc((size_t)(3 * count(n)) * sizeof *photons), *mask = photons + count(n),
           *background = mask + count(n);
    assert_non_null(photons);
    for (int64_t i = 0; i < count(n); i++) {
        const int64_t z = i / (n[1] * n[2]), y = i / n[2] % n[1], x = i % n[2];
        const float counts = data->image.data[z * data->image.stride[0] + y * data->image.stride[1] + x];
        const int64_t *map = data->background_map.stride, *dead = data->dead.stride;
        const bool datum = !isnan(counts) && counts < data->saturation &&
                           !(data->dead.data && data->dead.data[z * dead[0] + y * dead[1] + x]);
        photons[i] = datum ? (counts - data->camera_offset) * data->camera_gain : 0;
        mask[i] = datum ? 1 : 0;
        background[i] =
            data->background_map.data ? data->background_map.data[z * map[0] + y * map[1] + x] : data->background;
    }
    ref_deconvolve_problem q = {.photons = photons, .mask = mask, .background = background, .psf = psf.data};
    memcpy(q.n, n, sizeof q.n), memcpy(q.p, psf.size, sizeof q.p), tk_deconvolver_padded(shape, q.m);
    return q;
}

/* Relative RMS difference between the deconvolution and the direct form. */
static double error_of(const tk_deconvolve_data *data, tk_view_f32 psf, const tk_deconvolve_options *o) {
    const int64_t *n = data->image.size;
    const tk_box all = tk_box_of_size(n);
    tk_deconvolver d;
    assert_int_equal(make_deconvolver(psf, n, 1, &d), TK_OK);
    const ref_deconvolve_problem q = problem_of(data, psf, &d.shape);
    double *expected = malloc((size_t)count(n) * sizeof *expected), difference = 0, norm = 0;
    assert_non_null(expected);
    const tk_wiener_butterworth *b = &o->back_projector;
    const ref_deconvolve_options options = {.method = (ref_method)o->method,
                                            .iterations = o->iterations,
                                            .warm = o->warm,
                                            .read_noise = o->read_noise,
                                            .start = o->start,
                                            .tv = o->tv,
                                            .alpha = b->alpha,
                                            .beta = b->beta,
                                            .cutoff = {b->cutoff[0], b->cutoff[1], b->cutoff[2]},
                                            .at_cutoff = b->at_cutoff,
                                            .order = b->order,
                                            .momentum = o->momentum};
    assert_true(ref_deconvolve(&q, &options, expected));
    float *out = run_data(&d, data, &all, o, 2, tk_isa_detect());
    for (int64_t i = 0; i < count(n); i++) {
        difference += pow(out[i] - expected[i], 2);
        norm += pow(expected[i], 2);
    }
    free(q.photons), free(expected), free(out);
    tk_deconvolver_free(&d);
    return sqrt(difference / norm);
}

static void test_equals_the_direct_form(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {{6, 9, 11}, {1, 13, 10}, {8, 7, 16}};
    static const int64_t psfs[][3] = {{3, 5, 5}, {1, 4, 6}, {4, 3, 2}};
    for (int i = 0; i < 3; i++) {
        const tk_view_f32 psf = random_psf(psfs[i]);
        float *g = photons(sizes[i]);
        for (int method = TK_DECONVOLVE_SHB; method <= TK_DECONVOLVE_BIGGS; method++)
            for (int iterations = 1; iterations <= 8; iterations += 7) {
                tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(g, sizes[i])));
                tk_deconvolve_options options = {
                    .method = (tk_deconvolve_method)method, .iterations = iterations, .start = 50};
                assert_true(error_of(&data, psf, &options) < 1e-4);
                data.background = 7, options.read_noise = 1.5, options.start = 40;
                assert_true(error_of(&data, psf, &options) < 1e-4);
            }
        free(psf.data), free(g);
    }
}

/* Each method, with warm iterations and total variation or without. */
static void test_methods(void **state) {
    (void)state;
    const int64_t n[3] = {5, 7, 19}, p[3] = {3, 5, 4};
    static const float momentum[] = {0, 0, 0.1F, 0.3F, 0.5F, 0.4F};
    const tk_view_f32 psf = random_psf(p);
    float *g = photons(n);
    const tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(g, n)));
    for (int kind = 0; kind < 16; kind++) {
        tk_deconvolve_options options = {.method = (tk_deconvolve_method)(kind & 3), .iterations = 6, .start = 40};
        if ((kind & 3) == 3) options.method = TK_DECONVOLVE_BIGGS, options.momentum = momentum;
        if (kind & 4) options.warm = 2;
        if (kind & 8) options.tv = 0.02;
        options.back_projector = (tk_wiener_butterworth){0.01, 0.02, 3 + kind % 2, {0.4, 0.3, 0.25}, 0.4};
        assert_true(error_of(&data, psf, &options) < 1e-4);
    }
    free(g), free(psf.data);
}

/* All iterations with the Wiener-Butterworth projector, up to the last. */
static void test_only_warm_iterations(void **state) {
    (void)state;
    const int64_t n[3] = {5, 7, 19};
    const tk_view_f32 psf = gaussian_psf(0.7, 1, 1);
    float *g = photons(n);
    const tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(g, n)));
    tk_deconvolve_options options = {.iterations = 2, .warm = 2, .start = 40};
    options.back_projector = tk_wiener_butterworth_default(tk_read_f32(psf));
    assert_int_equal(options.back_projector.order, 8);
    assert_near(options.back_projector.cutoff[TK_Z], 1 / (2.3548 * 0.7), 0.05);
    assert_near(options.back_projector.cutoff[TK_X], 1 / 2.3548, 0.04);
    assert_near(options.back_projector.at_cutoff, exp(-2 * pow(M_PI / 2.3548, 2)), 0.02);
    assert_true(error_of(&data, psf, &options) < 1e-4);
    free(g), free(psf.data);
}

/* Camera, maps and all kinds of missing data, each alone and together. */
static void test_camera_and_missing_data(void **state) {
    (void)state;
    const int64_t n[3] = {5, 7, 19}, p[3] = {3, 5, 4};
    const tk_view_f32 psf = random_psf(p);
    float *counts = photons(n), *map = floats(count(n));
    uint8_t dead[7 * 19];
    for (int64_t i = 0; i < count(n); i++) counts[i] += 100, map[i] = 4 + 3 * noise(i + 777);
    for (int64_t i = 0; i < 7 * 19; i++) dead[i] = noise(i + 40) > .9F;
    const tk_deconvolve_options options = {.iterations = 5, .read_noise = 1.5, .start = 20};
    for (int kind = 0; kind < 32; kind += kind < 16 ? 3 : 5) {
        tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(counts, n)));
        data.background = 9;
        if (kind & 1) data.camera_offset = 95, data.camera_gain = .5;
        if (kind & 2) data.saturation = 230;
        if (kind & 4) data.dead = (tk_cview_u8){dead, {n[0], n[1], n[2]}, {0, 19, 1}}; /* one plane for all */
        if (kind & 8) data.background_map = tk_read_f32(tk_dense_f32(map, n));
        if (kind & 8 && kind & 4) data.background_map.stride[1] = 0; /* a row for each plane */
        if (kind >= 16)
            for (int64_t i = 0; i < count(n); i += 1 + (int64_t)(20 * noise(i))) counts[i] = NAN;
        assert_true(error_of(&data, psf, &options) < 1e-4);
    }
    free(counts), free(map), free(psf.data);
}

/* Where no voxel is a datum, the start level remains. */
static void test_no_data_at_all(void **state) {
    (void)state;
    const int64_t n[3] = {3, 6, 7};
    const tk_view_f32 psf = gaussian_psf(0.5, 1, 1);
    float *g = floats(count(n));
    for (int64_t i = 0; i < count(n); i++) g[i] = NAN;
    float *out = run(psf, g, n, &(tk_deconvolve_options){.iterations = 4, .start = 12});
    for (int64_t i = 0; i < count(n); i++) assert_true(out[i] == 12);
    free(g), free(out), free(psf.data);
}

/* H and H^T as the iteration applies them, from the data's voxels to all and back. */
static void apply(const tk_deconvolver *d, bool conjugate, float *volume, const int64_t n[3]) {
    const tk_fft *fft = &d->shape.fft;
    float *buffer = floats(tk_fft_buffer_count(fft));
    tk_fft_filter filter = tk_deconvolver_filter(d, conjugate, n[TK_Z], NULL, NULL);
    filter.planes_in = n[TK_Z];
    filter.planes_out = fft->size[TK_Z];
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
    assert_int_equal(make_deconvolver(psf, n, 2, &d), TK_OK);
    float *x = padded_noise(&d.shape.fft, n, 0), *y = padded_noise(&d.shape.fft, n, 5000);
    float *hx = padded_noise(&d.shape.fft, n, 0), *hty = padded_noise(&d.shape.fft, n, 5000);
    apply(&d, false, hx, n);
    apply(&d, true, hty, n);
    const double forward = dot(&d.shape.fft, hx, y), backward = dot(&d.shape.fft, x, hty);
    assert_true(fabs(forward - backward) < 1e-5 * sqrt(dot(&d.shape.fft, hx, hx) * dot(&d.shape.fft, y, y)));
    assert_true(fabs(forward) > 1); /* the test would say nothing of zeros */
    free(x), free(y), free(hx), free(hty), free(psf.data);
    tk_deconvolver_free(&d);
}

static void test_an_impulse_becomes_the_psf(void **state) {
    (void)state;
    const int64_t n[3] = {8, 12, 15}, p[3] = {3, 4, 7}, at[3] = {2, 5, 6};
    const tk_view_f32 psf = random_psf(p);
    tk_deconvolver d;
    assert_int_equal(make_deconvolver(psf, n, 1, &d), TK_OK);
    const tk_fft *fft = &d.shape.fft;
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
    for (int64_t i = 0; i < count(n); i++) g[i] = 107.5F;
    for (int method = TK_DECONVOLVE_SHB; method <= TK_DECONVOLVE_BIGGS; method++) {
        float *out =
            run(psf, g, n,
                &(tk_deconvolve_options){
                    .method = (tk_deconvolve_method)method, .iterations = 20, .read_noise = 2, .start = 107.5});
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
    for (int method = TK_DECONVOLVE_SHB; method <= TK_DECONVOLVE_BIGGS; method++) {
        const tk_deconvolve_options options = {
            .method = (tk_deconvolve_method)method, .iterations = 25, .start = in / (double)count(n)};
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
    float *g = photons(n), *first[2] = {NULL, NULL};
    tk_deconvolve_options kinds[] = {
        {.iterations = 5, .read_noise = 1.5, .start = 50},
        {.method = TK_DECONVOLVE_BIGGS, .iterations = 5, .warm = 1, .start = 50, .tv = 0.02}};
    kinds[1].back_projector = tk_wiener_butterworth_default(tk_read_f32(psf));
    const tk_box all = tk_box_of_size(n);
    for (int threads = 1; threads <= 3; threads++) {
        tk_deconvolver d;
        assert_int_equal(make_deconvolver(psf, n, threads, &d), TK_OK);
        for (int i = 0; i < 2 * ((int)tk_isa_detect() + 1); i++) {
            float *out = run_part(&d, g, n, &all, &kinds[i % 2], threads, (tk_isa)(i / 2));
            if (first[i % 2]) {
                assert_memory_equal(out, first[i % 2], (size_t)count(n) * sizeof(float));
                free(out);
            } else
                first[i % 2] = out;
        }
        tk_deconvolver_free(&d);
    }
    free(first[0]), free(first[1]), free(g), free(psf.data);
}

static void test_a_part_is_a_part_of_the_whole(void **state) {
    (void)state;
    const int64_t n[3] = {9, 22, 27};
    const tk_view_f32 psf = gaussian_psf(0.5, 1, 1);
    const tk_box all = tk_box_of_size(n), part = {{2, 5, 3}, {6, 19, 27}};
    const tk_deconvolve_options options = {.iterations = 4, .start = 50, .tv = 0.01};
    float *g = photons(n);
    tk_deconvolver d;
    assert_int_equal(make_deconvolver(psf, n, 1, &d), TK_OK);
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
    const tk_deconvolve_options options = {.iterations = 5, .read_noise = 1, .start = 50};
    const tk_box all = tk_box_of_size(n);
    float *g = photons(n), *own = run(psf, g, n, &options);
    tk_deconvolver d;
    assert_int_equal(make_deconvolver(psf, largest, 1, &d), TK_OK);
    float *shared = run_part(&d, g, n, &all, &options, 1, tk_isa_detect());
    for (int64_t i = 0; i < count(n); i++) assert_near(shared[i], own[i], 1e-3 + 1e-4 * own[i]);
    free(g), free(own), free(shared), free(psf.data);
    tk_deconvolver_free(&d);
}

/* Weights in a byte and OTF in half precision: little less accurate, and the bytes of a padded voxel. */
static void test_lean(void **state) {
    (void)state;
    const int64_t n[3] = {7, 20, 33}, large[3] = {64, 512, 512}, wide[3] = {127, 181, 181};
    const tk_view_f32 psf = gaussian_psf(0.8, 1.2, 1.1);
    tk_deconvolve_options options = {.iterations = 12, .warm = 2, .start = 50};
    options.back_projector = tk_wiener_butterworth_default(tk_read_f32(psf));
    const tk_box all = tk_box_of_size(n);
    float *g = photons(n), *out[2];
    double difference = 0, norm = 0;
    for (int lean = 0; lean < 2; lean++) {
        static const double most[] = {21.5, 16};
        tk_deconvolver_shape shape;
        tk_deconvolver d;
        assert_int_equal(make_of(psf, n, lean, 1, &d), TK_OK);
        out[lean] = run_part(&d, g, n, &all, &options, 1, tk_isa_detect());
        tk_deconvolver_free(&d);
        assert_int_equal(tk_deconvolver_layout(wide, large, 1, lean, &shape), TK_OK);
        const size_t bytes = tk_deconvolve_scratch(&shape, &options) + tk_deconvolver_bytes(&shape, NULL);
        assert_true((double)bytes < most[lean] * (double)count(shape.fft.size));
    }
    for (int64_t i = 0; i < count(n); i++) {
        difference += pow(out[1][i] - out[0][i], 2);
        norm += pow(out[0][i], 2);
    }
    assert_true(difference > 0 && sqrt(difference / norm) < 2e-3);
    free(out[0]), free(out[1]), free(g), free(psf.data);
}

static void test_weights_in_bytes(void **state) {
    (void)state;
    enum { N = 1003 };
    float weight[N], back[N];
    uint8_t packed[N], first[N];
    for (int i = 0; i < N; i++) weight[i] = i < 10 ? 0 : 1 / (0.01F + 0.00125F * (float)(i - 10));
    weight[N - 1] = 1;
    for (tk_isa isa = TK_ISA_BASELINE; isa <= tk_isa_detect(); isa++) {
        const tk_deconvolve_rows *rows = TK_ISA_SELECT(tk_deconvolve_rows_table, isa);
        rows->pack(N, packed, weight);
        rows->unpack(N, back, packed);
        for (int i = 0; i < 10; i++) assert_true(back[i] == 0);
        for (int i = 10; i < N; i++) assert_near(1 / back[i], 1 / weight[i], 0.0025 + 1e-6);
        assert_true(back[N - 1] == 1);
        if (isa == TK_ISA_BASELINE) memcpy(first, packed, sizeof first);
        assert_memory_equal(packed, first, sizeof first);
    }
    const float much[] = {0.5F, 0.01F};
    TK_ISA_SELECT(tk_deconvolve_rows_table, TK_ISA_BASELINE)->pack(2, packed, much);
    assert_true(packed[0] == 255 && packed[1] == 255);
}

static void test_too_little_scratch_is_said(void **state) {
    (void)state;
    const int64_t n[3] = {4, 8, 8};
    const tk_view_f32 psf = gaussian_psf(0.5, 0.5, 0.5);
    const tk_box all = tk_box_of_size(n);
    const tk_deconvolve_options options = {.method = TK_DECONVOLVE_RL, .iterations = 1, .start = 1};
    float *g = photons(n), *out = photons(n);
    tk_deconvolver d;
    tk_work work = {.threads = 1, .isa = tk_isa_detect()};
    assert_int_equal(make_deconvolver(psf, n, 1, &d), TK_OK);
    assert_int_equal(tk_scratch_reserve(&work.scratch, tk_deconvolve_scratch(&d.shape, &options) - 64), TK_OK);
    const tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(tk_dense_f32(g, n)));
    assert_int_equal(tk_deconvolve(&d, &data, &all, tk_dense_f32(out, n), &options, &work), TK_NO_MEMORY);
    tk_scratch_release(&work.scratch);
    free(g), free(out), free(psf.data);
    tk_deconvolver_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_the_direct_form),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_only_warm_iterations),
        cmocka_unit_test(test_camera_and_missing_data),
        cmocka_unit_test(test_no_data_at_all),
        cmocka_unit_test(test_transposed_blur_is_the_adjoint),
        cmocka_unit_test(test_an_impulse_becomes_the_psf),
        cmocka_unit_test(test_a_constant_is_a_fixed_point_up_to_the_border),
        cmocka_unit_test(test_flux_of_an_object_inside_is_kept),
        cmocka_unit_test(test_same_bits_for_any_threads_and_instruction_set),
        cmocka_unit_test(test_a_part_is_a_part_of_the_whole),
        cmocka_unit_test(test_a_small_block_in_a_large_deconvolver),
        cmocka_unit_test(test_lean),
        cmocka_unit_test(test_weights_in_bytes),
        cmocka_unit_test(test_too_little_scratch_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
