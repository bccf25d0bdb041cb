/* The state of the step deconvolve, for the files that share it. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_STATE_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_STATE_H

#include "kernels/deconvolve/linear.h"
#include "workflows/steps/deconvolve_camera.h"
#include "workflows/steps/deconvolve_depth.h"
#include "workflows/steps/deconvolve_stop.h"

typedef struct tk_deconvolve_state {
    tk_deconvolve_options options; /* start, and iterations when they are automatic: from the decisions */
    bool is_linear;                /* then: */
    tk_linear_options linear;      /* level and an automatic regularisation: from the decision */
    bool lean;
    bool exact;                 /* then it is solved on the whole image, of this shape: */
    tk_deconvolver_shape whole; /* and by these FFT plans, from the decision; owned */
    char *whole_wisdom;
    double radii; /* of the halo */
    int64_t image[3], times;
    tk_deconvolve_psf psf;
    tk_deconvolve_depth depth;
    tk_deconvolve_camera camera;
    tk_deconvolve_stop stop;
    tk_deconvolver_shape shape; /* of tiles; size 0 before prepare */
    tk_deconvolver deconvolver; /* of tiles; from the first adopt on */
} tk_deconvolve_state;

/* Is anything computed on tiles? Of an exact run, the trials for the automatic stop. */
static inline bool tk_deconvolve_has_tiles(const tk_deconvolve_state *s) { return !s->exact || s->stop.needed; }

#endif
