/* The part of a PSF that matters: the smallest box around its origin that holds nearly all of its energy. */
#ifndef TK_KERNELS_PSF_SUPPORT_H
#define TK_KERNELS_PSF_SUPPORT_H

#include "kernels/common/status.h"
#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* The box of the fewest voxels that lies symmetric about the origin (size / 2) and loses at most the part `loss` of
 * the PSF's sum (0 <= loss < 1); of boxes equally small, the one with the fewest planes. Where the PSF is as wide as
 * high (y, x), so is the box. *box is in the PSF's voxels, its sizes are odd; *lost is the part outside. An even size
 * has one plane without a partner, at index 0: it is always outside, and when that alone loses more, the box is the
 * largest symmetric one. Errors: TK_INVALID for a PSF with a value that is negative or not finite, or without any
 * light, or a loss out of range; TK_NO_MEMORY. */
tk_status tk_psf_support(tk_cview_f32 psf, double loss, tk_work *work, tk_box *box, double *lost);

/* Scratch for it. */
size_t tk_psf_support_scratch(const int64_t size[3]);

#endif
