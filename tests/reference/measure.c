/* One pass over all voxels for one object. */
#include "tests/reference/measure.h"

#include <math.h>

ref_object ref_measure(const uint32_t *labels, const float *intensity, const int64_t size[3], uint32_t label) {
    ref_object o = {.lo = {size[0], size[1], size[2]}, .intensity_min = INFINITY, .intensity_max = -INFINITY};
    for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++) {
        if (labels[i] != label) continue;
        const int64_t at[3] = {i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]};
        o.count++;
        for (int a = 0; a < 3; a++) {
            o.centroid[a] += (double)at[a];
            if (at[a] < o.lo[a]) o.lo[a] = at[a];
            if (at[a] + 1 > o.hi[a]) o.hi[a] = at[a] + 1;
        }
        o.intensity_min = fminf(o.intensity_min, intensity[i]);
        o.intensity_max = fmaxf(o.intensity_max, intensity[i]);
        o.intensity_sum += (double)intensity[i];
    }
    for (int a = 0; a < 3; a++) o.centroid[a] /= (double)o.count;
    return o;
}
