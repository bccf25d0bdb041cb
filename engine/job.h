/* A job: a workflow bound to its image, each step with its state. What the plan and the run work on. */
#ifndef TK_ENGINE_JOB_H
#define TK_ENGINE_JOB_H

#include "engine/inputs.h"
#include "engine/passes.h"
#include "engine/step.h"
#include "engine/workflow.h"
#include "io/image.h"

typedef struct tk_job {
    const tk_workflow *given; /* as the user wrote it; borrowed */
    tk_workflow *workflow;    /* written out for the channels (see passes.h); owned */
    tk_image *image;          /* the input */
    tk_geometry geometry;     /* of the input, and of everything the steps make from it */
    int64_t channels, times;  /* to work on */
    void **state;             /* one per step of `workflow` */
    tk_inputs inputs;         /* the files it reads */
} tk_job;

/* Opens the workflow's image and binds each step, for each channel anew, in `memory` bytes (0: no limit). The workflow
 * must outlive the job; the caller closes it. Errors: TK_INVALID (no image given, a channel that the image does not
 * have, a step that takes too much memory to bind …), TK_UNREADABLE. */
tk_status tk_job_open(const tk_workflow *workflow, int64_t memory, tk_job *job, tk_error *error);

void tk_job_close(tk_job *job);

/* Releases the states of the steps first … last − 1, which are not used any more. */
void tk_job_release(const tk_job *job, int first, int last);

/* Does the job work on several channels or time points, so that what it makes is several images? */
bool tk_job_is_series(const tk_job *job);

/* The time point that is number i of those to work on, as the image numbers it. */
int64_t tk_job_time(const tk_job *job, int64_t i);

#endif
