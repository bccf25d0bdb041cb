/* Sorts each neighbourhood. */
#include "tests/reference/median.h"

#include <math.h>
#include <stdlib.h>

#include "tests/reference/gaussian.h"

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    if (isnan(x) || isnan(y)) return !!isnan(x) - !!isnan(y);
    return x < y ? -1 : x > y;
}

static double part(int64_t d, int64_t r) { return r ? (double)(d * d) / (double)(r * r) : 0; }

void ref_median(const float *in, const int64_t size[3], const int64_t radius[3], bool ball, float *out) {
    const int64_t *r = radius;
    float *values = malloc((size_t)((2 * r[0] + 1) * (2 * r[1] + 1) * (2 * r[2] + 1)) * sizeof *values);
    if (!values) abort();
    for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++) {
        const int64_t at[3] = {i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]};
        size_t n = 0;
        for (int64_t z = -r[0]; z <= r[0]; z++)
            for (int64_t y = -r[1]; y <= r[1]; y++)
                for (int64_t x = -r[2]; x <= r[2]; x++) {
                    if (ball && part(z, r[0]) + part(y, r[1]) + part(x, r[2]) > 1 + 1e-9) continue;
                    const int64_t from[3] = {ref_mirror(at[0] + z, size[0]), ref_mirror(at[1] + y, size[1]),
                                             ref_mirror(at[2] + x, size[2])};
                    values[n++] = in[(from[0] * size[1] + from[1]) * size[2] + from[2]];
                }
        qsort(values, n, sizeof *values, by_value);
        out[i] = values[n / 2];
    }
    free(values);
}
