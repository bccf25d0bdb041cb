/* The intensity of a PSF on a table of radii and planes: light of one wavelength through one pupil, and what the modes
 * of microscopes do with it. All models here are round, so that such a table says everything. */
#ifndef TK_KERNELS_PSF_RADIAL_H
#define TK_KERNELS_PSF_RADIAL_H

#include "kernels/common/status.h"
#include "kernels/common/work.h"
#include "kernels/psf/optics.h"

/* Radii 0, step, 2 step, … and planes first, first + spacing, … (um; z as in optics.h). Values are dense,
 * [radius][plane], in double precision. */
typedef struct tk_psf_grid {
    double step, first, spacing;
    int64_t radii, planes;
} tk_psf_grid;

/* The distance of radii at which interpolation of degree 7 is good to 1e-5 of the peak for any mode: a 14th of the
 * finest period of its intensity, in um. */
double tk_psf_radial_step(const tk_psf_optics *optics);

/* Fills `value` with the intensity of the whole PSF of the optics' mode (arbitrary units). For widefield and light
 * sheet, *energy[plane] is the integral of each plane over all radii, to infinity, in those units x um^2; for other
 * modes it is left alone. `energy` may be NULL.
 * Integrals over the pupil are by Gauss and Legendre's rule with as many nodes as the phase needs; the sums run in
 * one order, so that the bits do not depend on the number of threads.
 * Errors: TK_NO_MEMORY when the scratch is too small. */
tk_status tk_psf_radial(const tk_psf_optics *optics, const tk_psf_grid *grid, tk_work *work, double *value,
                        double *energy);

/* Scratch for it. */
size_t tk_psf_radial_scratch(const tk_psf_optics *optics, const tk_psf_grid *grid, int threads);

#endif
