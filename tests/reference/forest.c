/* One voxel from root to leaf in tree after tree; splits at every value of every feature. */
#include "tests/reference/forest.h"

#include <math.h>

void ref_forest_predict(const tk_forest_data *data, const float *value, double *probability) {
    for (int c = 0; c < data->classes; c++) probability[c] = 0;
    for (int t = 0; t < data->trees; t++) {
        int32_t n = data->root[t];
        while (data->feature[n] >= 0) {
            if (value[data->feature[n]] < data->threshold[n])
                n = data->child[n];
            else
                n = data->child[n] + 1;
        }
        for (int c = 0; c < data->classes; c++)
            probability[c] += (double)data->probability[(int64_t)data->child[n] * data->classes + c] / data->trees;
    }
}

static double gini(const double draws[TK_CLASSES_MOST]) {
    double sum = 0, squares = 0;
    for (int c = 0; c < TK_CLASSES_MOST; c++) sum += draws[c];
    for (int c = 0; c < TK_CLASSES_MOST; c++) squares += sum > 0 ? draws[c] / sum * (draws[c] / sum) : 0;
    return sum * (1 - squares);
}

double ref_forest_impurity(const tk_samples *samples, const uint32_t *weight, int64_t least, int feature,
                           double threshold) {
    double draws[2][TK_CLASSES_MOST] = {{0}};
    int64_t count[2] = {0, 0};
    for (int64_t i = 0; i < samples->count; i++) {
        if (!weight[i]) continue;
        const int side = (double)samples->value[feature * samples->count + i] < threshold ? 0 : 1;
        draws[side][samples->label[i]] += weight[i];
        count[side]++;
    }
    return count[0] < least || count[1] < least ? INFINITY : gini(draws[0]) + gini(draws[1]);
}

double ref_forest_split(const tk_samples *samples, const uint32_t *weight, int64_t least) {
    double best = INFINITY;
    for (int f = 0; f < samples->features; f++)
        for (int64_t i = 0; i < samples->count; i++) {
            const double threshold = (double)samples->value[f * samples->count + i];
            const double impurity = ref_forest_impurity(samples, weight, least, f, threshold);
            if (weight[i] && impurity < best) best = impurity;
        }
    return best;
}
