/* Signal handlers: they only note, and the second one ends the process. */
#include "engine/running/stop.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernels/common/status.h"

static volatile sig_atomic_t first_signal;
static volatile time_t first_time;

static time_t seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Launchers and batch systems send the same signal to a rank more than once: a second one counts only later. */
static void take(int signal) {
    static const char text[] = "tarkka: a second signal: ended at once; resume it\n";
    if (!first_signal) {
        first_time = seconds();
        first_signal = signal;
        return;
    }
    if (seconds() - first_time < 2) return;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(75); /* tk_status_exit_code(TK_STOPPED): a handler may call nothing else */
}

void tk_stop_listen(void) {
    struct sigaction action = {.sa_handler = take, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

const char *tk_stop_signal(void) {
    switch (first_signal) {
    case 0:
        return NULL;
    case SIGTERM:
        return "SIGTERM";
    case SIGUSR1:
        return "SIGUSR1";
    case SIGINT:
        return "SIGINT";
    default:
        return "a signal";
    }
}
