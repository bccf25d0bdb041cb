/* The parameters of the step deconvolve. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_PARAMS_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_PARAMS_H

#include "engine/params.h"

extern const tk_param tk_deconvolve_params[];

#endif
