/* The formula, as it is written. */
#include "tests/reference/mlp.h"

#include <math.h>

static double hidden_unit(const tk_mlp_data *d, int u, const float *x) {
    double sum = (double)d->bias1[u];
    for (int f = 0; f < d->features; f++)
        sum += (double)d->weight1[u * d->features + f] * ((double)x[f] - (double)d->mean[f]) * (double)d->scale[f];
    return fmax(sum, 0);
}

void ref_mlp_predict(const tk_mlp_data *data, const float *x, double *probability) {
    double most = -INFINITY, sum = 0;
    for (int c = 0; c < data->classes; c++) {
        probability[c] = (double)data->bias2[c];
        for (int u = 0; u < data->hidden; u++)
            probability[c] += (double)data->weight2[c * data->hidden + u] * hidden_unit(data, u, x);
        most = fmax(most, probability[c]);
    }
    for (int c = 0; c < data->classes; c++) sum += exp(probability[c] - most);
    for (int c = 0; c < data->classes; c++) probability[c] = exp(probability[c] - most) / sum;
}
