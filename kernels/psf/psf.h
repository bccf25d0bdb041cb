/* Point spread functions: a Gaussian model, checks and normalisation.
 *
 * A PSF is a small image (z y x, float32) whose origin, the place where a point appears, is the voxel size / 2 on
 * each axis (rounded down): the centre of an odd size, the voxel after the centre of an even one. */
#ifndef TK_KERNELS_PSF_PSF_H
#define TK_KERNELS_PSF_PSF_H

#include "kernels/common/status.h"
#include "kernels/common/view.h"

/* The size of a Gaussian PSF of these standard deviations (voxels, z y x, each >= 0): support of +-ceil(4 sigma).
 * Errors: TK_INVALID when a sigma is negative, not finite or above 10^6. */
tk_status tk_psf_gaussian_size(const double sigma[3], int64_t size[3]);

/* Fills a PSF of that size with a Gaussian that is integrated over each voxel, as a camera's pixels do:
 * h(i) = (erf((i + 1/2) / (sqrt 2 sigma)) - erf((i - 1/2) / (sqrt 2 sigma))) / 2 on each axis; sigma = 0 is a point. */
void tk_psf_gaussian(const double sigma[3], tk_view_f32 psf);

/* What tk_psf_normalise found wrong. */
typedef enum tk_psf_fault { TK_PSF_GOOD, TK_PSF_NOT_FINITE, TK_PSF_NEGATIVE, TK_PSF_EMPTY } tk_psf_fault;

/* Divides the PSF by its sum (in double precision, in the order of the voxels), so that it keeps flux. A PSF
 * with a value that is NaN, infinite or negative, or whose sum is zero or infinite, is left as it is. */
tk_psf_fault tk_psf_normalise(tk_view_f32 psf);

/* Voxels around an output voxel that a PSF of this size reaches: size / 2 on each axis. */
void tk_psf_halo(const int64_t size[3], int64_t halo[3]);

#endif
