/* Iterative deconvolution of a block: Richardson-Lucy and its momentum form SHB, with data-free surroundings.
 *
 * Model: g ~ Poisson(H x + b) + N(0, sigma^2), with H the convolution with the PSF, b a constant background and sigma
 * the read noise, all in photons; sigma^2 is added to data and model (Snyder et al. 1995, J. Opt. Soc. Am. A 12:272).
 * M is 1 where there are data and 0 around them, where x is estimated all the same: the borders need no reflection
 * and light from outside the block is explained by objects outside the block (Bertero & Boccacci 2005, A&A 437:369).
 * Iteration, from x_0 = x_-1 = the start level:
 *   p_k     = max(x_k + a_k (x_k - x_(k-1)), eps)
 *   r_k     = M ((g + sigma^2)+ / (H p_k + b + sigma^2) - 1)
 *   x_(k+1) = max(p_k (1 + w H^T r_k), eps),   w = 1 / H^T M where H^T M >= 0.01, else 0
 * with a_k = 0 for Richardson-Lucy (Richardson 1972; Lucy 1974) and a_k = k / (k + 3) for SHB (Wang & Miller 2014,
 * IEEE Trans. Image Process. 23:848, with Nesterov's sequence). eps = 2^-15 of the start level; H p >= eps holds
 * exactly for p >= eps and is enforced against rounding.
 *
 * A tk_deconvolver is what all blocks share: the padded size, the plans and the PSF's transform. It is constant while
 * blocks are deconvolved. Results are the same bits for any number of threads and any tk_isa, given the same plans. */
#ifndef TK_KERNELS_DECONVOLVE_DECONVOLVE_H
#define TK_KERNELS_DECONVOLVE_DECONVOLVE_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"
#include "kernels/fft/fft.h"

typedef enum tk_deconvolve_method { TK_DECONVOLVE_SHB, TK_DECONVOLVE_RL } tk_deconvolve_method;

typedef struct tk_deconvolve_options {
    tk_deconvolve_method method;
    int iterations;    /* N >= 1: the result is x_N */
    double background; /* b, photons */
    double read_noise; /* sigma, photons */
    double start;      /* x_0, photons, > 0: the image's mean less the background */
} tk_deconvolve_options;

typedef struct tk_deconvolver {
    tk_fft fft;
    int64_t psf[3];    /* its size, z y x */
    const float *otf;  /* the PSF's transform over the number of voxels, as a filter (kernels/fft/sweep.h) */
    tk_scratch memory; /* holds the OTF */
} tk_deconvolver;

/* More threads than this are not used: each has a buffer, and the memory needed may not depend on their number. */
enum { TK_DECONVOLVE_THREADS = 128 };

/* The padded size for blocks up to `largest` and a PSF of size `psf` (z y x): at least largest + psf - 1, so that
 * nothing wraps around into the data. Errors: TK_NO_MEMORY when it cannot be addressed. */
tk_status tk_deconvolve_layout(const int64_t psf[3], const int64_t largest[3], tk_fft *fft);

/* Bytes that a deconvolver of this layout holds, and bytes of scratch that tk_deconvolve takes. */
size_t tk_deconvolver_bytes(const tk_fft *fft);
size_t tk_deconvolve_scratch(const tk_fft *fft);

/* Estimated nanoseconds of one core to deconvolve a block of `planes` planes. */
double tk_deconvolve_cost(const tk_fft *fft, int64_t planes, int iterations);

/* Makes a deconvolver: plans from the wisdom text (tk_fft_plan; serial code), OTF from the PSF, whose sum is 1 and
 * whose origin is at size / 2. The caller frees it. Errors: TK_NO_MEMORY, TK_FAILED (the wisdom does not suffice). */
tk_status tk_deconvolver_make(tk_cview_f32 psf, const int64_t largest[3], const char *wisdom, int threads,
                              tk_deconvolver *deconvolver);

void tk_deconvolver_free(tk_deconvolver *deconvolver);

/* Deconvolves `image` (photons, no NaN, not larger than the deconvolver's largest block) and writes the part
 * `out_part` (a box in the image's own coordinates) to `out`, which has its size. Errors: TK_NO_MEMORY when the scratch
 * is too small. */
tk_status tk_deconvolve(const tk_deconvolver *deconvolver, tk_cview_f32 image, const tk_box *out_part, tk_view_f32 out,
                        const tk_deconvolve_options *options, tk_work *work);

#endif
