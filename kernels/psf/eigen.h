/* A PSF that changes with depth, as a few images with weights that depend on the depth.
 *
 * h(u; d) = sum over k < K of a_k(d) p_k(u) (M. Arigovindan et al., Opt. Express 18:6461, 2010). The p_k are the left
 * singular vectors of a matrix whose columns are PSFs at even depths, on a radial table where each entry counts by the
 * area of its ring, so that errors are those of the PSF in space. The focal shift is taken out of each PSF first
 * (tk_psf_focal_shift; a map of depths restores it), which is what lets a few images do.
 * Singular vectors are eigenvectors of the matrix of the PSFs' products in double precision, by Jacobi's rotations in
 * one order: no library, the same bits for any number of threads. That squares the condition: errors down to 1e-7 are
 * seen, far below what a float PSF holds. */
#ifndef TK_KERNELS_PSF_EIGEN_H
#define TK_KERNELS_PSF_EIGEN_H

#include "kernels/common/view.h"
#include "kernels/psf/radial.h"

enum { TK_EIGEN_MOST = 32, TK_EIGEN_MOST_DEPTHS = 256 };

typedef struct tk_psf_eigen {
    tk_psf_optics optics;                                    /* depth_um is of no account */
    int64_t modes, depths;                                   /* K, and how many PSFs the modes come from */
    double first_um, last_um;                                /* depths: even steps from the first to the last */
    double coefficient[TK_EIGEN_MOST][TK_EIGEN_MOST_DEPTHS]; /* a_k at these depths */
    double combine[TK_EIGEN_MOST][TK_EIGEN_MOST_DEPTHS];     /* p_k = sum over depths of combine[k][i] h(depth i) */
    double worst;                                            /* the largest relative L2 error at any of these depths */
    double error[TK_EIGEN_MOST];                             /* the same with 1, 2 … modes */
    double shift_um[TK_EIGEN_MOST_DEPTHS];                   /* focal shift at these depths */
} tk_psf_eigen;

/* Chooses the fewest modes, at most `most_modes` (<= TK_EIGEN_MOST), whose relative L2 error
 * ||h - sum|| / ||h|| is at most `target` at each of `depths` (2 … TK_EIGEN_MOST_DEPTHS) even depths in first_um …
 * last_um, over the cylinder around a box of `size` voxels. When most_modes do not reach the target, eigen->worst says
 * what they do reach. Each h is scaled to the same light, that of its pupil.
 * Errors: TK_INVALID (optics, sizes, depths), TK_NO_MEMORY. */
tk_status tk_psf_eigen_make(const tk_psf_optics *optics, double first_um, double last_um, int64_t depths,
                            const int64_t size[3], double target, int64_t most_modes, tk_work *work,
                            tk_psf_eigen *eigen);
size_t tk_psf_eigen_scratch(const tk_psf_optics *optics, double first_um, double last_um, int64_t depths,
                            const int64_t size[3], int threads);

/* The coefficients a_0 … a_(K-1) at a depth, which is clamped to first_um … last_um: cubic interpolation between
 * depths.
 */
void tk_psf_eigen_coefficients(const tk_psf_eigen *eigen, double depth_um, double *coefficient);

/* Draws `count` modes from `first` on as images of one size (z y x, origin at size / 2, integrated over pixels like
 * tk_psf_make). Modes have negative values, and are scaled so that sum of a_k p_k is a PSF of about sum 1: the same for
 * all modes and depths. All together take hardly longer than one: the PSFs of all depths are made again. Errors:
 * TK_INVALID, TK_NO_MEMORY. */
tk_status tk_psf_eigen_modes(const tk_psf_eigen *eigen, int64_t first, int64_t count, tk_work *work,
                             const tk_view_f32 modes[]);
size_t tk_psf_eigen_modes_scratch(const tk_psf_eigen *eigen, const int64_t size[3], int64_t count, int threads);

#endif
