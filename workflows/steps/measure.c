/* Step measure: a table of the labelled objects, with columns named as scikit-image's regionprops names them.
 *
 * With intensity images there are two rounds: the largest magnitude of each in the objects, which fixes the quantum of
 * the sums, then the measurements. Without, the measurements alone. Surfaces and neighbours are counted in cells of
 * 2 x 2 x 2 voxels, so that tiles need one voxel around them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/measure/shape.h"
#include "workflows/steps/measure_state.h"

enum { PLANNED_THREADS = 16, PROPERTIES_ALL = 1 };

static const tk_param params[] = {
    {.name = "intensity",
     .type = TK_PARAM_IMAGE,
     .most = TK_OBJECTS_CHANNELS,
     .help = "images to measure in the objects, at most 8; without one there are only columns of shape"},
    {.name = "properties",
     .type = TK_PARAM_CHOICE,
     .fallback = "basic",
     .choices = "basic|all",
     .help = "basic: size, place and intensity; all: the groups below too, but for those that are set to false"},
    {.name = "shape",
     .type = TK_PARAM_BOOL,
     .help = "axes and orientation of the ellipsoid of the same moments, equivalent diameter, extent"},
    {.name = "surface",
     .type = TK_PARAM_BOOL,
     .help = "surface area by Crofton's formula and sphericity (one plane: perimeter, circularity), Euler numbers"},
    {.name = "feret",
     .type = TK_PARAM_BOOL,
     .help = "largest distance between points of the object, from 32 directions"},
    {.name = "neighbours", .type = TK_PARAM_BOOL, .help = "how many other objects it touches, and the area of contact"},
    {.name = "distribution",
     .type = TK_PARAM_BOOL,
     .help = "standard deviation of the intensities, and the centre that they weight"},
    TK_PARAM_END,
};

static tk_status check(const tk_params *given, tk_error *error) {
    const tk_value *distribution = tk_params_get(given, "distribution");
    if (distribution->given && distribution->integer && !tk_params_get(given, "intensity")->set)
        return tk_params_fail(given, "distribution", error, "of which intensities? Give intensity: input, or a step");
    return TK_OK;
}

static bool is_wanted(const tk_params *given, const char *group) {
    const tk_value *value = tk_params_get(given, group);
    return value->set ? value->integer != 0 : tk_params_integer(given, "properties") == PROPERTIES_ALL;
}

static unsigned parts_of(const tk_measure_groups *g) {
    return (g->shape ? TK_OBJECT_MOMENTS : 0U) | (g->surface ? TK_OBJECT_SURFACE : 0U) |
           (g->feret ? TK_OBJECT_EXTREMES : 0U) | (g->neighbours ? TK_OBJECT_CONTACT : 0U) |
           (g->distribution ? TK_OBJECT_SPREAD : 0U);
}

static void set_units(tk_measure_state *s, const tk_geometry *input) {
    const double *um = input->voxel_um;
    memcpy(s->voxel_um, um, sizeof s->voxel_um);
    s->planar = input->size[TK_Z] == 1;
    s->physical = um[TK_Y] > 0 && um[TK_X] > 0 && (s->planar || um[TK_Z] > 0);
    for (int a = 0; a < 3; a++) s->voxel[a] = s->physical ? um[a] : 1;
    if (s->planar) s->voxel[TK_Z] = 0;
}

/* Places are kept in 32 bits, sums in 128. */
static tk_status check_size(const int64_t size[3], tk_error *error) {
    double voxels = 1, longest = 0;
    for (int a = 0; a < 3; a++) {
        voxels *= (double)size[a];
        longest = (double)size[a] > longest ? (double)size[a] : longest;
    }
    if (longest < 2147483648.0 && voxels * longest < 9.2e18) return TK_OK;
    return tk_fail(error, TK_INVALID,
                   "measure: an image of %" PRId64 " x %" PRId64 " x %" PRId64 " voxels (z y x) is too large for exact "
                   "sums; crop it",
                   size[0], size[1], size[2]);
}

static void release(void *state) {
    tk_measure_state *s = state;
    for (int c = 0; s && c < TK_OBJECTS_CHANNELS; c++)
        for (int i = 0; i < TK_MEASURE_NAMES; i++) free(s->name[c][i]);
    free(s);
}

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    TK_TRY(check_size(binding->input.size, error));
    tk_measure_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step measure");
    s->several = binding->times > 1;
    set_units(s, &binding->input);
    s->groups = (tk_measure_groups){
        .shape = is_wanted(binding->params, "shape"),
        .surface = is_wanted(binding->params, "surface"),
        .feret = is_wanted(binding->params, "feret"),
        .neighbours = is_wanted(binding->params, "neighbours"),
        .distribution = is_wanted(binding->params, "distribution") && binding->inputs > 1,
    };
    s->spec.layout = tk_object_layout_of(parts_of(&s->groups), binding->inputs - 1);
    tk_extreme_directions(s->voxel, s->planar, s->spec.direction);
    const tk_status status = tk_measure_name_columns(s, binding->params, error);
    if (status == TK_OK)
        *state = s;
    else
        release(s);
    return status;
}

static bool needs_cells(const tk_measure_state *s) { return s->groups.surface || s->groups.neighbours; }

static void survey_halo(const void *state, int64_t halo[3]) {
    for (int a = 0; a < 3; a++) halo[a] = needs_cells(state);
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    const tk_measure_state *s = state;
    return (tk_need){.scratch = tk_objects_scratch(&s->spec.layout, in, PLANNED_THREADS), .bound = sizeof *s};
}

static int rounds(const void *state) { return tk_measure_is_range_round(state, 0) ? 2 : 1; }

static double survey_cost(const void *state, int round, const int64_t in[3]) {
    const tk_measure_state *s = state;
    const double voxels = (double)(in[0] * in[1] * in[2]), channels = s->spec.layout.channels;
    if (tk_measure_is_range_round(s, round)) return 1.4 * channels * voxels;
    return voxels * (0.8 + channels * (s->groups.distribution ? 2.0 : 1.0) + (needs_cells(s) ? 4.0 : 0.0) +
                     (s->groups.shape ? 0.5 : 0.0) + (s->groups.feret ? 2.0 : 0.0));
}

const tk_step tk_step_measure = {
    .name = "measure",
    .version = 2,
    .summary = "measure labelled objects: size, place, shape, surface, neighbours, intensity",
    .citation = "",
    .example = "{intensity: input, properties: all}",
    .exact = true,
    .input = TK_KIND_LABELS,
    .output = TK_KIND_TABLE,
    .params = params,
    .check = check,
    .bind = bind,
    .release = release,
    .survey_halo = survey_halo,
    .bytes = bytes,
    .survey_cost = survey_cost,
    .rounds = rounds,
    .survey = tk_measure_survey,
    .combine = tk_measure_combine,
    .agree = tk_measure_agree,
    .adopt = tk_measure_adopt,
    .tabulate = tk_measure_tabulate,
};
