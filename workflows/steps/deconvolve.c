/* The step "deconvolve": Richardson-Lucy or SHB with a given or Gaussian PSF (kernels/deconvolve/).
 *
 * Whole-image knowledge: the start level, from the exact mean of all voxels, and the FFT plans, as FFTW's wisdom text,
 * measured by one rank and kept in the machine's cache, so that runs on this machine repeat each other's bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "io/cache.h"
#include "io/image.h"
#include "kernels/deconvolve/deconvolve.h"
#include "kernels/deconvolve/psf.h"
#include "kernels/deconvolve/total.h"

static const double planning_seconds = 5; /* for each of six plans, at most */
static const double least_start = 1e-6;   /* photons: something to multiply, for an image without light */

typedef struct state {
    tk_deconvolve_options options; /* start: from the decision */
    tk_view_f32 psf;               /* its memory is owned */
    tk_fft layout;                 /* without plans; size 0 before prepare */
    int64_t largest[3];
    tk_deconvolver deconvolver; /* from adopt on */
} state;

static const tk_param params[] = {
    {.name = "method",
     .type = TK_PARAM_CHOICE,
     .fallback = "shb",
     .choices = "shb|rl",
     .help = "shb: Richardson-Lucy with momentum, about three times as fast to converge; rl: without"},
    {.name = "iterations",
     .type = TK_PARAM_INTEGER,
     .fallback = "15",
     .least = 1,
     .most = 10000,
     .help = "how many; more gives sharper and noisier images"},
    {.name = "psf.file", .type = TK_PARAM_FILE, .help = "image of the point spread function, origin at size / 2"},
    {.name = "psf.model", .type = TK_PARAM_CHOICE, .choices = "gaussian", .help = "a computed point spread function"},
    {.name = "psf.sigma",
     .type = TK_PARAM_LENGTH,
     .least = 0,
     .most = 1e6,
     .help = "standard deviations of the Gaussian, z y x"},
    {.name = "background",
     .type = TK_PARAM_NUMBER,
     .fallback = "0",
     .least = 0,
     .most = 1e12,
     .help = "constant light that is not the object's, in the image's units (photons)"},
    {.name = "read_noise",
     .type = TK_PARAM_NUMBER,
     .fallback = "0",
     .least = 0,
     .most = 1e6,
     .help = "standard deviation of the camera's noise, in the image's units (photons)"},
    TK_PARAM_END};

static tk_status check(const tk_params *p, tk_error *error) {
    const bool file = tk_params_get(p, "psf.file")->set, model = tk_params_get(p, "psf.model")->set;
    const bool sigma = tk_params_get(p, "psf.sigma")->set;
    if (file && model) return tk_params_fail(p, "psf.model", error, "give psf.file or psf.model, not both");
    if (!file && !model)
        return tk_params_fail(p, "psf.file", error,
                              "no point spread function: give psf: {file: …} or psf: {model: gaussian, sigma: …}");
    if (model && !sigma) return tk_params_fail(p, "psf.model", error, "a gaussian needs psf.sigma (z y x)");
    if (file && sigma) return tk_params_fail(p, "psf.sigma", error, "psf.sigma belongs to psf.model, not to a file");
    return TK_OK;
}

/* Is the PSF of a size that this image can be deconvolved with? `remedy` ends the message. */
static tk_status check_psf_size(const tk_binding *binding, const char *name, const int64_t size[3], const char *remedy,
                                tk_error *error) {
    const int64_t *image = binding->input.size;
    if (size[TK_Z] <= image[TK_Z] && size[TK_Y] <= image[TK_Y] && size[TK_X] <= image[TK_X]) return TK_OK;
    return tk_params_fail(binding->params, name, error,
                          "the PSF, %" PRId64 "x%" PRId64 "x%" PRId64 ", is larger than the image, %" PRId64 "x%" PRId64
                          "x%" PRId64 " (z y x): %s",
                          size[TK_Z], size[TK_Y], size[TK_X], image[TK_Z], image[TK_Y], image[TK_X], remedy);
}

static tk_status make_psf_view(const int64_t size[3], tk_view_f32 *psf, tk_error *error) {
    /* The image is as large at least, so that the product cannot overflow unless the image's does. */
    float *data = calloc((size_t)(size[TK_Z] * size[TK_Y] * size[TK_X]), sizeof *data);
    if (!data) return tk_fail_memory(error, "the PSF");
    *psf = tk_dense_f32(data, size);
    return TK_OK;
}

static tk_status read_open_psf(const tk_binding *binding, tk_image *image, tk_view_f32 *psf, tk_error *error) {
    const tk_image_info *info = tk_image_info_of(image);
    if (info->times != 1 || info->channels != 1)
        return tk_params_fail(binding->params, "psf.file", error, "%s: a PSF has one time point and one channel",
                              tk_params_text(binding->params, "psf.file"));
    TK_TRY(check_psf_size(binding, "psf.file", info->size, "crop the PSF around its origin, or give a larger image",
                          error));
    TK_TRY(make_psf_view(info->size, psf, error));
    const tk_box box = tk_box_of_size(info->size);
    return tk_image_read(image, 0, 0, &box, *psf, error);
}

static tk_status normalise(const tk_binding *binding, const char *name, tk_view_f32 psf, tk_error *error) {
    static const char *const texts[] = {[TK_PSF_NOT_FINITE] = "has a value that is NaN or infinite",
                                        [TK_PSF_NEGATIVE] = "has a negative value: subtract its background, clip at 0",
                                        [TK_PSF_EMPTY] = "is zero everywhere"};
    const tk_psf_fault fault = tk_psf_normalise(psf);
    if (fault == TK_PSF_GOOD) return TK_OK;
    return tk_params_fail(binding->params, name, error, "%s: the PSF %s", tk_params_text(binding->params, name),
                          texts[fault]);
}

static tk_status read_psf(const tk_binding *binding, tk_view_f32 *psf, tk_error *error) {
    tk_image *image = NULL;
    TK_TRY(tk_image_open(tk_params_text(binding->params, "psf.file"), NULL, &image, error));
    const tk_status status = read_open_psf(binding, image, psf, error);
    tk_image_close(image);
    TK_TRY(status);
    return normalise(binding, "psf.file", *psf, error);
}

static tk_status model_psf(const tk_binding *binding, tk_view_f32 *psf, tk_error *error) {
    double sigma[3];
    int64_t size[3];
    TK_TRY(tk_params_voxels(binding->params, "psf.sigma", binding->input.voxel_um, sigma, error));
    if (tk_psf_gaussian_size(sigma, size) != TK_OK)
        return tk_params_fail(binding->params, "psf.sigma", error, "must be 0 to 1000000 voxels");
    TK_TRY(check_psf_size(binding, "psf.sigma", size, "give a smaller psf.sigma (0: no blur along that axis)", error));
    TK_TRY(make_psf_view(size, psf, error));
    tk_psf_gaussian(sigma, *psf);
    return normalise(binding, "psf.sigma", *psf, error);
}

static void release(void *opaque) {
    state *s = opaque;
    tk_deconvolver_free(&s->deconvolver);
    free(s->psf.data);
    free(s);
}

static tk_status bind(const tk_binding *binding, void **opaque, tk_error *error) {
    const tk_params *p = binding->params;
    state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "deconvolve");
    s->options = (tk_deconvolve_options){
        .method = strcmp(tk_params_text(p, "method"), "rl") == 0 ? TK_DECONVOLVE_RL : TK_DECONVOLVE_SHB,
        .iterations = (int)tk_params_integer(p, "iterations"),
        .background = tk_params_number(p, "background"),
        .read_noise = tk_params_number(p, "read_noise"),
    };
    const bool file = tk_params_get(p, "psf.file")->set;
    const tk_status status = file ? read_psf(binding, &s->psf, error) : model_psf(binding, &s->psf, error);
    if (status != TK_OK)
        release(s);
    else
        *opaque = s;
    return status;
}

static void halo(const void *opaque, int64_t voxels[3]) {
    const state *s = opaque;
    tk_psf_halo(s->psf.size, voxels);
}

/* The layout for input blocks of this size: before prepare the one they would have as the largest. */
static tk_status layout_for(const state *s, const int64_t in[3], tk_fft *fft) {
    if (s->layout.size[TK_X] > 0) {
        *fft = s->layout;
        return TK_OK;
    }
    return tk_deconvolve_layout(s->psf.size, in, fft);
}

static tk_need bytes(const void *opaque, const int64_t in[3]) {
    const state *s = opaque;
    tk_fft fft;
    if (layout_for(s, in, &fft) != TK_OK) return (tk_need){SIZE_MAX, SIZE_MAX};
    const tk_box psf = tk_box_of_size(s->psf.size);
    const size_t psf_bytes = (size_t)tk_box_count(&psf) * sizeof(float);
    return (tk_need){tk_size_add(tk_deconvolver_bytes(&fft), psf_bytes), tk_deconvolve_scratch(&fft)};
}

static double cost(const void *opaque, const int64_t in[3]) {
    const state *s = opaque;
    tk_fft fft;
    if (layout_for(s, in, &fft) != TK_OK) return 1e300;
    return tk_deconvolve_cost(&fft, in[TK_Z], s->options.iterations);
}

/* Fixes the padded size; the memory follows with the plans, in adopt. */
static tk_status prepare(void *opaque, const int64_t largest[3], tk_work *work, tk_error *error) {
    state *s = opaque;
    (void)work;
    memcpy(s->largest, largest, sizeof s->largest);
    const tk_status status = tk_deconvolve_layout(s->psf.size, largest, &s->layout);
    return status == TK_OK ? TK_OK : tk_fail(error, status, "deconvolve: the padded block is too large to address");
}

static tk_status survey(const void *opaque, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial) {
    (void)opaque, (void)round;
    const tk_total total = tk_total_of(tk_read_f32(in[0]->f32), work->threads);
    return tk_bytes_append(partial, &total, sizeof total);
}

static tk_status combine(const void *opaque, int round, tk_bytes *into, const tk_bytes *from) {
    (void)opaque, (void)round;
    tk_total a, b;
    if (into->size != sizeof a || from->size != sizeof b) return TK_FAILED;
    memcpy(&a, into->data, sizeof a);
    memcpy(&b, from->data, sizeof b);
    tk_total_add(&a, &b);
    memcpy(into->data, &a, sizeof a);
    return TK_OK;
}

static tk_status decide_start(const state *s, const tk_bytes *combined, double *start, tk_error *error) {
    tk_total total;
    if (combined->size != sizeof total) return tk_fail(error, TK_FAILED, "deconvolve: the survey is damaged");
    memcpy(&total, combined->data, sizeof total);
    if (total.refused > 0)
        return tk_fail(error, TK_UNSOLVABLE,
                       "deconvolve: %" PRId64 " voxels of the image are NaN or not below 2^40: mask or rescale them",
                       total.refused);
    const double light = tk_total_mean(&total) - s->options.background;
    *start = light > least_start ? light : least_start;
    return TK_OK;
}

/* Name in the cache: plans depend on FFTW's build, the CPU and the padded size. */
static void wisdom_name(const tk_fft *fft, char *name, size_t size) {
    (void)snprintf(name, size, "%s-%s-%" PRId64 "x%" PRId64 "x%" PRId64 ".wisdom", tk_fft_library(),
                   tk_isa_text(tk_isa_detect()), fft->size[TK_Z], fft->size[TK_Y], fft->size[TK_X]);
}

/* Is this a text (ended by 0) that says all plans? */
static bool is_wisdom(const tk_fft *layout, const tk_bytes *text) {
    tk_fft trial = *layout;
    if (text->size < 2 || memchr(text->data, 0, text->size) != text->data + text->size - 1) return false;
    if (tk_fft_plan(&trial, (const char *)text->data) != TK_OK) return false;
    tk_fft_free(&trial);
    return true;
}

/* Appends the wisdom text to the decision: the cached one, else a measured one, which is then cached. A cache that
 * cannot be read or written only costs the next run its time. */
static tk_status decide_wisdom(const state *s, tk_bytes *decision, tk_error *error) {
    char name[200];
    tk_bytes cached = {0};
    tk_error ignored = TK_ERROR_NONE;
    wisdom_name(&s->layout, name, sizeof name);
    if (tk_cache_load(name, &cached, &ignored) == TK_OK && is_wisdom(&s->layout, &cached)) {
        const tk_status status = tk_bytes_append(decision, cached.data, cached.size);
        tk_bytes_free(&cached);
        return status == TK_OK ? TK_OK : tk_fail_memory(error, "FFT plans");
    }
    tk_bytes_free(&cached);
    char *text = NULL;
    if (tk_fft_measure(&s->layout, planning_seconds, &text) != TK_OK) return tk_fail_memory(error, "FFT plans");
    const size_t size = strlen(text) + 1;
    if (size > 1) (void)tk_cache_store(name, text, size, &ignored);
    const tk_status status = tk_bytes_append(decision, text, size);
    free(text);
    return status == TK_OK ? TK_OK : tk_fail_memory(error, "FFT plans");
}

static tk_status note_size(tk_facts *facts, const char *name, const int64_t size[3]) {
    char text[80];
    (void)snprintf(text, sizeof text, "%" PRId64 "x%" PRId64 "x%" PRId64, size[TK_Z], size[TK_Y], size[TK_X]);
    return tk_facts_text(facts, name, text);
}

/* The decision: the start level (double), then the wisdom text with its final 0. */
static tk_status agree(const void *opaque, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error) {
    const state *s = opaque;
    double start;
    (void)round;
    *more = false;
    TK_TRY(decide_start(s, combined, &start, error));
    if (tk_bytes_append(decision, &start, sizeof start) != TK_OK) return tk_fail_memory(error, "a decision");
    TK_TRY(decide_wisdom(s, decision, error));
    TK_TRY(tk_facts_number(facts, "start_level", start, ""));
    TK_TRY(note_size(facts, "padded_size", s->layout.size));
    TK_TRY(note_size(facts, "psf_size", s->psf.size));
    TK_TRY(tk_facts_text(facts, "fft_library", tk_fft_library()));
    TK_TRY(tk_facts_text(facts, "fft_plans", decision->size > sizeof start + 1 ? "measured" : "estimated"));
    return tk_facts_text(facts, "fft_wisdom", (const char *)decision->data + sizeof start);
}

static tk_status adopt(void *opaque, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    state *s = opaque;
    (void)round;
    if (decision->size <= sizeof s->options.start || decision->data[decision->size - 1] != 0)
        return tk_fail(error, TK_FAILED, "deconvolve: the decision is damaged");
    memcpy(&s->options.start, decision->data, sizeof s->options.start);
    const char *wisdom = (const char *)decision->data + sizeof s->options.start;
    tk_deconvolver_free(&s->deconvolver);
    const tk_status status =
        tk_deconvolver_make(tk_read_f32(s->psf), s->largest, wisdom, work->threads, &s->deconvolver);
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the PSF's transform");
    if (status != TK_OK)
        return tk_fail(error, status, "deconvolve: the FFT plans were measured on another kind of CPU or another FFTW");
    return TK_OK;
}

static tk_status apply(const void *opaque, const tk_block *const in[], tk_block *out, tk_work *work) {
    const state *s = opaque;
    tk_box part = out->box;
    for (int axis = 0; axis < 3; axis++) {
        part.lo[axis] -= in[0]->box.lo[axis];
        part.hi[axis] -= in[0]->box.lo[axis];
    }
    return tk_deconvolve(&s->deconvolver, tk_read_f32(in[0]->f32), &part, out->f32, &s->options, work);
}

const tk_step tk_step_deconvolve = {
    .name = "deconvolve",
    .version = 1,
    .summary = "sharpen an image with its point spread function (Richardson-Lucy, with momentum)",
    .citation = "Wang & Miller 2014, doi:10.1109/TIP.2013.2291324; Bertero & Boccacci 2005, "
                "doi:10.1051/0004-6361:20052717",
    .example = "{iterations: 3, psf: {model: gaussian, sigma: [1.5 px, 1.2 px, 1.2 px]}}",
    .exact = false,
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = params,
    .check = check,
    .bind = bind,
    .release = release,
    .halo = halo,
    .bytes = bytes,
    .cost = cost,
    .prepare = prepare,
    .survey = survey,
    .combine = combine,
    .agree = agree,
    .adopt = adopt,
    .apply = apply,
};
