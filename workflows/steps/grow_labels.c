/* Step grow_labels: labelled objects grow along an image until they meet: the watershed with markers
 * (watershed_tiles.c). */
#include "workflows/steps/watershed_tiles.h"

static const tk_param params[] = {
    {.name = "along",
     .type = TK_PARAM_IMAGE,
     .required = true,
     .help = "the image: objects take bright voxels first (from: maxima), or dark ones"},
    {.name = "mask", .type = TK_PARAM_MASK, .help = "only these voxels are flooded; without it, all"},
    {.name = "from",
     .type = TK_PARAM_CHOICE,
     .fallback = "maxima",
     .choices = "maxima|minima",
     .help = "maxima: what belongs together is bright; minima: it lies between bright membranes"},
    TK_PARAM_END,
};

const tk_step tk_step_grow_labels = {
    .name = "grow_labels",
    .version = 1,
    .summary = "grow labelled objects along an image until they meet",
    .citation = "F. Meyer, Topographic distance and watershed lines, Signal Processing 38, 1994",
    .exact = true,
    .core_only = true,
    .wide_sides = true,
    .example = "{along: input}",
    .input = TK_KIND_LABELS,
    .output = TK_KIND_LABELS,
    .params = params,
    .bind = tk_grow_bind,
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
