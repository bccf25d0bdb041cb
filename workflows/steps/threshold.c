/* Step threshold: a mask of the voxels above one level of the whole image, found by one of many methods or given.
 *
 * Methods on a histogram take two rounds: range, then counts. Where all voxels are whole numbers, as cameras make them,
 * a bin is a value. The percentile takes two rounds of radix selection and is exact. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "kernels/segment/histogram.h"
#include "kernels/segment/level.h"
#include "kernels/segment/order_statistic.h"
#include "workflows/steps/only.h"

enum { PLANNED_THREADS = 64, ROUNDS = 2, BINS = 4096, CLASSES = 3, WHOLE_BINS_MOST = 65536, WHOLE_THREADS = 4 };
enum { OTSU, MULTI_OTSU, LI, TRIANGLE, ISODATA, YEN, MEAN, PERCENTILE, FIXED }; /* in the order of the choices */

/* NULL: not by a function of the histogram alone. */
static const tk_level_method methods[] = {
    [OTSU] = tk_level_otsu, [MULTI_OTSU] = NULL,          [LI] = tk_level_li,     [TRIANGLE] = tk_level_triangle,
    [YEN] = tk_level_yen,   [ISODATA] = tk_level_isodata, [MEAN] = tk_level_mean, [FIXED] = NULL,
};

/* Round 0 of methods on a histogram, agreed. The centre of bin b is first + b (range.hi - range.lo) / bins. */
typedef struct agreed_bins {
    tk_range range;
    int64_t bins, whole_numbers;
    double first;
} agreed_bins;

/* Round 0 of the percentile, agreed. */
typedef struct agreed_rank {
    int64_t rank; /* in the bucket, from 1 on */
    uint32_t bucket, unused;
} agreed_rank;

typedef struct threshold_state {
    int64_t method, bins, classes, level;
    bool any_bins; /* none are given */
    double percent, factor, offset;
    agreed_bins grid;
    agreed_rank selection;
    float threshold;
} threshold_state;

static const tk_param params[] = {
    {.name = "method",
     .type = TK_PARAM_CHOICE,
     .fallback = "otsu",
     .choices = "otsu|multi-otsu|li|triangle|isodata|yen|mean|percentile|fixed",
     .help = "fixed: the given value; percentile: the given one; the others: from the histogram of the whole image"},
    {.name = "value", .type = TK_PARAM_NUMBER, .help = "voxels above it are objects; for method fixed"},
    {.name = "percent", .type = TK_PARAM_PERCENT, .help = "voxels at or below the threshold; for method percentile"},
    {.name = "classes",
     .type = TK_PARAM_INTEGER,
     .least = 2,
     .most = TK_LEVEL_CLASSES_MOST,
     .help = "classes of brightness, parted by one threshold less; for method multi-otsu, 3 when not set"},
    {.name = "level",
     .type = TK_PARAM_INTEGER,
     .least = 1,
     .most = TK_LEVEL_CLASSES_MOST - 1,
     .help = "which threshold makes the mask, 1 being the lowest, also when not set; for method multi-otsu"},
    {.name = "bins",
     .type = TK_PARAM_INTEGER,
     .least = 16,
     .most = WHOLE_BINS_MOST,
     .help = "of the histogram between the smallest and the largest voxel; not set: one for each value where all "
             "voxels are whole numbers over a range of at most 65536, else 4096"},
    {.name = "factor",
     .type = TK_PARAM_NUMBER,
     .help = "the threshold that was found is multiplied by it; 1 when not set"},
    {.name = "offset", .type = TK_PARAM_NUMBER, .help = "and this is added, 0 when not set; both not for fixed"},
    TK_PARAM_END,
};

static tk_status check(const tk_params *given, tk_error *error) {
    const int64_t method = tk_params_integer(given, "method");
    const bool multi = method == MULTI_OTSU;
    if (method == FIXED && !tk_params_get(given, "value")->set)
        return tk_params_fail(given, "method", error, "fixed needs a value, as in {method: fixed, value: 100}");
    if (method == PERCENTILE && !tk_params_get(given, "percent")->set)
        return tk_params_fail(given, "method", error,
                              "percentile needs a percent: {method: percentile, percent: 90 %%}");
    TK_TRY(tk_params_only(given, "value", method == FIXED, "fixed", error));
    TK_TRY(tk_params_only(given, "percent", method == PERCENTILE, "percentile", error));
    TK_TRY(tk_params_only(given, "classes", multi, "multi-otsu", error));
    TK_TRY(tk_params_only(given, "level", multi, "multi-otsu", error));
    TK_TRY(tk_params_only(given, "bins", method < PERCENTILE, "otsu and others that need a histogram", error));
    TK_TRY(tk_params_only(given, "factor", method != FIXED, "otsu and others that find a threshold", error));
    TK_TRY(tk_params_only(given, "offset", method != FIXED, "otsu and others that find a threshold", error));
    if (multi && tk_params_integer_or(given, "level", 1) >= tk_params_integer_or(given, "classes", CLASSES))
        return tk_params_fail(given, "level", error, "must be below the number of classes");
    return TK_OK;
}

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    threshold_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step threshold");
    const tk_params *given = binding->params;
    s->method = tk_params_integer(given, "method");
    s->classes = tk_params_integer_or(given, "classes", CLASSES);
    s->level = tk_params_integer_or(given, "level", 1);
    s->any_bins = !tk_params_get(given, "bins")->set;
    s->bins = s->any_bins ? BINS : tk_params_integer(given, "bins");
    s->factor = tk_params_number_or(given, "factor", 1);
    s->offset = tk_params_number_or(given, "offset", 0);
    if (s->method == PERCENTILE) s->percent = tk_params_number(given, "percent");
    if (s->method == FIXED) s->threshold = (float)tk_params_number(given, "value");
    *state = s;
    return TK_OK;
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    const threshold_state *s = state;
    (void)in;
    if (s->method == FIXED) return (tk_need){0};
    if (s->method == PERCENTILE) return (tk_need){.scratch = tk_order_scratch(WHOLE_THREADS)};
    const size_t few = tk_histogram_scratch(s->bins, PLANNED_THREADS);
    const size_t many = s->any_bins ? tk_histogram_scratch(WHOLE_BINS_MOST, WHOLE_THREADS) : 0;
    return (tk_need){.scratch = few > many ? few : many};
}

static int rounds(const void *state) {
    const threshold_state *s = state;
    return s->method == FIXED ? 0 : ROUNDS;
}

static double cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    (void)state;
    (void)largest;
    return 0.38 * (double)(in[0] * in[1] * in[2]);
}

static double survey_cost(const void *state, int round, const int64_t in[3]) {
    const threshold_state *s = state;
    const double each = s->method == PERCENTILE ? 1.5 : round == 0 ? 0.7 : 1.2;
    return each * (double)(in[0] * in[1] * in[2]);
}

/* How many counts a round has; 0: it is the range. */
static int64_t counts_of(const threshold_state *s, int round) {
    if (s->method == PERCENTILE) return TK_ORDER_BUCKETS;
    return round == 0 ? 0 : s->grid.bins;
}

static tk_status survey(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial) {
    const threshold_state *s = state;
    const tk_cview_f32 voxels = tk_read_f32(in[0]->f32);
    const int64_t count = counts_of(s, round);
    if (count == 0) {
        const tk_values seen = tk_values_of(voxels, work);
        return tk_bytes_append(partial, &seen, sizeof seen);
    }
    TK_TRY(tk_bytes_resize(partial, (size_t)count * sizeof(int64_t)));
    int64_t *counts = (int64_t *)(void *)partial->data;
    if (s->method == PERCENTILE) return tk_order_count(voxels, round, s->selection.bucket, counts, work);
    return tk_histogram_count(voxels, s->grid.range, s->grid.bins, counts, work);
}

static size_t partial_size(const threshold_state *s, int round) {
    const int64_t count = counts_of(s, round);
    return count == 0 ? sizeof(tk_values) : (size_t)count * sizeof(int64_t);
}

static tk_status combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    const threshold_state *s = state;
    if (into->size != partial_size(s, round) || from->size != into->size) return TK_FAILED;
    const int64_t count = counts_of(s, round);
    if (count == 0) {
        tk_values_join((tk_values *)(void *)into->data, *(const tk_values *)(const void *)from->data);
        return TK_OK;
    }
    int64_t *sum = (int64_t *)(void *)into->data;
    const int64_t *counts = (const int64_t *)(const void *)from->data;
    for (int64_t b = 0; b < count; b++) sum[b] += counts[b];
    return TK_OK;
}

static tk_status fail_all_nan(tk_error *error) {
    return tk_fail(error, TK_UNSOLVABLE, "threshold: the image holds no numbers (all voxels are NaN)");
}

static tk_status agree_range(const threshold_state *s, const tk_values *seen, tk_bytes *decision, tk_error *error) {
    const char *remedy = "give a value: {method: fixed, value: …}";
    const tk_range range = seen->range;
    if (range.lo > range.hi) return fail_all_nan(error);
    if (!isfinite(range.lo) || !isfinite(range.hi))
        return tk_fail(error, TK_UNSOLVABLE, "threshold: the image holds infinite values, which have no histogram; %s",
                       remedy);
    if (range.lo == range.hi)
        return tk_fail(error, TK_UNSOLVABLE, "threshold: all voxels are %g, so no method finds a threshold; %s",
                       (double)range.lo, remedy);
    const double span = (double)range.hi - (double)range.lo;
    agreed_bins grid = {range, s->bins, 0, (double)range.lo + span / (double)s->bins / 2};
    if (s->any_bins && !seen->broken && span < WHOLE_BINS_MOST)
        grid = (agreed_bins){{range.lo, range.hi + 1}, (int64_t)span + 1, 1, (double)range.lo};
    return tk_bytes_append(decision, &grid, sizeof grid);
}

static tk_status agree_rank(const threshold_state *s, const int64_t *counts, tk_bytes *decision, tk_error *error) {
    int64_t total = 0, below = 0;
    for (int64_t b = 0; b < TK_ORDER_BUCKETS; b++) total += counts[b];
    if (total == 0) return fail_all_nan(error);
    const int64_t rank = tk_order_rank(s->percent, total);
    const uint32_t bucket = tk_order_bucket(counts, rank, &below);
    const agreed_rank selection = {rank - below, bucket, 0};
    return tk_bytes_append(decision, &selection, sizeof selection);
}

static tk_status find_multi_otsu(const threshold_state *s, const tk_level_histogram *h, double *level, tk_facts *facts,
                                 tk_error *error) {
    static const char *const names[] = {"level_1", "level_2", "level_3", "level_4"};
    const double width = ((double)s->grid.range.hi - (double)s->grid.range.lo) / (double)h->bins;
    int64_t levels[TK_LEVEL_CLASSES_MOST] = {0};
    tk_scratch scratch = {0};
    TK_TRY(tk_scratch_reserve(&scratch, tk_level_multi_otsu_scratch(h->bins, (int)s->classes)));
    const tk_status status = tk_level_multi_otsu(h, (int)s->classes, levels, &scratch);
    tk_scratch_release(&scratch);
    if (status == TK_UNSOLVABLE)
        return tk_fail(error, status, "threshold: the voxels fill fewer bins than the %d classes that are asked for",
                       (int)s->classes);
    TK_TRY(status);
    for (int64_t c = 0; c + 1 < s->classes; c++)
        TK_TRY(tk_facts_number(facts, names[c], s->grid.first + (double)levels[c] * width, ""));
    *level = (double)levels[s->level - 1];
    return TK_OK;
}

/* The threshold of a method on a histogram, before factor and offset. */
static tk_status find_level(const threshold_state *s, const int64_t *counts, double *threshold, tk_facts *facts,
                            tk_error *error) {
    const tk_level_histogram h = {counts, s->grid.bins, s->grid.whole_numbers != 0};
    double level = 0;
    if (s->method == MULTI_OTSU)
        TK_TRY(find_multi_otsu(s, &h, &level, facts, error));
    else if (!methods[s->method](&h, &level))
        return tk_fail(error, TK_UNSOLVABLE,
                       "threshold: the histogram has no such threshold; use more bins, another method or a value");
    *threshold = s->grid.first + level * (((double)s->grid.range.hi - (double)s->grid.range.lo) / (double)h.bins);
    return TK_OK;
}

static tk_status agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error) {
    const threshold_state *s = state;
    if (combined->size != partial_size(s, round))
        return tk_fail(error, TK_FAILED, "threshold: the survey is incomplete");
    *more = round + 1 < ROUNDS;
    const int64_t *counts = (const int64_t *)(const void *)combined->data;
    if (*more && s->method == PERCENTILE) return agree_rank(s, counts, decision, error);
    if (*more) return agree_range(s, (const tk_values *)(const void *)combined->data, decision, error);
    double found = 0;
    if (s->method == PERCENTILE) {
        int64_t below = 0;
        const uint32_t low = tk_order_bucket(counts, s->selection.rank, &below);
        found = (double)tk_order_value(s->selection.bucket << 16 | low);
    } else {
        TK_TRY(find_level(s, counts, &found, facts, error));
    }
    const float threshold = (float)(found * s->factor + s->offset);
    TK_TRY(tk_facts_number(facts, "threshold", (double)threshold, ""));
    return tk_bytes_append(decision, &threshold, sizeof threshold);
}

static tk_status adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    (void)work;
    threshold_state *s = state;
    void *to = &s->threshold;
    size_t size = sizeof s->threshold;
    if (round == 0) {
        to = s->method == PERCENTILE ? (void *)&s->selection : (void *)&s->grid;
        size = s->method == PERCENTILE ? sizeof s->selection : sizeof s->grid;
    }
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
    .version = 2,
    .summary = "make a mask of the voxels above a threshold",
    .citation = "M. Sezgin and B. Sankur, Survey over image thresholding techniques, J. Electronic Imaging 13, 2004",
    .example = "{method: multi-otsu, level: 2}",
    .exact = true,
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_MASK,
    .params = params,
    .check = check,
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
