/* Step mask_morphology: a mask's objects grown or shrunk by a ball, and what is made of that, exact over tiles. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "kernels/morphology/mask.h"

/* Threads that scratch memory is planned for; the largest radius is that of tiles that can still be planned. */
enum { PLANNED_THREADS = 64, RADIUS_MAX = 1000 };

/* Choices are in the order of the kernel's enumeration. */
static const tk_param params[] = {
    {.name = "operation",
     .type = TK_PARAM_CHOICE,
     .choices = "erode|dilate|open|close",
     .required = true,
     .help = "shrink objects, grow them; open takes thin parts away, close fills thin gaps"},
    {.name = "radius",
     .type = TK_PARAM_LENGTH,
     .fallback = "1 px",
     .least = 0,
     .most = 1e6,
     .help = "of the ball, one or three (z y x), to the nearest voxel; fast for any radius"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    double voxels[3];
    int64_t radius[3];
    TK_TRY(tk_params_voxels(binding->params, "radius", binding->input.voxel_um, voxels, error));
    for (int a = 0; a < 3; a++) {
        if (!(voxels[a] >= 0 && voxels[a] < RADIUS_MAX + 0.5))
            return tk_params_fail(binding->params, "radius", error, "is %g voxels; at most %d are possible", voxels[a],
                                  RADIUS_MAX);
        radius[a] = binding->input.size[a] == 1 ? 0 : (int64_t)floor(voxels[a] + 0.5);
    }
    tk_mask_morphology *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step mask_morphology");
    *s = tk_mask_morphology_of((tk_mask_operation)tk_params_integer(binding->params, "operation"), radius,
                               binding->input.size);
    *state = s;
    return TK_OK;
}

static void halo(const void *state, int64_t halo[3]) {
    memcpy(halo, ((const tk_mask_morphology *)state)->halo, 3 * sizeof *halo);
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    return (tk_need){.scratch = tk_mask_morphology_scratch(state, in, PLANNED_THREADS)};
}

static double cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    const tk_mask_morphology *s = state;
    (void)largest;
    return (s->operation >= TK_MASK_OPEN ? 13.0 : 7.0) * (double)(in[0] * in[1] * in[2]);
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    return tk_mask_morphology_apply(state, &in[0]->image, &in[0]->box, tk_read_u8(in[0]->u8), &out->box, out->u8, work);
}

const tk_step tk_step_mask_morphology = {
    .name = "mask_morphology",
    .version = 1,
    .summary = "grow, shrink, open or close the objects of a mask",
    .citation = "J. Serra, Image Analysis and Mathematical Morphology, Academic Press, 1982",
    .example = "{operation: close, radius: [1 px, 3 px, 2 px]}",
    .exact = true,
    .input = TK_KIND_MASK,
    .output = TK_KIND_MASK,
    .params = params,
    .bind = bind,
    .release = free,
    .halo = halo,
    .bytes = bytes,
    .cost = cost,
    .apply = apply,
};
