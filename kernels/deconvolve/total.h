/* The exact total of an image's voxels, whatever the order in which parts of it are added. */
#ifndef TK_KERNELS_DECONVOLVE_TOTAL_H
#define TK_KERNELS_DECONVOLVE_TOTAL_H

#include <stdint.h>

#include "kernels/common/view.h"

/* A sum of voxels in 128-bit fixed point with a quantum of 2^-20, to which each voxel is rounded (ties to even). */
typedef struct tk_total {
    uint64_t low;
    int64_t high;
    int64_t voxels;  /* how many were added */
    int64_t refused; /* how many were not: NaN, or not below 2^40 in magnitude */
} tk_total;

/* The total of an image's voxels; the same for any number of threads. */
tk_total tk_total_of(tk_cview_f32 image, int threads);

/* The total of their squares; voxels not below 2^24 in magnitude are refused. */
tk_total tk_total_of_squares(tk_cview_f32 image, int threads);

/* into := into + from. */
void tk_total_add(tk_total *into, const tk_total *from);

/* The mean of the voxels that were added; 0 when there are none. */
double tk_total_mean(const tk_total *total);

#endif
