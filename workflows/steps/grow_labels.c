/* Step grow_labels: labelled objects grow along an image until they meet: the watershed with markers
 * (watershed_tiles.c). */
#include "workflows/steps/watershed_tiles.h"

static const tk_param params[] = {
    {.name = "along",
     .type = TK_PARAM_IMAGE,
     .required = true,
     .help = "the image: objects take bright voxels first (from: maxima), or dark ones"},
    TK_WATERSHED_PARAMS("maxima: what belongs together is bright; minima: it lies between bright membranes"),
    TK_PARAM_END,
};

const tk_step tk_step_grow_labels = {
    .name = "grow_labels",
    .version = 1,
    .summary = "grow labelled objects along an image until they meet",
    .example = "{along: input, plateau: 3}",
    .input = TK_KIND_LABELS,
    .params = params,
    TK_WATERSHED_STEP,
    .bind = tk_grow_bind,
};
