/* Where a run is. Nothing that is read here is trusted: members may be missing or of another type. */
#include "slurm/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/keeping/lock.h"
#include "io/result.h"
#include "slurm/process.h"
#include "slurm/submitted.h"

/* How long squeue may take to answer. */
enum { SQUEUE_SECONDS = 10 };

const char *tk_json_text(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

int64_t tk_json_integer(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

double tk_json_number(const json_t *object, const char *name, double otherwise) {
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static char *beside(const char *result, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s.work%s", result, name) < 0 ? NULL : path;
}

/* --- The folder --------------------------------------------------------------------------------------------------- */

static json_t *read_status(const char *file) {
    json_t *status = json_load_file(file, 0, NULL);
    if (json_is_object(status) && tk_json_integer(status, "tarkka_status") == 1) return status;
    json_decref(status);
    return NULL;
}

static tk_status find_owner(const char *folder, tk_run_state *state, tk_error *error) {
    char text[256] = "";
    bool alive = false;
    if (!tk_lock_owner(folder, &alive, text, sizeof text) || !alive) return TK_OK;
    state->owner = strdup(text);
    return state->owner ? TK_OK : tk_fail_memory(error, "the status");
}

static tk_run_phase phase_of(const tk_run_state *state) {
    const char *word = tk_json_text(state->status, "state");
    if (!state->status) return state->owner ? TK_PHASE_BEGUN : TK_PHASE_KILLED;
    if (word && !strcmp(word, "stopped")) return TK_PHASE_STOPPED;
    if (word && !strcmp(word, "failed")) return TK_PHASE_FAILED;
    return state->owner ? TK_PHASE_RUNNING : TK_PHASE_KILLED;
}

static tk_status look_at_folder(const char *result, tk_run_state *state, tk_error *error) {
    char *folder = beside(result, ""), *status = beside(result, "/status.json"), *stop = beside(result, "/stop");
    tk_status done = folder && status && stop ? TK_OK : tk_fail_memory(error, "the status");
    if (done == TK_OK && access(folder, F_OK) == 0) {
        state->status = read_status(status);
        state->stop_asked = access(stop, F_OK) == 0;
        done = find_owner(folder, state, error);
        state->phase = phase_of(state);
    }
    free(folder);
    free(status);
    free(stop);
    return done;
}

/* --- The result --------------------------------------------------------------------------------------------------- */

static void look_at_result(const char *result, tk_run_state *state) {
    char *text = NULL;
    tk_result_read_text(result, "/provenance/run", &text);
    json_t *run = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (tk_json_integer(run, "tarkka_provenance") > 0) {
        const char *end = tk_json_text(run, "end");
        const json_t *resources = json_object_get(run, "resources");
        state->phase = TK_PHASE_FINISHED;
        (void)snprintf(state->end, sizeof state->end, "%s", end ? end : "");
        state->seconds = tk_json_number(resources, "seconds", 0);
        state->given_up = (int64_t)json_array_size(json_object_get(run, "given_up"));
    }
    json_decref(run);
}

/* --- Slurm -------------------------------------------------------------------------------------------------------- */

/* What squeue says of the job: "RUNNING|None". Nothing when there is no squeue, or it no longer knows the job. */
static void ask_squeue(tk_run_state *state) {
    const char *const command[] = {"squeue", "--noheader", "--format=%T|%r", "--jobs", state->job, NULL};
    tk_process process = {0};
    tk_error ignored = TK_ERROR_NONE;
    if (tk_process_run(command, SQUEUE_SECONDS, &process, &ignored) == TK_OK && process.exit_code == 0) {
        char *text = tk_process_line(&process, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), *bar = text ? strchr(text, '|') : NULL;
        if (bar) {
            *bar = 0;
            (void)snprintf(state->job_state, sizeof state->job_state, "%s", text);
            (void)snprintf(state->job_reason, sizeof state->job_reason, "%s", bar + 1);
        }
    }
    free(process.output);
}

static void look_at_queue(const char *result, tk_run_state *state) {
    const char *job = tk_json_text(state->status, "slurm_job");
    tk_submitted_job(result, state->job);
    if (job && strspn(job, "0123456789_") == strlen(job)) (void)snprintf(state->job, sizeof state->job, "%s", job);
    if (*state->job) ask_squeue(state);
    const bool waits = !strcmp(state->job_state, "PENDING") || !strcmp(state->job_state, "REQUEUED");
    const bool begins = !strcmp(state->job_state, "RUNNING") || !strcmp(state->job_state, "CONFIGURING");
    const bool idle = state->phase != TK_PHASE_RUNNING && state->phase != TK_PHASE_BEGUN;
    if (waits && idle) state->phase = TK_PHASE_QUEUED;
    if (begins && (state->phase == TK_PHASE_ABSENT || state->phase == TK_PHASE_KILLED)) state->phase = TK_PHASE_BEGUN;
}

tk_status tk_run_state_read(const char *result, bool ask_slurm, tk_run_state *state, tk_error *error) {
    *state = (tk_run_state){0};
    const tk_status status = look_at_folder(result, state, error);
    if (status == TK_OK && state->phase != TK_PHASE_RUNNING) look_at_result(result, state);
    if (status == TK_OK && ask_slurm && state->phase != TK_PHASE_FINISHED) look_at_queue(result, state);
    if (status != TK_OK) tk_run_state_free(state);
    return status;
}

void tk_run_state_free(tk_run_state *state) {
    json_decref(state->status);
    free(state->owner);
    *state = (tk_run_state){0};
}

const char *tk_run_state_word(const tk_run_state *state) {
    static const char *const words[] = {
        [TK_PHASE_ABSENT] = "absent",     [TK_PHASE_QUEUED] = "queued",   [TK_PHASE_BEGUN] = "begun",
        [TK_PHASE_RUNNING] = "running",   [TK_PHASE_STOPPED] = "stopped", [TK_PHASE_KILLED] = "killed",
        [TK_PHASE_FINISHED] = "finished", [TK_PHASE_FAILED] = "failed",
    };
    const char *word = tk_json_text(state->status, "state");
    return state->phase == TK_PHASE_RUNNING && word && !strcmp(word, "stopping") ? "stopping" : words[state->phase];
}
