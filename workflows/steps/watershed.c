/* Step watershed: an image is split into objects along its valleys, each around a maximum (or minimum) that stands out.
 *
 * Each tile tells its basins and passes, all agree on the labels (watershed_tiles.c, watershed_agree.c). */
#include "workflows/steps/watershed_tiles.h"

static const tk_param params[] = {
    {.name = "mask", .type = TK_PARAM_MASK, .help = "only these voxels are flooded; without it, all"},
    {.name = "from",
     .type = TK_PARAM_CHOICE,
     .fallback = "maxima",
     .choices = "maxima|minima",
     .help = "maxima: objects are bright or thick, as in a distance map; minima: they lie between bright membranes"},
    {.name = "h",
     .type = TK_PARAM_NUMBER,
     .fallback = "0",
     .least = 0,
     .most = 1e30,
     .help = "seeds stand out from their surroundings by at least this much, in the image's unit (0: all extrema)"},
    TK_PARAM_END,
};

const tk_step tk_step_watershed = {
    .name = "watershed",
    .version = 1,
    .summary = "split an image into objects along its valleys",
    .citation = "F. Meyer, Topographic distance and watershed lines, Signal Processing 38, 1994",
    .exact = true,
    .core_only = true,
    .wide_sides = true,
    .example = "{h: 4}",
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_LABELS,
    .params = params,
    .bind = tk_watershed_bind,
    .release = tk_watershed_release,
    .halo = tk_watershed_halo,
    .survey_halo = tk_watershed_halo,
    .bytes = tk_watershed_bytes,
    .cost = tk_watershed_cost,
    .survey_cost = tk_watershed_survey_cost,
    .survey = tk_watershed_survey,
    .combine = tk_watershed_combine,
    .agree = tk_watershed_agree,
    .adopt = tk_watershed_adopt,
    .apply = tk_watershed_apply,
};
