/* Step watershed: an image is split into objects along its valleys, each around a maximum (or minimum) that stands out.
 *
 * Each tile tells its basins and passes, all agree on the labels (watershed_tiles.c, watershed_agree.c). */
#include "workflows/steps/watershed_tiles.h"

static const tk_param params[] = {
    TK_WATERSHED_PARAMS(
        "maxima: objects are bright or thick, as in a distance map; minima: they lie between bright membranes"),
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
    .example = "{h: 4, plateau: 2}",
    .input = TK_KIND_IMAGE,
    .params = params,
    TK_WATERSHED_STEP,
    .bind = tk_watershed_bind,
};
