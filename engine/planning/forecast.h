/* The forecast: how long a plan takes on so many ranks and threads, from the steps' cost models and a probe of this
 * machine. Nothing of it changes the result; while a run lasts, the forecast is corrected by what was measured. */
#ifndef TK_ENGINE_FORECAST_H
#define TK_ENGINE_FORECAST_H

#include "engine/plan.h"

/* What one machine does, measured once and cached (see io/cache.h). */
typedef struct tk_probe {
    double speed;          /* of one core in steps, relative to the machine that the cost models were fitted on */
    double encode_bytes_s; /* one core: float32 voxels to chunks */
    double decode_bytes_s; /* one core: reading back */
    double disk_bytes_s;   /* writing with fsync, in the folder of the result; 0 = not measured */
    double thread_gain;    /* how much faster two threads are than one, 1 … 2 */
} tk_probe;

/* Measures this machine, or takes what was measured before from the cache; about a second when measured. Writing is
 * measured by a small file in `folder`, which is removed again; NULL, or a folder that cannot be written to: it is not
 * measured. Errors: TK_NO_MEMORY. */
tk_status tk_probe_machine(const char *folder, tk_probe *probe, tk_error *error);

/* The probe of the machine that the cost models were fitted on, for forecasts of other machines. */
tk_probe tk_probe_reference(void);

/* Nanoseconds of one core (of the cost models' machine) for one tile in one sweep of a stage: reading, steps, and (in
 * round 0) writing and encoding. For many tiles tk_cost_all (engine/planning/cost.h) is a good deal faster. */
double tk_forecast_tile_ns(const tk_job *job, const tk_plan *plan, int stage, int round, int64_t tile);

/* A schedule played through without MPI: all tiles of all sweeps, claimed dearest first by `ranks` ranks of `threads`
 * threads each. Where there are so many tiles for each rank that playing would change nothing, a formula is taken. */
typedef struct tk_forecast {
    double seconds;       /* wall time, sealing included */
    double sweep_seconds; /* of it: sweeps over tiles */
    double solve_seconds; /* of it: steps that are solved on the whole image; what a network does is assumed */
    double seal_seconds;  /* of it: reading back, checksums (rank 0 alone) */
    double efficiency;    /* time that ranks compute over time that they are there, before sealing */
    double core_hours;    /* ranks x threads x seconds / 3600 */
    double writer_share;  /* how busy rank 0's writer is, 0 … 1; at 1 it bounds the sweeps */
    int64_t useful_ranks; /* more of them would not be faster by 1 % */
    int64_t memory;       /* bytes that a rank needs */
} tk_forecast;

/* Forecasts a run. Errors: TK_NO_MEMORY. */
tk_status tk_forecast_make(const tk_job *job, const tk_plan *plan, const tk_probe *probe, int64_t ranks, int threads,
                           tk_forecast *forecast, tk_error *error);

/* Wall time and efficiency of tiles of given costs (seconds), claimed in the given order by `ranks` ranks from a
 * counter that serves one claim every `claim_seconds`. Errors: TK_NO_MEMORY. */
tk_status tk_simulate_schedule(const double *cost, int64_t tiles, int64_t ranks, double claim_seconds, double *seconds,
                               double *efficiency, tk_error *error);

#endif
