/* values *= filter, or its conjugate, on interleaved complex float32.
 *
 * The signs are variables and both results are sums: gcc 12 turns a difference beside a sum of products into
 * fused multiply-add-subtract instructions, -ffp-contract=off notwithstanding, and the bits would depend on the
 * instruction set. A product with a sign is exact. */
#include "kernels/fft/multiply.h"

static void product(int64_t count, float *restrict values, const float *restrict filter, tk_fft_signs signs) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        const float re = values[2 * i], im = values[2 * i + 1];
        const float a = filter[2 * i], b = filter[2 * i + 1];
        values[2 * i] = re * a + im * (signs.real * b);
        values[2 * i + 1] = im * a + re * (signs.imaginary * b);
    }
}

const tk_fft_multiply TK_ISA_NAME(tk_fft_multiply_table) = {product};
