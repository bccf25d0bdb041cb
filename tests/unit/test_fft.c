/* Padded sizes and their cost, and the pieces of the real 3-D transform, against sums written out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/view.h"
#include "kernels/fft/size.h"
#include "kernels/fft/sweep.h"

static void assert_near(double a, double b, double most) { assert_true(fabs(a - b) <= most); }

/* A pseudo-random value in -1 … 1 that depends on the index alone. */
static float noise(int64_t i) {
    uint64_t h = (uint64_t)i * 0x9E3779B97F4A7C15U + 12345;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9U;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBU;
    return (float)((double)((h ^ (h >> 31)) >> 40) / 8388608.0 - 1.0);
}

static int64_t largest_prime(int64_t n) {
    int64_t largest = 1;
    for (int64_t p = 2; n > 1; p++)
        for (; n % p == 0; n /= p) largest = p;
    return largest;
}

static void test_padded_size_is_close_above_and_smooth(void **state) {
    (void)state;
    for (int64_t n = 1; n < 30000; n += 1 + n / 37) {
        const int64_t least[3] = {n, n / 2 + 1, n + 3};
        int64_t padded[3];
        tk_fft_padded_size(least, padded);
        for (int axis = 0; axis < 3; axis++) {
            assert_true(padded[axis] >= least[axis]);
            assert_true(padded[axis] <= least[axis] + least[axis] * 3 / 20 + 8);
            assert_true(largest_prime(padded[axis]) <= 13);
        }
        assert_int_equal(padded[TK_X] % 2, 0);
    }
}

/* What is padded for a larger request would do for a smaller one too, and so cannot be cheaper. */
static void test_padded_size_is_the_cheapest_near_it(void **state) {
    (void)state;
    for (int64_t n = 64; n < 1200; n += 41) {
        const int64_t least[3] = {n / 3, n, n + 7};
        int64_t padded[3], other[3];
        tk_fft_padded_size(least, padded);
        for (int64_t more = 0; more < n / 8; more += 1 + n / 100)
            for (int which = 1; which < 8; which++) {
                int64_t request[3];
                bool near = true;
                for (int axis = 0; axis < 3; axis++) request[axis] = least[axis] + (which >> axis & 1 ? more : 0);
                tk_fft_padded_size(request, other);
                for (int axis = 0; axis < 3; axis++) near = near && other[axis] <= least[axis] + least[axis] * 3 / 20;
                if (near) assert_true(tk_fft_cost(other) >= tk_fft_cost(padded));
            }
    }
}

static void test_padded_size_of_absurd_requests(void **state) {
    (void)state;
    const int64_t least[3] = {1, 1, INT64_MAX};
    int64_t padded[3];
    tk_fft fft;
    tk_fft_padded_size(least, padded);
    assert_true(padded[TK_X] == INT64_MAX);
    assert_int_equal(tk_fft_layout(padded, &fft), TK_NO_MEMORY);
    assert_int_equal(tk_fft_layout((const int64_t[3]){1 << 30, 1 << 30, 1 << 30}, &fft), TK_NO_MEMORY);
}

static void test_layout_avoids_power_of_two_strides(void **state) {
    (void)state;
    for (int64_t nx = 2; nx < 3000; nx += 14) {
        tk_fft fft;
        assert_int_equal(tk_fft_layout((const int64_t[3]){3, nx / 2 + 1, nx}, &fft), TK_OK);
        assert_true(fft.row_stride >= 2 * fft.spectrum);
        assert_int_equal(fft.row_stride % 32, 16);
        assert_int_equal(fft.plane_stride % 32, 16);
        assert_true(fft.plane_stride >= fft.row_stride * fft.size[TK_Y]);
        assert_int_equal(tk_fft_layout((const int64_t[3]){nx, 1, nx}, &fft), TK_OK); /* rows as planes waste nothing */
        assert_int_equal(fft.plane_stride, fft.row_stride);
    }
}

static float *floats(int64_t count) {
    const size_t bytes = ((size_t)count * sizeof(float) + 63) / 64 * 64;
    float *data = aligned_alloc(64, bytes);
    assert_non_null(data);
    memset(data, 0xFF, bytes); /* NaN: what nobody wrote must not be read */
    return data;
}

static void fill(const tk_fft *fft, float *volume, int64_t planes, int64_t rows) {
    for (int64_t z = 0; z < planes; z++)
        for (int64_t y = 0; y < rows; y++)
            for (int64_t x = 0; x < fft->size[TK_X]; x++)
                volume[z * fft->plane_stride + y * fft->row_stride + x] =
                    noise((z * fft->size[TK_Y] + y) * fft->size[TK_X] + x);
}

/* One value of the plane's transform: sum of v exp(-2 pi i (ky y / ny + kx x / nx)) over the first rows. */
static void direct(const tk_fft *fft, const float *plane, int64_t rows, int64_t ky, int64_t kx, double value[2]) {
    value[0] = value[1] = 0;
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = 0; x < fft->size[TK_X]; x++) {
            const double angle =
                -2 * M_PI * ((double)(ky * y) / (double)fft->size[TK_Y] + (double)(kx * x) / (double)fft->size[TK_X]);
            value[0] += plane[y * fft->row_stride + x] * cos(angle);
            value[1] += plane[y * fft->row_stride + x] * sin(angle);
        }
}

static void test_plane_is_the_sum_written_out_with_rows_left_out(void **state) {
    (void)state;
    tk_fft fft;
    const int64_t rows = 7;
    assert_int_equal(tk_fft_layout((const int64_t[3]){1, 12, 42}, &fft), TK_OK);
    assert_int_equal(tk_fft_plan(&fft, ""), TK_OK);
    float *plane = floats(fft.plane_stride), *before = floats(fft.plane_stride);
    float *buffer = floats(tk_fft_buffer_count(&fft));
    fill(&fft, plane, 1, rows);
    memcpy(before, plane, (size_t)fft.plane_stride * sizeof(float));
    tk_fft_plane_forward(&fft, plane, rows, buffer);
    for (int64_t ky = 0; ky < fft.size[TK_Y]; ky++)
        for (int64_t kx = 0; kx < fft.spectrum; kx++) {
            double value[2];
            direct(&fft, before, rows, ky, kx, value);
            assert_near(plane[ky * fft.row_stride + 2 * kx], value[0], 1e-4);
            assert_near(plane[ky * fft.row_stride + 2 * kx + 1], value[1], 1e-4);
        }
    tk_fft_plane_inverse(&fft, plane, 5, buffer);
    for (int64_t y = 0; y < 5; y++)
        for (int64_t x = 0; x < fft.size[TK_X]; x++)
            assert_near(plane[y * fft.row_stride + x] / (12 * 42), before[y * fft.row_stride + x], 1e-6);
    free(plane), free(before), free(buffer);
    tk_fft_free(&fft);
}

/* A filter that is the transform of a shift by (dz, dy, dx), over the number of voxels. */
static float *shift_filter(const tk_fft *fft, const int64_t shift[3]) {
    const double voxels = (double)(fft->size[0] * fft->size[1] * fft->size[2]);
    float *filter = floats(tk_fft_filter_count(fft));
    memset(filter, 0, (size_t)tk_fft_filter_count(fft) * sizeof(float));
    for (int64_t y = 0; y < fft->size[TK_Y]; y++)
        for (int64_t kx = 0; kx < fft->spectrum; kx++)
            for (int64_t z = 0; z < fft->size[TK_Z]; z++) {
                const double angle =
                    -2 * M_PI *
                    ((double)(z * shift[0]) / (double)fft->size[0] + (double)(y * shift[1]) / (double)fft->size[1] +
                     (double)(kx * shift[2]) / (double)fft->size[2]);
                const int64_t column = y * fft->blocks + kx / TK_FFT_COLUMNS;
                float *at = filter + 2 * ((column * fft->size[TK_Z] + z) * TK_FFT_COLUMNS + kx % TK_FFT_COLUMNS);
                at[0] = (float)(cos(angle) / voxels);
                at[1] = (float)(sin(angle) / voxels);
            }
    return filter;
}

static void filter_all(const tk_fft *fft, float *volume, const float *factor, bool conjugate, int64_t planes,
                       float *buffers, int threads, tk_isa isa) {
    const tk_fft_values values = {.single = factor};
    const tk_fft_filter filter = {
        .terms = 1, .values = &values, .conjugate = conjugate, .planes_in = planes, .planes_out = fft->size[TK_Z]};
    for (int64_t z = 0; z < planes; z++)
        tk_fft_plane_forward(fft, volume + z * fft->plane_stride, fft->size[TK_Y], buffers);
    tk_fft_filter_volume(fft, volume, &filter, buffers, threads, isa);
    for (int64_t z = 0; z < fft->size[TK_Z]; z++)
        tk_fft_plane_inverse(fft, volume + z * fft->plane_stride, fft->size[TK_Y], buffers);
}

static int64_t modulo(int64_t a, int64_t n) { return (a % n + n) % n; }

static void test_filter_of_a_shift_shifts(void **state) {
    (void)state;
    tk_fft fft;
    const int64_t shift[3] = {2, 3, 5}, planes = 4;
    assert_int_equal(tk_fft_layout((const int64_t[3]){6, 10, 36}, &fft), TK_OK);
    assert_int_equal(tk_fft_plan(&fft, ""), TK_OK);
    float *filter = shift_filter(&fft, shift), *buffers = floats(3 * tk_fft_buffer_count(&fft));
    float *volume = floats(tk_fft_volume_count(&fft)), *first = floats(tk_fft_volume_count(&fft));
    for (int conjugate = 0; conjugate < 2; conjugate++)
        for (int variant = 0; variant < 3 * TK_ISA_COUNT; variant++) {
            const tk_isa isa = (tk_isa)(variant / 3);
            if (isa > tk_isa_detect()) continue;
            fill(&fft, volume, planes, fft.size[TK_Y]);
            filter_all(&fft, volume, filter, conjugate, planes, buffers, 1 + variant % 3, isa);
            if (variant == 0) memcpy(first, volume, (size_t)tk_fft_volume_count(&fft) * sizeof(float));
            const int sign = conjugate ? -1 : 1;
            for (int64_t z = 0; z < 6; z++)
                for (int64_t y = 0; y < 10; y++)
                    for (int64_t x = 0; x < 36; x++) {
                        const int64_t from_z = modulo(z - sign * shift[0], 6), from_y = modulo(y - sign * shift[1], 10);
                        const int64_t from = (from_z * 10 + from_y) * 36 + modulo(x - sign * shift[2], 36);
                        const int64_t at = z * fft.plane_stride + y * fft.row_stride + x;
                        assert_near(volume[at], from_z < planes ? noise(from) : 0, 1e-6);
                        assert_memory_equal(&volume[at], &first[at], sizeof(float));
                    }
        }
    free(filter), free(buffers), free(volume), free(first);
    tk_fft_free(&fft);
}

static void test_wisdom_gives_the_same_plans_and_bits_again(void **state) {
    (void)state;
    tk_fft fft;
    char *wisdom = NULL;
    assert_int_equal(tk_fft_layout((const int64_t[3]){20, 24, 60}, &fft), TK_OK);
    assert_int_equal(tk_fft_measure(&fft, 60, &wisdom), TK_OK);
    float *plane = floats(fft.plane_stride), *buffer = floats(tk_fft_buffer_count(&fft));
    float *first = floats(fft.plane_stride);
    for (int repeat = 0; repeat < 3; repeat++) {
        assert_int_equal(tk_fft_plan(&fft, wisdom), TK_OK);
        fill(&fft, plane, 1, fft.size[TK_Y]);
        tk_fft_plane_forward(&fft, plane, fft.size[TK_Y], buffer);
        if (repeat == 0) memcpy(first, plane, (size_t)fft.plane_stride * sizeof(float));
        for (int64_t y = 0; y < fft.size[TK_Y]; y++)
            assert_memory_equal(plane + y * fft.row_stride, first + y * fft.row_stride,
                                (size_t)fft.spectrum * 2 * sizeof(float));
        tk_fft_free(&fft);
    }
    tk_fft other;
    assert_int_equal(tk_fft_layout((const int64_t[3]){21, 27, 66}, &other), TK_OK);
    char *others = NULL; /* what the process has learnt since must not help */
    assert_int_equal(tk_fft_measure(&other, 60, &others), TK_OK);
    free(others);
    assert_int_equal(tk_fft_plan(&other, wisdom), TK_FAILED);
    assert_int_equal(tk_fft_plan(&fft, "(not wisdom"), TK_FAILED);
    assert_null(fft.forward[TK_X]);
    free(plane), free(buffer), free(first), free(wisdom);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_padded_size_is_close_above_and_smooth),
        cmocka_unit_test(test_padded_size_is_the_cheapest_near_it),
        cmocka_unit_test(test_padded_size_of_absurd_requests),
        cmocka_unit_test(test_layout_avoids_power_of_two_strides),
        cmocka_unit_test(test_plane_is_the_sum_written_out_with_rows_left_out),
        cmocka_unit_test(test_filter_of_a_shift_shifts),
        cmocka_unit_test(test_wisdom_gives_the_same_plans_and_bits_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
