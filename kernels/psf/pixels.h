/* Radial tables drawn into voxels. */
#ifndef TK_KERNELS_PSF_PIXELS_H
#define TK_KERNELS_PSF_PIXELS_H

#include "kernels/common/view.h"
#include "kernels/psf/radial.h"

/* The table that covers a box of this size (z y x, origin at size / 2) out to its corners. */
tk_psf_grid tk_psf_grid_of(const tk_psf_optics *optics, const int64_t size[3]);

/* Fills `image` with the mean of the table, tk_psf_grid_of the image's size, over each pixel's area (or its value at
 * the pixel's centre, when optics->sampled). The table is interpolated with degree 7, and may be negative. Errors:
 * TK_NO_MEMORY. */
tk_status tk_psf_pixels(const tk_psf_optics *optics, const tk_psf_grid *grid, const double *table, tk_work *work,
                        tk_view_f32 image);

size_t tk_psf_pixels_scratch(const tk_psf_grid *grid, const int64_t size[3], int threads);

#endif
