/* Of a voxel and its neighbours, the first in the order is chosen without branches. */
#include "kernels/segment/descent.h"

#include <string.h>

#include "kernels/segment/basins.h"

static const uint32_t SIGN = 0x80000000u;

/* The first so far, and where it is. */
typedef struct best {
    uint32_t order, depth, at;
} best;

static inline best choose(bool first, best a, best b) {
    return (best){first ? a.order : b.order, first ? a.depth : b.depth, first ? a.at : b.at};
}

/* A neighbour with a lower index than all so far is first among equals, one with a higher index last. What is not there
 * (`none`: all bits) is never taken. */
static inline best take_before(best b, const uint32_t *order, const uint8_t *depth, int64_t at, uint32_t none) {
    const uint32_t o = order[at] | none, d = depth ? depth[at] : 0;
    return choose((o < b.order) | ((o == b.order) & (d <= b.depth)), (best){o, d, (uint32_t)at}, b);
}

static inline best take_behind(best b, const uint32_t *order, const uint8_t *depth, int64_t at, uint32_t none) {
    const uint32_t o = order[at] | none, d = depth ? depth[at] : 0;
    return choose((o < b.order) | ((o == b.order) & (d < b.depth)), (best){o, d, (uint32_t)at}, b);
}

/* Where a voxel's neighbours are, in the order in which they are taken: −x, −y, −z, x, y, z; and all bits where there
 * is none. */
typedef struct beside {
    int64_t step[6];
    uint32_t none[6];
} beside;

static inline __attribute__((always_inline)) uint32_t first_of(const uint32_t *order, const uint8_t *depth, int64_t at,
                                                               const beside *near) {
    best b = {order[at], depth ? depth[at] : 0, (uint32_t)at};
    for (int k = 0; k < 3; k++) b = take_before(b, order, depth, at + near->step[k], near->none[k]);
    for (int k = 3; k < 6; k++) b = take_behind(b, order, depth, at + near->step[k], near->none[k]);
    return order[at] >= TK_BASIN_NAN ? (uint32_t)at : b.at;
}

static beside beside_of(const int64_t other[4], int64_t left, int64_t right) {
    beside near = {{left, other[1], other[0], right, other[2], other[3]}, {0}};
    for (int k = 0; k < 6; k++) near.none[k] = near.step[k] ? 0 : UINT32_MAX;
    return near;
}

static inline __attribute__((always_inline)) void row_with(const uint32_t *order, const uint8_t *depth, int64_t begin,
                                                           int64_t width, const int64_t other[4], uint32_t *parent) {
    const int64_t last = begin + width - 1;
    const beside near = beside_of(other, -1, 1);
    const beside first = beside_of(other, 0, width > 1), end = beside_of(other, width > 1 ? -1 : 0, 0);
#pragma omp simd
    for (int64_t at = begin + 1; at < last; at++) parent[at] = first_of(order, depth, at, &near);
    parent[begin] = first_of(order, depth, begin, &first);
    parent[last] = first_of(order, depth, last, &end);
}

static void row(const uint32_t *order, const uint8_t *depth, int64_t begin, int64_t width, const int64_t other[4],
                uint32_t *parent) {
    if (depth)
        row_with(order, depth, begin, width, other, parent);
    else
        row_with(order, NULL, begin, width, other, parent);
}

static inline uint32_t ordered(uint32_t bits, uint32_t turn) {
    const uint32_t size = bits & ~SIGN;
    const uint32_t turned = size == 0 ? 0 : bits ^ turn; /* one zero */
    return size > 0x7f800000u ? TK_BASIN_NAN : turned & SIGN ? ~turned : turned | SIGN;
}

static void order(const float *values, const uint8_t *mask, int64_t count, uint32_t turn, uint32_t *order) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        memcpy(&bits, &values[i], sizeof bits);
        order[i] = ordered(bits, turn);
    }
    if (!mask) return;
#pragma omp simd
    for (int64_t i = 0; i < count; i++) order[i] = mask[i] ? order[i] : TK_BASIN_OUTSIDE;
}

/* A neighbour that is not there is the voxel itself, and not lower. */
static inline uint8_t edge(const uint32_t *order, int64_t at, const int64_t other[6], uint8_t limit) {
    uint32_t lower = order[at] >= TK_BASIN_NAN;
    for (int k = 0; k < 6; k++) lower |= order[at + other[k]] < order[at];
    return lower ? 0 : limit;
}

static void edges(const uint32_t *order, int64_t begin, int64_t width, const int64_t other[4], uint8_t limit,
                  uint8_t *depth) {
    const int64_t near[6] = {other[0], other[1], other[2], other[3], -1, 1}, last = begin + width - 1;
    const int64_t first[6] = {near[0], near[1], near[2], near[3], 0, width > 1};
    const int64_t end[6] = {near[0], near[1], near[2], near[3], width > 1 ? -1 : 0, 0};
#pragma omp simd
    for (int64_t at = begin + 1; at < last; at++) depth[at] = edge(order, at, near, limit);
    depth[begin] = edge(order, begin, first, limit);
    depth[last] = edge(order, last, end, limit);
}

static void borders(const uint32_t *order, const uint32_t *parent, int64_t begin, int64_t count, const int64_t ahead[3],
                    uint8_t *flags) {
    const uint32_t *own = parent + begin, *o = order + begin;
    const int64_t z = ahead[0], y = ahead[1], x = ahead[2];
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        const uint32_t found = (uint32_t)((own[i] != own[i + z]) & (o[i + z] != TK_BASIN_OUTSIDE)) |
                               (uint32_t)((own[i] != own[i + y]) & (o[i + y] != TK_BASIN_OUTSIDE)) << 1 |
                               (uint32_t)((own[i] != own[i + x]) & (o[i + x] != TK_BASIN_OUTSIDE)) << 2;
        flags[i] = o[i] == TK_BASIN_OUTSIDE ? 0 : (uint8_t)found;
    }
}

static void ends(const uint32_t *order, const uint32_t *parent, int64_t begin, int64_t count, uint8_t *flags) {
    const uint32_t *own = parent + begin, *o = order + begin, first = (uint32_t)begin;
#pragma omp simd
    for (int64_t i = 0; i < count; i++) flags[i] = (own[i] == first + (uint32_t)i) & (o[i] != TK_BASIN_OUTSIDE);
}

const tk_descent_kernels TK_ISA_NAME(tk_descent) = {row, order, borders, edges, ends};
