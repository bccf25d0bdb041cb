/* Columns of the same sigma come of one tk_features, which shares the filters among them. */
#include "workflows/classify/bank.h"

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

/* All columns of one sigma. */
typedef struct group {
    double sigma;
    tk_features *features;        /* owned */
    int column[TK_FEATURES_MOST]; /* that wants this output; -1: none does */
} group;

struct tk_bank {
    int columns, groups;
    bool planes;
    group *group; /* owned */
};

static const double dog_ratio = 0.66, outer_ratio = 0.5;

static unsigned features_of_sigma(const tk_bank_choice *choice, double sigma) {
    unsigned which = 0;
    for (int i = 0; i < choice->columns; i++)
        if (choice->column[i].sigma == sigma) which |= choice->column[i].feature;
    return which;
}

/* A sigma in voxels along each axis that is filtered. */
static tk_status set_sigmas(const tk_bank_choice *choice, double sigma, tk_features_choice *to, tk_error *error) {
    static const char axis[3] = {'z', 'y', 'x'};
    const double least = 0.5; /* narrower, a sampled derivative is far from the derivative */
    const bool derives = to->which & ~(unsigned)(TK_FEATURE_GAUSSIAN | TK_FEATURE_DOG);
    for (int a = 0; a < 3; a++) {
        const double voxel = choice->um ? choice->image.voxel_um[a] : 1;
        to->unit[a] = 1;
        if (to->size[a] == 1) continue;
        if (!(voxel > 0))
            return tk_fail(error, TK_INVALID,
                           "has sigmas in micrometres, but the image does not say how large a voxel is");
        to->unit[a] = voxel;
        to->sigma[a] = sigma / voxel;
        to->second[a] = dog_ratio * to->sigma[a];
        to->outer[a] = outer_ratio * to->sigma[a];
        if (!(to->sigma[a] > 0 && to->sigma[a] <= TK_GAUSSIAN_SIGMA_MAX) || (derives && to->sigma[a] < least))
            return tk_fail(
                error, TK_INVALID,
                "has a sigma of %g voxels along %c; from %g (without derivatives, above 0) to %g are possible",
                to->sigma[a], axis[a], least, TK_GAUSSIAN_SIGMA_MAX);
    }
    return TK_OK;
}

/* Gives each output the column that wants it. */
static tk_status assign(const tk_bank_choice *choice, group *g, bool plane, tk_error *error) {
    for (int i = 0; i < TK_FEATURES_MOST; i++) g->column[i] = -1;
    for (int i = 0; i < choice->columns; i++) {
        const tk_feature_column *c = &choice->column[i];
        if (c->sigma != g->sigma) continue;
        const bool eigenvalue = c->feature == TK_FEATURE_HESSIAN || c->feature == TK_FEATURE_STRUCTURE;
        if (c->output < 0 || c->output >= (!eigenvalue ? 1 : plane ? 2 : 3))
            return tk_fail(error, TK_INVALID, "has the %s of three axes, but the image is one plane",
                           tk_bank_feature_text(c->feature));
        int *column = &g->column[tk_features_first(g->features, c->feature) + c->output];
        if (*column >= 0) return tk_fail(error, TK_INVALID, "has a feature twice");
        *column = i;
    }
    return TK_OK;
}

static tk_status make_group(const tk_bank_choice *choice, double sigma, group *g, tk_error *error) {
    tk_features_choice features = {.which = features_of_sigma(choice, sigma)};
    memcpy(features.size, choice->image.size, sizeof features.size);
    if (choice->planes) features.size[TK_Z] = 1;
    g->sigma = sigma;
    TK_TRY(set_sigmas(choice, sigma, &features, error));
    const tk_status status = tk_features_new(&features, &g->features);
    if (status != TK_OK) return tk_fail(error, status, "has filters that cannot be made");
    return assign(choice, g, features.size[TK_Z] == 1, error);
}

static bool is_known(const tk_bank *bank, double sigma) {
    for (int g = 0; g < bank->groups; g++)
        if (bank->group[g].sigma == sigma) return true;
    return false;
}

tk_status tk_bank_new(const tk_bank_choice *choice, tk_bank **bank, tk_error *error) {
    tk_bank *b = calloc(1, sizeof *b);
    if (b) b->group = calloc((size_t)choice->columns, sizeof *b->group);
    if (!b || !b->group) {
        tk_bank_free(b);
        return tk_fail_memory(error, "a classifier's filters");
    }
    b->columns = choice->columns;
    b->planes = choice->planes && choice->image.size[TK_Z] > 1;
    tk_status status = TK_OK;
    for (int i = 0; i < choice->columns && status == TK_OK; i++)
        if (!is_known(b, choice->column[i].sigma))
            status = make_group(choice, choice->column[i].sigma, &b->group[b->groups++], error);
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

/* What is given to tk_features_apply at once: the block, or a plane of it. */
static void piece_of(const tk_bank *bank, const int64_t in[3], int64_t piece[3]) {
    memcpy(piece, in, 3 * sizeof *piece);
    if (bank->planes) piece[TK_Z] = 1;
}

size_t tk_bank_scratch(const tk_bank *bank, const int64_t in[3], int threads) {
    int64_t piece[3];
    size_t most = 0;
    piece_of(bank, in, piece);
    for (int g = 0; g < bank->groups; g++) {
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

/* The columns over one box; `out` begins at the first voxel of it, columns lie `apart`. */
static tk_status apply_piece(const tk_bank *bank, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                             const tk_box *box, float *out, int64_t apart, tk_work *work) {
    const int64_t size[3] = {tk_box_size(box, 0), tk_box_size(box, 1), tk_box_size(box, 2)};
    for (int g = 0; g < bank->groups; g++) {
        tk_view_f32 view[TK_FEATURES_MOST] = {{0}};
        for (int i = 0; i < TK_FEATURES_MOST; i++)
            if (bank->group[g].column[i] >= 0) view[i] = tk_dense_f32(out + bank->group[g].column[i] * apart, size);
        TK_TRY(tk_features_apply(bank->group[g].features, image, in_box, in, box, view, work));
    }
    return TK_OK;
}

static tk_box plane_of(const tk_box *box) {
    tk_box plane = *box;
    plane.lo[TK_Z] = 0;
    plane.hi[TK_Z] = 1;
    return plane;
}

tk_status tk_bank_apply(const tk_bank *bank, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                        const tk_box *out_box, float *value, tk_work *work) {
    const int64_t apart = tk_box_count(out_box);
    if (!bank->planes) return apply_piece(bank, image, in_box, in, out_box, value, apart, work);
    const tk_box whole = plane_of(image), from = plane_of(in_box), to = plane_of(out_box);
    for (int64_t z = out_box->lo[TK_Z]; z < out_box->hi[TK_Z]; z++) {
        tk_cview_f32 plane = in;
        plane.data += (z - in_box->lo[TK_Z]) * in.stride[TK_Z];
        plane.size[TK_Z] = 1;
        float *out = value + (z - out_box->lo[TK_Z]) * tk_box_count(&to);
        TK_TRY(apply_piece(bank, &whole, &from, plane, &to, out, apart, work));
    }
    return TK_OK;
}
