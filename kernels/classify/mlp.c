/* A perceptron's checks, its layout for prediction, and prediction by threads (mlp_simd.c has the loops). */
#include "kernels/classify/mlp.h"

#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>

#include "kernels/classify/mlp_kernels.h"

enum { THREAD_VOXELS = 4096 }; /* that a thread takes at once */

struct tk_mlp {
    tk_mlp_layers layers;
    float *numbers; /* of all layers; owned */
};

void tk_mlp_data_free(tk_mlp_data *data) {
    free(data->mean), free(data->scale);
    free(data->weight1), free(data->bias1), free(data->weight2), free(data->bias2);
    data->mean = data->scale = data->weight1 = data->bias1 = data->weight2 = data->bias2 = NULL;
}

static bool all_finite(const float *v, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(v[i])) return false;
    return true;
}

static bool sizes_valid(const tk_mlp_data *d) {
    return d->features >= 1 && d->features <= TK_CLASSIFIER_FEATURES_MOST && d->hidden >= 1 &&
           d->hidden <= TK_MLP_HIDDEN_MOST && d->classes >= 1 && d->classes <= TK_CLASSES_MOST;
}

static bool valid(const tk_mlp_data *d) {
    if (!sizes_valid(d)) return false;
    const size_t features = (size_t)d->features, hidden = (size_t)d->hidden, classes = (size_t)d->classes;
    return all_finite(d->mean, features) && all_finite(d->scale, features) &&
           all_finite(d->weight1, hidden * features) && all_finite(d->bias1, hidden) &&
           all_finite(d->weight2, classes * hidden) && all_finite(d->bias2, classes);
}

static int groups_of(const tk_mlp_data *d) { return (d->hidden + TK_MLP_GROUP - 1) / TK_MLP_GROUP; }

static size_t numbers_of(const tk_mlp_data *d) {
    const size_t features = (size_t)d->features, classes = (size_t)d->classes;
    return 2 * features + classes + (size_t)groups_of(d) * TK_MLP_GROUP * (features + 1 + classes);
}

size_t tk_mlp_bytes(const tk_mlp_data *data) { return sizeof(tk_mlp) + numbers_of(data) * sizeof(float); }

/* Deals out the numbers to the layers. */
static tk_mlp_layers lay_out(const tk_mlp_data *d, float *numbers) {
    const int groups = groups_of(d);
    const size_t units = (size_t)groups * TK_MLP_GROUP, features = (size_t)d->features;
    tk_mlp_layers m = {.features = d->features, .classes = d->classes, .groups = groups};
    m.weight1 = numbers;
    m.bias1 = m.weight1 + units * features;
    m.weight2 = m.bias1 + units;
    m.bias2 = m.weight2 + units * (size_t)d->classes;
    m.mean = m.bias2 + d->classes;
    m.scale = m.mean + features;
    return m;
}

/* Layers hold 0 where nothing is put. */
static void fill(const tk_mlp_data *d, tk_mlp_layers *m) {
    for (int f = 0; f < d->features; f++) m->mean[f] = d->mean[f], m->scale[f] = d->scale[f];
    for (int c = 0; c < d->classes; c++) m->bias2[c] = d->bias2[c];
    for (int64_t h = 0; h < d->hidden; h++) {
        const int64_t group = h / TK_MLP_GROUP, u = h % TK_MLP_GROUP;
        m->bias1[h] = d->bias1[h];
        for (int64_t f = 0; f < d->features; f++)
            m->weight1[(group * d->features + f) * TK_MLP_GROUP + u] = d->weight1[h * d->features + f];
        for (int64_t c = 0; c < d->classes; c++)
            m->weight2[(group * d->classes + c) * TK_MLP_GROUP + u] = d->weight2[c * d->hidden + h];
    }
}

tk_status tk_mlp_new(const tk_mlp_data *data, tk_mlp **mlp) {
    *mlp = NULL;
    if (!valid(data)) return TK_INVALID;
    tk_mlp *made = calloc(1, sizeof *made);
    float *numbers = calloc(numbers_of(data), sizeof *numbers);
    if (!made || !numbers) {
        free(made), free(numbers);
        return TK_NO_MEMORY;
    }
    *made = (tk_mlp){lay_out(data, numbers), numbers};
    fill(data, &made->layers);
    *mlp = made;
    return TK_OK;
}

void tk_mlp_free(tk_mlp *mlp) {
    if (!mlp) return;
    free(mlp->numbers);
    free(mlp);
}

/* As measured with AVX2: products, then standardising, then softmax. */
double tk_mlp_cost(const tk_mlp *mlp) {
    const double features = mlp->layers.features, classes = mlp->layers.classes;
    const double units = (double)mlp->layers.groups * TK_MLP_GROUP;
    return 0.035 * units * (features + classes) + 0.15 * features + classes;
}

size_t tk_mlp_scratch(const tk_mlp *mlp, int threads) {
    return (size_t)threads * tk_scratch_cost(tk_mlp_piece_floats(&mlp->layers), sizeof(float));
}

tk_status tk_mlp_predict(const tk_mlp *mlp, int64_t count, const float *const value[], float *const probability[],
                         tk_work *work) {
    const tk_mlp_kernels *kernels = TK_ISA_SELECT(tk_mlp, work->isa);
    const int64_t floats = tk_mlp_piece_floats(&mlp->layers);
    const int threads = tk_work_lanes(work, tk_scratch_cost(floats, sizeof(float)));
    const size_t mark = tk_scratch_mark(&work->scratch);
    float *memory = threads ? tk_scratch_take(&work->scratch, threads * floats, sizeof *memory) : NULL;
    if (!memory) return TK_NO_MEMORY;
#pragma omp parallel num_threads(threads)
    {
        float *own = memory + omp_get_thread_num() * floats;
#pragma omp for schedule(dynamic)
        for (int64_t at = 0; at < count; at += THREAD_VOXELS) {
            const int64_t left = count - at, here = left < THREAD_VOXELS ? left : THREAD_VOXELS;
            kernels->predict(&mlp->layers, value, at, here, probability, own);
        }
    }
    tk_scratch_rewind(&work->scratch, mark);
    return TK_OK;
}
