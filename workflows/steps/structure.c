/* Step structure: an eigenvalue of the structure tensor, how much and how evenly the image changes around a voxel;
 * exact over tiles. */
#include "workflows/steps/filter_response.h"

static const tk_param params[] = {
    TK_RESPONSE_SIGMA,
    {.name = "outer",
     .type = TK_PARAM_LENGTH,
     .least = 0,
     .most = 1e6,
     .help = "standard deviation of the Gaussian over the products of derivatives; half of sigma when not given"},
    TK_RESPONSE_EIGENVALUE,
    TK_RESPONSE_PER,
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    tk_features_choice choice;
    TK_TRY(tk_response_choice(binding, TK_FEATURE_STRUCTURE, &choice, error));
    for (int a = 0; a < 3; a++) choice.outer[a] = 0.5 * choice.sigma[a];
    if (tk_params_get(binding->params, "outer")->set)
        TK_TRY(tk_response_sigma(binding, "outer", 0, choice.outer, error));
    return tk_response_bind(binding, &choice, true, state, error);
}

const tk_step tk_step_structure = {
    .name = "structure",
    .version = 1,
    .summary = "find texture and corners: eigenvalue of the structure tensor",
    .citation =
        "W. Foerstner, E. Guelch, ISPRS Intercommission Conference on Fast Processing of Photogrammetric Data, 1987",
    .example = "{sigma: 1 px, outer: 0.5 px}",
    TK_RESPONSE_STEP(params, bind),
};
