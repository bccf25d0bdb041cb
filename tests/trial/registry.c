/* The list of steps of tarkka-trial: all real ones, and those that only tests use. */
#include "engine/step.h"

#define TK_STEP(name) extern const tk_step tk_step_##name;
#include "tests/trial/trial.def"
#include "workflows/steps/steps.def"
#undef TK_STEP

const tk_step *const tk_steps[] = {
#define TK_STEP(name) &tk_step_##name,
#include "workflows/steps/steps.def"

#include "tests/trial/trial.def"
#undef TK_STEP
    0};
