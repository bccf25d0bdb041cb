/* Histograms of a whole image with equal bins between given edges, and Otsu's threshold of one.
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

/* Scratch bytes to count `bins` bins on `threads` threads; with less, as many threads are used as there is scratch for.
 */
size_t tk_histogram_scratch(int64_t bins, int threads);

/* Adds the voxels to counts[0 .. bins-1]: bin floor((v - lo) / (hi - lo) * bins) in double, the last bin with its upper
 * edge. The range is finite and holds all voxels, lo < hi. Errors: TK_NO_MEMORY when the scratch is too small. */
tk_status tk_histogram_count(tk_cview_f32 in, tk_range range, int64_t bins, int64_t *counts, tk_work *work);

/* Otsu's threshold (N. Otsu, IEEE Trans. SMC 9, 1979): the centre of the first bin k at which the variance between
 * the classes 0 .. k and k+1 .. bins-1 is largest; the objects are the voxels above it. As
 * skimage.filters.threshold_otsu. false when all counts are in one bin. */
bool tk_otsu(const int64_t *counts, int64_t bins, tk_range range, double *threshold);

/* mask = v > threshold ? 1 : 0; NaN is 0. Views of the same size. */
void tk_threshold(tk_cview_f32 in, float threshold, tk_view_u8 mask, const tk_work *work);

#endif
