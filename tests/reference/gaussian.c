/* Direct sums over every voxel's neighbours along each axis in turn. */
#include "tests/reference/gaussian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t ref_mirror(int64_t i, int64_t size) {
    while (i < 0 || i >= size) i = i < 0 ? -1 - i : 2 * size - 1 - i;
    return i;
}

static double sum_around(const double *in, const int64_t size[3], const int64_t at[3], int axis, double sigma,
                         int order) {
    const int64_t radius = (int64_t)floor(4 * sigma + 0.5);
    const double variance = sigma * sigma;
    double sum = 0, weights = 0;
    for (int64_t k = -radius; k <= radius; k++) {
        int64_t from[3] = {at[0], at[1], at[2]};
        from[axis] = ref_mirror(at[axis] + k, size[axis]);
        const double d = (double)k, weight = radius ? exp(-0.5 * d * d / variance) : 1;
        const double derivative = order == 0   ? 1
                                  : order == 1 ? d / variance
                                               : d * d / variance / variance - 1 / variance;
        sum += weight * derivative * in[(from[0] * size[1] + from[1]) * size[2] + from[2]];
        weights += weight;
    }
    return sum / weights;
}

void ref_gaussian_derivative(double *image, const int64_t size[3], const double sigma[3], const int order[3]) {
    const int64_t count = size[0] * size[1] * size[2];
    double *before = malloc((size_t)count * sizeof *before);
    if (!before) abort();
    for (int axis = 0; axis < 3; axis++) {
        memcpy(before, image, (size_t)count * sizeof *before);
        for (int64_t i = 0; i < count; i++) {
            const int64_t at[3] = {i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]};
            image[i] = sum_around(before, size, at, axis, sigma[axis], order[axis]);
        }
    }
    free(before);
}

void ref_gaussian(const float *in, const int64_t size[3], const double sigma[3], double *out) {
    static const int order[3] = {0, 0, 0};
    for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++) out[i] = (double)in[i];
    ref_gaussian_derivative(out, size, sigma, order);
}
