/* Step median: the median of a box or ball around each voxel, exact over tiles. */
#include <math.h>
#include <stdlib.h>

#include "engine/step.h"
#include "kernels/filter/median.h"

/* Threads that scratch memory is planned for. */
enum { PLANNED_THREADS = 64 };

typedef struct median_state {
    tk_median median;
    int64_t voxels; /* of the neighbourhood */
} median_state;

static const tk_param params[] = {
    {.name = "radius",
     .type = TK_PARAM_LENGTH,
     .fallback = "1 px",
     .least = 0,
     .most = 1e6,
     .help = "how far the neighbourhood reaches from its centre, one or three (z y x), to the nearest voxel"},
    {.name = "shape",
     .type = TK_PARAM_CHOICE,
     .choices = "box|ball",
     .fallback = "box",
     .help = "all voxels within the radius along each axis, or the ellipsoid in this box"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    double radius[3];
    tk_median median = {.ball = tk_params_integer(binding->params, "shape") == 1};
    TK_TRY(tk_params_voxels(binding->params, "radius", binding->input.voxel_um, radius, error));
    for (int a = 0; a < 3; a++) {
        if (!(radius[a] >= 0 && radius[a] < TK_MEDIAN_RADIUS_MAX + 0.5))
            return tk_params_fail(binding->params, "radius", error, "is %g voxels; at most %d are possible", radius[a],
                                  TK_MEDIAN_RADIUS_MAX);
        median.radius[a] = binding->input.size[a] == 1 ? 0 : (int64_t)floor(radius[a] + 0.5);
    }
    median_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step median");
    s->median = median;
    s->voxels = tk_median_voxels(&median);
    *state = s;
    return TK_OK;
}

static void halo(const void *state, int64_t halo[3]) {
    const median_state *s = state;
    for (int a = 0; a < 3; a++) halo[a] = s->median.radius[a];
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    const median_state *s = state;
    (void)in;
    return (tk_need){.scratch = tk_median_scratch(&s->median, PLANNED_THREADS)};
}

static double cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    const median_state *s = state;
    (void)largest;
    const double n = (double)s->voxels; /* up to 27 voxels are sorted in registers */
    return (double)(in[0] * in[1] * in[2]) * (1 + n * (n <= 27 ? 0.08 : 0.65));
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const median_state *s = state;
    return tk_median_apply(&s->median, &in[0]->image, &in[0]->box, tk_read_f32(in[0]->f32), &out->box, out->f32, work);
}

const tk_step tk_step_median = {
    .name = "median",
    .version = 1,
    .summary = "remove outliers and keep edges: median of each neighbourhood",
    .citation = "",
    .example = "{radius: [1 px, 2 px, 1 px], shape: ball}",
    .exact = true,
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = params,
    .bind = bind,
    .release = free,
    .halo = halo,
    .bytes = bytes,
    .cost = cost,
    .apply = apply,
};
