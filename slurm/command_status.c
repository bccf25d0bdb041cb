/* tarkka status */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/command.h"
#include "slurm/commands.h"
#include "slurm/state.h"

static const tk_option options[] = {
    {"json", NULL, "print one JSON object a line"},
    TK_OPTION_END,
};

static json_t *text_or_null(const char *text) { return *text ? json_string(text) : json_null(); }

/* status.json, with what else is known. */
static json_t *to_json(const char *result, const tk_run_state *state) {
    json_t *root = state->status ? json_deep_copy(state->status) : json_object();
    json_object_set_new(root, "tarkka_status", json_integer(1));
    json_object_set_new(root, "output", json_string(result));
    json_object_set_new(root, "state", json_string(tk_run_state_word(state)));
    json_object_set_new(root, "stop_asked", json_boolean(state->stop_asked));
    json_object_set_new(root, "alive", json_boolean(state->owner != NULL));
    json_object_set_new(root, "slurm_job", text_or_null(state->job));
    json_object_set_new(root, "slurm_state", text_or_null(state->job_state));
    json_object_set_new(root, "slurm_reason", text_or_null(state->job_reason));
    if (state->phase != TK_PHASE_FINISHED) return root;
    json_object_set_new(root, "fraction", json_integer(1));
    json_object_set_new(root, "end", json_string(state->end));
    json_object_set_new(root, "seconds", json_real(state->seconds));
    json_object_set_new(root, "given_up", json_integer(state->given_up));
    json_object_set_new(root, "exit_code", json_integer(state->given_up ? 4 : 0));
    return root;
}

static void print_time(double seconds) {
    if (seconds < 90)
        printf("%.0f s", seconds);
    else if (seconds < 5400)
        printf("%.0f min", seconds / 60);
    else
        printf("%.1f h", seconds / 3600);
}

static void print_progress(const tk_run_state *state) {
    const json_t *s = state->status;
    const double left = tk_json_number(s, "seconds_left", -1), fraction = tk_json_number(s, "fraction", 0);
    printf(", %.1f %%, stage %lld of %lld, %s %lld of %lld", 100 * fmin(1, fmax(0, fraction)),
           (long long)tk_json_integer(s, "stage"), (long long)tk_json_integer(s, "stages"),
           json_is_true(json_object_get(s, "solving")) ? "iteration" : "tile",
           (long long)tk_json_integer(s, "tiles_done"), (long long)tk_json_integer(s, "tiles"));
    if (state->phase == TK_PHASE_RUNNING && left >= 0) {
        printf(", ");
        print_time(left);
        printf(" left");
    }
    if (tk_json_integer(s, "given_up") > 0) printf(", %lld tiles given up", (long long)tk_json_integer(s, "given_up"));
}

static void print_finished(const tk_run_state *state) {
    printf(" at %s, after ", *state->end ? state->end : "a time it does not say");
    print_time(state->seconds);
    if (state->given_up) printf(", with %lld tiles given up", (long long)state->given_up);
    printf(" (exit code %d)", state->given_up ? 4 : 0);
}

static void print_state(const char *result, const tk_run_state *state) {
    const char *message = tk_json_text(state->status, "message");
    printf("%s: %s", result, tk_run_state_word(state));
    if (state->phase == TK_PHASE_ABSENT) printf(": no result, and no run of it");
    if (state->phase == TK_PHASE_FINISHED) print_finished(state);
    if (state->status && state->phase != TK_PHASE_FINISHED) print_progress(state);
    if (state->owner) printf(", %s", state->owner);
    if (*state->job) printf(", job %s", state->job);
    if (*state->job_state) printf(" (%s%s%s)", state->job_state, *state->job_reason ? ", " : "", state->job_reason);
    if (state->stop_asked) printf(", asked to stop");
    const bool open = state->phase == TK_PHASE_STOPPED || state->phase == TK_PHASE_KILLED;
    if (message && *message && state->phase != TK_PHASE_FINISHED)
        printf(": %s", message);
    else if (open)
        printf("; `tarkka run --resume` goes on");
    putchar('\n');
}

/* Notes the worst of the results, without a message: the line that is printed says it. */
static void judge(const tk_run_state *state, tk_error *error) {
    const bool lost = state->phase == TK_PHASE_ABSENT || state->phase == TK_PHASE_FAILED;
    const bool open = state->phase == TK_PHASE_STOPPED || state->phase == TK_PHASE_KILLED;
    if (lost)
        error->status = TK_FAILED;
    else if (open && error->status == TK_OK)
        error->status = TK_STOPPED;
}

static tk_status print_one(const char *result, bool json, tk_error *error) {
    tk_run_state state;
    tk_error own = TK_ERROR_NONE;
    if (tk_run_state_read(result, true, &state, &own) != TK_OK) return *error = own, own.status;
    if (json) {
        json_t *root = to_json(result, &state);
        char *line = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
        if (line) puts(line);
        free(line);
        json_decref(root);
    } else {
        print_state(result, &state);
    }
    judge(&state, error);
    tk_run_state_free(&state);
    return TK_OK;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    const bool json = tk_option_value(arguments, "json") != NULL;
    for (int i = 0; tk_positional(arguments, i); i++) TK_TRY(print_one(tk_positional(arguments, i), json, error));
    return error->status;
}

const tk_command tk_command_status = {
    .name = "status",
    .summary = "Says where a run is: waiting, running, stopped, finished.",
    .synopsis = "RESULT... [OPTION]...",
    .details = "Reads the result, or RESULT.work/status.json, and asks squeue about the job where there is one.\n"
               "\n"
               "Exit codes: 0 all are waiting, running or finished; 75 one has stopped, or was killed, and is to be\n"
               "resumed; 1 one has failed, or there is no trace of it.",
    .options = options,
    .least = 1,
    .most = 1000000,
    .run = run,
};
