/* Step fill_holes: what of the background the image's border cannot be reached from becomes object. */
#include "workflows/steps/components_rule.h"

static const tk_param params[] = {
    {.name = "dimensions",
     .type = TK_PARAM_CHOICE,
     .fallback = "3",
     .choices = "2|3",
     .help = "3: holes are closed on all sides; 2: in their plane"},
    {.name = "max_size",
     .type = TK_PARAM_INTEGER,
     .fallback = "0",
     .least = 0,
     .most = 1e15,
     .help = "voxels that a hole has at most; larger ones stay open; 0: any number"},
    TK_PARAM_END,
};

/* Background is connected by faces, as in scipy.ndimage.binary_fill_holes. */
static tk_status bind(const tk_binding *b, void **state, tk_error *error) {
    const int64_t most = tk_params_integer(b->params, "max_size");
    const tk_components_rule rule = {.connectivity = tk_params_integer(b->params, "dimensions") == 0 ? 4 : 6,
                                     .outside = true,
                                     .most = most > 0 ? most : INT64_MAX,
                                     .step = "fill_holes",
                                     .fact = "holes"};
    return tk_components_state_make(&rule, b->input.size, state, error);
}

const tk_step tk_step_fill_holes = {
    .name = "fill_holes",
    .version = 1,
    .summary = "fill the holes of the objects of a mask",
    .citation = "",
    .example = "{}",
    .exact = true,
    .input = TK_KIND_MASK,
    .output = TK_KIND_MASK,
    .params = params,
    .bind = bind,
    TK_COMPONENTS_STEP,
    .apply = tk_components_apply_mask,
};
