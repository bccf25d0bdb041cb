/* A workflow written out for the channels that a run works on, one pass after the other.
 *
 * The steps of the workflow follow each other once for each channel. Before those of the second channel and of each
 * one after it stands a step without work, `tk_step_reads`, whose value is the channel as it is in the image: so every
 * pass begins with a value of its own, as the first one does with value 0. */
#ifndef TK_ENGINE_PASSES_H
#define TK_ENGINE_PASSES_H

#include "engine/workflow.h"

/* Makes the image: not to be found among tk_steps. */
extern const tk_step tk_step_reads;

/* Writes a workflow out for `channels` of those that w->channel chooses. Of parameters that are files, {channel}
 * becomes the channel's number. `given` must outlive what is made; the caller frees it. Errors: TK_NO_MEMORY. */
tk_status tk_passes_make(const tk_workflow *given, int64_t channels, tk_workflow **made, tk_error *error);

void tk_passes_free(tk_workflow *made);

/* The number, in what was made, of step `step` of the given workflow in pass 0, 1, … */
int tk_passes_step(const tk_workflow *given, int step, int64_t pass);

/* Is this value the image as it is read? */
bool tk_passes_is_input(const tk_workflow *workflow, int value);

/* The channel of such a value, or of the step with the number of a value. */
int64_t tk_passes_channel(const tk_workflow *workflow, int value);

#endif
