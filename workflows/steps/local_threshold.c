/* Step local_threshold: a mask of the voxels that are brighter than what is around them.
 *
 * Round 0: the range of the whole image. Round 1, where there is a floor: its histogram, for Li's threshold, which
 * few bright voxels do not lift. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "kernels/segment/histogram.h"
#include "kernels/segment/level.h"
#include "kernels/segment/local_threshold.h"
#include "workflows/steps/only.h"

enum { PLANNED_THREADS = 64, BINS = 4096, STEPS = 65535 };

static const double VOXELS_MOST = 2147483648.0; /* of a box: sums of squares stay below 2^63 */

typedef struct local_state {
    tk_local_threshold local;
    double floor_share; /* of Li's threshold; 0: no floor */
    bool default_r;
    tk_range range;
} local_state;

static const tk_param params[] = {
    {.name = "method",
     .type = TK_PARAM_CHOICE,
     .fallback = "mean",
     .choices = "mean|niblack|sauvola|phansalkar",
     .help =
         "the threshold, from mean m and deviation s around a voxel: factor m + offset; m - k s; m (1 + k (s/r - 1)); "
         "and Phansalkar's for dim images"},
    {.name = "radius",
     .type = TK_PARAM_LENGTH,
     .required = true,
     .least = 0,
     .most = 1e6,
     .help = "how far around a voxel is looked, one length or [z, y, x]: about the size of an object"},
    {.name = "floor",
     .type = TK_PARAM_PERCENT,
     .fallback = "100 %",
     .least = 0,
     .most = 1000,
     .help = "voxels below this share of Li's threshold of the whole image are background anyway; 0 %: none are"},
    {.name = "factor", .type = TK_PARAM_NUMBER, .help = "of the mean; for method mean; 1 when not set"},
    {.name = "offset", .type = TK_PARAM_NUMBER, .help = "added to it; for method mean; 0 when not set"},
    {.name = "k", .type = TK_PARAM_NUMBER, .help = "weight of the deviation (default 0.2; phansalkar: 0.25)"},
    {.name = "r",
     .type = TK_PARAM_NUMBER,
     .least = 1e-30,
     .most = 1e30,
     .help = "deviation that counts as large (default: half the range of the image; phansalkar: 0.5 of a range of 1)"},
    {.name = "p", .type = TK_PARAM_NUMBER, .help = "for method phansalkar; 2 when not set"},
    {.name = "q", .type = TK_PARAM_NUMBER, .help = "for method phansalkar; 10 when not set"},
    TK_PARAM_END,
};

static tk_status check(const tk_params *given, tk_error *error) {
    const int64_t method = tk_params_integer(given, "method");
    TK_TRY(tk_params_only(given, "factor", method == TK_LOCAL_MEAN, "mean", error));
    TK_TRY(tk_params_only(given, "offset", method == TK_LOCAL_MEAN, "mean", error));
    TK_TRY(tk_params_only(given, "k", method != TK_LOCAL_MEAN, "niblack, sauvola or phansalkar", error));
    TK_TRY(tk_params_only(given, "r", method >= TK_LOCAL_SAUVOLA, "sauvola or phansalkar", error));
    TK_TRY(tk_params_only(given, "p", method == TK_LOCAL_PHANSALKAR, "phansalkar", error));
    return tk_params_only(given, "q", method == TK_LOCAL_PHANSALKAR, "phansalkar", error);
}

/* An axis of one voxel is mirrored into a constant: no radius changes the mean or the deviation. */
static tk_status take_radius(const tk_binding *b, tk_local_threshold *local, tk_error *error) {
    double voxels[3], box = 1;
    TK_TRY(tk_params_voxels(b->params, "radius", b->input.voxel_um, voxels, error));
    for (int a = 0; a < 3; a++) {
        const double rounded = b->input.size[a] == 1 ? 0 : floor(voxels[a] + 0.5);
        box *= 2 * rounded + 1;
        if (!(box <= VOXELS_MOST))
            return tk_params_fail(b->params, "radius", error, "makes a box of more than 2^31 voxels");
        local->radius[a] = (int64_t)rounded;
    }
    return TK_OK;
}

static tk_status bind(const tk_binding *b, void **state, tk_error *error) {
    local_state *s = calloc(1, sizeof *s);
    *state = s;
    if (!s) return tk_fail_memory(error, "the step local_threshold");
    const tk_params *p = b->params;
    tk_local_threshold *l = &s->local;
    l->method = (tk_local_method)tk_params_integer(p, "method");
    l->factor = tk_params_number_or(p, "factor", 1);
    l->offset = tk_params_number_or(p, "offset", 0);
    l->k = tk_params_number_or(p, "k", l->method == TK_LOCAL_PHANSALKAR ? 0.25 : 0.2);
    s->default_r = !tk_params_get(p, "r")->set;
    l->r = tk_params_number_or(p, "r", 0.5);
    l->p = tk_params_number_or(p, "p", 2);
    l->q = tk_params_number_or(p, "q", 10);
    l->floor = -INFINITY;
    s->floor_share = tk_params_number(p, "floor") / 100;
    return take_radius(b, l, error);
}

static void halo(const void *state, int64_t halo[3]) {
    memcpy(halo, ((const local_state *)state)->local.radius, 3 * sizeof *halo);
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    const local_state *s = state;
    const size_t sums = tk_local_threshold_scratch(&s->local, in, PLANNED_THREADS);
    const size_t histogram = tk_histogram_scratch(BINS, PLANNED_THREADS);
    return (tk_need){.scratch = sums > histogram ? sums : histogram};
}

static int rounds(const void *state) { return ((const local_state *)state)->floor_share > 0 ? 2 : 1; }

static double cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    const local_state *s = state;
    (void)largest;
    return (s->local.method == TK_LOCAL_MEAN ? 8.0 : 20.0) * (double)(in[0] * in[1] * in[2]);
}

/* --- The whole image ---------------------------------------------------------------------------------------------- */

static tk_status survey(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial) {
    const local_state *s = state;
    const tk_cview_f32 voxels = tk_read_f32(in[0]->f32);
    if (round == 0) {
        const tk_values found = tk_values_of(voxels, work);
        return tk_bytes_append(partial, &found, sizeof found);
    }
    TK_TRY(tk_bytes_resize(partial, BINS * sizeof(int64_t)));
    return tk_histogram_count(voxels, s->range, BINS, (int64_t *)(void *)partial->data, work);
}

static tk_status combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    (void)state;
    if (into->size != from->size || into->size != (round == 0 ? sizeof(tk_values) : BINS * sizeof(int64_t)))
        return TK_FAILED;
    if (round == 0) {
        tk_values_join((tk_values *)(void *)into->data, *(const tk_values *)(const void *)from->data);
        return TK_OK;
    }
    int64_t *sum = (int64_t *)(void *)into->data;
    for (int b = 0; b < BINS; b++) sum[b] += ((const int64_t *)(const void *)from->data)[b];
    return TK_OK;
}

static tk_status agree_range(const local_state *s, const tk_values *found, tk_bytes *decision, tk_error *error) {
    if (found->range.lo > found->range.hi)
        return tk_fail(error, TK_UNSOLVABLE, "local_threshold: the image holds no numbers (all voxels are NaN)");
    if (!isfinite(found->range.lo) || !isfinite(found->range.hi))
        return tk_fail(error, TK_UNSOLVABLE, "local_threshold: the image holds infinite values; take them out before");
    if (found->range.lo == found->range.hi && s->floor_share > 0)
        return tk_fail(error, TK_UNSOLVABLE, "local_threshold: all voxels are %g: there is nothing to tell apart",
                       (double)found->range.lo);
    return tk_bytes_append(decision, found, sizeof *found);
}

static tk_status agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error) {
    const local_state *s = state;
    double level = 0;
    *more = round == 0 && s->floor_share > 0;
    if (combined->size != (round == 0 ? sizeof(tk_values) : BINS * sizeof(int64_t)))
        return tk_fail(error, TK_FAILED, "local_threshold: the survey is incomplete");
    if (round == 0) return agree_range(s, (const tk_values *)(const void *)combined->data, decision, error);
    const tk_level_histogram histogram = {(const int64_t *)(const void *)combined->data, BINS, false};
    if (!tk_level_li(&histogram, &level))
        return tk_fail(error, TK_UNSOLVABLE, "local_threshold: Li's method finds no threshold; give floor: 0 %%");
    const double lo = (double)s->range.lo, bin = ((double)s->range.hi - lo) / BINS;
    const float floor = (float)(s->floor_share * (lo + (level + 0.5) * bin));
    TK_TRY(tk_facts_number(facts, "floor", (double)floor, ""));
    return tk_bytes_append(decision, &floor, sizeof floor);
}

/* Whole numbers over 65536 and less are their own steps. */
static void set_steps(local_state *s, const tk_values *found) {
    const double lo = (double)found->range.lo, span = (double)found->range.hi - lo;
    const bool exact = (!found->broken && span <= STEPS) || span == 0;
    s->range = found->range;
    s->local.levels = (tk_levels){lo, exact ? 1 : span / STEPS, exact ? fmax(span, 1) : STEPS};
    if (s->default_r && s->local.method == TK_LOCAL_SAUVOLA) s->local.r = span > 0 ? span / 2 : 1;
}

static tk_status adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    local_state *s = state;
    tk_values found;
    (void)work;
    if (decision->size != (round == 0 ? sizeof found : sizeof s->local.floor))
        return tk_fail(error, TK_FAILED, "local_threshold: the decision is damaged");
    if (round > 0) return memcpy(&s->local.floor, decision->data, sizeof s->local.floor), TK_OK;
    memcpy(&found, decision->data, sizeof found);
    set_steps(s, &found);
    return TK_OK;
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const local_state *s = state;
    return tk_local_threshold_apply(&s->local, &in[0]->image, &in[0]->box, tk_read_f32(in[0]->f32), &out->box, out->u8,
                                    work);
}

const tk_step tk_step_local_threshold = {
    .name = "local_threshold",
    .version = 1,
    .summary = "make a mask of the voxels that are brighter than their surroundings",
    .citation = "J. Sauvola, M. Pietikainen, Adaptive document image binarization, Pattern Recognition 33, 2000",
    .exact = true,
    .example = "{radius: [1 px, 4 px, 4 px], method: sauvola}",
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_MASK,
    .params = params,
    .check = check,
    .bind = bind,
    .release = free,
    .halo = halo,
    .bytes = bytes,
    .cost = cost,
    .rounds = rounds,
    .survey = survey,
    .combine = combine,
    .agree = agree,
    .adopt = adopt,
    .apply = apply,
};
