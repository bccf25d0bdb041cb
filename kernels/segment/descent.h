/* Steepest descent along one row. */
#ifndef TK_KERNELS_SEGMENT_DESCENT_H
#define TK_KERNELS_SEGMENT_DESCENT_H

#include <stdint.h>

#include "kernels/common/cpu.h"

typedef struct tk_descent_kernels {
    /* parent[i] := the first in the order of (order, index) of voxel i and its neighbours, for i = begin … begin +
     * width − 1, a row of the volume; other[k] is how far the rows above, before, behind and below are (0: there is
     * none). Voxels of the last order are their own parents. */
    void (*row)(const uint32_t *order, int64_t begin, int64_t width, const int64_t other[4], uint32_t *parent);
    /* Ordered values from floats, in place (basins.h). */
    void (*order)(uint32_t *values, int64_t count, uint32_t turn);
} tk_descent_kernels;

TK_ISA_DECLARE(tk_descent_kernels, tk_descent);

#endif
