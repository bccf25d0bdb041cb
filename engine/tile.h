/* One tile of one stage: read, apply step after step, write, survey. */
#ifndef TK_ENGINE_TILE_H
#define TK_ENGINE_TILE_H

#include "engine/run.h"
#include "engine/survey.h"

/* Runs `stage` on tile number `tile`. In round 0 values that are made for the first time are written; later rounds only
 * survey. The survey's outcome is added to `fold`. Errors name the file or the step and tile. */
tk_status tk_tile_run(tk_run *run, const tk_stage *stage, int round, int64_t tile, tk_fold *fold, tk_error *error);

#endif
