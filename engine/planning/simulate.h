/* Schedules played through without MPI: ranks claim tiles from a counter, and rank 0 writes what they send. */
#ifndef TK_ENGINE_SIMULATE_H
#define TK_ENGINE_SIMULATE_H

#include <stdint.h>

#include "io/error.h"

/* Tiles that cost the same, claimed one after the other. */
typedef struct tk_batch {
    int64_t tiles;
    double seconds;       /* that a rank is busy with one */
    double write_seconds; /* that the writer is busy with its chunks */
} tk_batch;

typedef struct tk_schedule {
    int64_t ranks;
    double claim_seconds; /* the counter serves one claim in this time */
    double queue_seconds; /* of work for the writer may wait before ranks that bring more have to */
} tk_schedule;

typedef struct tk_sweep {
    double seconds;      /* until the last tile is done and written */
    double busy_seconds; /* of all ranks together */
    double write_seconds;
} tk_sweep;

/* Plays one sweep, event by event: tiles are claimed in the order of the batches. Errors: TK_NO_MEMORY. */
tk_status tk_simulate_sweep(const tk_batch *batch, int64_t batches, const tk_schedule *schedule, tk_sweep *sweep,
                            tk_error *error);

/* The time below which no schedule can be, in closed form: the work over the ranks, the counter, the writer, and the
 * rounds that the batches (the dearest first) take. tk_simulate_sweep comes within the dearest tile's time of it. */
tk_sweep tk_simulate_bound(const tk_batch *batch, int64_t batches, const tk_schedule *schedule);

#endif
