/* Inner loops of local thresholds: integer sums, and one comparison a voxel in double, in the same order on each
 * instruction set. */
#include <math.h>

#include "kernels/segment/local_threshold.h"

static void add(const float *restrict v, int64_t count, const tk_levels *levels, int64_t sign, int64_t *restrict sum,
                int64_t *restrict square) {
    const double lo = levels->lo, scale = 1 / levels->quantum, top = levels->top;
#pragma omp simd
    for (int64_t x = 0; x < count; x++) {
        double level = ((double)v[x] - lo) * scale + 0.5;
        level = level > 0.5 ? level : 0.5; /* NaN, too */
        level = level < top + 0.5 ? level : top + 0.5;
        const int64_t q = (int64_t)(int32_t)level;
        sum[x] += sign * q;
        square[x] += sign * (q * q);
    }
}

static void add_sums(const int64_t *restrict from, int64_t count, int64_t sign, int64_t *restrict to) {
#pragma omp simd
    for (int64_t x = 0; x < count; x++) to[x] += sign * from[x];
}

static void compare(const tk_local_threshold *how, const float *restrict v, const int64_t *restrict sum,
                    const int64_t *restrict square, double voxels, int64_t count, uint8_t *restrict mask) {
    const double lo = how->levels.lo, quantum = how->levels.quantum;
    const double offset = how->method == TK_LOCAL_MEAN ? how->offset : 0;
    const double by_mean = how->method == TK_LOCAL_SAUVOLA ? 1 - how->k
                           : how->method == TK_LOCAL_MEAN  ? how->factor
                                                           : 1;
    const double by_deviation = how->method == TK_LOCAL_NIBLACK ? -how->k : 0;
    const double by_both = how->method == TK_LOCAL_SAUVOLA ? how->k / how->r : 0;
#pragma omp simd
    for (int64_t x = 0; x < count; x++) {
        const double s1 = (double)sum[x], variance = (double)square[x] * voxels - s1 * s1;
        const double deviation = sqrt(variance > 0 ? variance : 0) / voxels * quantum;
        const double mean = lo + s1 / voxels * quantum;
        const double level = mean * (by_mean + by_both * deviation) + by_deviation * deviation + offset;
        mask[x] = ((double)v[x] > level) & (v[x] > how->floor);
    }
}

const tk_local_kernels TK_ISA_NAME(tk_local) = {add, add_sums, compare};
