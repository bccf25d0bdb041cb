/* Arithmetic on blocks of columns, for each instruction set. Complex values are interleaved: real, imaginary. */
#ifndef TK_KERNELS_FFT_MULTIPLY_H
#define TK_KERNELS_FFT_MULTIPLY_H

#include <stdint.h>

#include "kernels/common/cpu.h"

/* The signs with which a product takes the filter's imaginary part: into the real and into the imaginary result. */
typedef struct tk_fft_signs {
    float real, imaginary;
} tk_fft_signs;
static const tk_fft_signs tk_fft_plain = {-1.0F, 1.0F};
static const tk_fft_signs tk_fft_conjugate = {1.0F, -1.0F};

typedef struct tk_fft_multiply {
    /* values[i] *= filter[i] for `count` complex values; with the signs tk_fft_conjugate, *= its complex conjugate. */
    void (*product)(int64_t count, float *restrict values, const float *restrict filter, tk_fft_signs signs);
    /* to[i] = values[i] * filter[i], likewise. */
    void (*product_to)(int64_t count, float *restrict to, const float *restrict values, const float *restrict filter,
                       tk_fft_signs signs);
    /* sum[i] += values[i] * filter[i], likewise. */
    void (*add_product)(int64_t count, float *restrict sum, const float *restrict values, const float *restrict filter,
                        tk_fft_signs signs);
    /* to[z][…] = weight[z] * from[z][…] and sum[z][…] += weight[z] * from[z][…], for blocks of TK_FFT_COLUMNS complex
     * values. */
    void (*weigh)(int64_t planes, float *restrict to, const float *restrict from, const float *restrict weight);
    void (*add_weighted)(int64_t planes, float *restrict sum, const float *restrict from, const float *restrict weight);
    /* Between floats and halves (kernels/common/half.h): to = half(scale * from), and to = scale * float(from). */
    void (*pack)(int64_t count, uint16_t *restrict to, const float *restrict from, float scale);
    void (*unpack)(int64_t count, float *restrict to, const uint16_t *restrict from, float scale);
} tk_fft_multiply;

TK_ISA_DECLARE(tk_fft_multiply, tk_fft_multiply_table);

#endif
