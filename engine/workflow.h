/* A workflow: the steps to run, on what, and where the result goes.
 *
 * Values are numbered: value 0 is the input image, value i + 1 is what step i makes. */
#ifndef TK_ENGINE_WORKFLOW_H
#define TK_ENGINE_WORKFLOW_H

#include <jansson.h>

#include "engine/step.h"
#include "engine/syntax/selection.h"

typedef struct tk_workflow_step {
    const tk_step *step;
    char *name;               /* results are called after it; owned */
    bool keep;                /* write its output to the result */
    bool keep_given;          /* … because the workflow says so, or says not to */
    tk_params *params;        /* owned; NULL: a step that has none (passes.h) */
    int inputs;               /* how many values it reads */
    int input[TK_MAX_INPUTS]; /* which: [0] the value before it, then its side inputs in order of the table */
    int64_t channel;          /* in a workflow that is written out for channels (passes.h), else 0 */
} tk_workflow_step;

typedef struct tk_workflow {
    char *file;   /* the workflow file, as given */
    char *folder; /* its folder, for relative paths; "" = here */
    char *image;  /* image spec, resolved; NULL until given */
    char *images; /* pattern of many images, resolved; NULL: there is one image */
    char *axes;   /* of an HDF5 dataset; NULL: default */
    char *output; /* resolved; NULL until given; of many images: with {stem} until an image is chosen */
    tk_selection channel, time;
    int count;
    tk_workflow_step *steps; /* owned */
} tk_workflow;

/* What the command line adds to a workflow file; NULL: nothing. */
typedef struct tk_overrides {
    const char *input, *output;
    const char *item;       /* of many images, which: "0" … */
    const char *const *set; /* "step.param=value", ended by NULL; may be NULL */
} tk_overrides;

/* Reads and validates a workflow, without touching images. The caller frees it. Errors: TK_INVALID with
 * file:line:column, TK_UNREADABLE, TK_NO_MEMORY. */
tk_status tk_workflow_read(const char *file, const tk_overrides *overrides, tk_workflow *workflow, tk_error *error);

/* The same from a text, as tk_workflow_to_json gives it without defaults; `name` stands for the file in messages, and
 * relative files are taken from `folder`. */
tk_status tk_workflow_parse(const char *name, const char *text, const char *folder, const tk_overrides *overrides,
                            tk_workflow *workflow, tk_error *error);

void tk_workflow_free(tk_workflow *workflow);

/* The workflow as a workflow file would hold it (JSON is YAML), with every default written out, or only with what was
 * given, so that it can be run again: a new reference; NULL: no memory. */
json_t *tk_workflow_to_json(const tk_workflow *workflow, bool defaults);

/* What kind of thing a value is. */
tk_kind tk_workflow_value_kind(const tk_workflow *workflow, int value);

#endif
