/* Forests: checks of what a file says, the layout to predict with (forest_layout.h), and prediction over blocks of
 * voxels. */
#include "kernels/classify/forest.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/classify/forest_layout.h"

/* Inner nodes of a tree; voxels. */
enum { LARGE_TREE = 2048, SMALL_BLOCK = 256, LARGE_BLOCK = 4096 };

static const double SUM_TOLERANCE = 1e-4; /* of a row's probabilities from 1 */

static const double SIZE_MOST = 1e200;

/* Nanoseconds of a core: a tree's upper nodes for one voxel, and each node below them. */
static const double TOP_COST = 4, VISIT_COST = 2;

void tk_forest_data_free(tk_forest_data *data) {
    free(data->root), free(data->feature), free(data->threshold), free(data->child), free(data->probability);
    data->root = data->feature = data->child = NULL;
    data->threshold = data->probability = NULL;
}

static bool within(int64_t value, int64_t least, int64_t most) { return value >= least && value <= most; }

static bool sizes_valid(const tk_forest_data *d) {
    return within(d->features, 1, TK_CLASSIFIER_FEATURES_MOST) && within(d->classes, 1, TK_CLASSES_MOST) &&
           within(d->trees, 1, TK_FOREST_TREES_MOST) && within(d->nodes, 1, TK_FOREST_NODES_MOST) &&
           within(d->leaves, 1, TK_FOREST_NODES_MOST) && d->root && d->feature && d->threshold && d->child &&
           d->probability;
}

static bool node_valid(const tk_forest_data *d, int64_t n) {
    if (d->feature[n] == -1) return within(d->child[n], 0, d->leaves - 1);
    return within(d->feature[n], 0, d->features - 1) && within(d->child[n], n + 1, d->nodes - 2) &&
           !isnan(d->threshold[n]);
}

static bool row_valid(const float *row, int classes) {
    double sum = 0;
    for (int c = 0; c < classes; c++) {
        if (!(row[c] >= 0 && row[c] <= 1)) return false; /* NaN, too */
        sum += (double)row[c];
    }
    return fabs(sum - 1) <= SUM_TOLERANCE;
}

static bool valid(const tk_forest_data *d) {
    if (!sizes_valid(d)) return false;
    for (int t = 0; t < d->trees; t++)
        if (!within(d->root[t], 0, d->nodes - 1)) return false;
    for (int64_t n = 0; n < d->nodes; n++)
        if (!node_valid(d, n)) return false;
    for (int64_t l = 0; l < d->leaves; l++)
        if (!row_valid(d->probability + l * d->classes, d->classes)) return false;
    return true;
}

static int64_t count_inner(const tk_forest_data *d) {
    int64_t count = 0;
    for (int64_t n = 0; n < d->nodes; n++) count += d->feature[n] >= 0;
    return count;
}

static int padded(int classes) { return (classes + TK_FOREST_PAD - 1) / TK_FOREST_PAD * TK_FOREST_PAD; }

size_t tk_forest_bytes(const tk_forest_data *data) {
    return sizeof(tk_forest) + (size_t)data->trees * sizeof(tk_forest_top) +
           tk_scratch_cost(count_inner(data) + 1, sizeof(tk_forest_node)) +
           (size_t)data->leaves * (size_t)padded(data->classes) * sizeof(float) +
           (size_t)data->nodes * (sizeof(int32_t) + 2 * sizeof(double));
}

/* What tk_forest_new works in. */
typedef struct layout {
    const tk_forest_data *data;
    tk_forest *forest;
    int32_t *code;  /* [nodes]: a node as tk_forest_node names it */
    double *size;   /* [nodes]: leaves from here on, at most SIZE_MOST */
    double *visits; /* [nodes]: inner nodes from here to a leaf, the mean over these */
} layout;

static void number_nodes(const layout *l) {
    int32_t inner = 0;
    for (int64_t n = 0; n < l->data->nodes; n++) l->code[n] = l->data->feature[n] < 0 ? ~l->data->child[n] : inner++;
}

static void set_nodes(const layout *l) {
    const tk_forest_data *d = l->data;
    for (int64_t n = 0; n < d->nodes; n++) {
        if (d->feature[n] < 0) continue;
        const int32_t *next = l->code + d->child[n];
        l->forest->node[l->code[n]] =
            (tk_forest_node){d->threshold[n], d->feature[n] * l->forest->block, {next[0], next[1]}};
    }
}

static void count_leaves(const layout *l) {
    const tk_forest_data *d = l->data;
    for (int64_t n = d->nodes - 1; n >= 0; n--) { /* children lie beyond */
        l->size[n] = 1;
        if (d->feature[n] < 0) continue;
        const double *size = l->size + d->child[n], *visits = l->visits + d->child[n], sum = size[0] + size[1];
        l->size[n] = sum < SIZE_MOST ? sum : SIZE_MOST; /* shared nodes count again and again */
        l->visits[n] = 1 + (size[0] * visits[0] + size[1] * visits[1]) / sum;
    }
}

/* The upper inner nodes of a tree while its top is made, by their numbers in the data; parents come before children. */
typedef struct upper {
    int count;
    int32_t node[TK_FOREST_TOP];
    int child[TK_FOREST_TOP][2]; /* which of these; 0: none of them */
    int exits[TK_FOREST_TOP];    /* below each */
    int first[TK_FOREST_TOP];    /* of these */
} upper;

/* From the root on, again and again the child with the most leaves: where most voxels go on. */
static void gather_upper(const layout *l, int32_t root, upper *u) {
    const tk_forest_data *d = l->data;
    *u = (upper){.count = d->feature[root] >= 0, .node = {root}};
    while (u->count > 0 && u->count < TK_FOREST_TOP) {
        int parent = -1, side = 0;
        for (int i = 0; i < 2 * u->count; i++) {
            const int32_t child = d->child[u->node[i / 2]] + i % 2;
            if (u->child[i / 2][i % 2] || d->feature[child] < 0) continue;
            if (parent >= 0 && l->size[child] <= l->size[d->child[u->node[parent]] + side]) continue;
            parent = i / 2, side = i % 2;
        }
        if (parent < 0) break;
        u->child[parent][side] = u->count;
        u->node[u->count++] = d->child[u->node[parent]] + side;
    }
}

static int exits_below(const upper *u, int i, int side) { return u->child[i][side] ? u->exits[u->child[i][side]] : 1; }

static void number_exits(upper *u) {
    for (int i = u->count - 1; i >= 0; i--) u->exits[i] = exits_below(u, i, 0) + exits_below(u, i, 1);
    for (int i = 0; i < u->count; i++)
        for (int side = 0; side < 2; side++)
            if (u->child[i][side]) u->first[u->child[i][side]] = u->first[i] + (side ? exits_below(u, i, 0) : 0);
}

static void set_top(const layout *l, int tree) {
    const tk_forest_data *d = l->data;
    const int32_t root = d->root[tree];
    tk_forest_top *top = &l->forest->top[tree];
    upper u;
    gather_upper(l, root, &u);
    number_exits(&u);
    *top = (tk_forest_top){.count = u.count, .exits = {l->code[root]}};
    for (int i = 0; i < u.count; i++) {
        const int32_t n = u.node[i];
        const int yes = exits_below(&u, i, 0);
        top->threshold[i] = d->threshold[n];
        top->row[i] = d->feature[n] * l->forest->block;
        top->keep[i] = ~(((UINT32_C(1) << yes) - 1) << u.first[i]);
        for (int side = 0; side < 2; side++) {
            if (u.child[i][side]) continue;
            top->exits[u.first[i] + (side ? yes : 0)] = l->code[d->child[n] + side];
            l->forest->visits += l->visits[d->child[n] + side] * l->size[d->child[n] + side] / l->size[root];
        }
    }
}

static void set_probability(const tk_forest_data *d, tk_forest *forest) {
    for (int64_t l = 0; l < d->leaves; l++)
        memcpy(forest->probability + l * forest->width, d->probability + l * d->classes,
               (size_t)d->classes * sizeof(float));
}

static void *zeroed(int64_t count, size_t element) { return calloc((size_t)(count > 0 ? count : 1), element); }

/* Small trees stay in the first level of caches, many together, and leave room for a block's values. A large tree is
 * fetched from afar, for as many voxels as possible, and is then alone. */
static void set_block(const tk_forest_data *d, int64_t inner, tk_forest *f) {
    const bool large = inner / d->trees > LARGE_TREE;
    const int fit = TK_FOREST_MEMORY / (f->features + f->width) / TK_FOREST_LANES * TK_FOREST_LANES;
    const int wanted = large ? LARGE_BLOCK : SMALL_BLOCK;
    f->block = fit < wanted ? fit : wanted;
    while (1 << f->shift < f->block) f->shift++;
    f->together = large ? 1 : TK_FOREST_LIST >> f->shift;
}

static tk_status make(layout *l) {
    const tk_forest_data *d = l->data;
    tk_forest *f = l->forest;
    const int64_t inner = count_inner(d);
    f->features = d->features, f->classes = d->classes, f->trees = d->trees;
    f->width = padded(d->classes);
    set_block(d, inner, f);
    f->probability = zeroed(d->leaves * f->width, sizeof *f->probability);
    if (tk_scratch_reserve(&f->memory, tk_scratch_cost(inner + 1, sizeof *f->node)) != TK_OK) return TK_NO_MEMORY;
    f->node = tk_scratch_take(&f->memory, inner + 1, sizeof *f->node);
    f->top = zeroed(d->trees, sizeof *f->top);
    l->code = zeroed(d->nodes, sizeof *l->code);
    l->size = zeroed(d->nodes, sizeof *l->size);
    l->visits = zeroed(d->nodes, sizeof *l->visits);
    if (!f->probability || !f->node || !f->top || !l->code || !l->visits || !l->size) return TK_NO_MEMORY;
    number_nodes(l);
    set_nodes(l);
    count_leaves(l);
    for (int t = 0; t < d->trees; t++) set_top(l, t);
    set_probability(d, f);
    return TK_OK;
}

tk_status tk_forest_new(const tk_forest_data *data, tk_forest **forest) {
    *forest = NULL;
    if (!valid(data)) return TK_INVALID;
    layout l = {.data = data, .forest = calloc(1, sizeof *l.forest)};
    const tk_status status = l.forest ? make(&l) : TK_NO_MEMORY;
    free(l.code), free(l.visits), free(l.size);
    if (status == TK_OK)
        *forest = l.forest;
    else
        tk_forest_free(l.forest);
    return status;
}

void tk_forest_free(tk_forest *forest) {
    if (!forest) return;
    tk_scratch_release(&forest->memory);
    free(forest->probability), free(forest->top);
    free(forest);
}

double tk_forest_cost(const tk_forest *forest) { return forest->trees * TOP_COST + forest->visits * VISIT_COST; }

/* Voxels from .. from + count - 1, at most a block; what is left of the block is zero. `values` is block_floats long.
 */
static void predict_block(const tk_forest *f, int64_t from, int count, const float *const value[],
                          float *const probability[], const tk_forest_kernels *kernels, float *values) {
    float *sums = values + (ptrdiff_t)f->features * f->block;
    for (int i = 0; i < f->features; i++) {
        float *row = values + (ptrdiff_t)i * f->block;
        memcpy(row, value[i] + from, (size_t)count * sizeof *row);
        memset(row + count, 0, (size_t)(f->block - count) * sizeof *row);
    }
    kernels->sum(f, values, sums);
    const float share = 1 / (float)f->trees;
    for (int c = 0; c < f->classes; c++)
        for (int i = 0; probability[c] && i < count; i++)
            probability[c][from + i] = sums[(ptrdiff_t)i * f->width + c] * share;
}

/* Of one thread: a multiple of the lanes, like the block. */
static int64_t block_floats(const tk_forest *f) { return (int64_t)(f->features + f->width) * f->block; }

size_t tk_forest_scratch(const tk_forest *forest, int threads) {
    return (size_t)threads * tk_scratch_cost(block_floats(forest), sizeof(float));
}

tk_status tk_forest_predict(const tk_forest *forest, int64_t count, const float *const value[],
                            float *const probability[], tk_work *work) {
    const tk_forest_kernels *kernels = TK_ISA_SELECT(tk_forest_loops, work->isa);
    const int64_t floats = block_floats(forest);
    const int threads = tk_work_lanes(work, tk_scratch_cost(floats, sizeof(float)));
    const size_t mark = tk_scratch_mark(&work->scratch);
    float *values = threads ? tk_scratch_take(&work->scratch, threads * floats, sizeof *values) : NULL;
    if (!values) return TK_NO_MEMORY;
#pragma omp parallel num_threads(threads)
    {
        float *own = values + omp_get_thread_num() * floats;
#pragma omp for schedule(dynamic)
        for (int64_t from = 0; from < count; from += forest->block) {
            const int64_t left = count - from;
            const int here = left < forest->block ? (int)left : forest->block;
            predict_block(forest, from, here, value, probability, kernels, own);
        }
    }
    tk_scratch_rewind(&work->scratch, mark);
    return TK_OK;
}
