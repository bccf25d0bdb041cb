/* Median of a box or ball around each voxel, exact: scipy.ndimage.median_filter, mode = "reflect".
 *
 * The neighbourhood is all voxels at most `radius` away along each axis, or of these the ones with
 * (dz / rz)^2 + (dy / ry)^2 + (dx / rx)^2 <= 1. It always has an odd number of voxels, so the median is one of them.
 * Beyond the image's border the image is mirrored (d c b a | a b c d | d c b a). NaN counts as larger than all numbers:
 * a voxel becomes NaN when more than half of its neighbourhood is, and lone NaN vanish. The result has the same bits
 * for any tile, thread count and instruction set. */
#ifndef TK_KERNELS_FILTER_MEDIAN_H
#define TK_KERNELS_FILTER_MEDIAN_H

#include <stdbool.h>

#include "kernels/common/view.h"
#include "kernels/common/work.h"

enum { TK_MEDIAN_RADIUS_MAX = 32 };

typedef struct tk_median {
    int64_t radius[3]; /* voxels, z y x, 0 .. TK_MEDIAN_RADIUS_MAX */
    bool ball;
} tk_median;

/* How many voxels the neighbourhood has. */
int64_t tk_median_voxels(const tk_median *median);

/* Scratch bytes that one call needs to run on `threads` threads, for blocks of any size. With less it uses as many
 * threads as there is scratch for. */
size_t tk_median_scratch(const tk_median *median, int threads);

/* Filters. `in` covers in_box and `out` covers out_box of an image that covers `image`; in_box holds out_box grown by
 * the radius and clipped to the image. Errors: TK_FAILED when it does not, TK_NO_MEMORY when the scratch is too small.
 */
tk_status tk_median_apply(const tk_median *median, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                          const tk_box *out_box, tk_view_f32 out, tk_work *work);

#endif
