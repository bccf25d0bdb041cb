/* The arithmetic of a deconvolution on one row of voxels, for each instruction set; the equations are in
 * kernels/deconvolve/deconvolve.h. */
#ifndef TK_KERNELS_DECONVOLVE_UPDATE_H
#define TK_KERNELS_DECONVOLVE_UPDATE_H

#include <stdint.h>

#include "kernels/common/cpu.h"

/* The constants of one iteration. */
typedef struct tk_deconvolve_step {
    float momentum, next; /* a_k, a_(k+1) */
    float floor;          /* eps */
    float offset, shift;  /* b + sigma^2, sigma^2 */
} tk_deconvolve_step;

typedef struct tk_deconvolve_rows {
    /* blurred := max(g + shift, 0) / (max(blurred, floor) + offset) - 1 */
    void (*ratio)(int64_t n, float *restrict blurred, const float *restrict g, const tk_deconvolve_step *step);
    /* weight := 1 / flux where flux >= 0.01, else 0 */
    void (*weight)(int64_t n, float *restrict weight, const float *restrict flux);
    /* previous := x_(k+1), which is what x is called afterwards; row (the correction) := p_(k+1) */
    void (*update)(int64_t n, float *restrict row, const float *restrict x, float *restrict previous,
                   const float *restrict weight, const tk_deconvolve_step *step);
    /* out := x_(k+1) */
    void (*finish)(int64_t n, float *restrict out, const float *restrict row, const float *restrict x,
                   const float *restrict previous, const float *restrict weight, const tk_deconvolve_step *step);
} tk_deconvolve_rows;

TK_ISA_DECLARE(tk_deconvolve_rows, tk_deconvolve_rows_table);

#endif
