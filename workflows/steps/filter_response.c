/* Steps that make one response to Gaussian filters (filter_response.h). */
#include "workflows/steps/filter_response.h"

#include <stdlib.h>

#include "kernels/filter/gaussian.h"

/* Threads that scratch memory is planned for; more would wait for memory bandwidth anyway. */
enum { PLANNED_THREADS = 64 };

typedef struct response {
    tk_features *features; /* owned */
    int output;
} response;

tk_status tk_response_sigma(const tk_binding *binding, const char *name, double least, double sigma[3],
                            tk_error *error) {
    static const char axis[3] = {'z', 'y', 'x'};
    TK_TRY(tk_params_voxels(binding->params, name, binding->input.voxel_um, sigma, error));
    for (int a = 0; a < 3; a++) {
        if (!(sigma[a] >= 0 && sigma[a] <= TK_GAUSSIAN_SIGMA_MAX))
            return tk_params_fail(binding->params, name, error, "is %g voxels; at most %g are possible", sigma[a],
                                  TK_GAUSSIAN_SIGMA_MAX);
        if (binding->input.size[a] > 1 && sigma[a] < least)
            return tk_params_fail(binding->params, name, error,
                                  "is %g voxels along %c, too narrow for derivatives; give at least %g px there",
                                  sigma[a], axis[a], least);
    }
    return TK_OK;
}

static tk_status set_unit(const tk_binding *binding, double unit[3], tk_error *error) {
    for (int a = 0; a < 3; a++) {
        unit[a] = binding->input.voxel_um[a];
        if (binding->input.size[a] > 1 && !(unit[a] > 0))
            return tk_params_fail(binding->params, "per", error,
                                  "is um, but the image does not say how large a voxel is; give px");
    }
    return TK_OK;
}

tk_status tk_response_choice(const tk_binding *binding, unsigned feature, tk_features_choice *choice, tk_error *error) {
    const double least_sigma = 0.5; /* narrower, a sampled derivative is far from the derivative */
    const bool derivatives = feature != TK_FEATURE_DOG;
    *choice = (tk_features_choice){.which = feature, .unit = {1, 1, 1}};
    for (int a = 0; a < 3; a++) choice->size[a] = binding->input.size[a];
    TK_TRY(tk_response_sigma(binding, "sigma", derivatives ? least_sigma : 0, choice->sigma, error));
    const bool um = derivatives && tk_params_integer(binding->params, "per") == 1;
    return um ? set_unit(binding, choice->unit, error) : TK_OK;
}

/* Which output the parameter `eigenvalue` names. */
static tk_status choose_eigenvalue(const tk_binding *binding, int *output, tk_error *error) {
    *output = (int)tk_params_integer(binding->params, "eigenvalue");
    if (binding->input.size[TK_Z] > 1) return TK_OK;
    if (*output == 1)
        return tk_params_fail(binding->params, "eigenvalue", error,
                              "is middle, but an image of one plane has two: largest and smallest");
    *output /= 2;
    return TK_OK;
}

tk_status tk_response_bind(const tk_binding *binding, const tk_features_choice *choice, bool eigenvalue, void **state,
                           tk_error *error) {
    int output = 0;
    if (eigenvalue) TK_TRY(choose_eigenvalue(binding, &output, error));
    response *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "a filter's state");
    s->output = output;
    const tk_status status = tk_features_new(choice, &s->features);
    if (status != TK_OK) {
        free(s);
        return status == TK_NO_MEMORY ? tk_fail_memory(error, "a filter's weights")
                                      : tk_params_fail(binding->params, "sigma", error, "is not possible here");
    }
    *state = s;
    return TK_OK;
}

void tk_response_release(void *state) {
    response *s = state;
    if (!s) return;
    tk_features_free(s->features);
    free(s);
}

void tk_response_halo(const void *state, int64_t halo[3]) {
    const response *s = state;
    tk_features_halo(s->features, halo);
}

tk_need tk_response_bytes(const void *state, const int64_t in[3]) {
    const response *s = state;
    return (tk_need){.scratch = tk_features_scratch(s->features, in, PLANNED_THREADS)};
}

double tk_response_cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    const response *s = state;
    (void)largest;
    return tk_features_cost(s->features, in);
}

tk_status tk_response_apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const response *s = state;
    tk_view_f32 view[TK_FEATURES_MOST] = {{0}};
    view[s->output] = out->f32;
    return tk_features_apply(s->features, &in[0]->image, &in[0]->box, tk_read_f32(in[0]->f32), &out->box, view, work);
}
