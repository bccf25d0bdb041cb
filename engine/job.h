/* A job: a workflow bound to its image, each step with its state. What the plan and the run work on. */
#ifndef TK_ENGINE_JOB_H
#define TK_ENGINE_JOB_H

#include "engine/inputs.h"
#include "engine/step.h"
#include "engine/workflow.h"
#include "io/image.h"

typedef struct tk_job {
    const tk_workflow *workflow; /* borrowed */
    tk_image *image;             /* the input */
    tk_geometry geometry;        /* of the input, and of everything the steps make from it */
    void **state;                /* one per step */
    tk_inputs inputs;            /* the files it reads */
} tk_job;

/* Opens the workflow's image and binds each step. The workflow must outlive the job; the caller closes it.
 * Errors: TK_INVALID (no image given, a channel that the image does not have …), TK_UNREADABLE. */
tk_status tk_job_open(const tk_workflow *workflow, tk_job *job, tk_error *error);

void tk_job_close(tk_job *job);

#endif
