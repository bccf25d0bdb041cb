/* A sweep: a stage goes over the tiles once, on all ranks, for one round of a survey. */
#ifndef TK_ENGINE_SWEEP_H
#define TK_ENGINE_SWEEP_H

#include "engine/run.h"
#include "engine/running/survey.h"

/* What is to be done with a tile. */
typedef enum tk_action {
    TK_ACTION_MAKE,   /* make the stage's values, write them, survey */
    TK_ACTION_SURVEY, /* they are written already: only survey */
} tk_action;

typedef struct tk_task {
    int64_t tile;
    double work; /* in the cost model's nanoseconds */
    tk_action action;
} tk_task;

/* One sweep, on one rank. */
typedef struct tk_sweep {
    tk_run *run;
    const tk_stage *stage;
    int number, round; /* of the stage */
    bool survey;       /* the step stage->survey is to be surveyed (it is not when a journal knows the decision) */
    tk_fold fold;
    int64_t tasks;
    tk_task *task; /* the dearest first; the same on all ranks */
} tk_sweep;

/* Sweeps over all tiles that need it: those whose values are not written yet, and all when there is something to
 * survey. A tile that fails is tried again on other ranks, and then given up as far as the run allows. This rank's
 * share of the survey goes to `partial`. Collective, with agreement on errors: TK_STOPPED when the run is to stop. */
tk_status tk_sweep_run(tk_run *run, int stage, int round, bool survey, tk_bytes *partial, tk_error *error);

/* This tile is given up, in this stage and all of its channel that follow. The same on all ranks. */
void tk_sweep_give_up(tk_run *run, int stage, int64_t tile);

/* The work of all sweeps of a plan, and the part of it that `done` (see tk_run.done) says is done, in the cost model's
 * nanoseconds. */
void tk_sweep_work(const tk_run *run, double *all, double *done);

#endif
