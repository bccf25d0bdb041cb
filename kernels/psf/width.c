/* Full width at half maximum of a profile, by cubic interpolation (Catmull and Rom) in steps of 1/256 voxel. */
#include "kernels/psf/width.h"

#include <math.h>

enum { STEPS = 256 };

typedef struct line {
    const float *start;
    int64_t stride, count;
} line;

static double sample(const line *l, int64_t i) {
    i = i < 0 ? 0 : i >= l->count ? l->count - 1 : i;
    return l->start[i * l->stride];
}

/* The profile between voxels; `place` counts steps. */
static double value(const line *l, int64_t place) {
    const int64_t i = place / STEPS;
    const double t = (double)(place % STEPS) / STEPS;
    const double a = sample(l, i - 1), b = sample(l, i), c = sample(l, i + 1), d = sample(l, i + 2);
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

double tk_psf_width(tk_cview_f32 psf, int axis) {
    line l = {psf.data, psf.stride[axis], psf.size[axis]};
    int64_t highest = 0, top = 0;
    for (int a = 0; a < 3; a++)
        if (a != axis) l.start += psf.size[a] / 2 * psf.stride[a];
    for (int64_t i = 1; i < l.count; i++)
        if (sample(&l, i) > sample(&l, highest)) highest = i;
    const int64_t end = (l.count - 1) * STEPS;
    double peak = -INFINITY;
    for (int64_t p = (highest - 1) * STEPS; p <= (highest + 1) * STEPS; p++)
        if (p >= 0 && p <= end && value(&l, p) > peak) peak = value(&l, top = p);
    int64_t left = top, right = top;
    while (left >= 0 && value(&l, left) > peak / 2) left--;
    while (right <= end && value(&l, right) > peak / 2) right++;
    return left < 0 || right > end ? NAN : (double)(right - left) / STEPS;
}
