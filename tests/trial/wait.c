/* Step wait: a copy that takes a time of its own for each tile, to try schedules without computing.
 *
 * A tile takes median * exp(spread * n) milliseconds, n being a standard normal number drawn from the seed and the
 * tile's place, and a share of the tiles takes six times as long. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/step.h"
#include "kernels/common/rng.h"
#include "tests/trial/trial.h"

enum { PURPOSE = 77, DEARER = 6 };

typedef struct wait_state {
    double median_s, spread, dear;
    bool spin;
    uint64_t seed;
    int64_t size[3];
} wait_state;

static const tk_param params[] = {
    {.name = "median",
     .type = TK_PARAM_NUMBER,
     .fallback = "20",
     .least = 0,
     .most = 1e7,
     .help = "milliseconds a tile"},
    {.name = "spread",
     .type = TK_PARAM_NUMBER,
     .fallback = "0",
     .least = 0,
     .most = 3,
     .help = "sigma of the logarithm"},
    {.name = "dear", .type = TK_PARAM_PERCENT, .fallback = "0 %", .help = "of the tiles take six times as long"},
    {.name = "spin", .type = TK_PARAM_BOOL, .fallback = "false", .help = "keep a core busy instead of sleeping"},
    {.name = "seed", .type = TK_PARAM_INTEGER, .fallback = "1", .least = 0, .most = 1e9, .help = "of the random times"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    wait_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step wait");
    s->median_s = tk_params_number(binding->params, "median") / 1000;
    s->spread = tk_params_number(binding->params, "spread");
    s->dear = tk_params_number(binding->params, "dear") / 100;
    s->spin = tk_params_bool(binding->params, "spin");
    s->seed = (uint64_t)tk_params_integer(binding->params, "seed");
    memcpy(s->size, binding->input.size, sizeof s->size);
    *state = s;
    return TK_OK;
}

/* The mean over all tiles: what a cost model knows that does not see the tile's place. */
static double cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    (void)largest;
    const wait_state *s = state;
    (void)in;
    return 1e9 * s->median_s * exp(s->spread * s->spread / 2) * (1 + (DEARER - 1) * s->dear);
}

static double seconds_of(const wait_state *s, const tk_box *core) {
    const int64_t place = (core->lo[0] * s->size[1] + core->lo[1]) * s->size[2] + core->lo[2];
    tk_rng rng = tk_rng_stream(s->seed, PURPOSE, (uint64_t)place);
    const double seconds = s->median_s * exp(s->spread * tk_rng_normal(&rng));
    return tk_rng_uniform(&rng) < s->dear ? DEARER * seconds : seconds;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void pass(const wait_state *s, double seconds) {
    const double end = now() + seconds;
    for (double left = seconds; left > 0; left = end - now()) {
        const struct timespec pause = {(time_t)left, (long)(1e9 * (left - floor(left)))};
        if (!s->spin) nanosleep(&pause, NULL);
    }
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const wait_state *s = state;
    (void)work;
    tk_mark_tile("begin", &in[0]->core);
    tk_trial_hold(&in[0]->core);
    tk_trial_copy(in[0], out);
    pass(s, seconds_of(s, &in[0]->core));
    tk_mark_tile("end", &in[0]->core);
    return TK_OK;
}

const tk_step tk_step_wait = {
    .name = "wait",
    .version = 1,
    .summary = "copy, taking a given time for each tile",
    .citation = "",
    .exact = true,
    .example = "{median: 1}",
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = params,
    .bind = bind,
    .release = free,
    .cost = cost,
    .apply = apply,
};
