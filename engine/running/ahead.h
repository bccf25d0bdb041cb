/* Reading ahead: a thread claims the next tile and reads its block while this rank computes the one before. */
#ifndef TK_ENGINE_AHEAD_H
#define TK_ENGINE_AHEAD_H

#include "engine/running/sweep.h"

typedef struct tk_ahead tk_ahead;

/* Starts reading ahead over a sweep's tasks. The caller stops it before anything of the sweep goes. Errors:
 * TK_NO_MEMORY. */
tk_status tk_ahead_start(tk_sweep *sweep, tk_ahead **ahead, tk_error *error);

/* The next task of this rank and its block, which lies in run->block[0]; NULL when there is none. A block that could
 * not be read leaves its error in `failure`. */
const tk_task *tk_ahead_next(tk_ahead *ahead, tk_block *block, tk_error *failure);

/* Stops; a tile that was read and not taken is forgotten. NULL is allowed. */
void tk_ahead_stop(tk_ahead *ahead);

#endif
