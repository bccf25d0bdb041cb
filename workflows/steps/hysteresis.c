/* Step hysteresis: the connected voxels above a low level that hold one above a high level. */
#include "workflows/steps/components_rule.h"

static const tk_param params[] = {
    {.name = "low", .type = TK_PARAM_NUMBER, .required = true, .help = "voxels above it may be objects"},
    {.name = "high",
     .type = TK_PARAM_NUMBER,
     .required = true,
     .help = "an object has a voxel above it; not less than low"},
    TK_COMPONENTS_CONNECTIVITY("26"),
    TK_PARAM_END,
};

static tk_status check(const tk_params *given, tk_error *error) {
    if (tk_params_number(given, "high") < tk_params_number(given, "low"))
        return tk_params_fail(given, "high", error, "must not be less than low");
    return TK_OK;
}

static tk_status bind(const tk_binding *b, void **state, tk_error *error) {
    const tk_components_rule rule = {.connectivity = tk_components_connectivity(b->params),
                                     .hysteresis = true,
                                     .low = (float)tk_params_number(b->params, "low"),
                                     .high = (float)tk_params_number(b->params, "high"),
                                     .most = INT64_MAX,
                                     .border = true,
                                     .step = "hysteresis",
                                     .fact = "objects"};
    return tk_components_state_make(&rule, b->input.size, state, error);
}

const tk_step tk_step_hysteresis = {
    .name = "hysteresis",
    .version = 1,
    .summary = "a mask of the objects above a low level that reach a high one",
    .citation = "J. Canny, A computational approach to edge detection, IEEE Trans. PAMI 8, 1986",
    .example = "{low: 40, high: 100}",
    .exact = true,
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_MASK,
    .params = params,
    .check = check,
    .bind = bind,
    TK_COMPONENTS_STEP,
    .apply = tk_components_apply_mask,
};
