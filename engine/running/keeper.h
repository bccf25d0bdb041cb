/* The keeper: a thread on each rank that stays awake while the rank computes. The ranks' keepers tell each other that
 * they live and where they are. Rank 0's keeper notices a rank that does not get on, hands out tiles where there is no
 * one-sided counter, writes status.json, and ends the run when it must end: politely when somebody asks it to stop,
 * at once when a rank has failed and the others do not come to hear of it. */
#ifndef TK_ENGINE_KEEPER_H
#define TK_ENGINE_KEEPER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/comm.h"
#include "engine/keeping/lock.h"

typedef struct tk_keeper_request {
    double max_time; /* seconds that the run may last; 0: no limit */
    double grace;    /* seconds that tiles in flight may still take once the run is to stop */
    double watchdog; /* seconds without a sign of life, or without getting on, after which a rank counts as lost */
} tk_keeper_request;

/* What rank 0's keeper needs to say where the run is; borrowed, and only read. */
typedef struct tk_keeper_about {
    const char *output, *workflow, *folder;
    tk_lock *lock;
    int stages, threads, attempt;
    int64_t planned_bytes;
    double begun; /* when the run began, by tk_progress_now; its max_time counts from there */
    double work;  /* of all sweeps, in the cost model's nanoseconds */
} tk_keeper_about;

typedef struct tk_keeper tk_keeper;

/* Starts the keepers. `about` is used on rank 0 alone. Collective, with agreement on errors. */
tk_status tk_keeper_start(tk_comm *comm, const tk_keeper_request *request, const tk_keeper_about *about,
                          tk_keeper **keeper, tk_error *error);

/* Ends the keepers: the last one of a rank's calls. Collective; also after errors. NULL is allowed. */
void tk_keeper_finish(tk_keeper *keeper);

/* --- From the rank's own threads ---------------------------------------------------------------------------------- */

/* A sweep over `tiles` tiles begins, or (stage −1) ends. */
void tk_keeper_sweep(tk_keeper *keeper, int stage, int round, int64_t tiles);

/* This rank begins a tile that should take `expected` seconds (0: unknown). */
void tk_keeper_tile_begins(tk_keeper *keeper, int64_t tile, double expected);

/* This rank has ended its tile, and done so much of the work (see tk_keeper_about.work). */
void tk_keeper_tile_ends(tk_keeper *keeper, double work);

/* This rank is in no tile. */
void tk_keeper_idle(tk_keeper *keeper);

/* --- While a step is solved on the whole image (in place of the calls about tiles) --- */

/* A solve of `all` iterations begins on all ranks, or (stage −1) ends; `expected` seconds for all of it. */
void tk_keeper_solve(tk_keeper *keeper, int stage, int64_t all, double expected);

/* This rank gets on: it begins to compute, read or write something. */
void tk_keeper_turn(tk_keeper *keeper);

/* This rank waits for others until its next turn. */
void tk_keeper_wait(tk_keeper *keeper);

/* `done` of `all` iterations are done, the last of them in so many seconds, and so much more of the work. */
void tk_keeper_iterated(tk_keeper *keeper, int64_t done, int64_t all, double seconds, double work);

/* So much more of the work was done before this attempt. On rank 0. */
void tk_keeper_done_before(tk_keeper *keeper, double work);

/* Is no rank to begin another tile? */
bool tk_keeper_stopping(tk_keeper *keeper);

/* Why the run is to stop early, as far as this rank has heard, or "" when it is not (an error does not count). */
void tk_keeper_stop_reason(tk_keeper *keeper, char *text, size_t room);

/* No rank is to begin another tile, since this one has failed. */
void tk_keeper_order_stop(tk_keeper *keeper);

/* This rank has failed with this error; unless tk_keeper_agreed follows within seconds, the run is ended with its
 * message. */
void tk_keeper_failed(tk_keeper *keeper, const tk_error *error);

/* All ranks know of the error. */
void tk_keeper_agreed(tk_keeper *keeper);

/* The end of the run is near: says so in status.json ("stopped", "failed"). On rank 0. */
void tk_keeper_state(tk_keeper *keeper, const char *state, const char *message);

/* The next place of the list, from rank 0's keeper; a huge one when there is to be no other. */
int64_t tk_keeper_claim(tk_keeper *keeper);

/* The list begins anew. Collective. */
void tk_keeper_reset_claims(tk_keeper *keeper);

/* The machine of a rank, as far as rank 0 has heard. */
void tk_keeper_host(tk_keeper *keeper, int rank, char *text, size_t room);

/* Seconds that the rest of the run should take, by what was measured; negative: unknown. *fraction is the share of the
 * work that is done. On rank 0. */
double tk_keeper_left(tk_keeper *keeper, double *fraction);

#endif
