#include "tests/reference/distance.h"

#include <math.h>

static double squared(double length) { return length * length; }

/* Along axes of more than one voxel, the voxels just beyond the image. */
static double to_border(const int64_t size[3], const double spacing[3], const int64_t at[3]) {
    double least = INFINITY;
    for (int a = 0; a < 3; a++) {
        if (size[a] == 1) continue;
        least = fmin(least, squared(spacing[a] * (double)(at[a] + 1)));
        least = fmin(least, squared(spacing[a] * (double)(size[a] - at[a])));
    }
    return least;
}

static double nearest(const uint8_t *mask, const int64_t size[3], const double spacing[3], bool border,
                      const int64_t at[3]) {
    double least = border ? to_border(size, spacing, at) : INFINITY;
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++) {
                if (mask[(z * size[1] + y) * size[2] + x]) continue;
                const double dz = spacing[0] * (double)(z - at[0]), dy = spacing[1] * (double)(y - at[1]);
                const double dx = spacing[2] * (double)(x - at[2]);
                least = fmin(least, squared(dz) + squared(dy) + squared(dx));
            }
    return sqrt(least);
}

void ref_distance(const uint8_t *mask, const int64_t size[3], const double spacing[3], bool border, double *out) {
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++) {
                const int64_t at[3] = {z, y, x}, i = (z * size[1] + y) * size[2] + x;
                out[i] = mask[i] ? nearest(mask, size, spacing, border, at) : 0;
            }
}
