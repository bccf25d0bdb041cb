/* Solving a step on the whole image, before the sweep of the stage that begins with it. */
#ifndef TK_ENGINE_SOLVE_H
#define TK_ENGINE_SOLVE_H

#include "engine/field.h"
#include "engine/run.h"

/* Solves the step of this stage, or finds that an earlier attempt has done so and every plane is sound. Collective,
 * with agreement on errors: TK_STOPPED when the run is to stop. */
tk_status tk_solve_run(tk_run *run, int stage, tk_error *error);

/* --- For field.c, solve.c and saved.c ----------------------------------------------------------------------------- */

/* One plane's checksum, as ranks tell it to rank 0. */
typedef struct tk_plane_crc {
    int64_t plane, crc;
} tk_plane_crc;

struct tk_field {
    tk_run *run;
    int step;
    int64_t time;            /* counted from 0 among those of the run */
    tk_bytes written;        /* tk_plane_crc: of the outcome, by this rank */
    int64_t done, all;       /* iterations, as the step last said */
    int64_t restored;        /* of them by an earlier attempt, not counted yet */
    double work, counted;    /* of this rank, in the cost model's nanoseconds; of it the keeper knows */
    double turned;           /* when the last iteration ended */
    double saved, save_time; /* rank 0: when the state was last saved, and how long that took */
    int generation;          /* of the two saved states, the one that is written next */
};

/* Collects every rank's checksums as a JSON array, by plane, on rank 0 (elsewhere *array is NULL). Errors: TK_FAILED
 * when a plane is missing or comes twice (`what` says of what). Collective, with agreement on errors. */
tk_status tk_solve_collect_crcs(tk_run *run, const char *what, int64_t planes, const tk_bytes *mine, json_t **array,
                                tk_error *error);

/* Rank 0's record of the journal on all ranks: a new reference; NULL: `record` was NULL on rank 0. Collective, with
 * agreement on errors. */
tk_status tk_solve_spread(tk_run *run, const json_t *record, json_t **everywhere, tk_error *error);

/* The file of a saved state, allocated; NULL: no memory. */
char *tk_saved_file(const tk_field *field, int generation);

#endif
