/* Step hessian: an eigenvalue of the Hessian of the smoothed image, for tubes, sheets and blobs; exact over tiles. */
#include "workflows/steps/filter_response.h"

static const tk_param params[] = {TK_RESPONSE_SIGMA, TK_RESPONSE_EIGENVALUE, TK_RESPONSE_PER, TK_PARAM_END};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    tk_features_choice choice;
    TK_TRY(tk_response_choice(binding, TK_FEATURE_HESSIAN, &choice, error));
    return tk_response_bind(binding, &choice, true, state, error);
}

const tk_step tk_step_hessian = {
    .name = "hessian",
    .version = 1,
    .summary = "find tubes, sheets, blobs: eigenvalue of the Hessian of a Gaussian",
    .citation = "Y. Sato et al., Med. Image Anal. 2:143, 1998",
    .example = "{sigma: 1.5 px, eigenvalue: smallest}",
    TK_RESPONSE_STEP(params, bind),
};
