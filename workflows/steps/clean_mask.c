/* Step clean_mask: a mask without the objects that are too small, too large, or cut off by the image's border. */
#include "workflows/steps/components_rule.h"

static const tk_param params[] = {TK_COMPONENTS_SIZES, TK_COMPONENTS_CONNECTIVITY("6"), TK_PARAM_END};

static tk_status bind(const tk_binding *b, void **state, tk_error *error) {
    const tk_components_rule rule = tk_components_rule_of_sizes(b->params, "clean_mask");
    return tk_components_state_make(&rule, b->input.size, state, error);
}

const tk_step tk_step_clean_mask = {
    .name = "clean_mask",
    .version = 1,
    .summary = "take objects out of a mask that are too small, too large or cut off",
    .citation = "",
    .example = "{min_size: 30, exclude_border: true}",
    .exact = true,
    .input = TK_KIND_MASK,
    .output = TK_KIND_MASK,
    .params = params,
    .bind = bind,
    TK_COMPONENTS_STEP,
    .apply = tk_components_apply_mask,
};
