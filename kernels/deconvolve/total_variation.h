/* Row arithmetic of total variation, for each instruction set: forward differences of x, periodic along the row, over
 * the length of the gradient. */
#ifndef TK_KERNELS_DECONVOLVE_TOTAL_VARIATION_H
#define TK_KERNELS_DECONVOLVE_TOTAL_VARIATION_H

#include <stdint.h>

#include "kernels/common/cpu.h"

/* Rows of x: this one, the next along y, and the next along z. */
typedef struct tk_tv_rows {
    const float *here, *down, *deep;
} tk_tv_rows;

typedef struct tk_tv {
    /* The unit vectors u = grad x / sqrt(|grad x|^2 + square); and one component alone. */
    void (*unit)(int64_t n, float *restrict x, float *restrict y, float *restrict z, const tk_tv_rows *rows,
                 float square);
    void (*unit_y)(int64_t n, float *restrict to, const tk_tv_rows *rows, float square);
    void (*unit_z)(int64_t n, float *restrict to, const tk_tv_rows *rows, float square);
    /* to := 1 / max(1 - lambda div u, 1/4), from u on this row, and u_y and u_z on the rows before along y and z */
    void (*factor)(int64_t n, float *restrict to, const float *restrict x, const float *restrict y,
                   const float *restrict z, const float *restrict y_before, const float *restrict z_before,
                   float lambda);
} tk_tv;

TK_ISA_DECLARE(tk_tv, tk_tv_table);

#endif
