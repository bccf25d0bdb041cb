/* A PSF that changes with depth, for the step deconvolve: eigen-PSFs over the depths of the whole image
 * (kernels/psf/eigen.h), and their weights for each of its planes. They are made once, not for each tile.
 *
 * The first plane is psf.depth below the coverslip, and each plane lies a voxel deeper than the one before it. Each
 * depth's PSF has its best focus at its origin, so that things stay where they are seen, and sum 1. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_DEPTH_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_DEPTH_H

#include "kernels/deconvolve/deconvolve.h"
#include "kernels/psf/eigen.h"
#include "workflows/steps/deconvolve_psf.h"

typedef struct tk_deconvolve_depth {
    tk_psf_varying varying;
    int terms;      /* K; 1 when nothing varies. With one term no weights are used */
    float *modes;   /* K images of the PSF's size, owned; NULL when nothing varies: the PSF is the term */
    float *weight;  /* [term][plane of the image], owned */
    int64_t planes; /* of the image */
    int64_t depths; /* how many PSFs the modes come from */
    double worst;   /* the largest relative L2 error at any of these depths */
} tk_deconvolve_depth;

/* Makes eigen-PSFs of the PSF's size and weights, if psf.varying asks for them; psf->sha256 is then that of the
 * eigen-PSFs. The caller frees it. Errors: TK_INVALID, when psf.error is not reached, or the PSF is too large;
 * TK_NO_MEMORY; nothing is then left to free. */
tk_status tk_deconvolve_depth_make(const tk_binding *binding, tk_deconvolve_psf *psf, tk_deconvolve_depth *depth,
                                   tk_error *error);

void tk_deconvolve_depth_free(tk_deconvolve_depth *depth);

/* Bytes that it holds. */
size_t tk_deconvolve_depth_bytes(const tk_deconvolve_depth *depth, const tk_deconvolve_psf *psf);

/* The images that a deconvolver is made from, as many as depth->terms. They refer to depth and PSF. */
void tk_deconvolve_depth_terms(const tk_deconvolve_depth *depth, const tk_deconvolve_psf *psf,
                               tk_cview_f32 terms[TK_EIGEN_MOST]);

/* data->weight := the weights for each padded plane of the block: eigen: those of its own depth, of the first or last
 * plane beyond the image; tile: those of the middle of the block's core. They lie in the scratch, and NULL is set for
 * one term. Errors: TK_NO_MEMORY. */
tk_status tk_deconvolve_depth_weigh(const tk_deconvolve_depth *depth, const tk_deconvolver_shape *shape,
                                    const tk_block *block, tk_scratch *scratch, tk_deconvolve_data *data);
size_t tk_deconvolve_depth_scratch(const tk_deconvolver_shape *shape);

/* Notes what there is of it. */
tk_status tk_deconvolve_depth_note(const tk_deconvolve_depth *depth, tk_facts *facts);

#endif
