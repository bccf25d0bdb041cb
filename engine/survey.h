/* What ranks learn of the whole image: partials are folded, one rank decides, all adopt. */
#ifndef TK_ENGINE_SURVEY_H
#define TK_ENGINE_SURVEY_H

#include "engine/run.h"

/* partial := partial + mine; an empty one counts as nothing. */
tk_status tk_survey_fold(const tk_step *step, const void *state, int round, tk_bytes *partial, const tk_bytes *mine);

/* Ends a round: gathers every rank's partial, lets the step agree on rank 0, spreads the decision, adopts it; makes the
 * table of a step that makes one. *more says that the step asks for another round. Collective, with agreement on
 * errors. */
tk_status tk_survey_settle(tk_run *run, int step, int round, tk_bytes *partial, bool *more, tk_error *error);

#endif
