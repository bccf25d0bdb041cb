/* Step fail: a copy that goes wrong in the tile that owns a given voxel: always, or the first so many times. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/step.h"
#include "tests/trial/trial.h"

enum { HOW_ERROR, HOW_MEMORY, HOW_HANG, HOW_STOP, HOW_SEGV, HOW_ABORT, HOW_EXIT, HOW_KILL }; /* as in the choices */

typedef struct fail_state {
    int64_t at[3], how, times;
} fail_state;

static const tk_param params[] = {
    {.name = "at", .type = TK_PARAM_LENGTH, .required = true, .help = "a voxel of the tile in which it fails, z y x"},
    {.name = "how",
     .type = TK_PARAM_CHOICE,
     .fallback = "error",
     .choices = "error|memory|hang|stop|segv|abort|exit|kill",
     .help = "what happens to the tile or to its rank"},
    {.name = "times",
     .type = TK_PARAM_INTEGER,
     .fallback = "0",
     .least = 0,
     .most = 1e6,
     .help = "how often; 0: always"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    double at[3];
    TK_TRY(tk_params_voxels(binding->params, "at", binding->input.voxel_um, at, error));
    fail_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step fail");
    for (int axis = 0; axis < 3; axis++) s->at[axis] = (int64_t)at[axis];
    s->how = tk_params_integer(binding->params, "how");
    s->times = tk_params_integer(binding->params, "times");
    *state = s;
    return TK_OK;
}

static tk_status go_wrong(int64_t how) {
    static const int signals[] = {
        [HOW_STOP] = SIGSTOP, [HOW_SEGV] = SIGSEGV, [HOW_ABORT] = SIGABRT, [HOW_KILL] = SIGKILL};
    if (how == HOW_ERROR) return TK_FAILED;
    if (how == HOW_MEMORY) return TK_NO_MEMORY;
    if (how == HOW_EXIT) _exit(9);
    while (how == HOW_HANG) pause();
    kill(getpid(), signals[how]);
    return TK_OK;
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const fail_state *s = state;
    (void)work;
    const tk_box voxel = {{s->at[0], s->at[1], s->at[2]}, {s->at[0] + 1, s->at[1] + 1, s->at[2] + 1}};
    if (tk_box_contains(&in[0]->core, &voxel)) {
        const int before = tk_mark_count("attempt");
        tk_mark_tile("reached", &in[0]->core);
        if (s->times == 0 || before < s->times) TK_TRY(go_wrong(s->how));
    }
    tk_trial_copy(in[0], out);
    return TK_OK;
}

const tk_step tk_step_fail = {
    .name = "fail",
    .version = 1,
    .summary = "copy, going wrong in one tile",
    .citation = "",
    .exact = true,
    .example = "{at: 0 px, times: 0}",
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = params,
    .bind = bind,
    .release = free,
    .apply = apply,
};
