/* How tiles of the step deconvolve differ from the un-tiled result, and the halo that keeps them within a tolerance. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_HALO_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_HALO_H

#include "engine/step.h"
#include "kernels/deconvolve/deconvolve.h"

/* Halo of so many radii (half the PSF's size), in voxels, rounded up. */
void tk_deconvolve_halo_of(tk_cview_f32 psf, double radii, int64_t halo[3]);

/* Deconvolves scenes of points, lines and blobs in sections of the image, along z and the axis along which the PSF is
 * wider, whole and in blocks with halos of 0 … 2 radii, with the PSF summed along the third axis. `image`: its size.
 * The options' iterations are run, at most 100; 2 to 12 sections, the fewer the dearer they are. Fills the rows (none
 * when the PSF is a point). Deterministic. Errors: TK_NO_MEMORY. */
tk_status tk_deconvolve_halo_errors(tk_cview_f32 psf, const int64_t image[3], const tk_deconvolve_options *options,
                                    tk_halo_error *rows, int *count, tk_error *error);

#endif
