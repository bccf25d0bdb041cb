/* How far the run is: a line that is rewritten on a terminal, plain lines now and then in a log. On rank 0. */
#ifndef TK_ENGINE_PROGRESS_H
#define TK_ENGINE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tk_progress {
    bool speaks, terminal; /* rank 0; standard error is a terminal */
    double begin;          /* of the run, s */
    double stage_begin, last_line;
    int stage, stages;
    int64_t tiles;
} tk_progress;

/* Seconds of a clock that only goes forward. */
double tk_progress_now(void);

/* Starts the clock of a run of so many stages. */
tk_progress tk_progress_start(bool speaks, int stages);

/* A stage (or a further round of one) begins. */
void tk_progress_stage(tk_progress *progress, int stage, int64_t tiles);

/* So many tiles of the stage have been begun, over all ranks: maybe prints a line with the time left. */
void tk_progress_tiles(tk_progress *progress, int64_t begun);

/* A line for the log, from rank 0 alone. */
__attribute__((format(printf, 2, 3))) void tk_progress_say(tk_progress *progress, const char *format, ...);

#endif
