/* Step paraboloid: background by opening with a paraboloid, exact over tiles: what the rolling ball is meant to do,
 * along one axis after the other. */
#include <stdlib.h>

#include "workflows/steps/morphology_filter.h"

enum { OUTPUT_DIFFERENCE, OUTPUT_BACKGROUND }; /* in the order of the choices */

static const tk_param params[] = {
    {.name = "radius",
     .type = TK_PARAM_LENGTH,
     .required = true,
     .least = 0,
     .most = 1e6,
     .help = "how far the paraboloid reaches, one or three (z y x), to the nearest voxel: more than objects measure "
             "across"},
    {.name = "height",
     .type = TK_PARAM_NUMBER,
     .required = true,
     .least = 0,
     .most = 1e30,
     .help = "how far, in grey values, the paraboloid has fallen at the radius along an axis: more than the background "
             "varies over the radius, less than objects stand out; 0: an opening with a box"},
    {.name = "output",
     .type = TK_PARAM_CHOICE,
     .choices = "difference|background",
     .fallback = "difference",
     .help = "the image less its background, or the background"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    const bool difference = tk_params_integer(binding->params, "output") == OUTPUT_DIFFERENCE;
    tk_morphology how = {.operation = difference ? TK_MORPHOLOGY_TOPHAT : TK_MORPHOLOGY_OPEN,
                         .shape = TK_MORPHOLOGY_PARABOLOID,
                         .height = tk_params_number(binding->params, "height")};
    TK_TRY(tk_morphology_radius(binding, how.radius, error));
    return tk_morphology_bind(binding, &how, state, error);
}

const tk_step tk_step_paraboloid = {
    .name = "paraboloid",
    .version = 1,
    .summary = "subtract the background that a paraboloid rolls along below the image",
    .citation = "S. R. Sternberg, Biomedical Image Processing, Computer 16(1), 22-34, 1983",
    .example = "{radius: [2 px, 4 px, 6 px], height: 5, output: background}",
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
