/* What ranks learn of the whole image: partials are folded, one rank decides, all adopt. */
#ifndef TK_ENGINE_SURVEY_H
#define TK_ENGINE_SURVEY_H

#include "engine/run.h"

/* The partials of a rank's tiles, folded like the digits of a binary counter: level k holds the fold of 2^k tiles, so
 * that a partial that grows with the image is copied log n times rather than n times. Starts as zeros. */
typedef struct tk_fold {
    tk_bytes level[48];
} tk_fold;

/* Adds a tile's partial, which is taken over; an empty one counts as nothing. */
tk_status tk_fold_add(tk_fold *fold, const tk_step *step, const void *state, int round, tk_bytes *mine);

/* Folds all levels into `partial`, which is empty, and empties the fold. */
tk_status tk_fold_finish(tk_fold *fold, const tk_step *step, const void *state, int round, tk_bytes *partial,
                         tk_error *error);

void tk_fold_free(tk_fold *fold);

/* Is what this round settles kept from an earlier attempt, so that nothing need be surveyed? The same on all ranks.
 * Collective, with agreement on errors. */
tk_status tk_survey_known(tk_run *run, int step, int round, bool *known, tk_error *error);

/* Ends a round: gathers every rank's partial and lets the step agree on rank 0 (or, when it is `known`, takes what is
 * kept), keeps it for who resumes, spreads the decision, adopts it; makes the table of a step that makes one. *more
 * says that the step asks for another round. Collective, with agreement on errors. */
tk_status tk_survey_settle(tk_run *run, int step, int round, bool known, tk_bytes *partial, bool *more,
                           tk_error *error);

#endif
