/* Other programs, run without a shell. */
#ifndef TK_SLURM_PROCESS_H
#define TK_SLURM_PROCESS_H

#include "io/error.h"

typedef struct tk_process {
    int exit_code; /* 127: there is no such program; 128 + N: ended by signal N, or for taking too long */
    char *output;  /* standard output and standard error together, at most 64 KiB of it; owned */
} tk_process;

/* Runs a program found on the PATH and waits for it, `seconds` at most (then it is killed). `command` ends with NULL.
 * The caller frees output. Errors: TK_FAILED, TK_NO_MEMORY; a program that fails is no error. */
tk_status tk_process_run(const char *const command[], double seconds, tk_process *process, tk_error *error);

/* Cuts out of a program's output its first line that begins with one of the characters `first`: what a site has its
 * programs say besides begins with their names. NULL: there is none. The output is changed. */
char *tk_process_line(tk_process *process, const char *first);

#endif
