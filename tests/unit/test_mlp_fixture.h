/* Perceptrons and voxels for the tests of prediction and training. */
#ifndef TK_TESTS_UNIT_TEST_MLP_FIXTURE_H
#define TK_TESTS_UNIT_TEST_MLP_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/classify/mlp.h"
#include "tests/unit/test_volume_fixture.h"

/* Arrays of a perceptron with normal numbers of the given spread. */
static inline tk_mlp_data random_mlp(int features, int hidden, int classes, double spread) {
    tk_mlp_data d = {.features = features, .hidden = hidden, .classes = classes};
    float **const arrays[6] = {&d.mean, &d.scale, &d.weight1, &d.bias1, &d.weight2, &d.bias2};
    const int sizes[6] = {features, features, hidden * features, hidden, classes * hidden, classes};
    for (int a = 0; a < 6; a++) {
        *arrays[a] = must_allocate(sizes[a], sizeof(float));
        tk_rng rng = tk_rng_stream(3, 1, (uint64_t)a);
        for (int i = 0; i < sizes[a]; i++) (*arrays[a])[i] = (float)(spread * tk_rng_normal(&rng));
    }
    return d;
}

/* Voxels: values [feature][count] and probabilities [class][count], with pointers to their rows. */
typedef struct voxels {
    int64_t count;
    int features, classes;
    float *value, *probability;
    const float *in[TK_CLASSIFIER_FEATURES_MOST];
    float *out[TK_CLASSES_MOST];
} voxels;

static inline voxels make_voxels(const tk_mlp_data *d, int64_t count) {
    voxels v = {.count = count, .features = d->features, .classes = d->classes};
    v.value = random_image((const int64_t[3]){1, d->features, count}, 5);
    v.probability = must_allocate(count * d->classes, sizeof *v.probability);
    for (int f = 0; f < d->features; f++) v.in[f] = v.value + f * count;
    for (int c = 0; c < d->classes; c++) v.out[c] = v.probability + c * count;
    return v;
}

static inline void free_voxels(voxels *v) { free(v->value), free(v->probability); }

static inline void predict(const tk_mlp_data *d, voxels *v, int threads, tk_isa isa) {
    tk_mlp *mlp = NULL;
    assert_int_equal(tk_mlp_new(d, &mlp), TK_OK);
    tk_work work = work_with(threads, isa, tk_mlp_scratch(mlp, threads));
    assert_int_equal(tk_mlp_predict(mlp, v->count, v->in, v->out, &work), TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    assert_int_equal(tk_mlp_predict(mlp, v->count, v->in, v->out, &work), TK_NO_MEMORY);
    tk_mlp_free(mlp);
}

#endif
