/* Cutting a workflow into stages (see plan.h). */
#ifndef TK_ENGINE_STAGES_H
#define TK_ENGINE_STAGES_H

#include "engine/plan.h"

/* Fills plan->stage, plan->stages and plan->stored. Errors: TK_NO_MEMORY. */
tk_status tk_stages_build(const tk_job *job, tk_plan *plan, tk_error *error);

/* How many survey rounds a step runs at least. */
int tk_stages_rounds(const tk_job *job, int step);

/* Estimated nanoseconds of one core to apply a step to a block of this size, when none is larger than `largest`. */
double tk_stages_cost(const tk_job *job, int step, const int64_t in[3], const int64_t largest[3]);

/* Is this step solved on the whole image? */
bool tk_stages_is_solved(const tk_job *job, int step);

/* Estimated nanoseconds of one core to solve it. */
double tk_stages_solve_cost(const tk_job *job, int step, const int64_t image[3]);

/* Estimated nanoseconds of one core for one survey of a core. */
double tk_stages_survey_cost(const tk_job *job, int step, int round, const int64_t in[3]);

#endif
