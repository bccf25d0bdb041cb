/* Weighted sums of rows: the inner loop of every separable filter of finite support. */
#ifndef TK_KERNELS_FILTER_FIR_H
#define TK_KERNELS_FILTER_FIR_H

#include <stdint.h>

#include "kernels/common/cpu.h"

typedef struct tk_fir_kernels {
    /* out[x] = taps[0] rows[radius][x] + sum over k = 1 .. radius of taps[k] (rows[radius+k][x] + rows[radius-k][x])
     * for 0 <= x < count, summed in this order in float. `rows` has 2 radius + 1 pointers; a filter along a row passes
     * that row's pointer shifted by one voxel each. `out` overlaps no row. */
    void (*symmetric)(const float *const *rows, const float *taps, int64_t radius, int64_t count, float *out);
    /* The same with the difference rows[radius+k][x] - rows[radius-k][x]; taps[0] should be 0. */
    void (*antisymmetric)(const float *const *rows, const float *taps, int64_t radius, int64_t count, float *out);
} tk_fir_kernels;

TK_ISA_DECLARE(tk_fir_kernels, tk_fir);

#endif
