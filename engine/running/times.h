/* Where the time of a run went. */
#ifndef TK_ENGINE_TIMES_H
#define TK_ENGINE_TIMES_H

#include "engine/run.h"

/* Sums the times of all ranks for the provenance (run->timings), and names a rank that was the slowest by far.
 * Collective, with agreement on errors. */
tk_status tk_times_sum(tk_run *run, tk_error *error);

#endif
