/* Cutting a workflow into stages (see plan.h). */
#ifndef TK_ENGINE_STAGES_H
#define TK_ENGINE_STAGES_H

#include "engine/plan.h"

/* Fills plan->stage, plan->stages and plan->stored. Errors: TK_NO_MEMORY. */
tk_status tk_stages_build(const tk_job *job, tk_plan *plan, tk_error *error);

/* How many survey rounds a step runs at least. */
int tk_stages_rounds(const tk_job *job, int step);

/* Estimated nanoseconds of one core to apply (or survey) a step on a block of this size. */
double tk_stages_cost(const tk_job *job, int step, const int64_t in[3]);

#endif
