/* What the steps share that make one response of kernels/filter/features.h out of an image. */
#ifndef TK_WORKFLOWS_STEPS_FILTER_RESPONSE_H
#define TK_WORKFLOWS_STEPS_FILTER_RESPONSE_H

#include "engine/step.h"
#include "kernels/filter/features.h"

/* Rows of parameter tables. */
#define TK_RESPONSE_SIGMA                                                                                              \
    {                                                                                                                  \
        .name = "sigma", .type = TK_PARAM_LENGTH, .fallback = "1 px", .least = 0, .most = 1e6,                         \
        .help =                                                                                                        \
            "standard deviation of the Gaussian, one or three (z y x); at least 0.5 px along axes with derivatives"    \
    }
#define TK_RESPONSE_PER                                                                                                \
    {                                                                                                                  \
        .name = "per", .type = TK_PARAM_CHOICE, .choices = "px|um", .fallback = "px",                                  \
        .help = "the unit that derivatives are per; um makes all axes alike where voxels are longer along one"         \
    }
#define TK_RESPONSE_EIGENVALUE                                                                                         \
    {                                                                                                                  \
        .name = "eigenvalue", .type = TK_PARAM_CHOICE, .choices = "largest|middle|smallest", .fallback = "largest",    \
        .help = "which one, by value and sign; an image of one plane has no middle one"                                \
    }

/* A length as a standard deviation in voxels, of at least `least` voxels along every axis of more than one. */
tk_status tk_response_sigma(const tk_binding *binding, const char *name, double least, double sigma[3],
                            tk_error *error);

/* Fills the parts of the choice that all steps have: what, the size, sigma, and for responses of derivatives (all but
 * TK_FEATURE_DOG) the unit by the parameter `per`. */
tk_status tk_response_choice(const tk_binding *binding, unsigned feature, tk_features_choice *choice, tk_error *error);

/* The state of a step that makes the first output of a choice, or the one of the parameter `eigenvalue`. */
tk_status tk_response_bind(const tk_binding *binding, const tk_features_choice *choice, bool eigenvalue, void **state,
                           tk_error *error);

/* The functions of that step. */
void tk_response_release(void *state);
void tk_response_halo(const void *state, int64_t halo[3]);
tk_need tk_response_bytes(const void *state, const int64_t in[3]);
double tk_response_cost(const void *state, const int64_t in[3], const int64_t largest[3]);
tk_status tk_response_apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work);

/* What the descriptions of these steps have in common. */
#define TK_RESPONSE_STEP(the_params, the_bind)                                                                         \
    .exact = true, .input = TK_KIND_IMAGE, .output = TK_KIND_IMAGE, .params = (the_params), .bind = (the_bind),        \
    .release = tk_response_release, .halo = tk_response_halo, .bytes = tk_response_bytes, .cost = tk_response_cost,    \
    .apply = tk_response_apply

#endif
