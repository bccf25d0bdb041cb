/* Sums over a row of voxels in double precision, in one order for every instruction set. */
#ifndef TK_KERNELS_DECONVOLVE_SUMS_H
#define TK_KERNELS_DECONVOLVE_SUMS_H

#include <stdint.h>

#include "kernels/deconvolve/update.h"

typedef struct tk_sums {
    double (*sum)(int64_t n, const float *a);
    double (*dot)(int64_t n, const float *a, const float *b);
    /* How far a row of data with held-out ones is from what is expected, as the ratio takes both. With f the fitted
     * data, e what is expected of them, v the held-out data and c what is expected of those, all shifted:
     * sums[0] += sum of (v - c)^2, v = held + held_shift, c = odds e
     * sums[1] += sum of e - f + f ln(f / e)
     * sums[2] += the number of data */
    void (*compare)(int64_t n, const float *blurred, const tk_deconvolve_row *row, const tk_deconvolve_step *step,
                    float odds, float held_shift, double sums[3]);
} tk_sums;

TK_ISA_DECLARE(tk_sums, tk_sums_table);

#endif
