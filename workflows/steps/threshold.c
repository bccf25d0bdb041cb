/* Step threshold: a mask of the voxels above one level, Otsu's of the whole image or a given one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "kernels/segment/histogram.h"

enum { PLANNED_THREADS = 64, OTSU_ROUNDS = 2 };
enum { METHOD_OTSU, METHOD_FIXED }; /* in the order of the choices */

typedef struct threshold_state {
    int64_t method, bins;
    tk_range range;
    float threshold;
} threshold_state;

static const tk_param params[] = {
    {.name = "method",
     .type = TK_PARAM_CHOICE,
     .fallback = "otsu",
     .choices = "otsu|fixed",
     .help = "otsu: from the histogram of the whole image; fixed: the given value"},
    {.name = "value", .type = TK_PARAM_NUMBER, .help = "voxels above it are objects; for method fixed"},
    {.name = "bins",
     .type = TK_PARAM_INTEGER,
     .fallback = "4096",
     .least = 16,
     .most = 65536,
     .help = "of the histogram between the smallest and the largest voxel; for method otsu"},
    TK_PARAM_END,
};

static tk_status check(const tk_params *params_given, tk_error *error) {
    const bool fixed = tk_params_integer(params_given, "method") == METHOD_FIXED;
    if (fixed && !tk_params_get(params_given, "value")->set)
        return tk_params_fail(params_given, "method", error, "fixed needs a value, as in {method: fixed, value: 100}");
    if (!fixed && tk_params_get(params_given, "value")->set)
        return tk_params_fail(params_given, "value", error, "is only for method: fixed");
    if (fixed && tk_params_get(params_given, "bins")->given)
        return tk_params_fail(params_given, "bins", error, "is only for method: otsu");
    return TK_OK;
}

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    threshold_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step threshold");
    s->method = tk_params_integer(binding->params, "method");
    s->bins = tk_params_integer(binding->params, "bins");
    if (s->method == METHOD_FIXED) s->threshold = (float)tk_params_number(binding->params, "value");
    *state = s;
    return TK_OK;
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    const threshold_state *s = state;
    (void)in;
    return (tk_need){.scratch = s->method == METHOD_OTSU ? tk_histogram_scratch(s->bins, PLANNED_THREADS) : 0};
}

static int rounds(const void *state) {
    const threshold_state *s = state;
    return s->method == METHOD_OTSU ? OTSU_ROUNDS : 0;
}

/* Round 0: the range. Round 1: the histogram. */
static tk_status survey(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial) {
    const threshold_state *s = state;
    if (round == 0) {
        tk_range range = TK_RANGE_NONE;
        tk_range_of(tk_read_f32(in[0]->f32), &range, work);
        return tk_bytes_append(partial, &range, sizeof range);
    }
    TK_TRY(tk_bytes_resize(partial, (size_t)s->bins * sizeof(int64_t)));
    return tk_histogram_count(tk_read_f32(in[0]->f32), s->range, s->bins, (int64_t *)(void *)partial->data, work);
}

static size_t partial_size(const threshold_state *s, int round) {
    return round == 0 ? sizeof(tk_range) : (size_t)s->bins * sizeof(int64_t);
}

static tk_status combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    const threshold_state *s = state;
    if (into->size != partial_size(s, round) || from->size != into->size) return TK_FAILED;
    if (round == 0) {
        tk_range_join((tk_range *)(void *)into->data, *(const tk_range *)(const void *)from->data);
        return TK_OK;
    }
    int64_t *sum = (int64_t *)(void *)into->data;
    const int64_t *counts = (const int64_t *)(const void *)from->data;
    for (int64_t b = 0; b < s->bins; b++) sum[b] += counts[b];
    return TK_OK;
}

static tk_status agree_range(const tk_range *range, tk_bytes *decision, tk_error *error) {
    const char *remedy = "give a value: {method: fixed, value: …}";
    if (range->lo > range->hi)
        return tk_fail(error, TK_UNSOLVABLE, "threshold: the image holds no numbers (all voxels are NaN)");
    if (!isfinite(range->lo) || !isfinite(range->hi))
        return tk_fail(error, TK_UNSOLVABLE, "threshold: the image holds infinite values, which have no histogram; %s",
                       remedy);
    if (range->lo == range->hi)
        return tk_fail(error, TK_UNSOLVABLE, "threshold: all voxels are %g, so Otsu's method finds no threshold; %s",
                       (double)range->lo, remedy);
    return tk_bytes_append(decision, range, sizeof *range);
}

static tk_status agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error) {
    const threshold_state *s = state;
    if (combined->size != partial_size(s, round))
        return tk_fail(error, TK_FAILED, "threshold: the survey is incomplete");
    *more = round + 1 < OTSU_ROUNDS;
    if (round == 0) return agree_range((const tk_range *)(const void *)combined->data, decision, error);
    double level = 0;
    if (!tk_otsu((const int64_t *)(const void *)combined->data, s->bins, s->range, &level))
        return tk_fail(error, TK_UNSOLVABLE, "threshold: all voxels are in one bin; use more bins or a fixed value");
    const float threshold = (float)level;
    TK_TRY(tk_facts_number(facts, "threshold", (double)threshold, ""));
    return tk_bytes_append(decision, &threshold, sizeof threshold);
}

static tk_status adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    (void)work;
    threshold_state *s = state;
    void *to = round == 0 ? (void *)&s->range : (void *)&s->threshold;
    const size_t size = round == 0 ? sizeof s->range : sizeof s->threshold;
    if (decision->size != size) return tk_fail(error, TK_FAILED, "threshold: the decision is damaged");
    memcpy(to, decision->data, size);
    return TK_OK;
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const threshold_state *s = state;
    tk_threshold(tk_ccrop_f32(tk_read_f32(in[0]->f32), &in[0]->box, &out->box), s->threshold, out->u8, work);
    return TK_OK;
}

const tk_step tk_step_threshold = {
    .name = "threshold",
    .version = 1,
    .summary = "make a mask of the voxels above a threshold",
    .citation = "N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9, 1979",
    .example = "{method: otsu}",
    .exact = true,
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_MASK,
    .params = params,
    .check = check,
    .bind = bind,
    .release = free,
    .bytes = bytes,
    .rounds = rounds,
    .survey = survey,
    .combine = combine,
    .agree = agree,
    .adopt = adopt,
    .apply = apply,
};
