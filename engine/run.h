/* The run: all stages of a plan, over all tiles, on all ranks. */
#ifndef TK_ENGINE_RUN_H
#define TK_ENGINE_RUN_H

#include <jansson.h>
#include <pthread.h>

#include "engine/comm.h"
#include "engine/keeping/lock.h"
#include "engine/keeping/resume.h"
#include "engine/plan.h"
#include "engine/running/keeper.h"
#include "engine/running/progress.h"
#include "engine/running/schedule.h"
#include "engine/running/writer.h"
#include "io/rawstore.h"
#include "io/result.h"

/* What the user asks of the run, beside the plan. */
typedef struct tk_run_request {
    int threads; /* per rank; 0: what the machine has, shared among its ranks */
    tk_isa isa;
    bool overwrite; /* replace an existing result, and what an earlier run has left */
    bool resume;    /* go on from what an earlier run has left, where it has left something */
    tk_keeper_request keep;
    tk_scheduler scheduler;
    double checkpoint;            /* seconds between saved states of a step that is solved */
    double give_up;               /* share of tiles that may be given up, 0 … 1 */
    tk_plan_request plan_request; /* how the plan was asked for, for who resumes */
} tk_run_request;

/* Where a rank's time went. */
typedef struct tk_times {
    double work;                 /* done, in the cost model's nanoseconds */
    double compute;              /* inside steps, s */
    double read, read_waited;    /* reading blocks (while computing too), and waiting for them */
    double store;                /* writing intermediate images */
    double exchange;             /* moving bytes between ranks while a step is solved, and waiting for them */
    double encode, write_waited; /* encoding chunks, and waiting for the writer */
    double sweeps;               /* from the start of each sweep to this rank's end of it */
} tk_times;

/* How far a tile of a stage is. */
enum { TK_TILE_OPEN, TK_TILE_DONE, TK_TILE_GIVEN_UP };

/* The side inputs of a tile: of its steps in their order, then of the survey. */
typedef struct tk_sides {
    tk_scratch arena;
    tk_block *block; /* in the arena; NULL: none */
} tk_sides;

/* A run under way, on one rank. */
typedef struct tk_run {
    const tk_job *job;
    const tk_plan *plan;
    const tk_run_request *request;
    tk_comm *comm;
    tk_work work;         /* lent to kernels */
    tk_scratch block[2];  /* blocks of a chain, by turns input and output */
    tk_sides sides;       /* of the tile that is worked on */
    tk_scratch ahead;     /* the block of the next tile */
    tk_sides sides_ahead; /* and its side inputs */
    tk_bytes chunks;      /* chunks being encoded */
    tk_rawstore **store;  /* per value; NULL where it is not stored */
    int *image;           /* per step: number in the result; −1 when it is not kept */
    tk_result *result;    /* rank 0 */
    tk_journal *journal;  /* rank 0 */
    tk_writer *writer;
    tk_keeper *keeper;
    tk_schedule schedule;
    tk_progress progress;
    pthread_mutex_t input_lock; /* an open image is read by one thread at a time */
    char *folder;               /* of this run's work: OUTPUT.work */
    char *part;                 /* rank 0: the unfinished result in it */
    int part_number;            /* rank 0: how often the run has been resumed, from 1 */
    tk_lock lock;               /* rank 0: on the folder */
    bool replace;               /* rank 0: the finished result may replace one of its name */
    int64_t noted;              /* rank 0: tiles that this attempt has noted as done */
    bool saved;                 /* rank 0: this attempt has saved a state of a solve, or finished one */
    bool keep;                  /* rank 0: what is done stays, to be resumed */
    bool finished;              /* there is nothing to do: the result is there already */
    tk_past past;               /* rank 0: what an earlier run has left */
    int64_t planned;            /* bytes that a rank should need at most */
    int prepared;               /* so many steps have been prepared */
    unsigned char *done;        /* per stage and tile: TK_TILE_OPEN … */
    int64_t given_up;           /* tiles given up */
    json_t *identity;           /* rank 0 */
    json_t *given;              /* rank 0: tiles given up, for the provenance */
    json_t *decisions;          /* rank 0: per step, what was decided */
    json_t *outputs;            /* rank 0: per output, its path and checksum */
    json_t *timings;            /* rank 0: where the time of all ranks went */
    tk_table *table;            /* rank 0, per step: tables made so far */
    tk_times times;
} tk_run;

/* Runs the plan and leaves the finished result under the workflow's output name, with its provenance inside and beside
 * it. Collective. On errors all ranks return the same one; what is done stays in the folder OUTPUT.work when it can be
 * resumed, and nothing stays when it cannot. TK_STOPPED: stopped early. TK_GIVEN_UP: finished, but for the tiles that
 * the message lists. */
tk_status tk_run_workflow(const tk_job *job, const tk_plan *plan, const tk_run_request *request, tk_comm *comm,
                          tk_error *error);

/* The OpenMP threads of each rank: as requested, else the processors this rank may use, shared with the ranks that may
 * use the same. */
int tk_run_threads(const tk_run_request *request, const tk_comm *comm);

/* The folder OUTPUT.work, allocated; NULL: no memory. */
char *tk_run_folder(const char *output);

/* How far a tile of a stage is; tiles that this attempt makes stay open. */
static inline unsigned char tk_run_done(const tk_run *run, int stage, int64_t tile) {
    return run->done[stage * run->plan->tiles + tile];
}

#endif
