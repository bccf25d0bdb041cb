/* ilastik's features as filters of ours.
 *
 * FeatureSelections has FeatureIds (texts), Scales, SelectionMatrix (truth values: features by scales), and, in files
 * of later versions, ComputeIn2d (truth values, one a scale). Earlier ones say nothing of it; features are then of the
 * space if their number fits that, otherwise of planes. */
#include "workflows/classify/ilastik_features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ilastik offers seven scales, up to 10, and lets users add some. */
enum { SCALES_MOST = 64, SCALE_MOST = 1000 };

/* Gaussians are cut off at so many sigma: that which smooths beforehand, and those of the filters. */
#define WINDOW_BEFORE    3.5
#define WINDOW_OF_FILTER 2.0
#define WINDOW_OF_OURS   4.0

static const struct {
    const char *id;
    unsigned feature;
    double least; /* scale */
} known[] = {
    {"GaussianSmoothing", TK_FEATURE_GAUSSIAN, 0.3},
    {"LaplacianOfGaussian", TK_FEATURE_LAPLACIAN, 0.7},
    {"GaussianGradientMagnitude", TK_FEATURE_GRADIENT, 0.7},
    {"DifferenceOfGaussians", TK_FEATURE_DOG, 0.7},
    {"StructureTensorEigenvalues", TK_FEATURE_STRUCTURE, 0.7},
    {"HessianOfGaussianEigenvalues", TK_FEATURE_HESSIAN, 0.7},
};

enum { KNOWN = sizeof known / sizeof *known };

typedef struct selection {
    const tk_arrays *arrays;
    int features, scales;
    int kind[KNOWN]; /* [features]: which of the known ones */
    const double *scale;
    const int64_t *chosen; /* [features][scales] */
    const int64_t *plane;  /* [scales]; NULL: the file does not say */
} selection;

/* --- sigmas --------------------------------------------------------------------------------------------------- */

/* The variance of exp(-k^2 / 2 sigma^2) over the whole numbers k that are not cut off. */
static double variance(double sigma, double window) {
    const int64_t rounded = (int64_t)(window * sigma + 0.5), radius = rounded > 0 ? rounded : 1;
    double sum = 1, moment = 0;
    for (int64_t k = 1; k <= radius; k++) {
        const double weight = 2 * exp(-(double)(k * k) / (2 * sigma * sigma));
        sum += weight;
        moment += weight * (double)(k * k);
    }
    return moment / sum;
}

/* The sigma for which our kernel has this variance, by bisection. */
static double sigma_of(double wanted) {
    double lo = 0.05, hi = 2 * SCALE_MOST;
    for (int i = 0; i < 100; i++) {
        const double middle = (lo + hi) / 2;
        if (variance(middle, WINDOW_OF_OURS) < wanted)
            lo = middle;
        else
            hi = middle;
    }
    return hi;
}

static void set_sigmas(double scale, tk_feature_column *column) {
    const double before = scale > 1 ? sqrt(scale * scale - 1) : scale, filter = scale > 1 ? 1 : scale;
    const double smoothed = variance(before, WINDOW_BEFORE);
    column->sigma = sigma_of(smoothed + variance(filter, WINDOW_OF_FILTER));
    if (column->feature == TK_FEATURE_DOG)
        column->second = sigma_of(smoothed + variance(0.66 * filter, WINDOW_OF_FILTER));
    if (column->feature == TK_FEATURE_STRUCTURE) column->second = sigma_of(variance(0.5 * filter, WINDOW_OF_FILTER));
}

/* --- the choice ----------------------------------------------------------------------------------------------- */

static tk_status read_ids(selection *of, tk_error *error) {
    static const int64_t any[1] = {-1};
    const tk_array *ids;
    TK_TRY(tk_arrays_get(of->arrays, "FeatureIds", TK_ARRAY_TEXT, 1, any, &ids, error));
    if (ids->count > KNOWN)
        return tk_fail(error, TK_UNREADABLE, "%s: has %lld kinds of features, of which %d are known", of->arrays->file,
                       (long long)ids->count, KNOWN);
    of->features = (int)ids->count;
    for (int f = 0; f < of->features; f++) {
        int kind = 0;
        while (kind < KNOWN && strcmp(ids->texts[f], known[kind].id) != 0) kind++;
        if (kind == KNOWN)
            return tk_fail(error, TK_UNREADABLE, "%s: the feature '%s' is not known (train without it)",
                           of->arrays->file, ids->texts[f]);
        of->kind[f] = kind;
    }
    return TK_OK;
}

static tk_status read_scales(selection *of, tk_error *error) {
    static const int64_t any[1] = {-1};
    const tk_array *scales, *plane = tk_arrays_find(of->arrays, "ComputeIn2d");
    TK_TRY(tk_arrays_get(of->arrays, "Scales", TK_ARRAY_REAL, 1, any, &scales, error));
    if (scales->count < 1 || scales->count > SCALES_MOST)
        return tk_fail(error, TK_UNREADABLE, "%s: has %lld scales of features, not 1 to %d", of->arrays->file,
                       (long long)scales->count, SCALES_MOST);
    of->scales = (int)scales->count;
    of->scale = scales->reals;
    if (!plane || plane->count == 0) return TK_OK;
    TK_TRY(tk_arrays_get(of->arrays, "ComputeIn2d", TK_ARRAY_INT, 1, scales->size, &plane, error));
    of->plane = plane->ints;
    return TK_OK;
}

static bool is_chosen(const selection *of, int feature, int scale) {
    return of->chosen[feature * of->scales + scale] != 0;
}

static tk_status check_chosen(const selection *of, tk_error *error) {
    for (int f = 0; f < of->features; f++)
        for (int s = 0; s < of->scales; s++) {
            const double least = known[of->kind[f]].least;
            /* Written so that a scale that is not a number is refused. */
            if (!is_chosen(of, f, s) || (of->scale[s] >= least && of->scale[s] <= SCALE_MOST)) continue;
            return tk_fail(error, TK_UNREADABLE,
                           "%s: the feature '%s' of scale %g is not one from %g to %d (train "
                           "without it)",
                           of->arrays->file, known[of->kind[f]].id, of->scale[s], least, SCALE_MOST);
        }
    return TK_OK;
}

static tk_status read_selection(selection *of, tk_error *error) {
    const tk_array *chosen;
    TK_TRY(read_ids(of, error));
    TK_TRY(read_scales(of, error));
    const int64_t sizes[2] = {of->features, of->scales};
    TK_TRY(tk_arrays_get(of->arrays, "SelectionMatrix", TK_ARRAY_INT, 2, sizes, &chosen, error));
    of->chosen = chosen->ints;
    return check_chosen(of, error);
}

/* --- the columns ---------------------------------------------------------------------------------------------- */

static int outputs_of(unsigned feature, bool plane) {
    const bool eigenvalues = feature == TK_FEATURE_HESSIAN || feature == TK_FEATURE_STRUCTURE;
    return !eigenvalues ? 1 : plane ? 2 : 3;
}

static bool in_planes(const selection *of, int scale, bool all) { return all || (of->plane && of->plane[scale]); }

/* Features of one channel; `all`: planes at each scale. */
static int count_columns(const selection *of, bool all) {
    int count = 0;
    for (int f = 0; f < of->features; f++)
        for (int s = 0; s < of->scales; s++)
            if (is_chosen(of, f, s)) count += outputs_of(known[of->kind[f]].feature, in_planes(of, s, all));
    return count;
}

/* Are all features of planes, and how many channels are there? An image of one plane is filtered in it, whatever
 * ComputeIn2d says. */
static tk_status find_layout(const selection *of, int count, bool *all, int *channels, tk_error *error) {
    const int space = count_columns(of, false), planes = count_columns(of, true);
    const bool fits_space = space > 0 && count % space == 0, fits_planes = planes > 0 && count % planes == 0;
    if (!fits_space && !fits_planes)
        return tk_fail(error, TK_UNREADABLE,
                       "%s: its classifier has %d features, but those chosen are %d a channel, or %d in planes (switch "
                       "Live Update on once, so that it is trained with the features chosen, and save the project)",
                       of->arrays->file, count, space, planes);
    if (fits_space && fits_planes && space != planes && !of->plane && count != space && count != planes)
        return tk_fail(
            error, TK_UNREADABLE,
            "%s: its %d features can be those of %d channels in space or of %d in planes, and it does not say "
            "which (open and save the project with a newer ilastik)",
            of->arrays->file, count, count / space, count / planes);
    *all = !fits_space || (!of->plane && count == planes);
    *channels = count / (*all ? planes : space);
    return TK_OK;
}

/* Appends the columns of one feature at one scale. */
static tk_feature_column *fill(const selection *of, int feature, int scale, bool plane, int channels,
                               tk_feature_column *next) {
    tk_feature_column column = {.feature = known[of->kind[feature]].feature, .plane = plane};
    set_sigmas(of->scale[scale], &column);
    for (column.channel = 0; column.channel < channels; column.channel++)
        for (column.output = 0; column.output < outputs_of(column.feature, plane); column.output++) *next++ = column;
    return next;
}

tk_status tk_ilastik_features(const tk_arrays *arrays, int count, tk_feature_column **column, int *channels,
                              tk_error *error) {
    selection of = {.arrays = arrays};
    bool all = false;
    *column = NULL;
    TK_TRY(read_selection(&of, error));
    TK_TRY(find_layout(&of, count, &all, channels, error));
    tk_feature_column *next = calloc((size_t)count, sizeof *next);
    if (!next) return tk_fail_memory(error, arrays->file);
    *column = next;
    for (int f = 0; f < of.features; f++)
        for (int s = 0; s < of.scales; s++)
            if (is_chosen(&of, f, s)) next = fill(&of, f, s, in_planes(&of, s, all), *channels, next);
    return TK_OK;
}
