/* PSFs from optics, as images.
 *
 * Accuracy: within 1e-4 of the peak of adaptive quadrature over pupil and pixel. The same bits for any number of
 * threads and any instruction set; sin, cos and Bessel functions are the C library's, so that the last digits may
 * differ between machines: a result that must be reproduced elsewhere records the PSF's checksum or keeps the PSF. */
#ifndef TK_KERNELS_PSF_MODEL_H
#define TK_KERNELS_PSF_MODEL_H

#include "kernels/common/view.h"
#include "kernels/psf/radial.h"

/* What is worth knowing of a PSF that was made. */
typedef struct tk_psf_facts {
    double brightest_um; /* tk_psf_brightest_shift: how much deeper than nominal the point is brightest */
    double origin_um;    /* tk_psf_origin_shift: the same for the plane size / 2 */
    double lost;         /* widefield and light sheet: the part of the light of these planes that falls beside the
                            box; NAN for other modes and for sampled PSFs */
} tk_psf_facts;

/* Fills `psf` (z y x; origin at size / 2; voxels of optics->voxel_um) with the PSF of these optics, scaled to sum 1. A
 * plane of index k is focused (k - size / 2) voxels deeper into the sample than the origin that the optics
 * choose. `facts` may be NULL. Errors: TK_INVALID when tk_psf_optics_fault has something to say
 * or a size is below 1 or above 2^15; TK_NO_MEMORY; TK_UNSOLVABLE when nothing of the PSF lies in the box. */
tk_status tk_psf_make(const tk_psf_optics *optics, tk_work *work, tk_view_f32 psf, tk_psf_facts *facts);

/* Scratch for it; SIZE_MAX when it would refuse the optics or the size. */
size_t tk_psf_make_scratch(const tk_psf_optics *optics, const int64_t size[3], int threads);

/* Chooses an odd size for a PSF, at most `most` (odd), that loses no more than `loss` of the light (0.01: 1 %).
 * Widefield: all most[z] planes are taken, for each of them holds as much light as any other; an image of P planes
 * needs 2 P - 1. Other modes: the smallest cylinder of that energy among those inside `most`. *lost is what the circle
 * inside the box loses, so at most what the box loses; above `loss` when `most` is too small.
 * Errors: as tk_psf_make. */
tk_status tk_psf_size_for(const tk_psf_optics *optics, const int64_t most[3], double loss, tk_work *work,
                          int64_t size[3], double *lost);

/* Scratch for it. */
size_t tk_psf_size_scratch(const tk_psf_optics *optics, const int64_t most[3], int threads);

#endif
