/* The list of steps, made from steps.def. */
#include "engine/step.h"

#define TK_STEP(name) extern const tk_step tk_step_##name;
#include "workflows/steps/steps.def"
#undef TK_STEP

const tk_step *const tk_steps[] = {
#define TK_STEP(name) &tk_step_##name,
#include "workflows/steps/steps.def"
#undef TK_STEP
    0};
