/* Step gradient: how steep the image is, the length of its smoothed gradient; exact over tiles. */
#include "workflows/steps/filter_response.h"

static const tk_param params[] = {TK_RESPONSE_SIGMA, TK_RESPONSE_PER, TK_PARAM_END};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    tk_features_choice choice;
    TK_TRY(tk_response_choice(binding, TK_FEATURE_GRADIENT, &choice, error));
    return tk_response_bind(binding, &choice, false, state, error);
}

const tk_step tk_step_gradient = {
    .name = "gradient",
    .version = 1,
    .summary = "find edges: magnitude of the gradient of a Gaussian",
    .citation = "",
    .example = "{sigma: [1 px, 1.5 px, 1.5 px]}",
    TK_RESPONSE_STEP(params, bind),
};
