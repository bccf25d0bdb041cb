/* Light of one wavelength from one point, through the pupil, on a table of radii and planes. */
#ifndef TK_KERNELS_PSF_PUPIL_H
#define TK_KERNELS_PSF_PUPIL_H

#include "kernels/psf/radial.h"

/* The intensity, scalar: |integral A(s) J0(k r s) exp(i k W(s, z)) s ds|^2, or vectorial, averaged over the directions
 * of the dipole: |I0|^2 + 2 |I1|^2 + |I2|^2 (B. Richards, E. Wolf, Proc. R. Soc. A 253:358, 1959; with layers P. Torok,
 * P. Varga, Appl. Opt. 36:2305, 1997). s = n sin(theta), k = 2 pi / wavelength; *energy, if not NULL, is the integral
 * of a plane over all radii, the same for all planes. Errors: TK_NO_MEMORY. */
tk_status tk_psf_pupil(const tk_psf_optics *optics, double wavelength_um, const tk_psf_grid *grid, tk_work *work,
                       double *value, double *energy);

/* Scratch for it. */
size_t tk_psf_pupil_scratch(const tk_psf_optics *optics, double wavelength_um, const tk_psf_grid *grid, int threads);

#endif
