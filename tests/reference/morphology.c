/* Looks at each voxel of each neighbourhood. */
#include "tests/reference/morphology.h"

#include <math.h>

#include "tests/reference/gaussian.h"

static double part(int64_t d, int64_t r) { return r ? (double)(d * d) / (double)(r * r) : 0; }

void ref_erode(const double *in, const int64_t size[3], int shape, const int64_t r[3], double height, double sign,
               double *out) {
    for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++) {
        const int64_t at[3] = {i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]};
        double least = INFINITY;
        for (int64_t z = -r[0]; z <= r[0]; z++)
            for (int64_t y = -r[1]; y <= r[1]; y++)
                for (int64_t x = -r[2]; x <= r[2]; x++) {
                    const double square = part(z, r[0]) + part(y, r[1]) + part(x, r[2]);
                    if (shape == REF_BALL && square > 1 + 1e-9) continue;
                    const int64_t from[3] = {ref_mirror(at[0] + z, size[0]), ref_mirror(at[1] + y, size[1]),
                                             ref_mirror(at[2] + x, size[2])};
                    const double v = in[(from[0] * size[1] + from[1]) * size[2] + from[2]];
                    if (isfinite(v)) least = fmin(least, sign * v + (shape == REF_PARABOLOID ? height * square : 0));
                }
        out[i] = isfinite(least) ? sign * least : NAN;
    }
}
