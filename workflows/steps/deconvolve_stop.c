/* Automatic stop of the step deconvolve. */
#include "workflows/steps/deconvolve_stop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double share = 0.1;       /* of the photons is held out */
static const double worthwhile = 4e-4; /* of their error: less is not worth AHEAD iterations */
enum { PATIENCE = 5, AHEAD = 10, FIELDS = 6 };

/* --- The sample --------------------------------------------------------------------------------------------------- */

/* Below 0: a is brighter, or as bright and comes first. */
static int order(const tk_sampled_tile *a, const tk_sampled_tile *b) {
    if (a->total.high != b->total.high) return a->total.high > b->total.high ? -1 : 1;
    if (a->total.low != b->total.low) return a->total.low > b->total.low ? -1 : 1;
    if (a->time != b->time) return a->time < b->time ? -1 : 1;
    for (int i = 0; i < 3; i++)
        if (a->place[i] != b->place[i]) return a->place[i] < b->place[i] ? -1 : 1;
    return 0;
}

tk_deconvolve_sample tk_deconvolve_sample_of(const tk_block *block, const tk_total *total) {
    tk_deconvolve_sample sample = {.count = 1};
    sample.tile[0].total = *total;
    sample.tile[0].time = block->time;
    memcpy(sample.tile[0].place, block->box.lo, sizeof sample.tile[0].place);
    return sample;
}

void tk_deconvolve_sample_add(tk_deconvolve_sample *into, const tk_deconvolve_sample *from) {
    const tk_deconvolve_sample mine = *into;
    int64_t a = 0, b = 0;
    memset(into, 0, sizeof *into);
    while (into->count < TK_DECONVOLVE_SAMPLE && (a < mine.count || b < from->count)) {
        const bool first = b >= from->count || (a < mine.count && order(&mine.tile[a], &from->tile[b]) < 0);
        into->tile[into->count++] = first ? mine.tile[a++] : from->tile[b++];
    }
}

static bool is_sampled(const tk_deconvolve_sample *sample, const tk_block *block) {
    for (int64_t i = 0; i < sample->count; i++)
        if (sample->tile[i].time == block->time && !memcmp(sample->tile[i].place, block->box.lo, 3 * sizeof(int64_t)))
            return true;
    return false;
}

/* --- Sums in fixed point ------------------------------------------------------------------------------------------ */

/* whole + part * 2^-40; a sum of a few tiles' stays within int64_t. */
typedef struct fixed {
    int64_t whole, part;
} fixed;

static const double most = 0x1p53, quantum = 0x1p-40;

static fixed fixed_of(double value) {
    if (!(fabs(value) < most)) return (fixed){INT64_C(1) << 58, 0}; /* more than all of the sample together */
    const double whole = floor(value);
    return (fixed){(int64_t)whole, (int64_t)rint((value - whole) / quantum)};
}

static double value_of(fixed f) { return (double)f.whole + (double)f.part * quantum; }

/* The fields of tk_deconvolve_sums. */
enum { HELD_OUT, DIVERGENCE, LIGHT, NUMERATOR, DENOMINATOR, VOXELS };

/* `noise`: the unit of the held-out error. */
static void sums_to_fixed(const tk_deconvolve_sums *sums, double noise, fixed *to) {
    to[HELD_OUT] = fixed_of(sums->held_out / noise);
    to[DIVERGENCE] = fixed_of(sums->divergence);
    to[LIGHT] = fixed_of(sums->light);
    to[NUMERATOR] = fixed_of(sums->numerator);
    to[DENOMINATOR] = fixed_of(sums->denominator);
    to[VOXELS] = fixed_of((double)sums->voxels);
}

tk_status tk_deconvolve_stop_survey(const tk_deconvolve_stop *stop, const tk_deconvolver *deconvolver,
                                    const tk_deconvolve_data *data, const tk_deconvolve_options *options,
                                    const tk_block *block, tk_work *work, tk_bytes *partial) {
    if (!is_sampled(&stop->sample, block)) return TK_OK;
    const int64_t n = stop->length;
    tk_deconvolve_sums *sums = calloc((size_t)n, sizeof *sums);
    fixed *exact = calloc((size_t)n * FIELDS, sizeof *exact);
    tk_status status = sums && exact ? TK_OK : TK_NO_MEMORY;
    if (status == TK_OK) {
        tk_deconvolve_options tried = *options;
        tried.iterations = (int)n;
        tried.momentum = NULL;
        if (tried.warm > n) tried.warm = (int)n;
        tk_deconvolve_trial trial = {.share = share, .seed = (uint64_t)block->time + 1};
        for (int a = 0; a < 3; a++) {
            trial.origin[a] = block->box.lo[a];
            trial.image[a] = block->image.hi[a];
        }
        status = tk_deconvolve_try(deconvolver, data, &trial, &tried, sums, work);
    }
    const double noise = share * (options->start + data->background + options->read_noise * options->read_noise);
    for (int64_t k = 0; k < n && status == TK_OK; k++) sums_to_fixed(&sums[k], noise, exact + k * FIELDS);
    if (status == TK_OK) status = tk_bytes_append(partial, exact, (size_t)n * FIELDS * sizeof *exact);
    free(sums);
    free(exact);
    return status;
}

tk_status tk_deconvolve_stop_combine(tk_bytes *into, const tk_bytes *from) {
    if (from->size == 0) return TK_OK;
    if (into->size == 0) return tk_bytes_append(into, from->data, from->size);
    if (into->size != from->size || into->size % (FIELDS * sizeof(fixed)) != 0) return TK_FAILED;
    for (size_t at = 0; at < into->size; at += sizeof(fixed)) {
        fixed a, b;
        memcpy(&a, into->data + at, sizeof a);
        memcpy(&b, from->data + at, sizeof b);
        a.whole += b.whole;
        a.part += b.part;
        memcpy(into->data + at, &a, sizeof a);
    }
    return TK_OK;
}

/* --- The decision ------------------------------------------------------------------------------------------------- */

static double pooled(const tk_bytes *combined, int64_t k, int field) {
    fixed f;
    memcpy(&f, combined->data + ((size_t)k * FIELDS + (size_t)field) * sizeof f, sizeof f);
    return value_of(f);
}

/* What is decided; followed by the step lengths a_0 … a_(N-1). */
typedef struct verdict {
    int64_t more, length; /* another trial, and of what length; or how many iterations */
} verdict;

/* The iteration after which the held-out photons are told best. */
static int64_t best_of(const tk_bytes *combined, int64_t n) {
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++)
        if (pooled(combined, k, HELD_OUT) < pooled(combined, best, HELD_OUT)) best = k;
    return best + 1;
}

/* The first iteration after which AHEAD more would not tell them better by more than `worthwhile` of their error; 0:
 * there is none among those whose AHEAD more were tried. With a PSF that blurs much, the blurred estimate comes nearer
 * to the data, ever more slowly, long after the estimate itself has begun to follow the noise. */
static int64_t settled_of(const tk_bytes *combined, int64_t n) {
    for (int64_t k = 0; k + AHEAD < n; k++) {
        const double now = pooled(combined, k, HELD_OUT);
        double least = now;
        for (int64_t i = k + 1; i <= k + AHEAD; i++) least = fmin(least, pooled(combined, i, HELD_OUT));
        if (now - least <= worthwhile * now) return k + 1;
    }
    return 0;
}

static verdict judge(const tk_deconvolve_stop *stop, const tk_bytes *combined) {
    const int64_t n = stop->length, best = best_of(combined, n), settled = settled_of(combined, n);
    if (!stop->automatic) return (verdict){0, n};
    if (settled > 0 && settled < best) return (verdict){0, settled};
    if (best + PATIENCE <= n || n >= TK_DECONVOLVE_LONGEST_TRIAL) return (verdict){0, best};
    return (verdict){1, 2 * n};
}

/* The curve as a text: one number for each iteration. */
static tk_status note_curve(tk_facts *facts, const char *name, const tk_bytes *combined, int64_t n, int field) {
    enum { WIDTH = 24 };
    char *text = malloc((size_t)n * WIDTH + 1);
    if (!text) return TK_NO_MEMORY;
    size_t used = 0;
    for (int64_t k = 0; k < n; k++)
        used += (size_t)snprintf(text + used, WIDTH, "%s%.9g", k ? " " : "", pooled(combined, k, field));
    const tk_status status = tk_facts_text(facts, name, text);
    free(text);
    return status;
}

tk_status tk_deconvolve_stop_note(int64_t iterations, int64_t warm, tk_facts *facts) {
    TK_TRY(tk_facts_number(facts, "iterations", (double)iterations, ""));
    return tk_facts_number(facts, "warm_start", (double)warm, "iterations");
}

static tk_status note(const tk_deconvolve_stop *stop, int64_t warm, const tk_bytes *combined, const verdict *v,
                      tk_facts *facts) {
    const int64_t n = stop->length;
    TK_TRY(tk_facts_number(facts, "tried", (double)n, "iterations"));
    TK_TRY(tk_facts_number(facts, "sampled", (double)stop->sample.count, "tiles"));
    TK_TRY(tk_facts_number(facts, "held_out_share", 100 * share, "%"));
    if (stop->automatic && !v->more)
        TK_TRY(tk_deconvolve_stop_note(v->length, warm < v->length ? warm : v->length, facts));
    TK_TRY(note_curve(facts, "held_out_error", combined, n, HELD_OUT));
    TK_TRY(note_curve(facts, "i_divergence", combined, n, DIVERGENCE));
    return note_curve(facts, "flux", combined, n, LIGHT);
}

/* Biggs and Andrews' step length before iteration k + 1, from sums over all of the sample. */
static float momentum_after(const tk_bytes *combined, int64_t k) {
    const double denominator = pooled(combined, k, DENOMINATOR);
    const double a = denominator > 0 ? pooled(combined, k, NUMERATOR) / denominator : 0;
    return (float)fmin(fmax(a, 0), 1);
}

tk_status tk_deconvolve_stop_agree(const tk_deconvolve_stop *stop, const tk_deconvolve_options *options,
                                   const tk_bytes *combined, tk_bytes *decision, bool *more, tk_facts *facts,
                                   tk_error *error) {
    const int64_t n = stop->length;
    if (combined->size != (size_t)n * FIELDS * sizeof(fixed))
        return tk_fail(error, TK_FAILED, "deconvolve: the survey is damaged");
    for (int64_t k = 0; k < n; k++)
        for (int field = 0; field < FIELDS; field++)
            if (!(fabs(pooled(combined, k, field)) < most * TK_DECONVOLVE_SAMPLE))
                return tk_fail(error, TK_UNSOLVABLE,
                               "deconvolve: no automatic stop: iteration %lld leads to no numbers; give iterations",
                               (long long)k + 1);
    const verdict v = judge(stop, combined);
    *more = v.more;
    if (tk_bytes_append(decision, &v, sizeof v) != TK_OK) return tk_fail_memory(error, "a decision");
    for (int64_t k = 0; k < v.length && !v.more && options->method == TK_DECONVOLVE_BIGGS; k++) {
        const float a = k > 0 ? momentum_after(combined, k - 1) : 0;
        if (tk_bytes_append(decision, &a, sizeof a) != TK_OK) return tk_fail_memory(error, "a decision");
    }
    return note(stop, options->warm, combined, &v, facts);
}

tk_status tk_deconvolve_stop_adopt(tk_deconvolve_stop *stop, const tk_bytes *decision, tk_deconvolve_options *options,
                                   tk_error *error) {
    verdict v;
    const bool biggs = options->method == TK_DECONVOLVE_BIGGS;
    if (decision->size < sizeof v) return tk_fail(error, TK_FAILED, "deconvolve: the decision is damaged");
    memcpy(&v, decision->data, sizeof v);
    const size_t lengths = v.more || !biggs ? 0 : (size_t)v.length * sizeof(float);
    if (v.length < 1 || v.length > TK_DECONVOLVE_LONGEST_TRIAL || decision->size != sizeof v + lengths)
        return tk_fail(error, TK_FAILED, "deconvolve: the decision is damaged");
    if (v.more) {
        stop->length = v.length;
        return TK_OK;
    }
    memcpy(stop->momentum, decision->data + sizeof v, lengths);
    options->iterations = (int)v.length;
    if (options->warm > options->iterations) options->warm = options->iterations;
    options->momentum = biggs ? stop->momentum : NULL;
    return TK_OK;
}
