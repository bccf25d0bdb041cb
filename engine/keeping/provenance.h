/* The record from which anybody can repeat a run. */
#ifndef TK_ENGINE_PROVENANCE_H
#define TK_ENGINE_PROVENANCE_H

#include "engine/run.h"

/* The record of a run as JSON text, which the caller frees: inputs with checksums, the resolved workflow, decisions,
 * step versions, program, compiler, libraries, instruction set, ranks and threads, plan, job, times, resources, outputs
 * with checksums. Of the environment it holds only what is named there, never the whole. On rank 0. Errors:
 * TK_UNREADABLE when an input changed away, TK_NO_MEMORY. */
tk_status tk_provenance_make(tk_run *run, char **text, tk_error *error);

#endif
