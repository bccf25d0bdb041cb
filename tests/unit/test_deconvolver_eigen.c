/* A PSF that depends on depth, from optics to blurred image: four eigen-PSFs and their weights as a deconvolver's terms
 * against the PSF of each depth; and the transpose as the adjoint. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/deconvolve/deconvolver.h"
#include "kernels/psf/eigen.h"
#include "kernels/psf/model.h"

/* Water immersion of NA 1.2 into a tissue of index 1.38, 0 … 50 um deep. */
enum { DEPTHS = 31, MODES = 4, PSF_Z = 41, PSF_YX = 33, PSF_VOXELS = PSF_Z * PSF_YX * PSF_YX, PLANES = 168, SIDE = 8 };
static const double step_um = 0.3, deepest_um = 50;
static const int64_t psf_size[3] = {PSF_Z, PSF_YX, PSF_YX}, block[3] = {PLANES, SIDE, SIDE};

static tk_psf_eigen eigen;
static tk_deconvolver deconvolver;
static float *weights[MODES];

static tk_psf_optics optics(void) {
    tk_psf_optics o = tk_psf_optics_default(1.2, 525, 1.333, (const double[3]){step_um, 0.11, 0.11});
    o.n_sample = 1.38;
    return o;
}

static float *floats(int64_t count) {
    float *data = aligned_alloc(64, ((size_t)count * sizeof(float) + 63) / 64 * 64);
    assert_non_null(data);
    return data;
}

static tk_work lend(size_t bytes) {
    tk_work work = {.threads = 2, .isa = tk_isa_detect()};
    assert_int_equal(tk_scratch_reserve(&work.scratch, bytes), TK_OK);
    return work;
}

static void make_weights(void) {
    const int64_t depth = deconvolver.shape.fft.size[TK_Z];
    for (int k = 0; k < MODES; k++) weights[k] = floats(depth);
    for (int64_t plane = 0; plane < depth; plane++) {
        double coefficient[TK_EIGEN_MOST] = {0};
        const double um = step_um * (double)tk_deconvolver_z(&deconvolver.shape, PLANES, plane);
        tk_psf_eigen_coefficients(&eigen, um, coefficient);
        for (int k = 0; k < MODES; k++) weights[k][plane] = (float)coefficient[k];
    }
}

static int make(void **state) {
    (void)state;
    const tk_psf_optics o = optics();
    tk_work work = lend(tk_psf_eigen_scratch(&o, 0, deepest_um, DEPTHS, psf_size, 2));
    assert_int_equal(tk_psf_eigen_make(&o, 0, deepest_um, DEPTHS, psf_size, 1e-9, MODES, &work, &eigen), TK_OK);
    tk_scratch_release(&work.scratch);
    assert_int_equal(eigen.modes, MODES);
    tk_deconvolver_shape shape;
    tk_cview_f32 mode[MODES];
    tk_view_f32 view[MODES];
    work = lend(tk_psf_eigen_modes_scratch(&eigen, psf_size, MODES, 2));
    for (int k = 0; k < MODES; k++) view[k] = tk_dense_f32(floats(PSF_VOXELS), psf_size);
    assert_int_equal(tk_psf_eigen_modes(&eigen, 0, MODES, &work, view), TK_OK);
    for (int k = 0; k < MODES; k++) mode[k] = tk_read_f32(view[k]);
    tk_scratch_release(&work.scratch);
    assert_int_equal(tk_deconvolver_layout(psf_size, block, MODES, false, &shape), TK_OK);
    assert_int_equal(tk_deconvolver_make(&shape, mode, NULL, "", 2, &deconvolver), TK_OK);
    for (int k = 0; k < MODES; k++) free((void *)(uintptr_t)mode[k].data);
    make_weights();
    return 0;
}

static int release(void **state) {
    (void)state;
    tk_deconvolver_free(&deconvolver);
    for (int k = 0; k < MODES; k++) free(weights[k]);
    return 0;
}

static float *zeros(void) {
    const int64_t count = tk_fft_volume_count(&deconvolver.shape.fft);
    float *volume = floats(count);
    memset(volume, 0, (size_t)count * sizeof(float));
    return volume;
}

static void apply(bool transposed, float *volume) {
    const tk_fft *fft = &deconvolver.shape.fft;
    float *buffers = floats(2 * tk_fft_buffer_count(fft));
    const float *weight[MODES] = {weights[0], weights[1], weights[2], weights[3]};
    const tk_fft_filter filter = tk_deconvolver_filter(&deconvolver, transposed, PLANES, weight, NULL);
    for (int64_t z = 0; z < filter.planes_in; z++)
        tk_fft_plane_forward(fft, volume + z * fft->plane_stride, fft->size[TK_Y], buffers);
    assert_int_equal(tk_fft_filter_volume(fft, volume, &filter, buffers, 2, tk_isa_detect()), TK_OK);
    for (int64_t z = 0; z < filter.planes_out; z++)
        tk_fft_plane_inverse(fft, volume + z * fft->plane_stride, fft->size[TK_Y], buffers);
    free(buffers);
}

/* Relative L2 difference between the image of a point in plane z and the PSF of its depth. */
static double error_at(int64_t z) {
    const tk_fft *fft = &deconvolver.shape.fft;
    tk_psf_optics o = optics();
    tk_psf_facts facts;
    o.depth_um = step_um * (double)z;
    o.origin = TK_PSF_BEST_FOCUS;
    float *truth = floats(PSF_VOXELS), *image = zeros();
    tk_work work = lend(tk_psf_make_scratch(&o, psf_size, 2));
    assert_int_equal(tk_psf_make(&o, &work, tk_dense_f32(truth, psf_size), &facts), TK_OK);
    tk_scratch_release(&work.scratch);
    const int64_t middle = PSF_YX / 2;
    image[z * fft->plane_stride + middle * fft->row_stride + middle] = 1;
    apply(false, image);
    double off = 0, all = 0;
    for (int64_t i = 0; i < PSF_VOXELS; i++) {
        const int64_t plane = z + i / (PSF_YX * PSF_YX) - PSF_Z / 2, y = i / PSF_YX % PSF_YX, x = i % PSF_YX;
        const double exact = (double)truth[i] * (1 - facts.lost);
        const double seen = (double)image[plane * fft->plane_stride + y * fft->row_stride + x];
        off += (seen - exact) * (seen - exact);
        all += exact * exact;
    }
    free(truth), free(image);
    return sqrt(off / all);
}

static void test_a_point_looks_as_the_psf_of_its_depth(void **state) {
    (void)state;
    for (int64_t z = PSF_Z / 2; z < PLANES - PSF_Z / 2; z += 31) {
        const double error = error_at(z);
        print_message("%4.1f um: relative error %.2f %%\n", step_um * (double)z, 100 * error);
        assert_true(error <= 0.02);
    }
}

static double dot(const float *a, const float *b, int64_t planes) {
    double sum = 0;
    for (int64_t i = 0; i < planes * deconvolver.shape.fft.plane_stride; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Fills the first planes with something, the rest of each row with 0. */
static float *something(int64_t planes, unsigned seed) {
    const tk_fft *fft = &deconvolver.shape.fft;
    float *volume = zeros();
    for (int64_t z = 0; z < planes; z++)
        for (int64_t y = 0; y < fft->size[TK_Y]; y++)
            for (int64_t x = 0; x < fft->size[TK_X]; x++) {
                seed = seed * 1664525U + 1013904223U;
                volume[z * fft->plane_stride + y * fft->row_stride + x] = (float)(seed >> 8) / 8388608.0F - 1.0F;
            }
    return volume;
}

/* Clears what lies between rows, where transforms leave something. */
static void clear_gaps(float *volume) {
    const tk_fft *fft = &deconvolver.shape.fft;
    for (int64_t z = 0; z < fft->size[TK_Z]; z++)
        for (int64_t y = 0; y < fft->size[TK_Y]; y++)
            memset(volume + z * fft->plane_stride + y * fft->row_stride + fft->size[TK_X], 0,
                   (size_t)(fft->row_stride - fft->size[TK_X]) * sizeof(float));
}

static void test_the_transpose_is_the_adjoint(void **state) {
    (void)state;
    const int64_t all = deconvolver.shape.fft.size[TK_Z];
    float *x = something(all, 1), *y = something(PLANES, 2), *hx = something(all, 1), *hty = something(PLANES, 2);
    apply(false, hx);
    apply(true, hty);
    clear_gaps(hx);
    clear_gaps(hty);
    const double forward = dot(hx, y, PLANES), backward = dot(x, hty, all);
    assert_true(fabs(forward - backward) < 1e-5 * sqrt(dot(hx, hx, PLANES) * dot(y, y, PLANES)));
    free(x), free(y), free(hx), free(hty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_point_looks_as_the_psf_of_its_depth),
        cmocka_unit_test(test_the_transpose_is_the_adjoint),
    };
    return cmocka_run_group_tests(tests, make, release);
}
