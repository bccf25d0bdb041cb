/* A command of the tarkka program ("tarkka run …"): its help, its options and what it does.
 *
 * Commands that only need the engine live in engine/; those that need kernels live in workflows/commands/, where
 * commands.def names them; those for clusters live in slurm/. main.c parses the options of all by these tables, and
 * prints --help from them. */
#ifndef TK_ENGINE_COMMAND_H
#define TK_ENGINE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "io/error.h"

typedef struct tk_option {
    const char *name;     /* "output" for --output */
    const char *argument; /* "FILE"; NULL: a flag without argument */
    const char *help;     /* one line */
} tk_option;

#define TK_OPTION_END                                                                                                  \
    { 0 }

/* A parsed command line. Options may stand anywhere; "--" ends them; "--name=value" and "--name value" are the same. */
typedef struct tk_arguments tk_arguments;

/* The i-th argument that is not an option, or NULL. */
const char *tk_positional(const tk_arguments *arguments, int i);

/* The last value given for an option (a flag that is given has the value ""), or NULL. */
const char *tk_option_value(const tk_arguments *arguments, const char *name);

/* The i-th value of an option that may be repeated, or NULL. */
const char *tk_option_repeated(const tk_arguments *arguments, const char *name, int i);

/* The value of an option as an integer in least … most; `fallback` when it is not given. Errors: TK_USAGE. */
tk_status tk_option_integer(const tk_arguments *arguments, const char *name, int64_t least, int64_t most,
                            int64_t fallback, int64_t *value, tk_error *error);

/* The value of an option as a number; `fallback` when it is not given. Errors: TK_USAGE. */
tk_status tk_option_number(const tk_arguments *arguments, const char *name, double least, double most, double fallback,
                           double *value, tk_error *error);

/* The value of an option as a time in seconds, written with its unit (90s, 20min, 35h, 2d); `fallback` when it is not
 * given. Errors: TK_USAGE. */
tk_status tk_option_duration(const tk_arguments *arguments, const char *name, double fallback, double *seconds,
                             tk_error *error);

/* The value of an option as ZxYxX, three positive integers; *value is untouched when it is not given. Errors: TK_USAGE.
 */
tk_status tk_option_size(const tk_arguments *arguments, const char *name, int64_t value[3], tk_error *error);

typedef struct tk_command {
    const char *name;
    const char *summary;      /* one line, for `tarkka --help` */
    const char *synopsis;     /* what follows the name: "WORKFLOW [OPTION]…" */
    const char *details;      /* paragraphs for --help, after the options: what it does, examples, exit codes */
    const tk_option *options; /* ends with TK_OPTION_END; --help is always there */
    int least, most;          /* how many arguments beside options */
    bool ranks;               /* works on several MPI ranks; the others refuse more than one */
    tk_status (*run)(const tk_arguments *arguments, tk_error *error);
} tk_command;

/* Commands that need kernels, ended by NULL. Defined by workflows/commands/registry.c. */
extern const tk_command *const tk_kernel_commands[];

/* Draws a finished result (run --picture): its image with the outlines of its objects, beside it as RESULT.png. Defined
 * by workflows/commands/picture_result.c. */
tk_status tk_draw_result(const char *file, tk_error *error);

/* Commands for clusters, ended by NULL. Defined by slurm/registry.c. */
extern const tk_command *const tk_slurm_commands[];

#endif
