/* Products of complex arrays, for each instruction set. */
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
    /* values[i] *= filter[i] for `count` complex values (real, imaginary); with the signs tk_fft_conjugate, *= its
     * complex conjugate. */
    void (*product)(int64_t count, float *restrict values, const float *restrict filter, tk_fft_signs signs);
} tk_fft_multiply;

TK_ISA_DECLARE(tk_fft_multiply, tk_fft_multiply_table);

#endif
