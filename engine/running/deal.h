/* Dealing out: each rank has a piece of everybody's share, and wants all pieces of its own. */
#ifndef TK_ENGINE_DEAL_H
#define TK_ENGINE_DEAL_H

#include "engine/comm.h"

/* piece[i] is for rank i, one for each rank. `take` is called for the pieces that are for this rank, in order of ranks,
 * empty ones left out. Collective. Returns the first error of take on this rank, or TK_NO_MEMORY on all ranks. */
tk_status tk_deal(tk_comm *comm, const tk_bytes piece[], tk_status (*take)(void *user, const tk_bytes *bytes),
                  void *user);

#endif
