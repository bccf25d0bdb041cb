/* Step dog: difference of two Gaussians, a band of sizes; exact over tiles. */
#include "kernels/filter/gaussian.h"
#include "workflows/steps/filter_response.h"

static const tk_param params[] = {
    {.name = "sigma",
     .type = TK_PARAM_LENGTH,
     .fallback = "1 px",
     .least = 0,
     .most = 1e6,
     .help = "standard deviation of the Gaussian that is kept, one or three (z y x)"},
    {.name = "ratio",
     .type = TK_PARAM_NUMBER,
     .fallback = "1.6",
     .least = 1,
     .most = 1000,
     .help = "so many times as wide is the Gaussian that is subtracted"},
    {.name = "second",
     .type = TK_PARAM_LENGTH,
     .least = 0,
     .most = 1e6,
     .help = "its standard deviation, in place of the ratio"},
    TK_PARAM_END,
};

static tk_status check(const tk_params *params_given, tk_error *error) {
    if (tk_params_get(params_given, "second")->set && tk_params_get(params_given, "ratio")->given)
        return tk_params_fail(params_given, "ratio", error, "says what second says, too; give one of them");
    return TK_OK;
}

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    tk_features_choice choice;
    TK_TRY(tk_response_choice(binding, TK_FEATURE_DOG, &choice, error));
    const double ratio = tk_params_number(binding->params, "ratio");
    const bool given = tk_params_get(binding->params, "second")->set;
    for (int a = 0; a < 3; a++) choice.second[a] = ratio * choice.sigma[a];
    if (given) TK_TRY(tk_response_sigma(binding, "second", 0, choice.second, error));
    for (int a = 0; a < 3; a++)
        if (choice.second[a] > TK_GAUSSIAN_SIGMA_MAX)
            return tk_params_fail(binding->params, "ratio", error, "makes it %g voxels; at most %g are possible",
                                  choice.second[a], TK_GAUSSIAN_SIGMA_MAX);
    return tk_response_bind(binding, &choice, false, state, error);
}

const tk_step tk_step_dog = {
    .name = "dog",
    .version = 1,
    .summary = "keep a band of sizes: difference of Gaussians",
    .citation = "D. Marr, E. Hildreth, Proc. R. Soc. Lond. B 207:187, 1980",
    .example = "{sigma: 1 px, ratio: 1.8}",
    .check = check,
    TK_RESPONSE_STEP(params, bind),
};
