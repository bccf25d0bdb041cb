/* Step gaussian: smoothing with a Gaussian of given standard deviation, exact over tiles. */
#include <stdlib.h>

#include "engine/step.h"
#include "kernels/filter/gaussian.h"

/* Threads that scratch memory is planned for; more would wait for memory bandwidth anyway. */
enum { PLANNED_THREADS = 64 };

typedef struct gaussian_state {
    tk_gaussian gaussian;
    float *taps[3]; /* owned */
} gaussian_state;

static const tk_param params[] = {
    {.name = "sigma",
     .type = TK_PARAM_LENGTH,
     .fallback = "1 px",
     .least = 0,
     .most = 1e6,
     .help = "standard deviation, one or three (z y x); 0 leaves an axis as it is"},
    TK_PARAM_END,
};

static void release(void *state) {
    gaussian_state *s = state;
    if (!s) return;
    for (int a = 0; a < 3; a++) free(s->taps[a]);
    free(s);
}

/* An axis of one voxel is mirrored into a constant, which no normalised filter changes: its sigma counts as 0. */
static tk_status make_axis(gaussian_state *s, int axis, double sigma, int64_t size, tk_error *error) {
    const int64_t radius = size == 1 ? 0 : tk_gaussian_radius(sigma);
    s->taps[axis] = malloc((size_t)(radius + 1) * sizeof(float));
    if (!s->taps[axis]) return tk_fail_memory(error, "the weights of the Gaussian");
    tk_gaussian_taps(sigma, radius, s->taps[axis]);
    s->gaussian.radius[axis] = radius;
    s->gaussian.taps[axis] = s->taps[axis];
    return TK_OK;
}

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    double sigma[3];
    TK_TRY(tk_params_voxels(binding->params, "sigma", binding->input.voxel_um, sigma, error));
    for (int a = 0; a < 3; a++)
        if (!(sigma[a] >= 0 && sigma[a] <= TK_GAUSSIAN_SIGMA_MAX))
            return tk_params_fail(binding->params, "sigma", error, "is %g voxels; at most %g are possible", sigma[a],
                                  TK_GAUSSIAN_SIGMA_MAX);
    gaussian_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step gaussian");
    for (int a = 0; a < 3; a++) {
        const tk_status status = make_axis(s, a, sigma[a], binding->input.size[a], error);
        if (status != TK_OK) {
            release(s);
            return status;
        }
    }
    *state = s;
    return TK_OK;
}

static void halo(const void *state, int64_t halo[3]) {
    const gaussian_state *s = state;
    for (int a = 0; a < 3; a++) halo[a] = s->gaussian.radius[a];
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    const gaussian_state *s = state;
    return (tk_need){.scratch = tk_gaussian_scratch(&s->gaussian, in, PLANNED_THREADS)};
}

static double cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    const gaussian_state *s = state;
    (void)largest;
    const int64_t *r = s->gaussian.radius;
    return (double)(in[0] * in[1] * in[2]) * (1.2 + 0.11 * (double)(r[0] + r[1] + r[2]));
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const gaussian_state *s = state;
    return tk_gaussian_apply(&s->gaussian, &in[0]->image, &in[0]->box, tk_read_f32(in[0]->f32), &out->box, out->f32,
                             work);
}

const tk_step tk_step_gaussian = {
    .name = "gaussian",
    .version = 1,
    .summary = "smooth with a Gaussian",
    .citation = "",
    .example = "{sigma: [1 px, 1.5 px, 1.5 px]}",
    .exact = true,
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = params,
    .bind = bind,
    .release = release,
    .halo = halo,
    .bytes = bytes,
    .cost = cost,
    .apply = apply,
};
