/* Growing forests (forest.h). Trees are dealt out to threads; each has a stream of random numbers of its own, and is
 * the same whoever grows it. A tree grows from its root, node by node: of the two halves of a split the smaller is
 * grown first, so that those that wait are few. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/classify/forest.h"
#include "kernels/classify/forest_split.h"
#include "kernels/common/rng.h"

/* What the stream of a tree is for; of fewer than 2^31 samples, halved again and again, fewer nodes wait; a vote. */
enum { TK_DRAW_TREE = 21, WAITING_MOST = 33, VOTE = 1 << 16 };

/* A tree as tk_forest_data has them, but a leaf's row is its class when all its samples are of one, and classes plus
 * the number of one of the tree's own rows otherwise. */
typedef struct tree {
    int32_t nodes, rows;
    int32_t *feature, *child;
    float *threshold, *row;
} tree;

/* What all threads share. */
typedef struct job {
    const tk_samples *samples;
    const tk_forest_choice *choice;
    int candidates;
    tk_ranks ranks;
    int present;      /* classes that occur */
    int64_t *begin;   /* [present + 1]: where these begin in … */
    uint32_t *member; /* [count]: samples by class */
    tree *trees;      /* [choice->trees] */
    uint32_t *vote;   /* [count][classes], of trees that did not see the sample; NULL: not wanted */
} job;

/* What one thread grows a tree in. */
typedef struct grower {
    const job *job;
    uint32_t *weight;         /* [count]: how often a sample was drawn */
    uint32_t *sample, *aside; /* [count]: those drawn, by node */
    uint64_t *entry, *spare;  /* [count] */
    int *order;               /* [features]: shuffled more and more */
    tree tree;                /* with memory for 2 count - 1 nodes and count rows */
    tk_rng rng;
} grower;

static void *array(int64_t count, size_t element) { return calloc((size_t)(count > 0 ? count : 1), element); }

static void free_tree(tree *t) { free(t->feature), free(t->child), free(t->threshold), free(t->row); }

static bool make_tree(tree *t, int64_t nodes, int64_t rows, int classes) {
    t->feature = array(nodes, sizeof *t->feature);
    t->child = array(nodes, sizeof *t->child);
    t->threshold = array(nodes, sizeof *t->threshold);
    t->row = array(rows * classes, sizeof *t->row);
    return t->feature && t->child && t->threshold && t->row;
}

static void free_grower(grower *g) {
    free(g->weight), free(g->sample), free(g->aside), free(g->entry), free(g->spare), free(g->order);
    free_tree(&g->tree);
}

static bool make_grower(const job *j, grower *g) {
    const int64_t count = j->samples->count;
    *g = (grower){0};
    g->weight = array(count, sizeof *g->weight);
    g->sample = array(count, sizeof *g->sample);
    g->aside = array(count, sizeof *g->aside);
    g->entry = array(count, sizeof *g->entry);
    g->spare = array(count, sizeof *g->spare);
    g->order = array(j->samples->features, sizeof *g->order);
    return make_tree(&g->tree, 2 * count - 1, count, j->samples->classes) && g->weight && g->sample && g->aside &&
           g->entry && g->spare && g->order;
}

/* Uniform in 0 … count - 1. */
static int64_t draw(tk_rng *rng, int64_t count) {
    return (int64_t)((uint64_t)tk_rng_word(rng) * (uint64_t)count >> 32);
}

/* As many samples as there are, drawn with replacement; how many different ones. */
static int64_t draw_samples(grower *g) {
    const job *j = g->job;
    const int64_t count = j->samples->count;
    memset(g->weight, 0, (size_t)count * sizeof *g->weight);
    for (int64_t i = 0; i < count; i++) {
        const int64_t *begin = &j->begin[i % j->present];
        g->weight[j->choice->balanced ? j->member[begin[0] + draw(&g->rng, begin[1] - begin[0])]
                                      : draw(&g->rng, count)]++;
    }
    int64_t different = 0;
    for (int64_t i = 0; i < count; i++)
        if (g->weight[i]) g->sample[different++] = (uint32_t)i;
    return different;
}

/* A node that is still to be split: its samples are sample[from .. to - 1]. */
typedef struct waiting {
    int32_t node, depth;
    int64_t from, to;
} waiting;

static int count_draws(const grower *g, const waiting *w, int64_t total[TK_CLASSES_MOST]) {
    int classes = 0;
    memset(total, 0, TK_CLASSES_MOST * sizeof *total);
    for (int64_t i = w->from; i < w->to; i++) total[g->job->samples->label[g->sample[i]]] += g->weight[g->sample[i]];
    for (int c = 0; c < TK_CLASSES_MOST; c++) classes += total[c] > 0;
    return classes;
}

/* The best split by some features, chosen at random; by further ones while there is none. */
static tk_split find_split(grower *g, const waiting *w, const int64_t total[TK_CLASSES_MOST]) {
    const job *j = g->job;
    const tk_split_node node = {
        j->samples, &j->ranks, g->sample + w->from, g->weight, w->to - w->from, j->choice->least, g->entry, g->spare};
    tk_split best = {.feature = -1};
    for (int i = 0; i < j->samples->features && (i < j->candidates || best.feature < 0); i++) {
        const int k = i + (int)draw(&g->rng, j->samples->features - i), feature = g->order[k];
        g->order[k] = g->order[i];
        g->order[i] = feature;
        tk_split_try(&node, feature, total, &best);
    }
    return best;
}

static void make_leaf(grower *g, int32_t node, int classes_here, const int64_t total[TK_CLASSES_MOST]) {
    const int classes = g->job->samples->classes;
    int64_t sum = 0;
    int last = 0;
    for (int c = 0; c < classes; c++) {
        sum += total[c];
        if (total[c] > 0) last = c;
    }
    g->tree.feature[node] = -1;
    g->tree.threshold[node] = 0;
    g->tree.child[node] = classes_here == 1 ? last : classes + g->tree.rows;
    if (classes_here == 1) return;
    float *row = g->tree.row + (int64_t)g->tree.rows++ * classes;
    for (int c = 0; c < classes; c++) row[c] = (float)((double)total[c] / (double)sum);
}

/* Puts the samples of a node that go left before the others, both in their order; where the latter begin. */
static int64_t part_samples(grower *g, const waiting *w, const tk_split *split) {
    const uint16_t *rank = g->job->ranks.rank + split->feature * g->job->samples->count;
    int64_t left = w->from, right = 0;
    for (int64_t i = w->from; i < w->to; i++) {
        const uint32_t s = g->sample[i];
        const bool yes = rank[s] <= split->left;
        g->sample[left] = g->aside[right] = s;
        left += yes;
        right += !yes;
    }
    memcpy(g->sample + left, g->aside, (size_t)right * sizeof *g->aside);
    return left;
}

/* Splits a node or makes it a leaf; how many nodes of `next` are to be grown then, the last one first. */
static int grow_node(grower *g, const waiting *w, waiting next[2]) {
    const tk_forest_choice *choice = g->job->choice;
    int64_t total[TK_CLASSES_MOST];
    const int classes_here = count_draws(g, w, total);
    const bool grows =
        classes_here > 1 && (w->to - w->from) / 2 >= choice->least && (choice->depth == 0 || w->depth < choice->depth);
    const tk_split split = grows ? find_split(g, w, total) : (tk_split){.feature = -1};
    if (split.feature < 0) {
        make_leaf(g, w->node, classes_here, total);
        return 0;
    }
    const int64_t middle = part_samples(g, w, &split);
    const int32_t child = g->tree.nodes;
    const bool left_last = middle - w->from <= w->to - middle;
    g->tree.nodes += 2;
    g->tree.feature[w->node] = split.feature;
    g->tree.threshold[w->node] = tk_ranks_threshold(&g->job->ranks, split.feature, split.left, split.right);
    g->tree.child[w->node] = child;
    next[left_last] = (waiting){child, w->depth + 1, w->from, middle};
    next[!left_last] = (waiting){child + 1, w->depth + 1, middle, w->to};
    return 2;
}

static int32_t leaf_of(const tree *t, const tk_samples *s, int64_t sample) {
    int32_t n = 0;
    while (t->feature[n] >= 0) n = t->child[n] + !(s->value[t->feature[n] * s->count + sample] < t->threshold[n]);
    return t->child[n];
}

/* The tree's vote on the samples that it was not grown from, in integers: the order of trees does not matter. */
static void vote(const grower *g) {
    const tk_samples *s = g->job->samples;
    for (int64_t i = 0; i < s->count; i++) {
        if (g->weight[i]) continue;
        const int32_t leaf = leaf_of(&g->tree, s, i);
        for (int c = 0; c < s->classes; c++) {
            const float share =
                leaf < s->classes ? (float)(leaf == c) : g->tree.row[(int64_t)(leaf - s->classes) * s->classes + c];
#pragma omp atomic
            g->job->vote[i * s->classes + c] += (uint32_t)(share * VOTE + 0.5F);
        }
    }
}

static bool keep_tree(const grower *g, tree *kept) {
    const tree *t = &g->tree;
    const int classes = g->job->samples->classes;
    *kept = (tree){.nodes = t->nodes, .rows = t->rows};
    if (!make_tree(kept, t->nodes, t->rows, classes)) return false;
    memcpy(kept->feature, t->feature, (size_t)t->nodes * sizeof *t->feature);
    memcpy(kept->child, t->child, (size_t)t->nodes * sizeof *t->child);
    memcpy(kept->threshold, t->threshold, (size_t)t->nodes * sizeof *t->threshold);
    memcpy(kept->row, t->row, (size_t)t->rows * (size_t)classes * sizeof *t->row);
    return true;
}

static bool grow_tree(const job *j, grower *g, int number) {
    waiting stack[WAITING_MOST];
    int waits = 1;
    g->job = j;
    g->rng = tk_rng_stream(j->choice->seed, TK_DRAW_TREE, (uint64_t)number);
    for (int f = 0; f < j->samples->features; f++) g->order[f] = f;
    g->tree.nodes = 1;
    g->tree.rows = 0;
    stack[0] = (waiting){0, 0, 0, draw_samples(g)};
    while (waits > 0) {
        const waiting w = stack[waits - 1];
        waits += grow_node(g, &w, &stack[waits - 1]) - 1;
    }
    if (j->vote) vote(g);
    return keep_tree(g, &j->trees[number]);
}

static tk_status grow_all(const job *j, int threads) {
    grower *growers = array(threads, sizeof *growers);
    int failed = !growers;
    for (int t = 0; !failed && t < threads; t++) failed = !make_grower(j, &growers[t]);
    if (!failed) {
#pragma omp parallel for schedule(dynamic) num_threads(threads) reduction(+ : failed)
        for (int t = 0; t < j->choice->trees; t++) failed += !grow_tree(j, &growers[omp_get_thread_num()], t);
    }
    for (int t = 0; growers && t < threads; t++) free_grower(&growers[t]);
    free(growers);
    return failed ? TK_NO_MEMORY : TK_OK;
}

/* Appends a tree whose first node and first row have these numbers. */
static void append(const tree *t, int32_t node, int32_t row, tk_forest_data *data) {
    for (int32_t n = 0; n < t->nodes; n++) {
        const bool leaf = t->feature[n] < 0, shared = t->child[n] < data->classes;
        data->feature[node + n] = t->feature[n];
        data->threshold[node + n] = t->threshold[n];
        data->child[node + n] = t->child[n] + (leaf ? shared ? 0 : row - data->classes : node);
    }
    memcpy(data->probability + (int64_t)row * data->classes, t->row,
           (size_t)t->rows * (size_t)data->classes * sizeof *t->row);
}

/* All trees behind each other; the first rows are those of the single classes. */
static tk_status join(const job *j, tk_forest_data *data) {
    const int classes = j->samples->classes, trees = j->choice->trees;
    *data = (tk_forest_data){.features = j->samples->features, .classes = classes, .trees = trees, .leaves = classes};
    for (int t = 0; t < trees; t++) {
        data->nodes += j->trees[t].nodes;
        data->leaves += j->trees[t].rows;
    }
    if (data->nodes > TK_FOREST_NODES_MOST || data->leaves > TK_FOREST_NODES_MOST) return TK_INVALID;
    data->root = array(trees, sizeof *data->root);
    data->feature = array(data->nodes, sizeof *data->feature);
    data->threshold = array(data->nodes, sizeof *data->threshold);
    data->child = array(data->nodes, sizeof *data->child);
    data->probability = array(data->leaves * classes, sizeof *data->probability);
    if (!data->root || !data->feature || !data->threshold || !data->child || !data->probability) return TK_NO_MEMORY;
    for (int c = 0; c < classes; c++) data->probability[c * classes + c] = 1;
    int32_t node = 0, row = classes;
    for (int t = 0; t < trees; t++) {
        data->root[t] = node;
        append(&j->trees[t], node, row, data);
        node += j->trees[t].nodes;
        row += j->trees[t].rows;
    }
    return TK_OK;
}

/* The class with the most votes, of equal ones the first; -1: no tree voted. */
static int elected(const uint32_t *votes, int classes) {
    int most = -1;
    for (int c = 0; c < classes; c++)
        if (votes[c] > (most < 0 ? 0 : votes[most])) most = c;
    return most;
}

static double error_of(const job *j) {
    const tk_samples *s = j->samples;
    int64_t wrong = 0, all = 0;
    for (int64_t i = 0; i < s->count; i++) {
        const int told = elected(j->vote + i * s->classes, s->classes);
        all += told >= 0;
        wrong += told >= 0 && told != s->label[i];
    }
    return all ? (double)wrong / (double)all : NAN;
}

static void sort_by_class(job *j) {
    const tk_samples *s = j->samples;
    int64_t at = 0;
    for (int c = 0; c < s->classes; c++) {
        const int64_t before = at;
        for (int64_t i = 0; i < s->count; i++)
            if (s->label[i] == c) j->member[at++] = (uint32_t)i;
        if (at > before) j->begin[++j->present] = at;
    }
}

static bool valid(const tk_samples *s, const tk_forest_choice *choice) {
    if (s->count < 1 || s->count > INT32_MAX / 2 || s->features < 1 || s->features > TK_CLASSIFIER_FEATURES_MOST ||
        s->classes < 1 || s->classes > TK_CLASSES_MOST)
        return false;
    if (choice->trees < 1 || choice->trees > TK_FOREST_TREES_MOST || choice->candidates < 0 ||
        choice->candidates > s->features || choice->least < 1 || choice->depth < 0)
        return false;
    for (int64_t i = 0; i < s->count; i++)
        if (s->label[i] >= s->classes) return false;
    for (int64_t i = 0; i < s->count * s->features; i++)
        if (!isfinite(s->value[i])) return false;
    return true;
}

static tk_status train(job *j, int threads, tk_forest_data *data, bool rated) {
    const int64_t count = j->samples->count;
    const int classes = j->samples->classes;
    j->trees = array(j->choice->trees, sizeof *j->trees);
    j->begin = array(classes + 1, sizeof *j->begin);
    j->member = array(count, sizeof *j->member);
    j->vote = rated ? array(count * classes, sizeof *j->vote) : NULL;
    if (!j->trees || !j->begin || !j->member || (rated && !j->vote)) return TK_NO_MEMORY;
    TK_TRY(tk_ranks_new(j->samples, threads, &j->ranks));
    sort_by_class(j);
    TK_TRY(grow_all(j, threads < j->choice->trees ? threads : j->choice->trees));
    return join(j, data);
}

tk_status tk_forest_train(const tk_samples *samples, const tk_forest_choice *choice, int threads, tk_forest_data *data,
                          double *out_of_bag) {
    *data = (tk_forest_data){0};
    if (!valid(samples, choice)) return TK_INVALID;
    job j = {.samples = samples, .choice = choice, .candidates = choice->candidates};
    if (j.candidates == 0) j.candidates = (int)ceil(sqrt((double)samples->features));
    const tk_status status = train(&j, threads, data, out_of_bag);
    if (status == TK_OK && out_of_bag) *out_of_bag = error_of(&j);
    if (status != TK_OK) tk_forest_data_free(data);
    for (int t = 0; j.trees && t < choice->trees; t++) free_tree(&j.trees[t]);
    free(j.trees), free(j.begin), free(j.member), free(j.vote);
    tk_ranks_free(&j.ranks);
    return status;
}
