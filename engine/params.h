/* Parameters of a step: the table that describes them, and the values a workflow gives them.
 *
 * One table serves help, validation, JSON Schema and provenance. A dotted name is a nested map in the workflow:
 * "psf.file" is written `psf: {file: …}`. */
#ifndef TK_ENGINE_PARAMS_H
#define TK_ENGINE_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/error.h"

typedef enum tk_param_type {
    TK_PARAM_NONE,    /* ends a table */
    TK_PARAM_BOOL,    /* true, false */
    TK_PARAM_INTEGER, /* 20 */
    TK_PARAM_NUMBER,  /* 0.01 */
    TK_PARAM_PERCENT, /* 50 % */
    TK_PARAM_LENGTH,  /* 2 px, 0.3 um, 525 nm, 1 mm; or three of them, z y x */
    TK_PARAM_CHOICE,  /* one of a few words */
    TK_PARAM_FILE,    /* path of a file, or file.h5:/dataset */
    TK_PARAM_IMAGE,   /* "input", or the name of an earlier step that makes an image; `most` > 1: or a list of up to
                         so many */
    TK_PARAM_MASK,    /* the name of an earlier step that makes a mask */
    TK_PARAM_LABELS   /* … that makes labels */
} tk_param_type;

typedef struct tk_param {
    const char *name;
    tk_param_type type;
    const char *fallback; /* the default, as it would be written in a workflow; NULL: none (not set) */
    bool required;        /* an error when not given */
    double least, most;   /* inclusive range of each number; both 0: no limit. Lengths: of the bare number */
    const char *choices;  /* TK_PARAM_CHOICE: "otsu|fixed" */
    const char *help;     /* one line */
} tk_param;

#define TK_PARAM_END                                                                                                   \
    { 0 }

/* Units of a length. */
typedef enum tk_unit { TK_UNIT_NONE, TK_UNIT_PIXEL, TK_UNIT_UM } tk_unit;

typedef struct tk_value {
    bool set;         /* given or defaulted */
    bool given;       /* by the workflow or --set */
    int64_t integer;  /* BOOL (0, 1), INTEGER; CHOICE: index of the word */
    int count;        /* IMAGE, MASK, LABELS: how many names */
    double number[3]; /* NUMBER, PERCENT (0 … 100); LENGTH: z y x in voxels or micrometres */
    tk_unit unit;     /* LENGTH */
    char *text;       /* as written; FILE: resolved path. Owned by the params */
    int line, column; /* where it was given; 0: default */
} tk_value;

typedef struct tk_params tk_params;

/* The value of a parameter; `name` must be one of the step's table. */
const tk_value *tk_params_get(const tk_params *params, const char *name);

/* Shorthands for a value that is set. */
bool tk_params_bool(const tk_params *params, const char *name);
int64_t tk_params_integer(const tk_params *params, const char *name);
double tk_params_number(const tk_params *params, const char *name);
const char *tk_params_text(const tk_params *params, const char *name); /* NULL when not set */

/* The i-th of the names of an IMAGE, MASK or LABELS parameter, allocated; NULL: no memory, or no such name. */
char *tk_params_name(const tk_params *params, const char *name, int i);

/* A length in voxels, z y x. Errors: TK_INVALID when it is given in micrometres and the image's voxel size is not
 * known. */
tk_status tk_params_voxels(const tk_params *params, const char *name, const double voxel_um[3], double voxels[3],
                           tk_error *error);

/* Notes an error at the place where the parameter was given: "file:line:column: step.name: message". Returns
 * TK_INVALID. */
__attribute__((format(printf, 4, 5))) tk_status tk_params_fail(const tk_params *params, const char *name,
                                                               tk_error *error, const char *format, ...);

#endif
