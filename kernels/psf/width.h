/* The width of a PSF. */
#ifndef TK_KERNELS_PSF_WIDTH_H
#define TK_KERNELS_PSF_WIDTH_H

#include "kernels/common/view.h"

/* Full width at half maximum, in voxels, of the line along `axis` through the origin (size / 2 on each axis). The
 * profile is read with cubic interpolation between voxels; the maximum is the highest point of it within one voxel of
 * the highest voxel, and the half is of that maximum above 0. NAN when the profile does not fall to half on either
 * side. */
double tk_psf_width(tk_cview_f32 psf, int axis);

#endif
