#include "workflows/steps/morphology_filter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PLANNED_THREADS = 64 };

typedef struct morphology_state {
    tk_morphology how;
    int64_t image[3], rows; /* of the structuring element */
} morphology_state;

tk_status tk_morphology_radius(const tk_binding *binding, int64_t radius[3], tk_error *error) {
    double voxels[3];
    TK_TRY(tk_params_voxels(binding->params, "radius", binding->input.voxel_um, voxels, error));
    for (int a = 0; a < 3; a++) {
        if (!(voxels[a] >= 0 && voxels[a] < TK_MORPHOLOGY_RADIUS_MAX + 0.5))
            return tk_params_fail(binding->params, "radius", error, "is %g voxels; at most %d are possible", voxels[a],
                                  TK_MORPHOLOGY_RADIUS_MAX);
        radius[a] = binding->input.size[a] == 1 ? 0 : (int64_t)floor(voxels[a] + 0.5);
    }
    return TK_OK;
}

tk_status tk_morphology_bind(const tk_binding *binding, const tk_morphology *how, void **state, tk_error *error) {
    morphology_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "a step of morphology");
    s->how = *how;
    s->rows = tk_morphology_rows(how);
    memcpy(s->image, binding->input.size, sizeof s->image);
    *state = s;
    return TK_OK;
}

void tk_morphology_step_halo(const void *state, int64_t halo[3]) {
    const morphology_state *s = state;
    tk_morphology_halo(&s->how, halo);
}

tk_need tk_morphology_bytes(const void *state, const int64_t in[3]) {
    const morphology_state *s = state;
    return (tk_need){.scratch = tk_morphology_scratch(&s->how, s->image, in, PLANNED_THREADS)};
}

double tk_morphology_cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    const morphology_state *s = state;
    const int64_t *r = s->how.radius;
    const double passes = s->how.operation >= TK_MORPHOLOGY_OPEN ? 2 : 1;
    double each = 4; /* nanoseconds a voxel and pass */
    (void)largest;
    if (s->how.shape == TK_MORPHOLOGY_BALL) each = 0.05 * (double)s->rows + 1.5 * (double)(r[TK_X] + 1);
    if (s->how.shape == TK_MORPHOLOGY_PARABOLOID) each = 3 + 0.1 * (double)(r[0] + r[1] + r[2]);
    return (1 + passes * each) * (double)(in[0] * in[1] * in[2]);
}

tk_status tk_morphology_step_apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const morphology_state *s = state;
    return tk_morphology_apply(&s->how, &in[0]->image, &in[0]->box, tk_read_f32(in[0]->f32), &out->box, out->f32, work);
}
