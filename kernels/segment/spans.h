/* Rows of a tile without the stretches that are outside the mask. */
#ifndef TK_KERNELS_SEGMENT_SPANS_H
#define TK_KERNELS_SEGMENT_SPANS_H

#include <string.h>

#include "kernels/segment/basins.h"

/* Stretches are left out by whole groups of voxels, counted from the row's begin: what is left is few long pieces, with
 * some voxels outside the mask in them, which vectors go over faster than over many short ones. */
enum { TK_SPAN_GROUP = 16 };

/* Has none of the voxels from `at` on, a group or up to the row's end, a place in the mask? */
static inline bool tk_span_is_outside(const uint32_t *order, int64_t at, int64_t end) {
    uint32_t inside = 0;
    if (at + TK_SPAN_GROUP > end) return false;
    for (int k = 0; k < TK_SPAN_GROUP; k++) inside |= order[at + k] ^ TK_BASIN_OUTSIDE;
    return inside == 0;
}

/* The next span *begin … *end − 1 at or behind *end, in a row that ends at `last`; false: there is none. Begin with the
 * row's first voxel in *end. */
static inline bool tk_span_next(const uint32_t *order, int64_t last, int64_t *begin, int64_t *end) {
    int64_t at = *end;
    while (at < last && tk_span_is_outside(order, at, last)) at += TK_SPAN_GROUP;
    *begin = at;
    while (at < last && !tk_span_is_outside(order, at, last)) at += TK_SPAN_GROUP;
    *end = at < last ? at : last;
    return *begin < last;
}

/* The first of flags k … count − 1 that is not zero; count: there is none. */
static inline int64_t tk_span_flag(const uint8_t *flags, int64_t k, int64_t count) {
    uint64_t eight = 0;
    for (; k + 8 <= count; k += 8) {
        memcpy(&eight, flags + k, sizeof eight);
        if (eight) break;
    }
    while (k < count && !flags[k]) k++;
    return k;
}

/* Flags are looked for in so many voxels at a time. */
enum { TK_SPAN_FLAGS = 1024 };

#endif
