/* Steepest descent along one row. */
#ifndef TK_KERNELS_SEGMENT_DESCENT_H
#define TK_KERNELS_SEGMENT_DESCENT_H

#include <stdint.h>

#include "kernels/common/cpu.h"

typedef struct tk_descent_kernels {
    /* parent[i] := the first in the order of (order, depth, index) of voxel i and its neighbours, for i = begin … begin
     * + width − 1, a row of the volume, or a part of one beside which none is inside the mask; depth NULL: all alike;
     * other[k] is how far the rows above, before, behind and below are (0: there is none). NaN and voxels outside are
     * their own parents. */
    void (*row)(const uint32_t *order, const uint8_t *depth, int64_t begin, int64_t width, const int64_t other[4],
                uint32_t *parent);
    /* Ordered values (basins.h) of a row; mask NULL: all are inside; turn: the sign bit turns the order round. */
    void (*order)(const float *values, const uint8_t *mask, int64_t count, uint32_t turn, uint32_t *order);
    /* Of voxels begin … begin + count − 1, flags[k] := in which directions the parent is not the neighbour's, both
     * being inside the mask: bit a, of the one ahead[a] further. */
    void (*borders)(const uint32_t *order, const uint32_t *parent, int64_t begin, int64_t count, const int64_t ahead[3],
                    uint8_t *flags);
    /* depth[i] := 0 where voxel i of a row begin … begin + width − 1 has a lower neighbour, is NaN or outside the mask;
     * limit elsewhere. `other` as for `row`. */
    void (*edges)(const uint32_t *order, int64_t begin, int64_t width, const int64_t other[4], uint8_t limit,
                  uint8_t *depth);
    /* flags[k] := is voxel begin + k inside the mask and its own parent? */
    void (*ends)(const uint32_t *order, const uint32_t *parent, int64_t begin, int64_t count, uint8_t *flags);
} tk_descent_kernels;

TK_ISA_DECLARE(tk_descent_kernels, tk_descent);

#endif
