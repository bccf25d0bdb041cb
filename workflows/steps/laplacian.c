/* Step laplacian: the Laplacian of the smoothed image, whose extrema are blobs; exact over tiles. */
#include "workflows/steps/filter_response.h"

static const tk_param params[] = {
    TK_RESPONSE_SIGMA,
    TK_RESPONSE_PER,
    {.name = "negate",
     .type = TK_PARAM_BOOL,
     .fallback = "false",
     .help = "change the sign, so that bright blobs are positive"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    tk_features_choice choice;
    TK_TRY(tk_response_choice(binding, TK_FEATURE_LAPLACIAN, &choice, error));
    choice.negate = tk_params_bool(binding->params, "negate");
    return tk_response_bind(binding, &choice, false, state, error);
}

const tk_step tk_step_laplacian = {
    .name = "laplacian",
    .version = 1,
    .summary = "find blobs: Laplacian of a Gaussian",
    .citation = "D. Marr, E. Hildreth, Proc. R. Soc. Lond. B 207:187, 1980",
    .example = "{sigma: 1.5 px, negate: true}",
    TK_RESPONSE_STEP(params, bind),
};
