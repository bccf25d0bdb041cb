/* The files that a job reads, and whether they are still the ones it began with. */
#ifndef TK_ENGINE_INPUTS_H
#define TK_ENGINE_INPUTS_H

#include <sys/stat.h>

#include "engine/workflow.h"

typedef struct tk_input {
    const char *role;     /* "workflow", "image", or the parameter that names it; borrowed */
    const char *spec;     /* as the workflow gives it; borrowed */
    char *file;           /* the file part of it; owned */
    bool computed;        /* no file, an image made from its spec: nothing of it can change */
    struct stat identity; /* when the job began; zeros when computed */
} tk_input;

typedef struct tk_inputs {
    int count;
    tk_input *input; /* owned */
} tk_inputs;

/* Notes the workflow and its image; the workflow must outlive them. The caller frees them. Errors: TK_UNREADABLE when
 * one is not there, TK_INVALID when a name is not UTF-8 and could not be recorded. */
tk_status tk_inputs_note(const tk_workflow *workflow, tk_inputs *inputs, tk_error *error);

/* Notes the files that parameters of the steps name, each once that several channels share; the workflow must outlive
 * them. Errors: as above; what was noted is freed. */
tk_status tk_inputs_note_files(const tk_workflow *workflow, tk_inputs *inputs, tk_error *error);

/* Errors with TK_UNREADABLE when a file is no longer the one that was noted: another file, size or time of change. */
tk_status tk_inputs_unchanged(const tk_inputs *inputs, tk_error *error);

/* The role of the input that is this very file; NULL when none is. */
const char *tk_inputs_role_of(const tk_inputs *inputs, const struct stat *file);

void tk_inputs_free(tk_inputs *inputs);

#endif
