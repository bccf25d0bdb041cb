/* PSFs by quadrature refined until it stands still, a pixel at a time: slow, obvious. */
#ifndef TK_TESTS_REFERENCE_PSF_H
#define TK_TESTS_REFERENCE_PSF_H

#include "kernels/psf/optics.h"

/* The intensity of one wavelength at (z, radius) in um, in the units of tk_psf_pupil: scalar or vectorial as the optics
 * say; `shift` (um) is added to z. Simpson's rule over sin(theta) is doubled until 1e-9 of the pupil's area. */
double ref_psf_point(const tk_psf_optics *optics, double wavelength_um, double shift, double z, double radius);

/* The mean of ref_psf_point over a pixel whose centre is y, x um beside the axis: Simpson's rule, 9 x 9. */
double ref_psf_pixel(const tk_psf_optics *optics, double wavelength_um, double shift, double z, double y, double x);

#endif
