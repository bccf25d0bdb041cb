/* Step morphology: erosion, dilation and what is made of them, with a box or ball, exact over tiles. */
#include <stdlib.h>

#include "workflows/steps/morphology_filter.h"

/* Choices are in the order of the kernel's enumerations. */
static const tk_param params[] = {
    {.name = "operation",
     .type = TK_PARAM_CHOICE,
     .choices = "erode|dilate|open|close|tophat|bottomhat",
     .required = true,
     .help = "minimum, maximum, maximum of the minimum, minimum of the maximum; the image less open, close less the "
             "image"},
    {.name = "radius",
     .type = TK_PARAM_LENGTH,
     .fallback = "1 px",
     .least = 0,
     .most = 1e6,
     .help = "how far the neighbourhood reaches from its centre, one or three (z y x), to the nearest voxel"},
    {.name = "shape",
     .type = TK_PARAM_CHOICE,
     .choices = "box|ball",
     .fallback = "ball",
     .help = "all voxels within the radius along each axis (fast for any radius), or the ellipsoid in this box"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    tk_morphology how = {.operation = (tk_morphology_operation)tk_params_integer(binding->params, "operation"),
                         .shape = (tk_morphology_shape)tk_params_integer(binding->params, "shape")};
    TK_TRY(tk_morphology_radius(binding, how.radius, error));
    return tk_morphology_bind(binding, &how, state, error);
}

const tk_step tk_step_morphology = {
    .name = "morphology",
    .version = 1,
    .summary = "erode, dilate, open, close, or keep what these take away",
    .citation = "J. Serra, Image Analysis and Mathematical Morphology, Academic Press, 1982",
    .example = "{operation: close, radius: [1 px, 2 px, 3 px]}",
    .exact = true,
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = params,
    .bind = bind,
    .release = free,
    .halo = tk_morphology_step_halo,
    .bytes = tk_morphology_bytes,
    .cost = tk_morphology_cost,
    .apply = tk_morphology_step_apply,
};
