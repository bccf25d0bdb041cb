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

/* Starts MPI and sets up the tile counter. One rank that no launcher has started does without MPI. Collective.
 * Errors: TK_FAILED when MPI gives no thread support, or does not know of the ranks that were started. */
tk_status tk_comm_open(tk_comm **comm, tk_error *error);

/* The same, with MPI in any case. */
tk_status tk_comm_open_mpi(tk_comm **comm, tk_error *error);

/* Frees the comm, after taking and dropping all messages still under way; MPI itself goes on until tk_comm_end. No
 * other thread may use the comm any more. Collective. */
void tk_comm_close(tk_comm *comm);

/* The last call of the program: rank 0 prints the message (when there is one) to standard error, and no rank leaves
 * before that is done, since a launcher ends all ranks as soon as one of them fails. Starts MPI for this when mpirun
 * has started several ranks and it is not running yet; ends MPI. Should the MPI library crash while it ends, all this
 * program's work being done, the process leaves with exit_code all the same. Collective. */
void tk_comm_end(const char *message, int exit_code);

/* This rank, 0 … size − 1. */
int tk_comm_rank(const tk_comm *comm);

/* How many ranks there are. */
int tk_comm_size(const tk_comm *comm);

/* How many machines the ranks are on. */
int tk_comm_machines(const tk_comm *comm);

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

/* --- Computing together, beside the collectives above: an error on one rank that comes to agree on it meets none of
 * these by mistake --------------------------------------------------------------------------------------------- */

/* Moves bytes between all ranks: to rank i out_bytes[i] of `out`, where they lie packed in order of ranks, and from
 * rank i in_bytes[i] into `in`, likewise; each rank must give the same in_bytes[i] as rank i gives out_bytes for it.
 * Any sizes. `out` and `in` do not overlap. Whoever comes early sleeps until all are there. Collective, by one thread
 * of each rank. */
void tk_comm_exchange(tk_comm *comm, const void *out, const int64_t out_bytes[], void *in, const int64_t in_bytes[]);

/* Sums values over ranks, in place; all get the sums. Exact, and the same for any number of ranks, when each value is
 * other than zero on one rank only. Collective, by the thread that exchanges. */
void tk_comm_sum(tk_comm *comm, double *values, int64_t count);

/* --- The shared counter from which ranks claim tiles ------------------------------------------------------------- */

/* Is there a counter that works one-sidedly (MPI_Win_allocate may be refused by a transport)? The same on all ranks. */
bool tk_comm_has_counter(const tk_comm *comm);

/* How long a one-sided claim takes here: each rank claims `claims` times while rank 0 computes outside MPI, and the
 * slowest rank's mean and longest claim are told to all, in seconds. Leaves the counter at 0. Collective; needs the
 * counter. */
void tk_comm_time_claims(tk_comm *comm, int claims, double *mean, double *longest);

/* The next number of 0, 1, 2 …, each given once over all ranks; a huge one after tk_comm_claim_stop. One-sided. */
int64_t tk_comm_claim(tk_comm *comm);

/* No rank gets another tile from the counter. May be called by any rank, from any thread. */
void tk_comm_claim_stop(tk_comm *comm);

/* Back to 0. Collective, and no rank may claim before all have come here. */
void tk_comm_claim_reset(tk_comm *comm);

/* --- Messages between ranks' threads, beside the collectives ------------------------------------------------------ */

/* Messages of one channel from one rank to another arrive in the order in which they were sent. */
typedef enum tk_comm_channel {
    TK_CHANNEL_CONTROL, /* small: signs of life, requests, orders; polled by each rank's keeper */
    TK_CHANNEL_REPLY,   /* small: answers to a rank that waits for one */
    TK_CHANNEL_DATA,    /* chunks for the writer on rank 0 */
    TK_CHANNEL_COUNT
} tk_comm_channel;

/* Sends a message to another rank; returns when the memory may be used again. While it cannot go, `go_on` (NULL: wait
 * for ever) is asked every millisecond or so, and false gives up: the message may then still arrive, until
 * tk_comm_close. With go_on the message is copied first, so that it may be left to itself. May be called from any
 * thread. Sizes up to 2 GiB - 1. Errors: TK_STOPPED when go_on said so, TK_FAILED for the size or
 * where there is no other rank, TK_NO_MEMORY. */
tk_status tk_comm_post(tk_comm *comm, int to, tk_comm_channel channel, const void *data, size_t size,
                       bool (*go_on)(void *user), void *user);

/* Takes one message of a channel from any rank, if one is waiting; *got says whether. Each channel may be polled by
 * one thread of a rank at a time. Errors: TK_NO_MEMORY; the message is then still waiting. */
tk_status tk_comm_poll(tk_comm *comm, tk_comm_channel channel, tk_bytes *message, int *from, bool *got);

/* Ends all ranks at once with this exit code, from any thread of any rank. What is to be said must have been printed.
 */
_Noreturn void tk_comm_abort(int exit_code);

#endif
