/* The ranks of a run, and everything they say to each other. The only file that calls MPI is comm.c.
 *
 * "Collective" means: every rank must call it, in the same order. With one rank everything works the same, without
 * mpirun too. */
#ifndef TK_ENGINE_COMM_H
#define TK_ENGINE_COMM_H

#include <stdbool.h>
#include <stdint.h>

#include "io/bytes.h"
#include "io/error.h"

typedef struct tk_comm tk_comm;

/* Starts MPI and sets up the tile counter. Collective. Errors: TK_FAILED when MPI gives no thread support. */
tk_status tk_comm_open(tk_comm **comm, tk_error *error);

/* Frees the comm; MPI itself goes on until tk_comm_end. Collective. */
void tk_comm_close(tk_comm *comm);

/* The last call of the program: rank 0 prints the message (when there is one) to standard error, and no rank leaves
 * before that is done, since a launcher ends all ranks as soon as one of them fails. Starts MPI for this when mpirun
 * has started several ranks and it is not running yet; ends MPI. Collective. */
void tk_comm_end(const char *message);

/* This rank, 0 … size − 1. */
int tk_comm_rank(const tk_comm *comm);

/* How many ranks there are. */
int tk_comm_size(const tk_comm *comm);

/* How many ranks are on this machine. */
int tk_comm_local_size(const tk_comm *comm);

/* How many ranks, this one included, may use the very same processors of this machine: 1 when the launcher has bound
 * each to its own. */
int tk_comm_sharers(const tk_comm *comm);

/* How many ranks mpirun or srun says it has started, without starting MPI; 1 without them. */
int tk_comm_launched_size(void);

/* The MPI library's name and version, one line. */
const char *tk_comm_library(void);

/* The named points at which ranks agree on errors: when any rank brings an error, all leave with that of the lowest
 * such rank. Returns error->status. Collective. */
tk_status tk_comm_agree(tk_comm *comm, tk_error *error);

/* Rank 0's bytes to all. Collective. Errors: TK_NO_MEMORY (on the rank concerned; agree on it afterwards). */
tk_status tk_comm_broadcast(tk_comm *comm, tk_bytes *bytes);

/* Each rank's bytes to rank 0, one after the other in order of ranks; `take` is called on rank 0 alone, for ranks 1, 2
 * …. Collective. Returns the first error of take or TK_NO_MEMORY, on rank 0. */
tk_status tk_comm_collect(tk_comm *comm, const tk_bytes *mine, tk_status (*take)(void *user, const tk_bytes *bytes),
                          void *user);

/* All ranks wait for each other. Collective. */
void tk_comm_barrier(tk_comm *comm);

/* --- The shared counter from which ranks claim tiles ------------------------------------------------------------- */

/* The next number of 0, 1, 2 …, each given once over all ranks; a huge one after tk_comm_claim_stop. */
int64_t tk_comm_claim(tk_comm *comm);

/* No rank gets another tile. Called by a rank that has failed. */
void tk_comm_claim_stop(tk_comm *comm);

/* Back to 0. Collective, and no rank may claim before all have come here. */
void tk_comm_claim_reset(tk_comm *comm);

/* --- Messages to the writer on rank 0 ---------------------------------------------------------------------------- */

/* Sends a message to rank 0; returns when the memory may be used again. Not for rank 0 itself. Sizes up to 2 GiB − 1.
 */
tk_status tk_comm_send(tk_comm *comm, const void *data, size_t size);

/* On rank 0: takes one message from any rank, if one is waiting. *got says whether. May be called from another thread
 * than the rest. */
tk_status tk_comm_receive(tk_comm *comm, tk_bytes *message, bool *got);

#endif
