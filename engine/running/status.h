/* status.json: where a run is, for people and portals; small, and replaced as a whole so that readers never see half of
 * it. */
#ifndef TK_ENGINE_STATUS_H
#define TK_ENGINE_STATUS_H

#include "engine/running/keeper.h"

/* What changes while a run lasts. */
typedef struct tk_status_now {
    const char *state; /* "running", "stopping", "stopped", "failed" */
    const char *message;
    int stage, round; /* from 0; stage −1: between sweeps */
    int64_t tiles_done, tiles, given_up;
    bool solving;                           /* the tiles are iterations, of a step that is solved on the whole image */
    double fraction, seconds, seconds_left; /* negative: unknown */
    int ranks;
} tk_status_now;

/* Writes FOLDER/status.json. A failure is no reason to end a run, so there is no error. */
void tk_status_write(const tk_keeper_about *about, const tk_status_now *now);

#endif
