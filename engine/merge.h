/* The end of a run: from chunks to a finished, sealed result. */
#ifndef TK_ENGINE_MERGE_H
#define TK_ENGINE_MERGE_H

#include "engine/run.h"

/* Where a result keeps its provenance. */
#define TK_PROVENANCE_PATH "/provenance/run"

/* On rank 0, once all chunks are written: reads every image back and seals it with its checksum, adds tables and
 * provenance, closes the file, gives it its final name and puts the provenance beside it. */
tk_status tk_merge(tk_run *run, tk_error *error);

#endif
