/* tarkka stop */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/command.h"
#include "engine/syntax/quantity.h"
#include "slurm/commands.h"
#include "slurm/process.h"
#include "slurm/state.h"

static const tk_option options[] = {
    {"wait", "DURATION", "wait so long for it to stop (default: 60s)"},
    {"now", NULL, "do not let tiles in flight finish; nothing that was done is lost"},
    TK_OPTION_END,
};

static void nap(double seconds) {
    const struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&time, NULL);
}

static tk_status ask(const char *result, tk_error *error) {
    char *file = NULL;
    if (asprintf(&file, "%s.work/stop", result) < 0) return tk_fail_memory(error, "stop");
    const int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    const tk_status status =
        fd < 0 && errno != ENOENT ? tk_fail_errno(error, TK_UNWRITABLE, file, "cannot be made") : TK_OK;
    if (fd >= 0) close(fd);
    free(file);
    return status;
}

static tk_status cancel(const tk_run_state *state, const char *signal, tk_error *error) {
    const char *const whole[] = {"scancel", state->job, NULL}, *const some[] = {"scancel", signal, state->job, NULL};
    tk_process process;
    TK_TRY(tk_process_run(signal ? some : whole, 30, &process, error));
    tk_status status = TK_OK;
    if (process.exit_code)
        status = tk_fail(error, TK_FAILED, "scancel %s: %.*s", state->job, (int)strcspn(process.output, "\n"),
                         *process.output ? process.output : "not found");
    free(process.output);
    return status;
}

/* A signal to all ranks of a Slurm job, or to rank 0 here, which its launcher ends together with the others. */
static tk_status send(const tk_run_state *state, tk_error *error) {
    char here[256] = "";
    const char *host = tk_json_text(state->status, "host");
    const int64_t pid = tk_json_integer(state->status, "pid");
    if (*state->job) return cancel(state, "--signal=TERM", error);
    (void)gethostname(here, sizeof here - 1);
    if (!state->owner || !host || strcmp(host, here) != 0 || pid < 2)
        return tk_fail(error, TK_FAILED, "--now: the run is on %s; stop it there", host ? host : "another machine");
    if (kill((pid_t)pid, SIGTERM) != 0 && errno != ESRCH)
        return tk_fail_errno(error, TK_FAILED, "the run", "cannot be signalled");
    return TK_OK;
}

/* Waits until the run is no longer running; *phase is where it is then. */
static tk_status wait_for(const char *result, double seconds, tk_run_phase *phase, tk_error *error) {
    const double step = 0.2;
    for (int steps = 0;; steps++) {
        tk_run_state state;
        TK_TRY(tk_run_state_read(result, false, &state, error));
        *phase = state.phase;
        tk_run_state_free(&state);
        const bool runs = *phase == TK_PHASE_RUNNING || *phase == TK_PHASE_BEGUN;
        if (!runs || step * steps >= seconds) return TK_OK;
        nap(step);
    }
}

/* The first signal asks, a second one after two seconds ends at once. */
static tk_status hurry(const char *result, const tk_run_state *state, tk_error *error) {
    tk_run_phase phase = TK_PHASE_RUNNING;
    TK_TRY(send(state, error));
    TK_TRY(wait_for(result, 2.5, &phase, error));
    return phase == TK_PHASE_RUNNING ? send(state, error) : TK_OK;
}

static tk_status say(const char *result, tk_run_phase phase, double waited, tk_error *error) {
    switch (phase) {
    case TK_PHASE_FINISHED:
        return printf("%s: has finished\n", result), TK_OK;
    case TK_PHASE_FAILED:
        return printf("%s: has failed before it could stop; `tarkka status` says why\n", result), TK_OK;
    case TK_PHASE_RUNNING:
    case TK_PHASE_BEGUN:
        return tk_fail(error, TK_FAILED,
                       "%s: still running after %g s; it was asked to stop, and will: wait longer (--wait)"
                       ", or give --now",
                       result, waited);
    default:
        return printf("%s: stopped; `tarkka run --resume` goes on\n", result), TK_OK;
    }
}

static tk_status stop_running(const char *result, const tk_run_state *state, double seconds, bool now,
                              tk_error *error) {
    tk_run_phase phase = TK_PHASE_RUNNING;
    TK_TRY(ask(result, error));
    if (now) TK_TRY(hurry(result, state, error));
    TK_TRY(wait_for(result, seconds, &phase, error));
    return say(result, phase, seconds, error);
}

/* A job that has just begun cannot be asked before its run has a folder. */
static tk_status stop_begun(const char *result, double seconds, bool now, tk_error *error) {
    tk_run_phase phase = TK_PHASE_BEGUN;
    for (int waited = 0; waited < seconds; waited++) {
        tk_run_state state;
        TK_TRY(tk_run_state_read(result, true, &state, error));
        phase = state.phase;
        const tk_status status =
            phase == TK_PHASE_RUNNING ? stop_running(result, &state, seconds - waited, now, error) : TK_OK;
        tk_run_state_free(&state);
        if (phase == TK_PHASE_RUNNING) return status;
        if (phase != TK_PHASE_BEGUN) break;
        nap(1);
    }
    return say(result, phase, seconds, error);
}

static tk_status stop(const char *result, const tk_run_state *state, double seconds, bool now, tk_error *error) {
    switch (state->phase) {
    case TK_PHASE_ABSENT:
        return tk_fail(error, TK_FAILED, "%s: there is no run of it to stop", result);
    case TK_PHASE_QUEUED:
        TK_TRY(cancel(state, NULL, error));
        return printf("%s: job %s was waiting, and is cancelled\n", result, state->job), TK_OK;
    case TK_PHASE_BEGUN:
        return stop_begun(result, seconds, now, error);
    case TK_PHASE_RUNNING:
        return stop_running(result, state, seconds, now, error);
    default:
        TK_TRY(state->phase == TK_PHASE_FINISHED ? TK_OK
                                                 : ask(result, error)); /* nor may a batch script start it again */
        return say(result, state->phase, 0, error);
    }
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    const char *result = tk_positional(arguments, 0), *wait = tk_option_value(arguments, "wait");
    double seconds = 60;
    tk_run_state state;
    if (wait && !tk_quantity_seconds(wait, &seconds))
        return tk_fail(error, TK_USAGE, "--wait %s: expected a time, as in 90s or 5min", wait);
    TK_TRY(tk_run_state_read(result, true, &state, error));
    const tk_status status = stop(result, &state, seconds, tk_option_value(arguments, "now") != NULL, error);
    tk_run_state_free(&state);
    return status;
}

const tk_command tk_command_stop = {
    .name = "stop",
    .summary = "Asks a run to stop; what it has done is kept, and it can be resumed.",
    .synopsis = "RESULT [OPTION]...",
    .details =
        "The run finishes the tiles it has begun, and ends with exit code 75; its batch job does not start again.\n"
        "A batch job that has not begun is cancelled.\n"
        "\n"
        "Exit codes: 0 it has stopped, or had ended before; 1 it still runs, or there is no run.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
