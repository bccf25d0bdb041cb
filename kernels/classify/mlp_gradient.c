/* Back-propagation, TK_MLP_GROUP samples at a time (mlp_gradient.h). */
#include "kernels/classify/mlp_gradient.h"

#include <math.h>

#include "kernels/classify/mlp.h"
#include "kernels/common/elementary.h"

static const double EXP_LEAST = -700; /* of tk_exp_ieee; below, the exponential counts as 0 */

enum { GROUP = TK_MLP_GROUP };

typedef struct group {
    double z[(size_t)GROUP * TK_CLASSIFIER_FEATURES_MOST];
    double hidden[(size_t)GROUP * TK_MLP_HIDDEN_MOST];
    double slope[GROUP * TK_CLASSES_MOST];
} group;

/* Takes the logits of a sample to the derivatives of its loss by them; the loss. */
static double cross_entropy(int classes, int label, double weight, double *logit) {
    double most = logit[0], sum = 0;
    for (int c = 1; c < classes; c++) most = logit[c] > most ? logit[c] : most;
    const double apart = most - logit[label];
    for (int c = 0; c < classes; c++) {
        logit[c] = logit[c] - most >= EXP_LEAST ? tk_exp_ieee(logit[c] - most) : 0;
        sum += logit[c];
    }
    for (int c = 0; c < classes; c++) logit[c] = weight * (logit[c] / sum - (c == label ? 1 : 0));
    return weight * (tk_log_ieee(sum) + apart);
}

/* The samples of a group, and zeros where there are fewer than GROUP. */
static void gather(const tk_mlp_shape *shape, const tk_mlp_lessons *lessons, const int64_t *index, int64_t count,
                   double *restrict z) {
    for (int64_t s = 0; s < GROUP; s++, z += shape->features) {
        const float *restrict from = s < count ? lessons->z + index[s] * shape->features : NULL;
        for (int f = 0; f < shape->features; f++) z[f] = from ? (double)from[f] : 0;
    }
}

static double add_group(const tk_mlp_kernels *kernels, const tk_mlp_shape *shape, const double *numbers,
                        const tk_mlp_lessons *lessons, const int64_t *index, int64_t count, group *g,
                        double *gradient) {
    double loss = 0;
    gather(shape, lessons, index, count, g->z);
    kernels->hidden(shape, numbers, g->z, g->hidden);
    for (int64_t s = 0; s < GROUP; s++) {
        double *slope = g->slope + s * shape->classes;
        kernels->logits(shape, numbers, g->hidden + s * shape->units, slope);
        const int label = s < count ? lessons->label[index[s]] : 0;
        const double of_sample = cross_entropy(shape->classes, label, s < count ? lessons->weight[label] : 0, slope);
        if (s < count) loss += of_sample;
    }
    kernels->backward(shape, numbers, g->z, g->slope, g->hidden, gradient);
    return loss;
}

double tk_mlp_gradient(const tk_mlp_kernels *kernels, const tk_mlp_shape *shape, const double *numbers,
                       const tk_mlp_lessons *lessons, const int64_t *index, int64_t count, double *gradient) {
    group g;
    double loss = 0;
    for (int64_t i = 0; i < count; i += GROUP)
        loss +=
            add_group(kernels, shape, numbers, lessons, index + i, count - i < GROUP ? count - i : GROUP, &g, gradient);
    return loss;
}
