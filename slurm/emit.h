/* A batch job in the languages of portals. */
#ifndef TK_SLURM_EMIT_H
#define TK_SLURM_EMIT_H

#include <jansson.h>

#include "slurm/batch.h"

/* The body of POST /slurm/v0.0.38/job/submit: a new reference. It holds no token. Errors: TK_USAGE when the site wants
 * an option that slurmrestd does not know, TK_NO_MEMORY. */
tk_status tk_emit_slurmrestd(const tk_batch_job *batch, const char *script, json_t **body, tk_error *error);

/* What a task of the GA4GH Task Execution Service needs to know beside the job. */
typedef struct tk_emit_tes {
    const char *image;  /* of the container */
    const char *prefix; /* URL that stands for the root folder: "file://" */
} tk_emit_tes;

/* A TES 1.1 task: a new reference. TES knows one machine: it gets one rank with all cores of one node; the layout is in
 * backend_parameters for services that know more. Errors: TK_NO_MEMORY. */
tk_status tk_emit_task(const tk_batch_job *batch, const tk_emit_tes *tes, json_t **task, tk_error *error);

#endif
