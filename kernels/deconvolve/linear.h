/* Linear deconvolution in one pass, for a quick look: Wiener's filter and Tikhonov's.
 *
 *   x = level + F^-1 [ conj(H) (1 + lambda R(0)) / (|H|^2 + lambda R) F d ],   d = photons - background - level
 *
 * Wiener: R = 1, lambda being the ratio of the powers of noise and signal, the same at all frequencies. Tikhonov:
 * R = |L|^2 over its mean, with L the discrete Laplacian in voxels, which asks for smoothness (A. N. Tikhonov 1963);
 * the mean makes lambda comparable. Both keep a constant image as it is. Results are not clipped: they may be negative.
 *
 * Edges: the padded volume is periodic. Beyond the data, d goes on with the value of the nearest voxel and fades to 0
 * by a raised cosine half way to the other side, so that there is no jump to ring. Voxels that are no data have
 * d = 0. */
#ifndef TK_KERNELS_DECONVOLVE_LINEAR_H
#define TK_KERNELS_DECONVOLVE_LINEAR_H

#include "kernels/deconvolve/deconvolve.h"

typedef enum tk_linear_method { TK_LINEAR_WIENER, TK_LINEAR_TIKHONOV } tk_linear_method;

typedef struct tk_linear_options {
    tk_linear_method method;
    double regularisation; /* lambda > 0 */
    double level;          /* photons: what is taken to be around the data, the image's mean less the background */
} tk_linear_options;

/* The automatic lambda: power of the noise over that of the signal, from the whole image's mean and mean square, in
 * photons: (mean + read_noise^2) / (variance - mean - read_noise^2), within 1e-6 … 1. `mean` includes the background.
 */
double tk_linear_regularisation(double mean, double mean_square, double read_noise);

/* Deconvolves a block as tk_deconvolve does, for a deconvolver of one term: of a PSF that depends on depth, the
 * one of the block's middle will do for a look. Errors: TK_INVALID (several terms), TK_NO_MEMORY (too little scratch).
 */
tk_status tk_deconvolve_linear(const tk_deconvolver *deconvolver, const tk_deconvolve_data *data,
                               const tk_box *out_part, tk_view_f32 out, const tk_linear_options *options,
                               tk_work *work);
size_t tk_deconvolve_linear_scratch(const tk_deconvolver_shape *shape);

/* Estimated nanoseconds of one core. */
double tk_deconvolve_linear_cost(const tk_deconvolver_shape *shape);

#endif
