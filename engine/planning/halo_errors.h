/* How much tiles differ from the un-tiled result, as steps whose tiles are not exact estimate it. */
#ifndef TK_ENGINE_PLANNING_HALO_ERRORS_H
#define TK_ENGINE_PLANNING_HALO_ERRORS_H

#include <jansson.h>

#include "engine/job.h"

/* A table for each step that knows it, as a map by the steps' names; of several channels a list of {channel, steps}, in
 * their order; a step that is bound alike in several channels is asked once. A new reference; NULL after an error.
 * Errors: those of the steps. */
tk_status tk_halo_errors_to_json(const tk_job *job, json_t **found, tk_error *error);

/* The same for people; prints nothing when no step knows. */
tk_status tk_halo_errors_print(const tk_job *job, tk_error *error);

#endif
