/* A block of columns times the back projector, float32. Signs are variables: see kernels/fft/multiply_simd.c. */
#include "kernels/deconvolve/wiener_butterworth.h"

#include <math.h>

/* w^n by squares; n below 32 */
static inline float power(float w, int n) {
    const float w2 = w * w, w4 = w2 * w2, w8 = w4 * w4, w16 = w8 * w8;
    float result = n & 1 ? w : 1.0F;
    result *= n & 2 ? w2 : 1.0F;
    result *= n & 4 ? w4 : 1.0F;
    result *= n & 8 ? w8 : 1.0F;
    return result * (n & 16 ? w16 : 1.0F);
}

static void product(const tk_back_projector *b, float square_y, const float *square_x, float *restrict columns,
                    const float *restrict otf) {
    const float alpha = b->alpha, excess = b->excess, scale = b->scale, level = b->level, minus = -1.0F;
    const int order = b->order;
    for (int64_t z = 0; z < b->depth; z++) {
        const float square = square_y + b->square[0][z];
        float *restrict value = columns + z * 2 * TK_FFT_COLUMNS;
        const float *restrict h = otf + z * 2 * TK_FFT_COLUMNS;
#pragma omp simd
        for (int c = 0; c < TK_FFT_COLUMNS; c++) {
            const float re = value[2 * c], im = value[2 * c + 1], hr = h[2 * c] * scale, hi = h[2 * c + 1] * scale;
            const float wiener = level * (1.0F + alpha) / (hr * hr + hi * hi + alpha);
            const float gain = wiener / sqrtf(1.0F + excess * power(square + square_x[c], order));
            value[2 * c] = (re * h[2 * c] + im * h[2 * c + 1]) * gain;
            value[2 * c + 1] = (im * h[2 * c] + re * (minus * h[2 * c + 1])) * gain;
        }
    }
}

const tk_back_projection TK_ISA_NAME(tk_back_projection_table) = {product};
