/* Where the step deconvolve has its PSF from: a file, a Gaussian, or optics. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_PSF_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_PSF_H

#include "engine/step.h"
#include "workflows/psf/optics.h"

/* Does the PSF change with depth? In the order of the words of psf.varying. */
typedef enum tk_psf_varying {
    TK_PSF_VARYING_NONE,
    TK_PSF_VARYING_TILE, /* each tile has that of its middle */
    TK_PSF_VARYING_EIGEN /* each plane has its own */
} tk_psf_varying;

typedef struct tk_deconvolve_psf {
    tk_view_f32 view;     /* sum 1, origin at size / 2; its memory is owned */
    char sha256[65];      /* of its voxels, or of its eigen-PSFs */
    size_t making;        /* bytes that it took while it was made, at most */
    double lost;          /* the part of its light that was cropped */
    bool optical;         /* made from: */
    tk_psf_optics optics; /* */
    tk_psf_model model;
    tk_psf_varying varying;   /* then `view` is that of the middle of the image, `lost` the most of all depths, and */
    double first_um, last_um; /* the depths of the first plane and of the last */
} tk_deconvolve_psf;

/* Do the parameters psf.* fit each other? */
tk_status tk_deconvolve_psf_check(const tk_params *params, tk_error *error);

/* Reads or computes the PSF, crops it to what the image allows and to psf.loss. What the workflow does not say of the
 * optics is taken from the image's metadata. The caller frees it. Errors: TK_INVALID with place and remedy,
 * TK_UNREADABLE, TK_NO_MEMORY; nothing is then left to free. */
tk_status tk_deconvolve_psf_make(const tk_binding *binding, tk_deconvolve_psf *psf, tk_error *error);

/* Notes that so many bytes are taken beside the PSF while it is made. Errors: TK_INVALID when there is no room. */
tk_status tk_deconvolve_psf_take(const tk_binding *binding, tk_deconvolve_psf *psf, size_t bytes, tk_error *error);

void tk_deconvolve_psf_free(tk_deconvolve_psf *psf);

/* Notes checksum, size, loss, and the optics. */
tk_status tk_deconvolve_psf_note(const tk_deconvolve_psf *psf, tk_facts *facts);

#endif
