/* H and its transpose for each kind of PSF: against direct sums, as adjoints, in half precision, and shared. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/deconvolve/deconvolver.h"

enum { TERMS = 3, DATA_Z = 7, DATA_Y = 11, DATA_X = 13, PSF_Z = 6, PSF_Y = 5, PSF_X = 7, MOST_Z = 40 };
enum { PSF_VOXELS = PSF_Z * PSF_Y * PSF_X };

static const int64_t data_size[3] = {DATA_Z, DATA_Y, DATA_X}, psf_size[3] = {PSF_Z, PSF_Y, PSF_X};
static float psf_memory[TERMS][PSF_VOXELS];
static tk_cview_f32 psfs[TERMS];
static float weight_memory[TERMS][MOST_Z];
static const float *weights[TERMS];

/* A pseudo-random value in -1 … 1 that depends on the index alone. */
static float noise(int64_t i) {
    uint64_t h = (uint64_t)i * 0x9E3779B97F4A7C15U + 4711;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9U;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBU;
    return (float)((double)((h ^ (h >> 31)) >> 40) / 8388608.0 - 1.0);
}

static float *floats(int64_t count) {
    const size_t bytes = ((size_t)count * sizeof(float) + 63) / 64 * 64;
    float *data = aligned_alloc(64, bytes);
    assert_non_null(data);
    memset(data, 0xFF, bytes); /* NaN: what nobody wrote must not be read */
    return data;
}

/* Terms as eigen-PSFs are: one positive of sum 1, others smaller, of any sign. */
static int make_terms(void **state) {
    (void)state;
    for (int k = 0; k < TERMS; k++) {
        double sum = 0;
        for (int i = 0; i < PSF_VOXELS; i++) {
            const float value = noise(1000 * k + i);
            psf_memory[k][i] = k == 0 ? value * value : 0.3F * value / PSF_VOXELS;
            sum += (double)psf_memory[k][i];
        }
        for (int i = 0; i < PSF_VOXELS && k == 0; i++) psf_memory[k][i] /= (float)sum;
        psfs[k] = tk_read_f32(tk_dense_f32(psf_memory[k], psf_size));
        for (int z = 0; z < MOST_Z; z++) weight_memory[k][z] = 1 + 0.5F * noise(z + 100 * k);
        weights[k] = weight_memory[k];
    }
    return 0;
}

static tk_deconvolver make(int terms, bool lean, const tk_fft_share *share) {
    tk_deconvolver_shape shape;
    tk_deconvolver d;
    assert_int_equal(tk_deconvolver_layout(psf_size, data_size, terms, lean, &shape), TK_OK);
    assert_int_equal(tk_deconvolver_make(&shape, psfs, share, "", 2, &d), TK_OK);
    assert_true(shape.fft.size[TK_Z] <= MOST_Z);
    assert_true(d.memory.used <= tk_deconvolver_bytes(&shape, share));
    return d;
}

/* --- A volume, before and after ---------------------------------------------------------------------------------- */

/* Noise on the planes and rows that are read (all for H, those with data for its transpose), else 0. */
static float *input(const tk_fft *fft, bool transposed, int64_t seed) {
    float *volume = floats(tk_fft_volume_count(fft));
    memset(volume, 0, (size_t)tk_fft_volume_count(fft) * sizeof(float));
    for (int64_t z = 0; z < (transposed ? DATA_Z : fft->size[TK_Z]); z++)
        for (int64_t y = 0; y < (transposed ? DATA_Y : fft->size[TK_Y]); y++)
            for (int64_t x = 0; x < (transposed ? DATA_X : fft->size[TK_X]); x++)
                volume[z * fft->plane_stride + y * fft->row_stride + x] =
                    noise(seed + (z * fft->size[TK_Y] + y) * fft->size[TK_X] + x);
    return volume;
}

static void apply(const tk_deconvolver *d, bool transposed, float *volume, int threads, tk_isa isa) {
    const tk_fft *fft = &d->shape.fft;
    float *buffers = floats(threads * tk_fft_buffer_count(fft));
    const tk_fft_filter filter =
        tk_deconvolver_filter(d, transposed, DATA_Z, d->shape.terms > 1 ? weights : NULL, NULL);
    for (int64_t z = 0; z < filter.planes_in; z++)
        tk_fft_plane_forward(fft, volume + z * fft->plane_stride, fft->size[TK_Y], buffers);
    assert_int_equal(tk_fft_filter_volume(fft, volume, &filter, buffers, threads, isa), TK_OK);
    for (int64_t z = 0; z < filter.planes_out; z++)
        tk_fft_plane_inverse(fft, volume + z * fft->plane_stride, fft->size[TK_Y], buffers);
    free(buffers);
}

static int64_t modulo(int64_t a, int64_t n) { return (a % n + n) % n; }

/* One voxel of sum p_k * (a_k x), or of the transpose, written out. */
static double direct(const tk_fft *fft, int terms, bool transposed, const float *x, const int64_t at[3]) {
    double value = 0;
    for (int k = 0; k < terms; k++)
        for (int i = 0; i < PSF_VOXELS; i++) {
            const int64_t offset[3] = {i / (PSF_Y * PSF_X) - PSF_Z / 2, i / PSF_X % PSF_Y - PSF_Y / 2,
                                       i % PSF_X - PSF_X / 2};
            int64_t from[3];
            for (int axis = 0; axis < 3; axis++)
                from[axis] = modulo(at[axis] + (transposed ? offset[axis] : -offset[axis]), fft->size[axis]);
            const double a = terms > 1 ? (double)weights[k][transposed ? at[TK_Z] : from[TK_Z]] : 1;
            value += a * (double)psf_memory[k][i] *
                     (double)x[from[0] * fft->plane_stride + from[1] * fft->row_stride + from[2]];
        }
    return value;
}

static void test_equals_the_sums_written_out(void **state) {
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        const bool transposed = variant % 2;
        tk_deconvolver d = make(variant < 2 ? 1 : TERMS, false, NULL);
        const tk_fft *fft = &d.shape.fft;
        float *x = input(fft, transposed, 0), *y = input(fft, transposed, 0);
        apply(&d, transposed, y, 1, tk_isa_detect());
        for (int64_t z = 0; z < (transposed ? fft->size[TK_Z] : DATA_Z); z++)
            for (int64_t row = 0; row < fft->size[TK_Y]; row += 3)
                for (int64_t column = 0; column < fft->size[TK_X]; column++) {
                    const double value = direct(fft, d.shape.terms, transposed, x, (const int64_t[3]){z, row, column});
                    assert_true(fabs((double)y[z * fft->plane_stride + row * fft->row_stride + column] - value) < 2e-6);
                }
        free(x), free(y);
        tk_deconvolver_free(&d);
    }
}

/* <a, b> over the voxels with data, or over all. */
static double dot(const tk_fft *fft, const float *a, const float *b, bool all) {
    double sum = 0;
    for (int64_t z = 0; z < (all ? fft->size[TK_Z] : DATA_Z); z++)
        for (int64_t y = 0; y < (all ? fft->size[TK_Y] : DATA_Y); y++)
            for (int64_t x = 0; x < (all ? fft->size[TK_X] : DATA_X); x++) {
                const int64_t at = z * fft->plane_stride + y * fft->row_stride + x;
                sum += (double)a[at] * (double)b[at];
            }
    return sum;
}

static void test_the_transpose_is_the_adjoint(void **state) {
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        tk_deconvolver d = make(variant % 2 ? TERMS : 1, variant / 2, NULL);
        const tk_fft *fft = &d.shape.fft;
        float *x = input(fft, false, 0), *y = input(fft, true, 5000);
        float *hx = input(fft, false, 0), *hty = input(fft, true, 5000);
        apply(&d, false, hx, 2, tk_isa_detect());
        apply(&d, true, hty, 2, tk_isa_detect());
        const double forward = dot(fft, hx, y, false), backward = dot(fft, x, hty, true);
        const double scale = sqrt(dot(fft, hx, hx, false) * dot(fft, y, y, false));
        print_message("terms %d, lean %d: <Hx,y> - <x,H^T y> = %.1e of |Hx| |y|\n", d.shape.terms, d.shape.lean,
                      fabs(forward - backward) / scale);
        assert_true(fabs(forward - backward) < 1e-5 * scale);
        free(x), free(y), free(hx), free(hty);
        tk_deconvolver_free(&d);
    }
}

static void test_halves_are_close_and_take_half(void **state) {
    (void)state;
    for (int terms = 1; terms <= TERMS; terms += TERMS - 1) {
        tk_deconvolver full = make(terms, false, NULL), lean = make(terms, true, NULL);
        const tk_fft *fft = &full.shape.fft;
        float *a = input(fft, true, 0), *b = input(fft, true, 0);
        apply(&full, true, a, 1, tk_isa_detect());
        apply(&lean, true, b, 1, tk_isa_detect());
        double off = 0;
        for (int64_t z = 0; z < fft->size[TK_Z]; z++)
            for (int64_t y = 0; y < fft->size[TK_Y]; y++)
                for (int64_t x = 0; x < fft->size[TK_X]; x++) {
                    const int64_t at = z * fft->plane_stride + y * fft->row_stride + x;
                    off += pow((double)a[at] - (double)b[at], 2);
                }
        const double relative = sqrt(off / dot(fft, a, a, true));
        print_message("terms %d: relative RMS of half precision %.1e\n", terms, relative);
        assert_true(relative > 0 && relative < 3e-4);
        assert_true(tk_deconvolver_bytes(&lean.shape, NULL) < tk_deconvolver_bytes(&full.shape, NULL) / 2 + 1024);
        free(a), free(b);
        tk_deconvolver_free(&full);
        tk_deconvolver_free(&lean);
    }
}

static void test_same_bits_for_any_threads_and_instruction_set(void **state) {
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        const bool transposed = variant & 1;
        tk_deconvolver d = make(variant & 2 ? TERMS : 1, variant & 4, NULL);
        const tk_fft *fft = &d.shape.fft;
        float *first = input(fft, transposed, 0);
        apply(&d, transposed, first, 1, TK_ISA_BASELINE);
        for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++) {
            float *again = input(fft, transposed, 0);
            apply(&d, transposed, again, 1 + isa, (tk_isa)isa);
            for (int64_t z = 0; z < (transposed ? fft->size[TK_Z] : DATA_Z); z++)
                for (int64_t y = 0; y < fft->size[TK_Y]; y++) {
                    const int64_t row = z * fft->plane_stride + y * fft->row_stride;
                    assert_memory_equal(first + row, again + row, (size_t)fft->size[TK_X] * sizeof(float));
                }
            free(again);
        }
        free(first);
        tk_deconvolver_free(&d);
    }
}

static void test_a_worker_holds_its_rows_of_the_otf(void **state) {
    (void)state;
    for (int lean = 0; lean < 2; lean++) {
        tk_deconvolver whole = make(TERMS, lean, NULL);
        const tk_fft *fft = &whole.shape.fft;
        for (int me = 0; me < 3; me++) {
            const tk_fft_share share = {.workers = 3, .me = me};
            tk_deconvolver part = make(TERMS, lean, &share);
            const int64_t row = fft->blocks * fft->size[TK_Z] * 2 * TK_FFT_COLUMNS;
            const size_t count = (size_t)((part.rows.end - part.rows.first) * row);
            assert_true(part.rows.end > part.rows.first);
            for (int k = 0; k < TERMS; k++)
                if (lean) {
                    assert_true(part.otf[k].scale == whole.otf[k].scale);
                    assert_memory_equal(part.otf[k].half, whole.otf[k].half + part.rows.first * row,
                                        count * sizeof(uint16_t));
                } else
                    assert_memory_equal(part.otf[k].single, whole.otf[k].single + part.rows.first * row,
                                        count * sizeof(float));
            tk_deconvolver_free(&part);
        }
        tk_deconvolver_free(&whole);
    }
}

/* Planes on both sides of the data are told apart, as far as the PSF reaches. */
static void test_where_padded_planes_lie(void **state) {
    (void)state;
    tk_deconvolver_shape shape;
    for (int64_t depth = 1; depth < 12; depth++) {
        assert_int_equal(tk_deconvolver_layout((const int64_t[3]){depth, 3, 3}, data_size, 1, false, &shape), TK_OK);
        const int64_t all = shape.fft.size[TK_Z];
        for (int64_t z = depth / 2 + 1 - depth; z < DATA_Z + depth / 2; z++)
            assert_int_equal(tk_deconvolver_z(&shape, DATA_Z, (z + all) % all), z);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_the_sums_written_out),
        cmocka_unit_test(test_the_transpose_is_the_adjoint),
        cmocka_unit_test(test_halves_are_close_and_take_half),
        cmocka_unit_test(test_same_bits_for_any_threads_and_instruction_set),
        cmocka_unit_test(test_a_worker_holds_its_rows_of_the_otf),
        cmocka_unit_test(test_where_padded_planes_lie),
    };
    return cmocka_run_group_tests(tests, make_terms, NULL);
}
