/* A command of the tarkka program ("tarkka run …"). Commands that only need the engine live in engine/, those
 * that need kernels in workflows/commands/; workflows/commands/commands.def names the latter. */
#ifndef TK_ENGINE_COMMAND_H
#define TK_ENGINE_COMMAND_H

#include <stdbool.h>

#include "io/error.h"

typedef struct tk_command {
    const char *name;
    const char *summary; /* one line for `tarkka --help` */
    const char *usage;   /* the whole `tarkka NAME --help` */
    bool ranks;          /* may run under mpirun; others refuse more than one rank */
    /* argv[0] is the command's name. The message of a failure goes to `error`. */
    tk_status (*run)(int argc, char **argv, tk_error *error);
} tk_command;

/* Commands that need kernels, ended by NULL. Defined by workflows/commands/registry.c. */
extern const tk_command *const tk_kernel_commands[];

#endif
