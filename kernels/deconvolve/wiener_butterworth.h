/* The unmatched back projector of Guo et al. (2020, Nat. Biotechnol. 38:1337): a Wiener filter that sharpens up to the
 * resolution limit, cut off by a Butterworth filter beyond it. With f the frequency,
 *   B = conj(H) (1 + alpha) / (|H|^2 + alpha) / sqrt(1 + e (sum over axes of (f / cutoff)^2)^n),
 *   1 + e = (W / beta)^2,   W = |H| / (|H|^2 + alpha) at the cutoff along x,
 * so that B is 1 at frequency 0, and about beta at the cutoff. It is made of the OTF on the fly: no second one. */
#ifndef TK_KERNELS_DECONVOLVE_WIENER_BUTTERWORTH_H
#define TK_KERNELS_DECONVOLVE_WIENER_BUTTERWORTH_H

#include "kernels/common/scratch.h"
#include "kernels/common/view.h"
#include "kernels/fft/sweep.h"

typedef struct tk_wiener_butterworth {
    double alpha, beta;
    int order;        /* n: 1 … 31 */
    double cutoff[3]; /* cycles per voxel, z y x; INFINITY: none along that axis */
    double at_cutoff; /* |H| at the cutoff along x */
} tk_wiener_butterworth;

/* alpha = beta = 0.01, n = 8, cutoffs at 1 / FWHM of the PSF (sum 1, origin at size / 2), which is the resolution
 * limit; none along an axis where the PSF does not fall to half. */
tk_wiener_butterworth tk_wiener_butterworth_default(tk_cview_f32 psf);

/* B ready for the columns of a padded volume: the context of tk_wiener_butterworth_product. */
typedef struct tk_back_projector {
    float alpha, excess, scale; /* excess: e; scale: H over the filter's values */
    float level;                /* of the PSF's first term */
    int order;
    int64_t depth;
    const float *square[3]; /* (f / cutoff)^2 for each index of the spectrum, z y x */
    tk_isa isa;
} tk_back_projector;

/* Takes its rows from `scratch`. `weight`: of the first term of a PSF with several, for each padded plane; H is then
 * taken as that term times its mean weight. NULL: one term. Errors: TK_NO_MEMORY. */
tk_status tk_back_projector_make(const tk_fft *fft, const tk_wiener_butterworth *options, const float *weight,
                                 tk_isa isa, tk_scratch *scratch, tk_back_projector *projector);
size_t tk_back_projector_scratch(const tk_fft *fft);

/* The product of a tk_fft_filter whose values are the OTF. */
void tk_wiener_butterworth_product(const void *projector, int64_t y, int64_t block, float *restrict columns,
                                   const float *restrict otf);

/* For each instruction set: columns [z][column] *= B, from the OTF and the squares of a block of columns along x. */
typedef struct tk_back_projection {
    void (*product)(const tk_back_projector *projector, float square_y, const float *square_x, float *restrict columns,
                    const float *restrict otf);
} tk_back_projection;

TK_ISA_DECLARE(tk_back_projection, tk_back_projection_table);

#endif
