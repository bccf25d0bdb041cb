/* How far the run is: a line that is rewritten on a terminal, plain lines now and then in a log. On rank 0. */
#ifndef TK_ENGINE_PROGRESS_H
#define TK_ENGINE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/running/keeper.h"

typedef struct tk_progress {
    bool speaks, terminal; /* rank 0; standard error is a terminal */
    double begin;          /* of the run, s */
    double last_line;
    int stage, stages;
} tk_progress;

/* Seconds of a clock that only goes forward. */
double tk_progress_now(void);

/* Starts the clock of a run of so many stages. */
tk_progress tk_progress_start(bool speaks, int stages);

/* A tile is done: maybe prints a line with the time left. */
void tk_progress_tile(tk_progress *progress, tk_keeper *keeper);

/* A line for the log, from rank 0 alone. */
__attribute__((format(printf, 2, 3))) void tk_progress_say(tk_progress *progress, const char *format, ...);

#endif
