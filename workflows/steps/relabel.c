/* Step relabel: the connected parts of equal label, numbered as in the un-tiled image, each time point for itself. */
#include "workflows/steps/components_rule.h"

static const tk_param params[] = {TK_COMPONENTS_CONNECTIVITY("26"), TK_COMPONENTS_SIZES, TK_PARAM_END};

static tk_status bind(const tk_binding *b, void **state, tk_error *error) {
    tk_components_rule rule = tk_components_rule_of_sizes(b->params, "relabel");
    rule.labels = true;
    return tk_components_state_make(&rule, b->input.size, state, error);
}

const tk_step tk_step_relabel = {
    .name = "relabel",
    .version = 1,
    .summary = "number the connected parts of equal label as objects of their own",
    .citation =
        "L. He, Y. Chao, K. Suzuki, A run-based two-scan labeling algorithm, IEEE Trans. Image Processing 17, 2008",
    .example = "{connectivity: 6, min_size: 4}",
    .exact = true,
    .input = TK_KIND_LABELS,
    .output = TK_KIND_LABELS,
    .params = params,
    .bind = bind,
    TK_COMPONENTS_STEP,
    .apply = tk_components_apply_labels,
};
