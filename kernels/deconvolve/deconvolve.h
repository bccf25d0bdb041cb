/* Iterative deconvolution of a block by the family of Richardson and Lucy, with data-free surroundings.
 *
 * Model: g ~ Poisson(H x + b) + N(0, sigma^2), with H the convolution with the PSF, b a background and sigma the read
 * noise, all in photons; sigma^2 is added to data and model (Snyder et al. 1995, J. Opt. Soc. Am. A 12:272).
 * M is 1 where there are data, and 0 around them and where the camera was saturated or dead. There x is estimated all
 * the same: the borders need no reflection, and light from outside the block is explained by objects outside the block
 * (Bertero & Boccacci 2005, A&A 437:369).
 * Iteration, from x_0 = x_-1 = the start level:
 *   p_k     = max(x_k + a_k (x_k - x_(k-1)), eps)
 *   r_k     = M ((g + sigma^2)+ / (H p_k + b + sigma^2) - 1)
 *   x_(k+1) = max(p_k (1 + w B r_k) T, eps)
 * eps = 2^-15 of the start level; H p >= eps holds exactly for p >= eps and is enforced against rounding.
 *
 * Back projector: B = H^T with w = 1 / H^T M where H^T M >= 0.01, else 0. In the first `warm` iterations, B is
 * the Wiener-Butterworth projector (wiener_butterworth.h), w = 1, a_k = 0 and 1 + B r >= 0.3: it sharpens in few
 * iterations, would diverge in many, and leaves a good start to the others, which count from there: j = k - warm.
 * Momentum: a_k = 0 for Richardson-Lucy (Richardson 1972; Lucy 1974); a_k = j / (j + 3) for SHB (Wang & Miller 2014,
 * IEEE Trans. Image Process. 23:848, with Nesterov's sequence); for Biggs & Andrews (1997, Appl. Opt. 36:1766)
 *   a_(k+1) = sum d_k d_(k-1) / sum d_(k-1)^2 within 0 … 1,   d_k = x_(k+1) - p_k, over the padded volume,
 * 0 for the first two matched iterations.
 * Total variation: T = 1 / (1 - lambda div (grad x_k / |grad x_k|)), one step late (Dey et al. 2006, Microsc. Res.
 * Tech. 69:260), 1 when lambda is 0.
 *
 * Results are the same bits for any number of threads and any tk_isa, given the same plans. */
#ifndef TK_KERNELS_DECONVOLVE_DECONVOLVE_H
#define TK_KERNELS_DECONVOLVE_DECONVOLVE_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"
#include "kernels/deconvolve/deconvolver.h"
#include "kernels/deconvolve/wiener_butterworth.h"

typedef enum tk_deconvolve_method { TK_DECONVOLVE_SHB, TK_DECONVOLVE_RL, TK_DECONVOLVE_BIGGS } tk_deconvolve_method;

/* A block's data, and what is known of the camera: photons = (counts - offset) * gain. A voxel is no datum when it is
 * NaN, saturated or dead. Maps have the image's size; strides of z and y may be 0. */
typedef struct tk_deconvolve_data {
    tk_cview_f32 image;          /* counts */
    double camera_offset;        /* counts */
    double camera_gain;          /* photons (photoelectrons) a count, > 0 */
    double saturation;           /* counts from which on a voxel is no datum; INFINITY: none */
    double background;           /* b, photons, where there is no map */
    tk_cview_f32 background_map; /* b, photons, >= 0; data NULL: none */
    tk_cview_u8 dead;            /* not 0: no datum; data NULL: none */
    const float *const *weight;  /* of a PSF's terms: a_k of each padded plane (tk_deconvolver_z); NULL: one term */
} tk_deconvolve_data;

/* An image that is in photons already, without background: the other members can be set afterwards. */
tk_deconvolve_data tk_deconvolve_photons(tk_cview_f32 image);

typedef struct tk_deconvolve_options {
    tk_deconvolve_method method;
    int iterations;                       /* N >= 1, warm ones included: the result is x_N */
    int warm;                             /* how many with the Wiener-Butterworth projector, 0 … N */
    double read_noise;                    /* sigma, photons */
    double start;                         /* x_0, photons, > 0: the mean of the photons less the background */
    double tv;                            /* lambda of total variation, 0 … 0.1 */
    tk_wiener_butterworth back_projector; /* of the warm iterations */
    const float *momentum; /* biggs: a_0 … a_(N-1), frozen for all tiles; NULL: from this very block as it goes */
} tk_deconvolve_options;

/* Bytes of scratch that tk_deconvolve takes. */
size_t tk_deconvolve_scratch(const tk_deconvolver_shape *shape, const tk_deconvolve_options *options);

/* Estimated nanoseconds of one core to deconvolve a block of `planes` planes. */
double tk_deconvolve_cost(const tk_deconvolver_shape *shape, int64_t planes, const tk_deconvolve_options *options);

/* Deconvolves a block, not larger than the deconvolver's largest, and writes the part `out_part` (a box in the block's
 * own coordinates), in photons, to `out`, which has its size. Errors: TK_NO_MEMORY when the scratch is too small. */
tk_status tk_deconvolve(const tk_deconvolver *deconvolver, const tk_deconvolve_data *data, const tk_box *out_part,
                        tk_view_f32 out, const tk_deconvolve_options *options, tk_work *work);

/* --- Several workers on one block -------------------------------------------------------------------------------- */

/* Where a deconvolution is after `done` iterations, and what it takes to go on from there with the same bits: this
 * worker's planes of x and previous, and for Biggs' momentum as it goes, of change (else its data is NULL). Plane
 * `local` of a view is padded plane tk_fft_part_plane(&part, local). */
typedef struct tk_deconvolve_progress {
    int done;
    float momentum; /* of the next iteration */
    tk_fft_part part;
    tk_view_f32 x, previous, change;
} tk_deconvolve_progress;

/* Called by all workers alike, and fail for all or for none; what fails ends the deconvolution with that status. */
typedef struct tk_deconvolve_checkpoint {
    /* At the start: fills it, or leaves done = 0, and then what the views hold is of no account. */
    tk_status (*load)(void *context, tk_deconvolve_progress *progress);
    tk_status (*save)(void *context, const tk_deconvolve_progress *progress); /* after each iteration but the last */
    void *context;
} tk_deconvolve_checkpoint;

/* Deconvolves a block together with the other workers of `share` (NULL: alone); collective. The block has `data_planes`
 * planes of data, of which `data` and `out` are this worker's: those of tk_fft_part_of. The deconvolver is made for the
 * same share; when that is turned (deconvolver.h), planes are rows of the image. The result is, bit for bit, that of
 * tk_deconvolve. checkpoint: NULL for none. Errors: TK_NO_MEMORY, those of the share and of the checkpoint. Scratch:
 * for the worker with the largest part. */
tk_status tk_deconvolve_shared(const tk_deconvolver *deconvolver, const tk_fft_share *share, int64_t data_planes,
                               const tk_deconvolve_data *data, tk_view_f32 out, const tk_deconvolve_options *options,
                               const tk_deconvolve_checkpoint *checkpoint, tk_work *work);
size_t tk_deconvolve_shared_scratch(const tk_deconvolver_shape *shape, int workers, int64_t data_planes,
                                    const tk_deconvolve_options *options);

/* --- Held-out data ----------------------------------------------------------------------------------------------- */

/* How many iterations are right: each voxel's photons g are divided at random into held-out ones v and the others,
 * which are fitted; the iteration that predicts the held-out ones best is the one to stop at.
 *
 * A photon is held out with probability s: v ~ Binomial(n, s) with n = g, rounded up or down at random when g is not
 * whole. Both parts of Poisson data are independent of each other. Read noise is not, nor is it divided by that: v gets
 * Gaussian noise of variance s (1 - s) sigma^2 on top, so that g - v and v are uncorrelated, with read noise of
 * variance (1 - s) sigma^2 and s sigma^2. Where g <= 0: v = s g, and noise of variance s (1 - s) max(g + sigma^2, 0).
 * The error of the prediction is summed squared (a Gaussian likelihood of constant variance): its expectation is a
 * constant, the noise's, and s^2 |H x - H x_true|^2, so that it is least where the blurred estimate is nearest to the
 * truth, in the norm of the NRMSE. The Poisson deviance, to which dim voxels matter as much as bright ones, is least
 * later where there is much light, and earlier where there is little.
 * Random numbers depend on the seed and on the voxel's place in the whole image alone: all tiles see the same division.
 */
typedef struct tk_deconvolve_trial {
    double share; /* s, 0 … 1; usually 0.1 */
    uint64_t seed;
    int64_t origin[3]; /* the block's first voxel in the image, z y x */
    int64_t image[3];  /* the image's size */
} tk_deconvolve_trial;

/* Sums over a block for iteration k, which makes x_(k+1). Sums are made by plane and the planes added in order. The
 * iteration compares the data with H p_k: its figures stand for x_(k+1), which p_k anticipates. */
typedef struct tk_deconvolve_sums {
    double held_out;               /* squared error with which the held-out data are predicted, photons^2 */
    double divergence;             /* I-divergence of the fitted data, with sigma^2 added to data and model */
    double light;                  /* sum of x_(k+1) over the block, for the light that is fitted: times 1 - s */
    double numerator, denominator; /* of Biggs & Andrews' a_(k+1), which is their ratio within 0 … 1; else 0 */
    int64_t voxels;                /* how many are data */
} tk_deconvolve_sums;

/* Fits what is not held out of a block, N iterations, and fills sums[0 … N-1]. Scratch: tk_deconvolve_trial_scratch for
 * a block of this size. Errors: TK_NO_MEMORY. */
tk_status tk_deconvolve_try(const tk_deconvolver *deconvolver, const tk_deconvolve_data *data,
                            const tk_deconvolve_trial *trial, const tk_deconvolve_options *options,
                            tk_deconvolve_sums *sums, tk_work *work);
size_t tk_deconvolve_trial_scratch(const tk_deconvolver_shape *shape, const int64_t size[3],
                                   const tk_deconvolve_options *options);

#endif
