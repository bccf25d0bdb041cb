/* What the steps share that run kernels/morphology/morphology.h on an image. */
#ifndef TK_WORKFLOWS_STEPS_MORPHOLOGY_FILTER_H
#define TK_WORKFLOWS_STEPS_MORPHOLOGY_FILTER_H

#include "engine/step.h"
#include "kernels/morphology/morphology.h"

/* The parameter radius, to the nearest voxel; 0 along axes of one voxel. */
tk_status tk_morphology_radius(const tk_binding *binding, int64_t radius[3], tk_error *error);

/* The state of the step, released by free, and its functions. */
tk_status tk_morphology_bind(const tk_binding *binding, const tk_morphology *how, void **state, tk_error *error);
void tk_morphology_step_halo(const void *state, int64_t halo[3]);
tk_need tk_morphology_bytes(const void *state, const int64_t in[3]);
double tk_morphology_cost(const void *state, const int64_t in[3], const int64_t largest[3]);
tk_status tk_morphology_step_apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work);

#endif
