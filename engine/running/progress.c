/* Progress and time left, as the keeper sees them. */
#include "engine/running/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const double TERMINAL_INTERVAL = 0.2, LOG_INTERVAL = 10;

double tk_progress_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

tk_progress tk_progress_start(bool speaks, int stages) {
    return (tk_progress){.speaks = speaks,
                         .terminal = isatty(STDERR_FILENO),
                         .begin = tk_progress_now(),
                         .last_line = tk_progress_now(),
                         .stages = stages};
}

static void clear_line(const tk_progress *progress) {
    if (progress->terminal) fprintf(stderr, "\r\033[K");
}

/* "1 h 02 min", "3 min 20 s", "12 s" */
static void format_time(double seconds, char *text, size_t room) {
    const long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, room, "%ld h %02ld min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(text, room, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(text, room, "%ld s", s);
}

void tk_progress_tile(tk_progress *progress, tk_keeper *keeper) {
    if (!progress->speaks) return;
    const double now = tk_progress_now();
    if (now - progress->last_line < (progress->terminal ? TERMINAL_INTERVAL : LOG_INTERVAL)) return;
    progress->last_line = now;
    char left[48] = "?";
    double fraction = 0;
    const double seconds = tk_keeper_left(keeper, &fraction);
    if (seconds >= 0) format_time(seconds, left, sizeof left);
    clear_line(progress);
    fprintf(stderr, "stage %d/%d: %.0f %% of all work done, %s left%s", progress->stage + 1, progress->stages,
            100 * fraction, left, progress->terminal ? "" : "\n");
    fflush(stderr);
}

void tk_progress_say(tk_progress *progress, const char *format, ...) {
    if (!progress->speaks) return;
    clear_line(progress);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}
