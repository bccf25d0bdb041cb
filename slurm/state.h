/* Where a run is: what its result, its folder RESULT.work and Slurm say. */
#ifndef TK_SLURM_STATE_H
#define TK_SLURM_STATE_H

#include <jansson.h>
#include <stdbool.h>

#include "io/error.h"

typedef enum tk_run_phase {
    TK_PHASE_ABSENT,   /* there is neither a result nor a trace of a run */
    TK_PHASE_QUEUED,   /* its job waits in Slurm's queue */
    TK_PHASE_BEGUN,    /* its job, or its folder, has begun, and there is no status yet */
    TK_PHASE_RUNNING,  /* … or stopping */
    TK_PHASE_STOPPED,  /* stopped early; to be resumed */
    TK_PHASE_KILLED,   /* ended without a word; to be resumed */
    TK_PHASE_FAILED,   /* ended with an error */
    TK_PHASE_FINISHED, /* the result is there */
} tk_run_phase;

typedef struct tk_run_state {
    tk_run_phase phase;
    json_t *status;                     /* status.json, an object; NULL: there is none, or it cannot be read */
    bool stop_asked;                    /* RESULT.work/stop exists */
    char *owner;                        /* who works on it, for people; NULL: nobody who lives */
    char job[32];                       /* of Slurm; "" = none known */
    char job_state[32], job_reason[64]; /* what squeue says; "" = nothing */
    char end[32];                       /* FINISHED: when */
    double seconds;                     /* FINISHED: how long the last attempt took */
    int64_t given_up;                   /* FINISHED: tiles without a result */
} tk_run_state;

/* Looks at a result; asks Slurm too when `ask_slurm`. The caller frees the state. Errors: TK_NO_MEMORY; whatever cannot
 * be read counts as not there. */
tk_status tk_run_state_read(const char *result, bool ask_slurm, tk_run_state *state, tk_error *error);

void tk_run_state_free(tk_run_state *state);

/* The phase in one word: "running", "stopping", "queued" … */
const char *tk_run_state_word(const tk_run_state *state);

/* Members of a JSON object that may be missing or of another type; NULL, 0 and `otherwise` stand for that. */
const char *tk_json_text(const json_t *object, const char *name);
int64_t tk_json_integer(const json_t *object, const char *name);
double tk_json_number(const json_t *object, const char *name, double otherwise);

#endif
