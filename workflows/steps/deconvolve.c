/* The step "deconvolve" (kernels/deconvolve/). Its parts: deconvolve_params.c, what can be chosen; deconvolve_method.c,
 * what that amounts to; deconvolve_psf.c (with deconvolve_psf_check.c), deconvolve_depth.c (a PSF that changes with
 * depth), deconvolve_camera.c, what is known; deconvolve_survey.c, what is decided over the whole image, with
 * deconvolve_stop.c (how many iterations) and deconvolve_plans.c (the FFT's plans); deconvolve_halo.c, how tiles differ
 * from the un-tiled result; deconvolve_exact.c, the whole image without tiles. */
#include <stdlib.h>

#include "workflows/steps/deconvolve_exact.h"
#include "workflows/steps/deconvolve_halo.h"
#include "workflows/steps/deconvolve_method.h"
#include "workflows/steps/deconvolve_params.h"
#include "workflows/steps/deconvolve_survey.h"

typedef tk_deconvolve_state state;

static tk_status check(const tk_params *p, tk_error *error) {
    TK_TRY(tk_deconvolve_psf_check(p, error));
    TK_TRY(tk_deconvolve_method_check(p, error));
    return tk_deconvolve_camera_check(p, error);
}

static void release(void *opaque) {
    state *s = opaque;
    tk_deconvolver_free(&s->deconvolver);
    tk_deconvolve_psf_free(&s->psf);
    tk_deconvolve_depth_free(&s->depth);
    tk_deconvolve_camera_free(&s->camera);
    free(s->whole_wisdom);
    free(s);
}

/* Bytes of what is bound. */
static size_t known_bytes(const state *s) {
    const tk_box psf = tk_box_of_size(s->psf.view.size);
    const size_t known = (size_t)tk_box_count(&psf) * sizeof(float) + tk_deconvolve_camera_bytes(&s->camera);
    return tk_size_add(known, tk_deconvolve_depth_bytes(&s->depth, &s->psf));
}

static int64_t left_of(int64_t memory, size_t held) {
    return (double)held < (double)memory ? memory - (int64_t)held : 1; /* 0 would be: not known */
}

static tk_status bind(const tk_binding *binding, void **opaque, tk_error *error) {
    state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "deconvolve");
    for (int a = 0; a < 3; a++) s->image[a] = binding->input.size[a];
    s->times = binding->times;
    tk_status status = tk_deconvolve_psf_make(binding, &s->psf, error);
    if (status == TK_OK) status = tk_deconvolve_depth_make(binding, &s->psf, &s->depth, error);
    tk_binding rest = *binding; /* the PSF is there */
    if (status == TK_OK && rest.memory > 0) rest.memory = left_of(rest.memory, known_bytes(s));
    if (status == TK_OK) status = tk_deconvolve_camera_make(&rest, &s->camera, error);
    if (status == TK_OK) status = tk_deconvolve_method_take(binding->params, s, error);
    if (status == TK_OK) status = tk_deconvolve_exact_take(s, error);
    if (status != TK_OK)
        release(s);
    else
        *opaque = s;
    return status;
}

static void halo(const void *opaque, int64_t voxels[3]) {
    const state *s = opaque;
    tk_deconvolve_halo_of(tk_read_f32(s->psf.view), s->radii, voxels);
}

static tk_status halo_errors(const void *opaque, tk_halo_error *rows, int *count, tk_error *error) {
    const state *s = opaque;
    *count = 0;
    if (s->is_linear || s->exact) return TK_OK;
    return tk_deconvolve_halo_errors(tk_read_f32(s->psf.view), s->image, &s->options, rows, count, error);
}

/* The shape for input blocks of this size: before prepare the one they would have as the largest. */
static tk_status shape_for(const state *s, const int64_t in[3], tk_deconvolver_shape *shape) {
    if (s->shape.fft.size[TK_X] > 0) {
        *shape = s->shape;
        return TK_OK;
    }
    return tk_deconvolver_layout(s->psf.view.size, in, s->depth.terms, s->lean, shape);
}

static size_t scratch_for(const state *s, const tk_deconvolver_shape *shape, const int64_t in[3]) {
    if (s->is_linear) return tk_deconvolve_linear_scratch(shape);
    const size_t work = tk_deconvolve_scratch(shape, &s->options), weights = tk_deconvolve_depth_scratch(shape);
    if (!s->stop.needed) return tk_size_add(work, weights);
    const size_t trial = tk_deconvolve_trial_scratch(shape, in, &s->options);
    return tk_size_add(trial > work ? trial : work, weights);
}

static tk_need bytes(const void *opaque, const int64_t in[3]) {
    const state *s = opaque;
    tk_deconvolver_shape shape;
    const size_t held = known_bytes(s);
    tk_need need = {.bound = held, .binding = s->psf.making > held ? s->psf.making : held};
    if (!tk_deconvolve_has_tiles(s)) return need;
    if (shape_for(s, in, &shape) != TK_OK) return (tk_need){SIZE_MAX, SIZE_MAX, 0, 0};
    need.resident = tk_deconvolver_bytes(&shape, NULL);
    need.scratch = scratch_for(s, &shape, in);
    return need;
}

static double cost(const void *opaque, const int64_t in[3], const int64_t largest[3]) {
    const state *s = opaque;
    tk_deconvolver_shape shape;
    if (shape_for(s, largest, &shape) != TK_OK) return 1e300;
    const double arithmetic = 1.1; /* of what the transforms alone take */
    if (s->is_linear) return tk_deconvolve_linear_cost(&shape);
    return arithmetic * tk_deconvolve_cost(&shape, in[TK_Z], &s->options);
}

static int rounds(const void *opaque) {
    const state *s = opaque;
    return s->stop.needed ? 2 : 1;
}

/* Of a trial: what it costs for the tiles of the sample, spread over all. */
static double survey_cost(const void *opaque, int round, const int64_t in[3]) {
    const double sum_ns = 1.4, voxels = (double)in[TK_Z] * (double)in[TK_Y] * (double)in[TK_X];
    const state *s = opaque;
    const double image = (double)s->image[TK_Z] * (double)s->image[TK_Y] * (double)s->image[TK_X];
    const double tiles = image * (double)s->times / voxels;
    if (round == 0) return sum_ns * voxels;
    return 1.5 * cost(s, in, in) * (tiles > TK_DECONVOLVE_SAMPLE ? TK_DECONVOLVE_SAMPLE / tiles : 1);
}

/* Fixes the padded size; the memory follows with the plans, in adopt. */
static tk_status prepare(void *opaque, const int64_t largest[3], tk_work *work, tk_error *error) {
    state *s = opaque;
    (void)work;
    if (!tk_deconvolve_has_tiles(s)) return TK_OK;
    const tk_status status = tk_deconvolver_layout(s->psf.view.size, largest, s->depth.terms, s->lean, &s->shape);
    return status == TK_OK ? TK_OK : tk_fail(error, status, "deconvolve: the padded block is too large to address");
}

static tk_status apply(const void *opaque, const tk_block *const in[], tk_block *out, tk_work *work) {
    const state *s = opaque;
    tk_box part = out->box;
    for (int axis = 0; axis < 3; axis++) {
        part.lo[axis] -= in[0]->box.lo[axis];
        part.hi[axis] -= in[0]->box.lo[axis];
    }
    tk_deconvolve_data data = tk_deconvolve_camera_data(&s->camera, in[0]);
    if (s->is_linear) return tk_deconvolve_linear(&s->deconvolver, &data, &part, out->f32, &s->linear, work);
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_status status = tk_deconvolve_depth_weigh(&s->depth, &s->shape, in[0], &work->scratch, &data);
    if (status == TK_OK) status = tk_deconvolve(&s->deconvolver, &data, &part, out->f32, &s->options, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

const tk_step tk_step_deconvolve = {
    .name = "deconvolve",
    .version = 8,
    .summary = "sharpen an image with its point spread function",
    .citation = "Wang & Miller 2014, doi:10.1109/TIP.2013.2291324; Bertero & Boccacci 2005, "
                "doi:10.1051/0004-6361:20052717; Guo et al. 2020, doi:10.1038/s41587-020-0560-x",
    .example = "{method: shb, iterations: 3, psf: {model: gaussian, sigma: [1.5 px, 1.2 px, 1.2 px]}}",
    .exact = false,
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = tk_deconvolve_params,
    .check = check,
    .bind = bind,
    .release = release,
    .halo = halo,
    .halo_errors = halo_errors,
    .bytes = bytes,
    .cost = cost,
    .survey_cost = survey_cost,
    .prepare = prepare,
    .rounds = rounds,
    .survey = tk_deconvolve_survey,
    .combine = tk_deconvolve_combine,
    .agree = tk_deconvolve_agree,
    .adopt = tk_deconvolve_adopt,
    .apply = apply,
    .whole = tk_deconvolve_exact_whole,
    .solve_bytes = tk_deconvolve_exact_bytes,
    .solve_cost = tk_deconvolve_exact_cost,
    .solve = tk_deconvolve_exact_solve,
};
