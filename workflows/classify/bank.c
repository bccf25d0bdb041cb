/* Columns of the same sigma come of one tk_features, which shares filters among them. */
#include "workflows/classify/bank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/filter/features.h"
#include "kernels/filter/gaussian.h"

static const struct {
    unsigned feature;
    const char *name, *ilastik;
} names[] = {
    {TK_FEATURE_GAUSSIAN, "gaussian", "GaussianSmoothing"},
    {TK_FEATURE_LAPLACIAN, "laplacian", "LaplacianOfGaussian"},
    {TK_FEATURE_GRADIENT, "gradient", "GaussianGradientMagnitude"},
    {TK_FEATURE_DOG, "dog", "DifferenceOfGaussians"},
    {TK_FEATURE_HESSIAN, "hessian", "HessianOfGaussianEigenvalues"},
    {TK_FEATURE_STRUCTURE, "structure", "StructureTensorEigenvalues"},
};

enum { NAMES = sizeof names / sizeof names[0] };

const char *tk_bank_feature_text(unsigned feature) {
    for (int i = 0; i < NAMES; i++)
        if (names[i].feature == feature) return names[i].name;
    return NULL;
}

unsigned tk_bank_feature(const char *text) {
    for (int i = 0; i < NAMES; i++)
        if (!strcmp(names[i].name, text) || !strcmp(names[i].ilastik, text)) return names[i].feature;
    return 0;
}

/* Columns that share a sigma. */
typedef struct group {
    tk_feature_column like;       /* its sigma, and whether it is of planes */
    unsigned which;               /* TK_FEATURE_… | … */
    double dog, outer;            /* second sigmas; 0: none */
    tk_features *features;        /* owned */
    int column[TK_FEATURES_MOST]; /* that wants this output; -1: none does */
} group;

struct tk_bank {
    int columns, groups;
    group *group; /* owned */
};

/* Does the column belong here? */
static bool fits(const group *g, const tk_feature_column *c) {
    if (g->like.sigma != c->sigma || g->like.plane != c->plane) return false;
    if (c->feature == TK_FEATURE_DOG) return g->dog == 0 || g->dog == c->second;
    if (c->feature == TK_FEATURE_STRUCTURE) return g->outer == 0 || g->outer == c->second;
    return true;
}

/* Which group a column belongs to; `groups`: a new one. */
static int group_of(const tk_bank *bank, const tk_feature_column *c) {
    int g = 0;
    while (g < bank->groups && !fits(&bank->group[g], c)) g++;
    return g;
}

static void join(group *g, const tk_feature_column *c) {
    g->like = *c;
    g->which |= c->feature;
    if (c->feature == TK_FEATURE_DOG) g->dog = c->second;
    if (c->feature == TK_FEATURE_STRUCTURE) g->outer = c->second;
}

/* The sigmas in voxels along each axis that is filtered. */
static tk_status set_sigmas(const tk_bank_choice *choice, const group *g, tk_features_choice *to, tk_error *error) {
    static const char axis[3] = {'z', 'y', 'x'};
    const double least = 0.5; /* narrower, a sampled derivative is far from the derivative */
    const bool derives = g->which & ~(unsigned)(TK_FEATURE_GAUSSIAN | TK_FEATURE_DOG);
    for (int a = 0; a < 3; a++) {
        const double voxel = choice->um ? choice->image.voxel_um[a] : 1;
        to->unit[a] = 1;
        if (to->size[a] == 1) continue;
        if (!(voxel > 0))
            return tk_fail(error, TK_INVALID,
                           "has sigmas in micrometres, but the image does not say how large a voxel is");
        to->unit[a] = voxel;
        to->sigma[a] = g->like.sigma / voxel;
        to->second[a] = g->dog / voxel;
        to->outer[a] = g->outer / voxel;
        const double widest = fmax(fmax(to->sigma[a], to->second[a]), to->outer[a]);
        if (!(to->sigma[a] >= (derives ? least : 0)) || !(widest <= TK_GAUSSIAN_SIGMA_MAX))
            return tk_fail(error, TK_INVALID,
                           "has a sigma of %g voxels along %c; from %g (without derivatives, 0) to %g are possible",
                           to->sigma[a] >= least ? widest : to->sigma[a], axis[a], least, TK_GAUSSIAN_SIGMA_MAX);
    }
    return TK_OK;
}

/* Gives the output that a column wants to it. */
static tk_status assign(group *g, const tk_feature_column *c, int column, bool plane, tk_error *error) {
    const bool eigenvalue = c->feature == TK_FEATURE_HESSIAN || c->feature == TK_FEATURE_STRUCTURE;
    if (c->output < 0 || c->output >= (!eigenvalue ? 1 : plane ? 2 : 3))
        return tk_fail(error, TK_INVALID, "has the %s of three axes, but the image is one plane",
                       tk_bank_feature_text(c->feature));
    int *place = &g->column[tk_features_first(g->features, c->feature) + c->output];
    if (*place >= 0) return tk_fail(error, TK_INVALID, "has the same column twice");
    *place = column;
    return TK_OK;
}

static tk_status make_filters(const tk_bank_choice *choice, group *g, tk_error *error) {
    tk_features_choice features = {.which = g->which};
    memcpy(features.size, choice->image.size, sizeof features.size);
    if (g->like.plane) features.size[TK_Z] = 1;
    for (int i = 0; i < TK_FEATURES_MOST; i++) g->column[i] = -1;
    TK_TRY(set_sigmas(choice, g, &features, error));
    const tk_status status = tk_features_new(&features, &g->features);
    return status == TK_OK ? TK_OK : tk_fail(error, status, "has filters that cannot be made");
}

static tk_status fill(const tk_bank_choice *choice, tk_bank *bank, tk_error *error) {
    for (int i = 0; i < choice->columns; i++) {
        const int g = group_of(bank, &choice->column[i]);
        if (g == bank->groups) bank->groups++;
        join(&bank->group[g], &choice->column[i]);
    }
    for (int g = 0; g < bank->groups; g++) TK_TRY(make_filters(choice, &bank->group[g], error));
    for (int i = 0; i < choice->columns; i++) {
        group *g = &bank->group[group_of(bank, &choice->column[i])];
        const bool plane = g->like.plane || choice->image.size[TK_Z] == 1;
        TK_TRY(assign(g, &choice->column[i], i, plane, error));
    }
    return TK_OK;
}

tk_status tk_bank_new(const tk_bank_choice *choice, tk_bank **bank, tk_error *error) {
    tk_bank *b = calloc(1, sizeof *b);
    if (b) b->group = calloc((size_t)choice->columns, sizeof *b->group);
    if (!b || !b->group) {
        tk_bank_free(b);
        return tk_fail_memory(error, "a classifier's filters");
    }
    b->columns = choice->columns;
    const tk_status status = fill(choice, b, error);
    if (status == TK_OK)
        *bank = b;
    else
        tk_bank_free(b);
    return status;
}

void tk_bank_free(tk_bank *bank) {
    if (!bank) return;
    for (int g = 0; g < bank->groups; g++) tk_features_free(bank->group[g].features);
    free(bank->group);
    free(bank);
}

void tk_bank_halo(const tk_bank *bank, int64_t halo[3]) {
    memset(halo, 0, 3 * sizeof *halo);
    for (int g = 0; g < bank->groups; g++) {
        int64_t one[3];
        tk_features_halo(bank->group[g].features, one);
        for (int a = 0; a < 3; a++)
            if (one[a] > halo[a]) halo[a] = one[a];
    }
}

/* What is given to a group's filters at once: the block, or a plane of it. */
static void piece_of(const group *g, const int64_t in[3], int64_t piece[3]) {
    memcpy(piece, in, 3 * sizeof *piece);
    if (g->like.plane) piece[TK_Z] = 1;
}

size_t tk_bank_scratch(const tk_bank *bank, const int64_t in[3], int threads) {
    size_t most = 0;
    for (int g = 0; g < bank->groups; g++) {
        int64_t piece[3];
        piece_of(&bank->group[g], in, piece);
        const size_t bytes = tk_features_scratch(bank->group[g].features, piece, threads);
        if (bytes > most) most = bytes;
    }
    return most;
}

double tk_bank_cost(const tk_bank *bank, const int64_t in[3]) {
    double ns = 0;
    for (int g = 0; g < bank->groups; g++) ns += tk_features_cost(bank->group[g].features, in);
    return ns;
}

/* A group's columns over one box; `out` begins at the first voxel of it, columns lie `apart`. */
static tk_status apply_piece(const group *g, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                             const tk_box *box, float *out, int64_t apart, tk_work *work) {
    const int64_t size[3] = {tk_box_size(box, 0), tk_box_size(box, 1), tk_box_size(box, 2)};
    tk_view_f32 view[TK_FEATURES_MOST] = {{0}};
    for (int i = 0; i < TK_FEATURES_MOST; i++)
        if (g->column[i] >= 0) view[i] = tk_dense_f32(out + g->column[i] * apart, size);
    return tk_features_apply(g->features, image, in_box, in, box, view, work);
}

static tk_box plane_of(const tk_box *box) {
    tk_box plane = *box;
    plane.lo[TK_Z] = 0;
    plane.hi[TK_Z] = 1;
    return plane;
}

static tk_status apply_planes(const group *g, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                              const tk_box *out_box, float *value, int64_t apart, tk_work *work) {
    const tk_box whole = plane_of(image), from = plane_of(in_box), to = plane_of(out_box);
    for (int64_t z = out_box->lo[TK_Z]; z < out_box->hi[TK_Z]; z++) {
        tk_cview_f32 plane = in;
        plane.data += (z - in_box->lo[TK_Z]) * in.stride[TK_Z];
        plane.size[TK_Z] = 1;
        float *out = value + (z - out_box->lo[TK_Z]) * tk_box_count(&to);
        TK_TRY(apply_piece(g, &whole, &from, plane, &to, out, apart, work));
    }
    return TK_OK;
}

tk_status tk_bank_apply(const tk_bank *bank, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                        const tk_box *out_box, float *value, tk_work *work) {
    const int64_t apart = tk_box_count(out_box);
    for (int i = 0; i < bank->groups; i++) {
        const group *g = &bank->group[i];
        TK_TRY(g->like.plane ? apply_planes(g, image, in_box, in, out_box, value, apart, work)
                             : apply_piece(g, image, in_box, in, out_box, value, apart, work));
    }
    return TK_OK;
}
