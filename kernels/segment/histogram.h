/* Histograms of a whole image with equal bins between given edges, and masks of what is above a level.
 *
 * Range and counts are exact, so they combine over tiles in any order. NaN takes no part. */
#ifndef TK_KERNELS_SEGMENT_HISTOGRAM_H
#define TK_KERNELS_SEGMENT_HISTOGRAM_H

#include <math.h>
#include <stdbool.h>

#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* The smallest and largest value seen; lo > hi when none was. */
typedef struct tk_range {
    float lo, hi;
} tk_range;

#define TK_RANGE_NONE ((tk_range){INFINITY, -INFINITY})

/* Widens *range by the voxels. */
void tk_range_of(tk_cview_f32 in, tk_range *range, const tk_work *work);

/* Widens *into by another range. */
void tk_range_join(tk_range *into, tk_range from);

/* Are all voxels whole numbers below 2^24 (or NaN)? */
bool tk_all_whole(tk_cview_f32 in, const tk_work *work);

/* What a histogram or a rounding to levels is laid out by; adds up over tiles. */
typedef struct tk_values {
    tk_range range;
    int32_t broken; /* 1: not all are whole numbers */
} tk_values;

tk_values tk_values_of(tk_cview_f32 in, const tk_work *work);
void tk_values_join(tk_values *into, tk_values from);

/* Scratch bytes to count `bins` bins on `threads` threads; with less, as many threads are used as there is scratch for.
 */
size_t tk_histogram_scratch(int64_t bins, int threads);

/* Adds the voxels to counts[0 .. bins-1]: bin floor((v - lo) / (hi - lo) * bins) in double, the last bin with its upper
 * edge. The range is finite and holds all voxels, lo < hi. Errors: TK_NO_MEMORY when the scratch is too small. */
tk_status tk_histogram_count(tk_cview_f32 in, tk_range range, int64_t bins, int64_t *counts, tk_work *work);

/* mask = v > threshold ? 1 : 0; NaN is 0. Views of the same size. */
void tk_threshold(tk_cview_f32 in, float threshold, tk_view_u8 mask, const tk_work *work);

#endif
