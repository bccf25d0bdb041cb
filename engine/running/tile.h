/* One tile of one sweep: read, apply step after step, write, survey. */
#ifndef TK_ENGINE_TILE_H
#define TK_ENGINE_TILE_H

#include "engine/running/sweep.h"

/* Reads the block from which a task starts into `arena`, and the image parameters of its steps into `sides`; both are
 * emptied before. May run while this rank computes another tile. Errors name the file. */
tk_status tk_tile_read(const tk_sweep *sweep, const tk_task *task, tk_scratch *arena, tk_sides *sides, tk_block *block,
                       tk_error *error);

/* Works on a block that tk_tile_read has read and that lies in run->block[0], with run->sides: applies the stage's
 * steps, writes what is to be written and notes the tile as done (TK_ACTION_MAKE), and adds what the survey says to the
 * sweep's fold. Errors name the step and tile, or the file. */
tk_status tk_tile_work(tk_sweep *sweep, const tk_task *task, tk_block *block, tk_error *error);

#endif
