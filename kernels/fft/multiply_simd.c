/* Products of interleaved complex float32, sums weighted by plane, and halves.
 *
 * The signs are variables and both results are sums: gcc 12 turns a difference beside a sum of products into
 * fused multiply-add-subtract instructions, -ffp-contract=off notwithstanding, and the bits would depend on the
 * instruction set. A product with a sign is exact. */
#include "kernels/common/half.h"
#include "kernels/fft/fft.h"
#include "kernels/fft/multiply.h"

enum { WIDTH = 2 * TK_FFT_COLUMNS };

static void product(int64_t count, float *restrict values, const float *restrict filter, tk_fft_signs signs) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        const float re = values[2 * i], im = values[2 * i + 1];
        const float a = filter[2 * i], b = filter[2 * i + 1];
        values[2 * i] = re * a + im * (signs.real * b);
        values[2 * i + 1] = im * a + re * (signs.imaginary * b);
    }
}

static void product_to(int64_t count, float *restrict to, const float *restrict values, const float *restrict filter,
                       tk_fft_signs signs) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        const float re = values[2 * i], im = values[2 * i + 1];
        const float a = filter[2 * i], b = filter[2 * i + 1];
        to[2 * i] = re * a + im * (signs.real * b);
        to[2 * i + 1] = im * a + re * (signs.imaginary * b);
    }
}

static void add_product(int64_t count, float *restrict sum, const float *restrict values, const float *restrict filter,
                        tk_fft_signs signs) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        const float re = values[2 * i], im = values[2 * i + 1];
        const float a = filter[2 * i], b = filter[2 * i + 1];
        sum[2 * i] += re * a + im * (signs.real * b);
        sum[2 * i + 1] += im * a + re * (signs.imaginary * b);
    }
}

static void weigh(int64_t planes, float *restrict to, const float *restrict from, const float *restrict weight) {
    for (int64_t z = 0; z < planes; z++)
#pragma omp simd
        for (int64_t i = z * WIDTH; i < (z + 1) * WIDTH; i++) to[i] = weight[z] * from[i];
}

static void add_weighted(int64_t planes, float *restrict sum, const float *restrict from,
                         const float *restrict weight) {
    for (int64_t z = 0; z < planes; z++)
#pragma omp simd
        for (int64_t i = z * WIDTH; i < (z + 1) * WIDTH; i++) sum[i] += weight[z] * from[i];
}

static void pack(int64_t count, uint16_t *restrict to, const float *restrict from, float scale) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) to[i] = tk_half_of_float(scale * from[i]);
}

static void unpack(int64_t count, float *restrict to, const uint16_t *restrict from, float scale) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) to[i] = scale * tk_half_to_float(from[i]);
}

const tk_fft_multiply TK_ISA_NAME(tk_fft_multiply_table) = {product,      product_to, add_product, weigh,
                                                            add_weighted, pack,       unpack};
