/* What all blocks of a deconvolution share: the padded size, the plans, and the transform (OTF) of the PSF or of its
 * terms. It is constant while blocks are deconvolved.
 *
 * A PSF that depends on depth is a few images p_k with weights a_k that depend on z alone (kernels/psf/eigen.h):
 * H x = sum over k of p_k * (a_k x). Weights belong to a block, for they depend on where in the image it lies. */
#ifndef TK_KERNELS_DECONVOLVE_DECONVOLVER_H
#define TK_KERNELS_DECONVOLVE_DECONVOLVER_H

#include "kernels/common/view.h"
#include "kernels/fft/sweep.h"

/* What a deconvolver is made for; decides memory and time. */
typedef struct tk_deconvolver_shape {
    tk_fft fft;     /* padded; plans only in a deconvolver */
    int64_t psf[3]; /* its size, or that of its terms, z y x */
    bool turned;    /* one plane of data and PSF: z and y have changed places in fft and psf, and so they do in data
                     * and results while they are worked on; `plane` then means a row of the image */
    int terms;      /* K >= 1 */
    bool lean;      /* the OTF in half precision, with relative errors of some 2e-4, and a block's weights in bytes */
} tk_deconvolver_shape;

typedef struct tk_deconvolver {
    tk_deconvolver_shape shape;
    tk_fft_run rows;          /* of the OTF that are held: those of this worker */
    const tk_fft_values *otf; /* K of them, over the number of voxels (kernels/fft/sweep.h) */
    tk_scratch memory;        /* holds them */
} tk_deconvolver;

/* The shape for blocks up to `largest`: a padded size of at least largest + psf - 1, so that nothing wraps around into
 * the data. Errors: TK_NO_MEMORY when it cannot be addressed. */
tk_status tk_deconvolver_layout(const int64_t psf[3], const int64_t largest[3], int terms, bool lean,
                                tk_deconvolver_shape *shape);

/* The padded size in the image's own order of axes. */
void tk_deconvolver_padded(const tk_deconvolver_shape *shape, int64_t padded[3]);

/* Bytes that a deconvolver holds; `share`: NULL for all rows, else those of one worker (the largest share). While it is
 * made it takes more, but no more than what a volume of the worker's planes takes. */
size_t tk_deconvolver_bytes(const tk_deconvolver_shape *shape, const tk_fft_share *share);

/* Estimated nanoseconds of one core for an iteration's transforms, H and H^T of a block of which `data_planes` planes
 * (of the image) have data. */
double tk_deconvolver_cost(const tk_deconvolver_shape *shape, int64_t data_planes);

/* Makes a deconvolver of this shape: plans from the wisdom text (tk_fft_plan; serial code), OTFs from the PSF, or from
 * K terms, of the shape's size, whose origin is at size / 2. A PSF's sum is 1. Every worker of a `share` (NULL: none)
 * gives the same PSF and holds its rows. Not collective. The caller frees it. Errors: TK_NO_MEMORY, TK_FAILED (the
 * wisdom does not suffice). */
tk_status tk_deconvolver_make(const tk_deconvolver_shape *shape, const tk_cview_f32 psf[], const tk_fft_share *share,
                              const char *wisdom, int threads, tk_deconvolver *deconvolver);

void tk_deconvolver_free(tk_deconvolver *deconvolver);

/* H, from all planes to those with data, or its transpose, from those with data to all, as a filter. `weight`: for
 * each of several terms, a_k of every padded plane (tk_deconvolver_z); of no account for one term. `exchange`: of a
 * shared volume, else NULL. The filter refers to all of them. */
tk_fft_filter tk_deconvolver_filter(const tk_deconvolver *deconvolver, bool transposed, int64_t data_planes,
                                    const float *const *weight, const tk_fft_exchange *exchange);

/* Where padded plane `plane` of a block with `data_planes` planes lies, counted from the block's first plane: those
 * beyond the data are behind it and, from the end on, before it (negative). */
int64_t tk_deconvolver_z(const tk_deconvolver_shape *shape, int64_t data_planes, int64_t plane);

#endif
