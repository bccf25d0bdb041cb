/* The Gaussian PSF of the phantoms, integrated over voxels. */
#ifndef TK_KERNELS_PHANTOM_PSF_H
#define TK_KERNELS_PHANTOM_PSF_H

#include <stdint.h>

/* Half-width in voxels at which the Gaussian is cut: ceil(4 sigma). */
int64_t tk_psf_radius(double sigma);

enum { TK_PSF_MOST_TAPS = 801 }; /* for sigma up to 100 */

/* The 2 radius + 1 weights of one axis: the integral of the Gaussian over each voxel; they sum to 1 exactly. Sigma 0
 * gives the one weight 1. The weights are multiples of 2^-32, so that the last digits of the C library's erf do not
 * show: they are the same on every machine. */
void tk_psf_weights(double sigma, double weights[TK_PSF_MOST_TAPS]);

#endif
