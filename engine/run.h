/* The run: all stages of a plan, over all tiles, on all ranks. */
#ifndef TK_ENGINE_RUN_H
#define TK_ENGINE_RUN_H

#include <jansson.h>

#include "engine/comm.h"
#include "engine/plan.h"
#include "engine/progress.h"
#include "engine/writer.h"
#include "io/rawstore.h"
#include "io/result.h"

/* What the user asks of the run, beside the plan. */
typedef struct tk_run_request {
    int threads; /* per rank; 0: what the machine has, shared among its ranks */
    tk_isa isa;
    bool overwrite; /* replace an existing result */
} tk_run_request;

/* A run under way, on one rank. */
typedef struct tk_run {
    const tk_job *job;
    const tk_plan *plan;
    const tk_run_request *request;
    tk_comm *comm;
    tk_work work;        /* lent to kernels */
    tk_scratch block[2]; /* blocks of a chain, by turns input and output */
    tk_scratch side;     /* blocks of image parameters */
    tk_bytes chunks;     /* chunks being encoded */
    tk_rawstore **store; /* per value; NULL where it is not stored */
    int *image;          /* per step: number in the result; −1 when it is not kept */
    tk_result *result;   /* rank 0 */
    tk_writer *writer;
    tk_progress progress;
    char *part, *folder;   /* the unfinished result and the folder of the work store */
    bool claimed;          /* rank 0: they are this run's own */
    json_t *decisions;     /* rank 0: per step, what was decided */
    json_t *outputs;       /* rank 0: per output, its path and checksum */
    tk_table *table;       /* rank 0, per step: tables made so far */
    double seconds_kernel; /* time this rank spent inside steps */
} tk_run;

/* Runs the plan and leaves the finished result under the workflow's output name, with its provenance inside and beside
 * it. Collective. On errors all ranks return the same one, and nothing is left behind. */
tk_status tk_run_workflow(const tk_job *job, const tk_plan *plan, const tk_run_request *request, tk_comm *comm,
                          tk_error *error);

/* The OpenMP threads of each rank: as requested, else the processors this rank may use, shared with the ranks that may
 * use the same. */
int tk_run_threads(const tk_run_request *request, const tk_comm *comm);

#endif
