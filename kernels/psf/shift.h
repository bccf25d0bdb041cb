/* Images shifted by parts of a voxel. */
#ifndef TK_KERNELS_PSF_SHIFT_H
#define TK_KERNELS_PSF_SHIFT_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* Fills `out` with the image around a place: out(i) = image(centre + i - out.size / 2), z y x, in voxels. Between
 * voxels by a sinc of 16 taps under Kaiser's window (beta 6) on each axis, which keeps waves of up to two thirds of the
 * sampling limit to 1e-3; beyond the border the image is continued with its last voxel. Whole shifts are exact.
 * Errors: TK_NO_MEMORY. */
tk_status tk_shift(tk_cview_f32 image, const double centre[3], tk_work *work, tk_view_f32 out);

size_t tk_shift_scratch(const int64_t out[3]);

#endif
