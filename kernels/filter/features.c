/* Responses to Gaussian filters of one scale (features.h).
 *
 * All but the structure tensor come from one bank: the Gaussian and its derivatives up to the second share their
 * filters along z and y, and each row of responses is made while the derivatives are in the cache. The structure tensor
 * takes two banks: products of the first derivatives, kept for a slab of planes, and these smoothed. */
#include "kernels/filter/features.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/filter/gaussian.h"
#include "kernels/filter/separable.h"
#include "kernels/filter/tensor.h"

enum { ORDER_0, ORDER_1, ORDER_2, SECOND, OUTER, FILTERS };
enum { SLAB_Z = 32 };

/* Components of the bank, in the order that shares most. */
typedef enum slot { S, X, XX, Y, YX, YY, Z, ZX, ZY, ZZ, OTHER, SLOTS } slot;

static const struct {
    int filter[3]; /* z y x */
    unsigned serves;
} slot_table[SLOTS] = {
    [S] = {{ORDER_0, ORDER_0, ORDER_0}, TK_FEATURE_GAUSSIAN | TK_FEATURE_DOG},
    [X] = {{ORDER_0, ORDER_0, ORDER_1}, TK_FEATURE_GRADIENT},
    [XX] = {{ORDER_0, ORDER_0, ORDER_2}, TK_FEATURE_LAPLACIAN | TK_FEATURE_HESSIAN},
    [Y] = {{ORDER_0, ORDER_1, ORDER_0}, TK_FEATURE_GRADIENT},
    [YX] = {{ORDER_0, ORDER_1, ORDER_1}, TK_FEATURE_HESSIAN},
    [YY] = {{ORDER_0, ORDER_2, ORDER_0}, TK_FEATURE_LAPLACIAN | TK_FEATURE_HESSIAN},
    [Z] = {{ORDER_1, ORDER_0, ORDER_0}, TK_FEATURE_GRADIENT},
    [ZX] = {{ORDER_1, ORDER_0, ORDER_1}, TK_FEATURE_HESSIAN},
    [ZY] = {{ORDER_1, ORDER_1, ORDER_0}, TK_FEATURE_HESSIAN},
    [ZZ] = {{ORDER_2, ORDER_0, ORDER_0}, TK_FEATURE_LAPLACIAN | TK_FEATURE_HESSIAN},
    [OTHER] = {{SECOND, SECOND, SECOND}, TK_FEATURE_DOG},
};

struct tk_features {
    tk_features_choice choice;
    int axes;                /* 2: y and x of a plane; 3 */
    tk_fir fir[FILTERS][3];  /* z y x */
    float *taps;             /* of all filters; owned */
    tk_separable bank;       /* of all but the structure tensor; no components: nothing else is chosen */
    int component_of[SLOTS]; /* in the bank */
    tk_separable products, smooth;
    int first_structure; /* output */
};

/* ---- the bank of derivatives ---- */

/* Puts the rows of the slots `from` in order; slots that a plane lacks have some row that nobody reads. */
static void pick(const tk_features *f, const float *const *component, const slot *from, int n, const float **row) {
    for (int i = 0; i < n; i++) row[i] = component[f->component_of[from[i]]];
}

static void combine_hessian(const tk_features *f, const tk_tensor_kernels *kernels, const float *const *component,
                            int64_t count, float *const *out) {
    static const slot space[6] = {ZZ, ZY, ZX, YY, YX, XX}, plane[6] = {YY, YX, XX};
    const float *row[6];
    pick(f, component, f->axes == 3 ? space : plane, 6, row);
    if (f->axes == 3) kernels->eigenvalues3(row, count, out);
    if (f->axes == 2) kernels->eigenvalues2(row, count, out);
}

static void combine_bank(const void *context, tk_isa isa, const float *const *component, int64_t count,
                         float *const *out) {
    static const slot second[3] = {XX, YY, ZZ}, first[3] = {X, Y, Z};
    const tk_features *f = context;
    const tk_tensor_kernels *kernels = TK_ISA_SELECT(tk_tensor, isa);
    const unsigned which = f->choice.which;
    const float *row[3];
    if (which & TK_FEATURE_GAUSSIAN) {
        if (*out) kernels->sum(&component[f->component_of[S]], 1, 1, count, *out);
        out++;
    }
    if (which & TK_FEATURE_LAPLACIAN) {
        pick(f, component, second, 3, row);
        if (*out) kernels->sum(row, f->axes, f->choice.negate ? -1 : 1, count, *out);
        out++;
    }
    if (which & TK_FEATURE_GRADIENT) {
        pick(f, component, first, 3, row);
        if (*out) kernels->length(row, f->axes, count, *out);
        out++;
    }
    if (which & TK_FEATURE_DOG) {
        const float *s = component[f->component_of[S]], *other = component[f->component_of[OTHER]];
        if (*out) kernels->difference(s, other, count, *out);
        out++;
    }
    if (which & TK_FEATURE_HESSIAN) combine_hessian(f, kernels, component, count, out);
}

static tk_separable_component component_for(tk_features *f, const int filter[3], int input) {
    tk_separable_component c = {.input = input};
    for (int a = 0; a < 3; a++) c.along[a] = &f->fir[filter[a]][a];
    return c;
}

static void make_bank(tk_features *f) {
    tk_separable *bank = &f->bank;
    for (int s = 0; s < SLOTS; s++) {
        if (!(slot_table[s].serves & f->choice.which)) continue;
        if (f->axes == 2 && (s == Z || s == ZX || s == ZY || s == ZZ)) continue;
        f->component_of[s] = bank->components;
        bank->component[bank->components++] = component_for(f, slot_table[s].filter, 0);
    }
    bank->outputs = f->first_structure;
    bank->combine = combine_bank;
    bank->context = f;
}

/* ---- the structure tensor ---- */

static int entries_of(const tk_features *f) { return f->axes == 3 ? 6 : 3; }

/* From the derivatives x, y, z: the products zz zy zx yy yx xx, or yy yx xx. */
static void combine_products(const void *context, tk_isa isa, const float *const *component, int64_t count,
                             float *const *out) {
    const tk_features *f = context;
    const tk_tensor_kernels *kernels = TK_ISA_SELECT(tk_tensor, isa);
    for (int a = f->axes - 1; a >= 0; a--)
        for (int b = a; b >= 0; b--) kernels->product(component[a], component[b], count, *out++);
}

static void combine_structure(const void *context, tk_isa isa, const float *const *component, int64_t count,
                              float *const *out) {
    const tk_features *f = context;
    const tk_tensor_kernels *kernels = TK_ISA_SELECT(tk_tensor, isa);
    if (f->axes == 3) kernels->eigenvalues3(component, count, out);
    if (f->axes == 2) kernels->eigenvalues2(component, count, out);
}

static void make_structure(tk_features *f) {
    static const slot first[3] = {X, Y, Z};
    static const int outer[3] = {OUTER, OUTER, OUTER};
    for (int a = 0; a < 3; a++) f->products.component[a] = component_for(f, slot_table[first[a]].filter, 0);
    for (int e = 0; e < entries_of(f); e++) f->smooth.component[e] = component_for(f, outer, e);
    f->products.components = f->axes;
    f->products.outputs = f->smooth.components = entries_of(f);
    f->smooth.outputs = f->axes;
    f->products.combine = combine_products;
    f->smooth.combine = combine_structure;
    f->products.context = f->smooth.context = f;
}

/* How many planes of output are made at once. */
static int64_t slab_of(const tk_features *f) {
    const int64_t wide = 4 * f->fir[OUTER][TK_Z].radius;
    return wide > SLAB_Z ? wide : SLAB_Z;
}

/* The most that the products of one slab span. */
static void products_size(const tk_features *f, const int64_t in[3], int64_t size[3]) {
    const int64_t deep = slab_of(f) + 2 * f->fir[OUTER][TK_Z].radius;
    size[TK_Z] = in[TK_Z] < deep ? in[TK_Z] : deep;
    size[TK_Y] = in[TK_Y];
    size[TK_X] = in[TK_X];
}

static size_t structure_scratch(const tk_features *f, const int64_t in[3], int threads) {
    int64_t size[3];
    products_size(f, in, size);
    size_t total = 0;
    for (int e = 0; e < entries_of(f); e++)
        total = tk_size_add(total, tk_scratch_cost(size[0] * size[1] * size[2], sizeof(float)));
    const size_t one = tk_separable_scratch(&f->products, in, threads);
    const size_t two = tk_separable_scratch(&f->smooth, size, threads);
    return tk_size_add(total, one > two ? one : two);
}

static tk_status structure_slab(const tk_features *f, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                                const tk_box *out_box, const tk_view_f32 out[], tk_work *work) {
    int64_t outer[3], size[3];
    tk_separable_radius(&f->smooth, outer);
    const tk_box box = tk_box_grow(out_box, outer, image);
    tk_view_f32 product[6];
    tk_cview_f32 read[6];
    for (int a = 0; a < 3; a++) size[a] = tk_box_size(&box, a);
    for (int e = 0; e < entries_of(f); e++) {
        float *data = tk_scratch_take(&work->scratch, tk_box_count(&box), sizeof(float));
        if (!data) return TK_NO_MEMORY;
        product[e] = tk_dense_f32(data, size);
        read[e] = tk_read_f32(product[e]);
    }
    TK_TRY(tk_separable_apply(&f->products, image, in_box, &in, &box, product, work));
    return tk_separable_apply(&f->smooth, image, &box, read, out_box, out, work);
}

static tk_status structure_apply(const tk_features *f, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                                 const tk_box *out_box, const tk_view_f32 out[], tk_work *work) {
    const int64_t step = slab_of(f);
    tk_box slab = *out_box;
    for (int64_t z = out_box->lo[TK_Z]; z < out_box->hi[TK_Z]; z += step) {
        slab.lo[TK_Z] = z;
        slab.hi[TK_Z] = z + step < out_box->hi[TK_Z] ? z + step : out_box->hi[TK_Z];
        tk_view_f32 part[3];
        for (int e = 0; e < f->axes; e++) part[e] = out[e].data ? tk_crop_f32(out[e], out_box, &slab) : out[e];
        const size_t mark = tk_scratch_mark(&work->scratch);
        const tk_status status = structure_slab(f, image, in_box, in, &slab, part, work);
        tk_scratch_rewind(&work->scratch, mark);
        TK_TRY(status);
    }
    return TK_OK;
}

/* ---- making ---- */

static bool derives(const tk_features_choice *c) {
    return c->which & (TK_FEATURE_LAPLACIAN | TK_FEATURE_GRADIENT | TK_FEATURE_HESSIAN | TK_FEATURE_STRUCTURE);
}

static double sigma_for(const tk_features_choice *c, int filter, int axis) {
    if (filter == SECOND) return c->which & TK_FEATURE_DOG ? c->second[axis] : 0;
    if (filter == OUTER) return c->which & TK_FEATURE_STRUCTURE ? c->outer[axis] : 0;
    return c->sigma[axis];
}

static bool valid(const tk_features_choice *c) {
    if (c->which == 0 || c->which & ~(unsigned)TK_FEATURE_ALL) return false;
    for (int a = 0; a < 3; a++) {
        for (int n = 0; n < FILTERS; n++) {
            const double sigma = sigma_for(c, n, a);
            if (!(sigma >= 0 && sigma <= TK_GAUSSIAN_SIGMA_MAX)) return false;
        }
        if (derives(c) && c->size[a] > 1 && !(c->sigma[a] > 0 && c->unit[a] > 0 && isfinite(c->unit[a]))) return false;
    }
    return true;
}

/* Along an axis of one voxel the image is constant: smoothing leaves it as it is, derivatives are 0. */
static int64_t radius_for(const tk_features_choice *c, int filter, int axis) {
    return c->size[axis] == 1 ? 0 : tk_gaussian_radius(sigma_for(c, filter, axis));
}

static tk_status make_filters(tk_features *f) {
    const tk_features_choice *c = &f->choice;
    int64_t total = 0;
    for (int n = 0; n < FILTERS; n++)
        for (int a = 0; a < 3; a++) total += radius_for(c, n, a) + 1;
    float *taps = f->taps = malloc((size_t)total * sizeof *taps);
    if (!taps) return TK_NO_MEMORY;
    for (int n = 0; n < FILTERS; n++)
        for (int a = 0; a < 3; a++) {
            const int64_t radius = radius_for(c, n, a);
            const int order = n == ORDER_1 ? 1 : n == ORDER_2 ? 2 : 0;
            if (order && (c->size[a] == 1 || !derives(c)))
                taps[0] = 0;
            else
                tk_gaussian_derivative(sigma_for(c, n, a), order, c->unit[a], radius, taps);
            f->fir[n][a] = (tk_fir){order && !derives(c) ? 0 : radius, order == 1, taps};
            taps += radius + 1;
        }
    return TK_OK;
}

tk_status tk_features_new(const tk_features_choice *choice, tk_features **features) {
    if (!valid(choice)) return TK_INVALID;
    tk_features *f = calloc(1, sizeof *f);
    if (!f) return TK_NO_MEMORY;
    f->choice = *choice;
    f->axes = choice->size[TK_Z] == 1 ? 2 : 3;
    if (make_filters(f) != TK_OK) {
        tk_features_free(f);
        return TK_NO_MEMORY;
    }
    f->first_structure = tk_features_first(f, TK_FEATURE_STRUCTURE);
    make_bank(f);
    if (choice->which & TK_FEATURE_STRUCTURE) make_structure(f);
    *features = f;
    return TK_OK;
}

void tk_features_free(tk_features *features) {
    if (!features) return;
    free(features->taps);
    free(features);
}

/* ---- what there is ---- */

static int outputs_of(const tk_features *f, unsigned feature) {
    if (!(f->choice.which & feature)) return 0;
    return feature == TK_FEATURE_HESSIAN || feature == TK_FEATURE_STRUCTURE ? f->axes : 1;
}

int tk_features_first(const tk_features *features, unsigned feature) {
    int first = 0;
    for (unsigned before = 1; before < feature; before <<= 1) first += outputs_of(features, before);
    return first;
}

int tk_features_count(const tk_features *features) { return tk_features_first(features, TK_FEATURE_ALL + 1); }

void tk_features_halo(const tk_features *features, int64_t halo[3]) {
    int64_t products[3], smooth[3];
    tk_separable_radius(&features->bank, halo);
    tk_separable_radius(&features->products, products);
    tk_separable_radius(&features->smooth, smooth);
    for (int a = 0; a < 3; a++)
        if (products[a] + smooth[a] > halo[a]) halo[a] = products[a] + smooth[a];
}

size_t tk_features_scratch(const tk_features *features, const int64_t in[3], int threads) {
    const size_t bank = features->bank.components ? tk_separable_scratch(&features->bank, in, threads) : 0;
    const size_t two = features->products.components ? structure_scratch(features, in, threads) : 0;
    return bank > two ? bank : two;
}

double tk_features_cost(const tk_features *features, const int64_t in[3]) {
    const double row_ns = 0.8, tap_ns = 0.06, eigenvalues_ns = 4;
    const tk_separable *banks[3] = {&features->bank, &features->products, &features->smooth};
    double ns = 1;
    for (int b = 0; b < 3; b++)
        for (int c = 0; c < banks[b]->components; c++)
            for (int a = 0; a < 3; a++) ns += row_ns / 3 + tap_ns * (double)banks[b]->component[c].along[a]->radius;
    if (features->choice.which & TK_FEATURE_HESSIAN) ns += eigenvalues_ns;
    if (features->choice.which & TK_FEATURE_STRUCTURE) ns += eigenvalues_ns;
    return ns * (double)in[0] * (double)in[1] * (double)in[2];
}

tk_status tk_features_apply(const tk_features *features, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                            const tk_box *out_box, const tk_view_f32 out[], tk_work *work) {
    if (features->bank.components) TK_TRY(tk_separable_apply(&features->bank, image, in_box, &in, out_box, out, work));
    if (features->products.components == 0) return TK_OK;
    return structure_apply(features, image, in_box, in, out_box, out + features->first_structure, work);
}
