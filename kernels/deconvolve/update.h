/* The arithmetic of a deconvolution on one row of voxels, for each instruction set; the equations are in
 * kernels/deconvolve/deconvolve.h. */
#ifndef TK_KERNELS_DECONVOLVE_UPDATE_H
#define TK_KERNELS_DECONVOLVE_UPDATE_H

#include <stdint.h>

#include "kernels/common/cpu.h"

/* The constants of one iteration. */
typedef struct tk_deconvolve_step {
    float momentum, next;         /* a_k, a_(k+1) */
    float floor;                  /* eps */
    float least;                  /* of the factor 1 + w B r */
    float zero, gain, saturation; /* of the camera */
    float shift;                  /* sigma^2 */
    float offset;                 /* b + sigma^2 where there is no map */
    float part;                   /* of the light that is fitted: less than 1 beside held-out data */
} tk_deconvolve_step;

/* A row of data: with `held`, the data are what is left. */
typedef struct tk_deconvolve_row {
    const float *counts, *background; /* background: photons, or NULL */
    const uint8_t *dead;              /* or NULL */
    const float *held;                /* photons that are held out; NaN: no datum, whatever dead is; or NULL */
} tk_deconvolve_row;

/* A row of the estimate. */
typedef struct tk_deconvolve_estimate {
    const float *x, *previous; /* x_k, x_(k-1) */
    const float *weight;       /* w */
    const float *smooth;       /* the factor of total variation, or NULL */
} tk_deconvolve_estimate;

typedef struct tk_deconvolve_rows {
    /* mask := M */
    void (*mask)(int64_t n, float *restrict mask, const tk_deconvolve_row *row, const tk_deconvolve_step *step);
    /* blurred := M (max(g - held + shift, 0) / (max(blurred, floor) + b + shift) - 1) */
    void (*ratio)(int64_t n, float *restrict blurred, const tk_deconvolve_row *row, const tk_deconvolve_step *step);
    /* weight := 1 / flux where flux >= 0.01, else 0 */
    void (*weight)(int64_t n, float *restrict weight, const float *restrict flux);
    /* to := x_(k+1); `to` may be the estimate's previous. row: the correction B r, which becomes p_(k+1) in update and
     * x_(k+1) - p_k in change. */
    void (*update)(int64_t n, float *row, const tk_deconvolve_estimate *estimate, float *to,
                   const tk_deconvolve_step *step);
    void (*change)(int64_t n, float *row, const tk_deconvolve_estimate *estimate, float *to,
                   const tk_deconvolve_step *step);
    /* Weights in a byte each: their inverses, H^T M, in steps of 1/200 up to 1.275 (more becomes that). 1 is exact;
     * errors are 0.25 % where the data say all, and 1 % where they say a quarter; 0 is 0. */
    void (*pack)(int64_t n, uint8_t *restrict to, const float *restrict weight);
    void (*unpack)(int64_t n, float *restrict weight, const uint8_t *restrict from);
    /* row := p_k */
    void (*extrapolate)(int64_t n, float *restrict row, const float *restrict x, const float *restrict previous,
                        const tk_deconvolve_step *step);
} tk_deconvolve_rows;

TK_ISA_DECLARE(tk_deconvolve_rows, tk_deconvolve_rows_table);

#endif
