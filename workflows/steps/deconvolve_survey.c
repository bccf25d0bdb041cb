/* Decisions of the step deconvolve. */
#include "workflows/steps/deconvolve_survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workflows/steps/deconvolve_method.h"
#include "workflows/steps/deconvolve_plans.h"

static const double least_start = 1e-6; /* photons: something to multiply, for an image without light */

typedef tk_deconvolve_state state;

/* A partial of round 0. */
typedef struct knowledge {
    tk_total light, squares; /* squares: of linear methods alone */
    tk_deconvolve_sample sample;
} knowledge;

/* A decision of round 0; wisdom texts follow, each with its final 0: of tiles, and of the whole image. Where nothing is
 * computed on one of them it has an empty text. */
typedef struct settled {
    double start, regularisation;
    tk_deconvolve_sample sample;
    char psf_sha256[64];
} settled;

static bool wants_squares(const state *s) { return s->is_linear && s->linear.regularisation == 0; }

static tk_status try(const state *s, const tk_block *in, tk_work *work, tk_bytes *partial) {
    tk_deconvolve_data data = tk_deconvolve_camera_data(&s->camera, in);
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_status status = tk_deconvolve_depth_weigh(&s->depth, &s->shape, in, &work->scratch, &data);
    if (status == TK_OK)
        status = tk_deconvolve_stop_survey(&s->stop, &s->deconvolver, &data, &s->options, in, work, partial);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

tk_status tk_deconvolve_survey(const void *opaque, int round, const tk_block *const in[], tk_work *work,
                               tk_bytes *partial) {
    const state *s = opaque;
    const tk_cview_f32 image = tk_read_f32(in[0]->f32);
    if (round > 0) return try(s, in[0], work, partial);
    knowledge k;
    memset(&k, 0, sizeof k);
    k.light = tk_total_of(image, work->threads);
    if (wants_squares(s)) k.squares = tk_total_of_squares(image, work->threads);
    if (s->stop.needed) k.sample = tk_deconvolve_sample_of(in[0], &k.light);
    return tk_bytes_append(partial, &k, sizeof k);
}

tk_status tk_deconvolve_combine(const void *opaque, int round, tk_bytes *into, const tk_bytes *from) {
    (void)opaque;
    knowledge a, b;
    if (round > 0) return tk_deconvolve_stop_combine(into, from);
    if (into->size != sizeof a || from->size != sizeof b) return TK_FAILED;
    memcpy(&a, into->data, sizeof a);
    memcpy(&b, from->data, sizeof b);
    tk_total_add(&a.light, &b.light);
    tk_total_add(&a.squares, &b.squares);
    tk_deconvolve_sample_add(&a.sample, &b.sample);
    memcpy(into->data, &a, sizeof a);
    return TK_OK;
}

/* --- Round 0 ------------------------------------------------------------------------------------------------------ */

static tk_status settle(const state *s, const tk_bytes *combined, settled *decided, tk_error *error) {
    const tk_deconvolve_camera *c = &s->camera;
    knowledge k;
    if (combined->size != sizeof k) return tk_fail(error, TK_FAILED, "deconvolve: the survey is damaged");
    memcpy(&k, combined->data, sizeof k);
    if (k.light.refused > 0)
        return tk_fail(error, TK_UNSOLVABLE,
                       "deconvolve: %" PRId64 " voxels of the image are NaN or not below 2^40: mask or rescale them",
                       k.light.refused);
    if (k.squares.refused > 0)
        return tk_fail(error, TK_UNSOLVABLE,
                       "deconvolve: %" PRId64 " voxels of the image are not below 2^24: rescale them, or give "
                       "regularisation",
                       k.squares.refused);
    const double mean = tk_total_mean(&k.light), photons = (mean - c->offset) * c->gain,
                 light = photons - c->background;
    const double square = tk_total_mean(&k.squares) - 2 * c->offset * mean + c->offset * c->offset;
    memset(decided, 0, sizeof *decided);
    decided->start = light > least_start ? light : least_start;
    decided->regularisation = s->linear.regularisation;
    if (wants_squares(s))
        decided->regularisation = tk_linear_regularisation(photons, square * c->gain * c->gain, c->read_noise);
    decided->sample = k.sample;
    memcpy(decided->psf_sha256, s->psf.sha256, sizeof decided->psf_sha256);
    return TK_OK;
}

static tk_status note(const state *s, const settled *decided, const char *wisdom, tk_facts *facts) {
    int64_t size[3];
    char text[80];
    tk_deconvolver_padded(s->exact ? &s->whole : &s->shape, size);
    TK_TRY(tk_facts_number(facts, "start_level", decided->start, ""));
    if (s->is_linear) TK_TRY(tk_facts_number(facts, "regularisation", decided->regularisation, ""));
    TK_TRY(tk_deconvolve_method_note(s, facts));
    (void)snprintf(text, sizeof text, "%" PRId64 "x%" PRId64 "x%" PRId64, size[TK_Z], size[TK_Y], size[TK_X]);
    TK_TRY(tk_facts_text(facts, "padded_size", text));
    TK_TRY(tk_deconvolve_psf_note(&s->psf, facts));
    TK_TRY(tk_deconvolve_depth_note(&s->depth, facts));
    TK_TRY(tk_deconvolve_camera_note(&s->camera, facts));
    TK_TRY(tk_facts_text(facts, "fft_library", tk_fft_library()));
    TK_TRY(tk_facts_text(facts, "fft_plans", *wisdom ? "measured" : "estimated"));
    return tk_facts_text(facts, "fft_wisdom", wisdom);
}

static tk_status decide_plans(const tk_fft *fft, tk_bytes *decision, tk_error *error) {
    if (fft) return tk_deconvolve_plans_decide(fft, decision, error);
    return tk_bytes_append(decision, "", 1) == TK_OK ? TK_OK : tk_fail_memory(error, "a decision");
}

tk_status tk_deconvolve_agree(const void *opaque, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                              tk_facts *facts, tk_error *error) {
    const state *s = opaque;
    settled decided;
    if (round > 0) return tk_deconvolve_stop_agree(&s->stop, &s->options, combined, decision, more, facts, error);
    *more = s->stop.needed;
    TK_TRY(settle(s, combined, &decided, error));
    if (tk_bytes_append(decision, &decided, sizeof decided) != TK_OK) return tk_fail_memory(error, "a decision");
    size_t noted = decision->size;
    TK_TRY(decide_plans(tk_deconvolve_has_tiles(s) ? &s->shape.fft : NULL, decision, error));
    if (s->exact) noted = decision->size;
    TK_TRY(decide_plans(s->exact ? &s->whole.fft : NULL, decision, error));
    return note(s, &decided, (const char *)decision->data + noted, facts);
}

/* The deconvolver of tiles. */
static tk_status make_deconvolver(state *s, const char *wisdom, int threads, tk_error *error) {
    tk_cview_f32 terms[TK_EIGEN_MOST];
    tk_deconvolver_free(&s->deconvolver);
    if (!tk_deconvolve_has_tiles(s)) return TK_OK;
    tk_deconvolve_depth_terms(&s->depth, &s->psf, terms);
    const tk_status status = tk_deconvolver_make(&s->shape, terms, NULL, wisdom, threads, &s->deconvolver);
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the PSF's transform");
    if (status != TK_OK)
        return tk_fail(error, status, "deconvolve: the FFT plans were measured on another kind of CPU or another FFTW");
    return TK_OK;
}

tk_status tk_deconvolve_adopt(void *opaque, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    state *s = opaque;
    settled decided;
    if (round > 0) return tk_deconvolve_stop_adopt(&s->stop, decision, &s->options, error);
    if (decision->size <= sizeof decided || decision->data[decision->size - 1] != 0)
        return tk_fail(error, TK_FAILED, "deconvolve: the decision is damaged");
    memcpy(&decided, decision->data, sizeof decided);
    if (memcmp(decided.psf_sha256, s->psf.sha256, sizeof decided.psf_sha256) != 0)
        return tk_fail(error, TK_FAILED,
                       "deconvolve: the PSF comes out differently on this machine: make it once with "
                       "tarkka psf, and give psf.file");
    s->options.start = s->linear.level = decided.start;
    s->linear.regularisation = decided.regularisation;
    s->stop.sample = decided.sample;
    if (s->stop.automatic) s->stop.length = TK_DECONVOLVE_FIRST_TRIAL;
    const char *wisdom = (const char *)decision->data + sizeof decided;
    const char *whole = wisdom + strlen(wisdom) + 1, *end = (const char *)decision->data + decision->size;
    if (whole >= end) return tk_fail(error, TK_FAILED, "deconvolve: the decision is damaged");
    free(s->whole_wisdom);
    s->whole_wisdom = strdup(whole);
    if (!s->whole_wisdom) return tk_fail_memory(error, "FFT plans");
    return make_deconvolver(s, wisdom, work->threads, error);
}
