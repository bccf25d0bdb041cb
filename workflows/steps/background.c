/* Step background: the whole image's percentile, exactly, off every voxel. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "kernels/filter/subtract.h"
#include "kernels/segment/order_statistic.h"

enum { PLANNED_THREADS = 16, ROUNDS = 2 };

/* What round 0 decides: where round 1 looks. */
typedef struct selection {
    int64_t rank; /* within the bucket, from 1 */
    uint32_t bucket, reserved;
} selection;

typedef struct background_state {
    double percent;
    bool clip;
    selection selection;
    float level;
} background_state;

static const tk_param params[] = {
    {.name = "percentile",
     .type = TK_PARAM_PERCENT,
     .fallback = "25 %",
     .least = 0,
     .most = 100,
     .help = "the background is the smallest value that at least this part of the image does not exceed"},
    {.name = "clip", .type = TK_PARAM_BOOL, .fallback = "true", .help = "make voxels below the background 0"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    background_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step background");
    s->percent = tk_params_number(binding->params, "percentile");
    s->clip = tk_params_bool(binding->params, "clip");
    *state = s;
    return TK_OK;
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    (void)state;
    (void)in;
    return (tk_need){.scratch = tk_order_scratch(PLANNED_THREADS)};
}

static int rounds(const void *state) {
    (void)state;
    return ROUNDS;
}

static double cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    (void)state;
    (void)largest;
    return 0.7 * (double)(in[0] * in[1] * in[2]);
}

static double survey_cost(const void *state, int round, const int64_t in[3]) {
    const double clear_ns = 4e4; /* the counts of a tile */
    (void)state;
    (void)round;
    return 1.5 * (double)(in[0] * in[1] * in[2]) + clear_ns;
}

static tk_status survey(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial) {
    const background_state *s = state;
    TK_TRY(tk_bytes_resize(partial, TK_ORDER_BUCKETS * sizeof(int64_t)));
    int64_t *counts = (int64_t *)(void *)partial->data;
    return tk_order_count(tk_read_f32(in[0]->f32), round, s->selection.bucket, counts, work);
}

static tk_status combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    (void)state;
    (void)round;
    if (into->size != TK_ORDER_BUCKETS * sizeof(int64_t) || from->size != into->size) return TK_FAILED;
    int64_t *sum = (int64_t *)(void *)into->data;
    const int64_t *counts = (const int64_t *)(const void *)from->data;
    for (int b = 0; b < TK_ORDER_BUCKETS; b++) sum[b] += counts[b];
    return TK_OK;
}

/* Round 0: the bucket of the wanted rank. */
static tk_status select_bucket(const background_state *s, const int64_t *counts, tk_bytes *decision, tk_error *error) {
    int64_t total = 0, below = 0;
    for (int b = 0; b < TK_ORDER_BUCKETS; b++) total += counts[b];
    if (total == 0) return tk_fail(error, TK_UNSOLVABLE, "background: the image holds no numbers (all voxels are NaN)");
    const int64_t rank = tk_order_rank(s->percent, total);
    const uint32_t bucket = tk_order_bucket(counts, rank, &below);
    const selection found = {rank - below, bucket, 0};
    return tk_bytes_append(decision, &found, sizeof found);
}

/* Round 1: the value. */
static tk_status select_level(const background_state *s, const int64_t *counts, tk_bytes *decision, tk_facts *facts,
                              tk_error *error) {
    int64_t below = 0;
    const uint32_t low = tk_order_bucket(counts, s->selection.rank, &below);
    const float level = tk_order_value(s->selection.bucket << 16 | low);
    if (!isfinite(level))
        return tk_fail(error, TK_UNSOLVABLE,
                       "background: the percentile is infinite, which cannot be subtracted; "
                       "give another percentile");
    TK_TRY(tk_facts_number(facts, "level", (double)level, ""));
    return tk_bytes_append(decision, &level, sizeof level);
}

static tk_status agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error) {
    if (combined->size != TK_ORDER_BUCKETS * sizeof(int64_t))
        return tk_fail(error, TK_FAILED, "background: the survey is incomplete");
    const int64_t *counts = (const int64_t *)(const void *)combined->data;
    *more = round + 1 < ROUNDS;
    return round == 0 ? select_bucket(state, counts, decision, error)
                      : select_level(state, counts, decision, facts, error);
}

static tk_status adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    (void)work;
    background_state *s = state;
    void *to = round == 0 ? (void *)&s->selection : (void *)&s->level;
    const size_t size = round == 0 ? sizeof s->selection : sizeof s->level;
    if (decision->size != size) return tk_fail(error, TK_FAILED, "background: the decision is damaged");
    memcpy(to, decision->data, size);
    return TK_OK;
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const background_state *s = state;
    tk_subtract(tk_ccrop_f32(tk_read_f32(in[0]->f32), &in[0]->box, &out->box), s->level, s->clip, out->f32, work);
    return TK_OK;
}

const tk_step tk_step_background = {
    .name = "background",
    .version = 1,
    .summary = "subtract the background, a percentile of the whole image",
    .citation = "",
    .example = "{percentile: 10 %}",
    .exact = true,
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = params,
    .bind = bind,
    .release = free,
    .bytes = bytes,
    .cost = cost,
    .survey_cost = survey_cost,
    .rounds = rounds,
    .survey = survey,
    .combine = combine,
    .agree = agree,
    .adopt = adopt,
    .apply = apply,
};
