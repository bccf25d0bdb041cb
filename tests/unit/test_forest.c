/* Prediction against walks from root to leaf, with the same bits for instruction sets and threads; bad data refused;
 * splits against all there are; forests grown of data whose answer is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/classify/forest.h"
#include "kernels/classify/forest_split.h"
#include "tests/reference/forest.h"
#include "tests/unit/test_volume_fixture.h"

static int pick(tk_rng *rng, int count) { return (int)(tk_rng_uniform(rng) * count); }

static tk_forest_data allocate_data(int features, int classes, int trees, int64_t nodes, int64_t leaves) {
    tk_forest_data d = {features, classes, trees, nodes, leaves, NULL, NULL, NULL, NULL, NULL};
    d.root = must_allocate(trees, sizeof *d.root);
    d.feature = must_allocate(nodes, sizeof *d.feature);
    d.threshold = must_allocate(nodes, sizeof *d.threshold);
    d.child = must_allocate(nodes, sizeof *d.child);
    d.probability = must_allocate(leaves * classes, sizeof *d.probability);
    return d;
}

static void random_rows(tk_forest_data *d, tk_rng *rng) {
    for (int64_t l = 0; l < d->leaves; l++) {
        double sum = 0, row[TK_CLASSES_MOST];
        for (int c = 0; c < d->classes; c++) sum += row[c] = tk_rng_uniform(rng);
        for (int c = 0; c < d->classes; c++) d->probability[l * d->classes + c] = (float)(row[c] / sum);
    }
}

/* Trees of 2 inner + 1 nodes: which leaf becomes a node is random, of the last few only in every third tree, so that
 * those are deep. Thresholds are whole numbers, which values may equal. */
static tk_forest_data random_forest(int features, int classes, int trees, int inner, uint64_t seed) {
    tk_rng rng = tk_rng_stream(seed, 1, 0);
    const int size = 2 * inner + 1;
    tk_forest_data d = allocate_data(features, classes, trees, (int64_t)trees * size, 50);
    random_rows(&d, &rng);
    for (int t = 0; t < trees; t++) {
        const int32_t base = t * size;
        d.root[t] = base;
        for (int32_t n = 0; n < size; n++) {
            d.feature[base + n] = -1;
            d.threshold[base + n] = 0;
            d.child[base + n] = pick(&rng, 50);
        }
        for (int32_t used = 1; used < size; used += 2) {
            const int among = t % 3 == 0 && used > 3 ? 3 : used;
            int32_t n = base + used - 1 - pick(&rng, among);
            while (d.feature[n] >= 0) n = n > base ? n - 1 : base + used - 1;
            d.feature[n] = pick(&rng, features);
            d.threshold[n] = (float)(pick(&rng, 9) - 4);
            d.child[n] = base + used;
        }
    }
    return d;
}

/* Values about the thresholds, with what is not finite among them. */
static float *random_values(int features, int64_t count, uint64_t seed) {
    float *value = must_allocate(features * count, sizeof *value);
    static const float special[] = {NAN, INFINITY, -INFINITY, 0.0F, -0.0F};
    for (int64_t i = 0; i < features * count; i++) {
        tk_rng rng = tk_rng_stream(seed, 2, (uint64_t)i);
        const int kind = pick(&rng, 10);
        value[i] = kind == 0  ? special[pick(&rng, 5)]
                   : kind < 5 ? (float)(pick(&rng, 9) - 4)
                              : (float)(2 * tk_rng_normal(&rng));
    }
    return value;
}

/* Predicts voxels; those classes not in `wanted` are not asked for, and stay as they were. */
static void predict(const tk_forest *forest, const tk_forest_data *d, int64_t count, const float *values, float *out,
                    unsigned wanted, int threads, tk_isa isa) {
    const float *value[TK_CLASSIFIER_FEATURES_MOST];
    float *probability[TK_CLASSES_MOST];
    tk_work work = work_with(threads, isa, tk_forest_scratch(forest, threads));
    for (int f = 0; f < d->features; f++) value[f] = values + f * count;
    for (int c = 0; c < d->classes; c++) probability[c] = wanted >> c & 1 ? out + c * count : NULL;
    assert_int_equal(tk_forest_predict(forest, count, value, probability, &work), TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    assert_int_equal(tk_forest_predict(forest, count, value, probability, &work), TK_NO_MEMORY);
}

static void check_against_reference(const tk_forest_data *d, int64_t count, const float *values, const float *out) {
    float value[TK_CLASSIFIER_FEATURES_MOST];
    double expected[TK_CLASSES_MOST];
    for (int64_t i = 0; i < count; i++) {
        for (int f = 0; f < d->features; f++) value[f] = values[f * count + i];
        ref_forest_predict(d, value, expected);
        for (int c = 0; c < d->classes; c++)
            assert_true(fabs((double)out[c * count + i] - expected[c]) < 1e-6 * sqrt(d->trees));
    }
}

static void check_forest(tk_forest_data *d, int64_t count) {
    const size_t bytes = (size_t)(count * d->classes) * sizeof(float);
    float *values = random_values(d->features, count, 7);
    float *out = must_allocate(count * d->classes, sizeof *out),
          *other = must_allocate(count * d->classes, sizeof *out);
    tk_forest *forest = NULL;
    assert_int_equal(tk_forest_new(d, &forest), TK_OK);
    assert_true(tk_forest_cost(forest) > 0);
    assert_true(tk_forest_bytes(d) > (size_t)d->leaves * (size_t)d->classes * sizeof(float));
    predict(forest, d, count, values, out, ~0U, 1, TK_ISA_BASELINE);
    check_against_reference(d, count, values, out);
    for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++)
        for (int threads = 1; threads <= 3; threads++) {
            predict(forest, d, count, values, other, ~0U, threads, (tk_isa)isa);
            assert_memory_equal(out, other, bytes);
        }
    tk_forest_free(forest);
    tk_forest_data_free(d);
    assert_null(d->root);
    assert_null(d->probability);
    free(values), free(out), free(other);
}

static void prediction_is_what_a_walk_finds(void **state) {
    (void)state;
    static const int counts[] = {0, 1, 15, 17, 1000, 3001};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        tk_forest_data d = random_forest(5, 3, 7, 40, i);
        check_forest(&d, counts[i]);
    }
    static const int sizes[][4] = {/* features, classes, trees, inner nodes */
                                   {1, 1, 1, 0},  {1, 2, 3, 1},   {3, 4, 2, 30},    {3, 5, 4, 31},
                                   {2, 4, 5, 32}, {9, 32, 9, 64}, {35, 4, 23, 500}, {1024, 32, 2, 300}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tk_forest_data d = random_forest(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], 100 + i);
        check_forest(&d, 333);
    }
    tk_forest_data large = random_forest(6, 3, 3, 3000, 200); /* trees that are walked one at a time */
    check_forest(&large, 9001);
}

/* A node may be the child of several, and trees may share nodes: here each of 200 nodes leads to the next two. */
static void nodes_may_be_shared(void **state) {
    (void)state;
    enum { INNER = 200 };
    tk_forest_data d = allocate_data(2, 2, 3, INNER + 2, 2);
    const float row[4] = {0.25F, 0.75F, 1, 0};
    memcpy(d.probability, row, sizeof row);
    for (int n = 0; n < INNER + 2; n++) {
        d.feature[n] = n < INNER ? n % 2 : -1;
        d.threshold[n] = (float)(n % 5 - 2);
        d.child[n] = n < INNER ? n + 1 : n - INNER;
    }
    for (int t = 0; t < 3; t++) d.root[t] = 70 * t;
    check_forest(&d, 100);
}

static void classes_not_wanted_are_left_alone(void **state) {
    (void)state;
    enum { COUNT = 50 };
    tk_forest_data d = random_forest(4, 3, 5, 20, 3);
    float *values = random_values(4, COUNT, 1), all[3 * COUNT], some[3 * COUNT];
    tk_forest *forest = NULL;
    assert_int_equal(tk_forest_new(&d, &forest), TK_OK);
    predict(forest, &d, COUNT, values, all, 7, 1, tk_isa_detect());
    for (int i = 0; i < 3 * COUNT; i++) some[i] = -1;
    predict(forest, &d, COUNT, values, some, 2, 1, tk_isa_detect());
    for (int i = 0; i < 3 * COUNT; i++)
        assert_true(i / COUNT == 1 ? some[i] == all[i] : some[i] == -1); /* NOLINT: bits */
    predict(forest, &d, COUNT, values, some, 0, 2, tk_isa_detect());
    tk_forest_free(forest);
    tk_forest_data_free(&d);
    free(values);
}

static void refused(const tk_forest_data *d) {
    tk_forest *forest = (tk_forest *)&forest;
    assert_int_equal(tk_forest_new(d, &forest), TK_INVALID);
    assert_null(forest);
}

static void sizes_out_of_range_are_refused(void **state) {
    (void)state;
    tk_forest_data d = random_forest(4, 3, 5, 20, 4);
    const tk_forest_data good = d;
    static const int64_t counts[] = {0, -1, TK_FOREST_NODES_MOST + INT64_C(1), INT64_MAX};
    static const int features[] = {0, -1, TK_CLASSIFIER_FEATURES_MOST + 1}, classes[] = {0, -1, TK_CLASSES_MOST + 1};
    static const int trees[] = {0, -1, TK_FOREST_TREES_MOST + 1};
    for (int i = 0; i < 4; i++) {
        d = good, d.nodes = counts[i], refused(&d);
        d = good, d.leaves = counts[i], refused(&d);
    }
    for (int i = 0; i < 3; i++) {
        d = good, d.features = features[i], refused(&d);
        d = good, d.classes = classes[i], refused(&d);
        d = good, d.trees = trees[i], refused(&d);
    }
    d = good, d.root = NULL, refused(&d);
    d = good, d.feature = NULL, refused(&d);
    d = good, d.threshold = NULL, refused(&d);
    d = good, d.child = NULL, refused(&d);
    d = good, d.probability = NULL, refused(&d);
    d = good;
    tk_forest_data_free(&d);
}

static void refused_with(const tk_forest_data *d, int32_t *field, int32_t value) {
    const int32_t before = *field;
    *field = value;
    refused(d);
    *field = before;
}

static void nodes_out_of_range_are_refused(void **state) {
    (void)state;
    tk_forest_data d = random_forest(4, 3, 5, 20, 5);
    const int32_t nodes = (int32_t)d.nodes, leaf = nodes - 1;
    int32_t inner = 41; /* the second tree's root */
    assert_true(d.feature[inner] >= 0 && d.feature[leaf] == -1);
    const int32_t roots[] = {-1, nodes, INT32_MIN, INT32_MAX}, children[] = {-1, 0, inner, nodes - 1, nodes, INT32_MAX};
    const int32_t leaves[] = {-1, 50, INT32_MIN, INT32_MAX}, features[] = {-2, 4, INT32_MIN, INT32_MAX};
    for (int i = 0; i < 4; i++) {
        refused_with(&d, &d.root[3], roots[i]);
        refused_with(&d, &d.child[leaf], leaves[i]);
        refused_with(&d, &d.feature[inner], features[i]);
        refused_with(&d, &d.feature[leaf], features[i]);
    }
    for (int i = 0; i < 6; i++) refused_with(&d, &d.child[inner], children[i]);
    const float before = d.threshold[inner];
    d.threshold[inner] = NAN;
    refused(&d);
    d.threshold[inner] = before;
    static const float shares[] = {-0.01F, 1.01F, NAN, INFINITY};
    float *row = d.probability + 3 * (int64_t)49, first = row[0];
    for (int i = 0; i < 4; i++) row[0] = shares[i], refused(&d);
    row[0] = first > 0.5F ? 0.1F : 0.9F; /* the sum is not 1 */
    refused(&d);
    row[0] = first;
    tk_forest *forest = NULL;
    assert_int_equal(tk_forest_new(&d, &forest), TK_OK);
    tk_forest_free(forest);
    tk_forest_free(NULL);
    tk_forest_data_free(&d);
}

/* Samples of a test, which owns them. */
typedef struct set {
    tk_samples samples;
    float *value;
    uint8_t *label;
} set;

static set make_set(int64_t count, int features, int classes) {
    set s = {{count, features, classes, NULL, NULL},
             must_allocate(count * features, sizeof *s.value),
             must_allocate(count, 1)};
    s.samples.value = s.value;
    s.samples.label = s.label;
    return s;
}

static void free_set(set *s) { free(s->value), free(s->label); }

/* Uniform values in 0 … 1, or whole numbers 0 … levels - 1. */
static set random_set(int64_t count, int features, int classes, int levels, uint64_t seed) {
    set s = make_set(count, features, classes);
    for (int64_t i = 0; i < count * features; i++) {
        tk_rng rng = tk_rng_stream(seed, 3, (uint64_t)i);
        s.value[i] = levels ? (float)(pick(&rng, levels)) : (float)tk_rng_uniform(&rng);
    }
    for (int64_t i = 0; i < count; i++) {
        tk_rng rng = tk_rng_stream(seed, 4, (uint64_t)i);
        s.label[i] = (uint8_t)pick(&rng, classes);
    }
    return s;
}

static void check_split(int64_t count, int levels, int64_t least, uint64_t seed) {
    set s = random_set(count, 3, 4, levels, seed);
    uint32_t *weight = must_allocate(count, sizeof *weight), *sample = must_allocate(count, sizeof *sample);
    uint64_t *entry = must_allocate(2 * count, sizeof *entry);
    int64_t total[TK_CLASSES_MOST] = {0}, here = 0;
    double draws = 0;
    for (int64_t i = 0; i < count; i++) {
        tk_rng rng = tk_rng_stream(seed, 5, (uint64_t)i);
        weight[i] = (uint32_t)pick(&rng, 4);
        total[s.label[i]] += weight[i];
        draws += weight[i];
        if (weight[i]) sample[here++] = (uint32_t)i;
    }
    tk_ranks ranks;
    assert_int_equal(tk_ranks_new(&s.samples, 2, &ranks), TK_OK);
    const tk_split_node node = {&s.samples, &ranks, sample, weight, here, least, entry, entry + count};
    tk_split best = {.feature = -1};
    for (int f = 0; f < 3; f++) tk_split_try(&node, f, total, &best);
    const double expected = ref_forest_split(&s.samples, weight, least);
    assert_int_equal(best.feature >= 0, isfinite(expected));
    if (best.feature >= 0) {
        const float threshold = tk_ranks_threshold(&ranks, best.feature, best.left, best.right);
        assert_true(fabs(draws - best.score - expected) < 1e-9 * draws);
        assert_true(fabs(ref_forest_impurity(&s.samples, weight, least, best.feature, (double)threshold) - expected) <
                    1e-9 * draws);
    }
    tk_ranks_free(&ranks);
    free(weight), free(sample), free(entry);
    free_set(&s);
}

static void splits_are_the_best_there_are(void **state) {
    (void)state;
    static const int64_t counts[] = {3, 10, 60, 300};
    for (uint64_t i = 0; i < 4; i++)
        for (int levels = 0; levels < 6; levels += 2)
            for (int64_t least = 1; least < 9; least += 4) check_split(counts[i], levels, least, 10 + i);
}

static void thresholds_part_neighbours(void **state) {
    (void)state;
    const float one = 1, next = nextafterf(1, 2);
    set s = make_set(6, 1, 2);
    const float values[6] = {next, one, -0.0F, 3e38F, 0.0F, -3e38F};
    memcpy(s.value, values, sizeof values);
    tk_ranks r;
    assert_int_equal(tk_ranks_new(&s.samples, 1, &r), TK_OK);
    assert_int_equal(r.rank[2], r.rank[4]); /* one zero */
    assert_true(tk_ranks_threshold(&r, 0, r.rank[1], r.rank[0]) == next);
    assert_true(tk_ranks_threshold(&r, 0, r.rank[5], r.rank[3]) == 0.0F);
    assert_true(tk_ranks_threshold(&r, 0, r.rank[4], r.rank[1]) == 0.5F);
    tk_ranks_free(&r);
    free_set(&s);
}

/* More samples than ranks: ranks grow with the values, and hold them. */
static void many_samples_share_ranks(void **state) {
    (void)state;
    const int64_t count = 3 * TK_RANKS_MOST + 5;
    set s = random_set(count, 1, 2, 0, 8);
    tk_ranks r;
    assert_int_equal(tk_ranks_new(&s.samples, 1, &r), TK_OK);
    for (int64_t i = 0; i < count; i++) {
        const int64_t k = (i * 7919 + 1) % count;
        assert_true(r.low[r.rank[i]] <= s.value[i] && s.value[i] <= r.high[r.rank[i]]);
        if (s.value[i] < s.value[k]) assert_true(r.rank[i] <= r.rank[k]);
        if (r.rank[i] < r.rank[k]) assert_true(r.high[r.rank[i]] < r.low[r.rank[k]]);
    }
    tk_ranks_free(&r);
    free_set(&s);
}

static const tk_forest_choice common = {.trees = 40, .least = 1, .seed = 5};

static tk_forest_data grow(const set *s, const tk_forest_choice *choice, int threads, double *out_of_bag) {
    tk_forest_data d;
    assert_int_equal(tk_forest_train(&s->samples, choice, threads, &d, out_of_bag), TK_OK);
    return d;
}

/* The share of samples that the forest tells wrong. */
static double error_on(const tk_forest_data *d, const set *s) {
    const int64_t count = s->samples.count;
    float *out = must_allocate(count * d->classes, sizeof *out);
    tk_forest *forest = NULL;
    int64_t wrong = 0;
    assert_int_equal(tk_forest_new(d, &forest), TK_OK);
    predict(forest, d, count, s->value, out, ~0U, 2, tk_isa_detect());
    for (int64_t i = 0; i < count; i++) {
        int told = 0;
        for (int c = 1; c < d->classes; c++)
            if (out[c * count + i] > out[told * count + i]) told = c;
        wrong += told != s->label[i];
    }
    tk_forest_free(forest);
    free(out);
    return (double)wrong / (double)count;
}

typedef uint8_t (*rule)(const set *s, int64_t i);

static uint8_t side_of_a_line(const set *s, int64_t i) { return s->value[i] > 0.3F; }

static uint8_t exclusive_or(const set *s, int64_t i) {
    return (s->value[i] > 0.5F) != (s->value[s->samples.count + i] > 0.5F);
}

static set ruled_set(int64_t count, int features, rule is, uint64_t seed) {
    set s = random_set(count, features, 2, 0, seed);
    for (int64_t i = 0; i < count; i++) s.label[i] = is(&s, i);
    return s;
}

static void what_can_be_learnt_is_learnt(void **state) {
    (void)state;
    static const rule rules[] = {side_of_a_line, exclusive_or};
    for (int r = 0; r < 2; r++) {
        set s = ruled_set(2000, 2, rules[r], 1), other = ruled_set(4000, 2, rules[r], 2);
        double out_of_bag = -1;
        tk_forest_data d = grow(&s, &common, 2, &out_of_bag);
        assert_true(error_on(&d, &s) == 0);
        assert_true(error_on(&d, &other) < 0.01);
        assert_true(out_of_bag >= 0 && out_of_bag < 0.015);
        tk_forest_data_free(&d);
        free_set(&s), free_set(&other);
    }
}

/* A tenth of the labels is turned round: no forest can tell these, and out of bag it says so. */
static void out_of_bag_error_is_that_of_new_samples(void **state) {
    (void)state;
    set s = ruled_set(3000, 6, exclusive_or, 3), other = ruled_set(6000, 6, exclusive_or, 4);
    double out_of_bag = -1;
    for (int64_t i = 0; i < 3000; i += 10) s.label[i] ^= 1;
    for (int64_t i = 0; i < 6000; i += 10) other.label[i] ^= 1;
    tk_forest_data d = grow(&s, &common, 2, &out_of_bag);
    const double error = error_on(&d, &other);
    assert_true(error > 0.09 && error < 0.2);
    assert_true(fabs(out_of_bag - error) < 0.03);
    tk_forest_data_free(&d);
    free_set(&s), free_set(&other);
}

static void assert_same(const tk_forest_data *a, const tk_forest_data *b) {
    assert_int_equal(a->nodes, b->nodes);
    assert_int_equal(a->leaves, b->leaves);
    assert_memory_equal(a->root, b->root, (size_t)a->trees * sizeof *a->root);
    assert_memory_equal(a->feature, b->feature, (size_t)a->nodes * sizeof *a->feature);
    assert_memory_equal(a->threshold, b->threshold, (size_t)a->nodes * sizeof *a->threshold);
    assert_memory_equal(a->child, b->child, (size_t)a->nodes * sizeof *a->child);
    assert_memory_equal(a->probability, b->probability, (size_t)(a->leaves * a->classes) * sizeof *a->probability);
}

static void training_does_not_depend_on_threads(void **state) {
    (void)state;
    set s = random_set(700, 5, 3, 0, 6);
    for (int balanced = 0; balanced < 2; balanced++) {
        tk_forest_choice choice = common;
        double first = 0, other = 1;
        choice.balanced = balanced;
        tk_forest_data a = grow(&s, &choice, 1, &first);
        for (int threads = 2; threads <= 5; threads++) {
            tk_forest_data b = grow(&s, &choice, threads, &other);
            assert_same(&a, &b);
            assert_true(first == other);
            tk_forest_data_free(&b);
        }
        choice.seed++;
        tk_forest_data c = grow(&s, &choice, 1, NULL);
        assert_true(c.nodes != a.nodes || memcmp(a.threshold, c.threshold, (size_t)a.nodes * sizeof *a.threshold) != 0);
        tk_forest_data_free(&a), tk_forest_data_free(&c);
    }
    free_set(&s);
}

static int depth_below(const tk_forest_data *d, int32_t n) {
    if (d->feature[n] < 0) return 0;
    const int a = depth_below(d, d->child[n]), b = depth_below(d, d->child[n] + 1);
    return 1 + (a > b ? a : b);
}

static void trees_keep_to_depth_and_least(void **state) {
    (void)state;
    enum { COUNT = 900, LEAST = 20 };
    set s = random_set(COUNT, 4, 3, 0, 9);
    tk_forest_choice choice = common;
    choice.depth = 4;
    tk_forest_data d = grow(&s, &choice, 2, NULL);
    for (int t = 0; t < d.trees; t++) assert_int_equal(depth_below(&d, d.root[t]), 4);
    tk_forest_data_free(&d);
    choice.depth = 0, choice.least = LEAST;
    d = grow(&s, &choice, 2, NULL);
    assert_true(d.nodes / d.trees > 20 && d.nodes / d.trees < 2 * COUNT / LEAST);
    for (int t = 0; t < d.trees; t++) { /* all samples of a leaf, of which the tree saw some */
        int *reached = must_allocate(d.nodes, sizeof *reached);
        memset(reached, 0, (size_t)d.nodes * sizeof *reached);
        for (int64_t i = 0; i < COUNT; i++) {
            int32_t n = d.root[t];
            while (d.feature[n] >= 0) n = d.child[n] + !(s.value[d.feature[n] * COUNT + i] < d.threshold[n]);
            reached[n]++;
        }
        const int64_t end = t + 1 < d.trees ? d.root[t + 1] : d.nodes;
        for (int64_t n = d.root[t]; n < end; n++) assert_true(d.feature[n] >= 0 || reached[n] >= LEAST);
        free(reached);
    }
    tk_forest_data_free(&d);
    free_set(&s);
}

/* One class is a hundredth of the samples, and nothing tells it from the other. */
static void balanced_draws_classes_alike(void **state) {
    (void)state;
    set s = random_set(4000, 3, 3, 4, 11); /* 64 different samples; of the third class there is none */
    for (int64_t i = 0; i < 4000; i++) s.label[i] = i % 100 == 0;
    tk_forest_choice choice = common;
    choice.least = 100;
    for (int balanced = 0; balanced < 2; balanced++) {
        choice.balanced = balanced;
        tk_forest_data d = grow(&s, &choice, 1, NULL);
        float *out = must_allocate((int64_t)4000 * 3, sizeof *out);
        double mean = 0;
        tk_forest *forest = NULL;
        assert_int_equal(tk_forest_new(&d, &forest), TK_OK);
        predict(forest, &d, 4000, s.value, out, ~0U, 1, tk_isa_detect());
        for (int i = 0; i < 4000; i++) mean += (double)out[4000 + i] / 4000;
        assert_true(balanced ? fabs(mean - 0.5) < 0.15 : mean < 0.03);
        for (int i = 0; i < 4000; i++) assert_true(out[8000 + i] == 0);
        tk_forest_free(forest);
        tk_forest_data_free(&d);
        free(out);
    }
    free_set(&s);
}

static void the_smallest_sets_are_learnt(void **state) {
    (void)state;
    set one = random_set(1, 2, 1, 0, 1), same = random_set(30, 2, 2, 1, 2);
    double out_of_bag = 0;
    tk_forest_data d = grow(&one, &common, 3, &out_of_bag);
    assert_int_equal(d.nodes, common.trees);
    assert_true(isnan(out_of_bag)); /* every tree has seen it */
    assert_true(error_on(&d, &one) == 0);
    tk_forest_data_free(&d);
    d = grow(&same, &common, 3, NULL); /* one value alone: nothing to split by */
    assert_int_equal(d.nodes, common.trees);
    tk_forest_data_free(&d);
    free_set(&one), free_set(&same);
}

static void not_trained(const tk_samples *samples, const tk_forest_choice *choice) {
    tk_forest_data d;
    double out_of_bag;
    assert_int_equal(tk_forest_train(samples, choice, 2, &d, &out_of_bag), TK_INVALID);
    assert_null(d.root);
    tk_forest_data_free(&d);
}

static void bad_choices_and_samples_are_refused(void **state) {
    (void)state;
    set s = random_set(20, 3, 2, 0, 1);
    const tk_samples good = s.samples;
    tk_samples bad = good;
    tk_forest_choice choice = common;
    choice.trees = 0, not_trained(&good, &choice);
    choice.trees = TK_FOREST_TREES_MOST + 1, not_trained(&good, &choice);
    choice = common, choice.candidates = -1, not_trained(&good, &choice);
    choice.candidates = 4, not_trained(&good, &choice);
    choice = common, choice.least = 0, not_trained(&good, &choice);
    choice = common, choice.depth = -1, not_trained(&good, &choice);
    bad.count = 0, not_trained(&bad, &common);
    bad.count = INT64_MAX, not_trained(&bad, &common);
    bad = good, bad.features = 0, not_trained(&bad, &common);
    bad.features = TK_CLASSIFIER_FEATURES_MOST + 1, not_trained(&bad, &common);
    bad = good, bad.classes = TK_CLASSES_MOST + 1, not_trained(&bad, &common);
    bad.classes = 1, not_trained(&bad, &common); /* labels are 0 and 1 */
    static const float values[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        s.value[37] = values[i];
        not_trained(&good, &common);
    }
    free_set(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prediction_is_what_a_walk_finds),
        cmocka_unit_test(nodes_may_be_shared),
        cmocka_unit_test(classes_not_wanted_are_left_alone),
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(nodes_out_of_range_are_refused),
        cmocka_unit_test(splits_are_the_best_there_are),
        cmocka_unit_test(thresholds_part_neighbours),
        cmocka_unit_test(many_samples_share_ranks),
        cmocka_unit_test(what_can_be_learnt_is_learnt),
        cmocka_unit_test(out_of_bag_error_is_that_of_new_samples),
        cmocka_unit_test(training_does_not_depend_on_threads),
        cmocka_unit_test(trees_keep_to_depth_and_least),
        cmocka_unit_test(balanced_draws_classes_alike),
        cmocka_unit_test(the_smallest_sets_are_learnt),
        cmocka_unit_test(bad_choices_and_samples_are_refused),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
