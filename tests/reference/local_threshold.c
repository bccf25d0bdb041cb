/* Two passes over every box: the mean, then the squares of what deviates from it. */
#include "tests/reference/local_threshold.h"

#include <math.h>

static int64_t mirrored(int64_t i, int64_t size) {
    if (size == 1) return 0;
    while (i < 0 || i >= size) i = i < 0 ? -i : 2 * (size - 1) - i;
    return i;
}

static double around(const int64_t *levels, const int64_t size[3], const int64_t r[3], const int64_t at[3], double mean,
                     int power) {
    double sum = 0, count = 0;
    for (int64_t z = -r[0]; z <= r[0]; z++)
        for (int64_t y = -r[1]; y <= r[1]; y++)
            for (int64_t x = -r[2]; x <= r[2]; x++) {
                const int64_t row = mirrored(at[0] + z, size[0]) * size[1] + mirrored(at[1] + y, size[1]);
                sum += pow((double)levels[row * size[2] + mirrored(at[2] + x, size[2])] - mean, power);
                count++;
            }
    return sum / count;
}

void ref_local_moments(const int64_t *levels, const int64_t size[3], const int64_t radius[3], double *mean,
                       double *deviation) {
    for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++) {
        const int64_t at[3] = {i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]};
        mean[i] = around(levels, size, radius, at, 0, 1);
        deviation[i] = sqrt(around(levels, size, radius, at, mean[i], 2));
    }
}
