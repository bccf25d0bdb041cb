/* Of a voxel and its neighbours, the first in the order is chosen without branches. */
#include "kernels/segment/descent.h"

#include <string.h>

#include "kernels/segment/basins.h"

static const uint32_t SIGN = 0x80000000u;

/* The first so far, and where it is. */
typedef struct best {
    uint32_t order, depth, at;
} best;

/* A neighbour with a lower index than all so far is first among equals, one with a higher index last. What is not there
 * (`none`: all bits) is never taken. */
static inline best take_before(best b, const uint32_t *order, const uint8_t *depth, int64_t at, uint32_t none) {
    const uint32_t o = order[at] | none, d = depth ? depth[at] : 0;
    return (o < b.order) | ((o == b.order) & (d <= b.depth)) ? (best){o, d, (uint32_t)at} : b;
}

static inline best take_behind(best b, const uint32_t *order, const uint8_t *depth, int64_t at, uint32_t none) {
    const uint32_t o = order[at] | none, d = depth ? depth[at] : 0;
    return (o < b.order) | ((o == b.order) & (d < b.depth)) ? (best){o, d, (uint32_t)at} : b;
}

/* Which of the rows are not there, and which neighbours in the row. */
typedef struct missing {
    uint32_t row[4], left, right;
} missing;

static inline uint32_t first_of(const uint32_t *order, const uint8_t *depth, int64_t at, const int64_t other[4],
                                const missing *none) {
    best b = {order[at], depth ? depth[at] : 0, (uint32_t)at};
    b = take_before(b, order, depth, at - (none->left ? 0 : 1), none->left);
    b = take_before(b, order, depth, at + other[1], none->row[1]);
    b = take_before(b, order, depth, at + other[0], none->row[0]);
    b = take_behind(b, order, depth, at + (none->right ? 0 : 1), none->right);
    b = take_behind(b, order, depth, at + other[2], none->row[2]);
    b = take_behind(b, order, depth, at + other[3], none->row[3]);
    return order[at] >= TK_BASIN_NAN ? (uint32_t)at : b.at;
}

static inline void row_with(const uint32_t *order, const uint8_t *depth, int64_t begin, int64_t width,
                            const int64_t other[4], uint32_t *parent) {
    const int64_t near[4] = {other[0], other[1], other[2], other[3]}, last = begin + width - 1;
    missing none = {.left = 0, .right = 0};
    for (int k = 0; k < 4; k++) none.row[k] = near[k] ? 0 : UINT32_MAX;
#pragma omp simd
    for (int64_t at = begin + 1; at < last; at++) {
        const missing rows = {{none.row[0], none.row[1], none.row[2], none.row[3]}, 0, 0};
        parent[at] = first_of(order, depth, at, near, &rows);
    }
    none.left = UINT32_MAX;
    none.right = width > 1 ? 0 : UINT32_MAX;
    parent[begin] = first_of(order, depth, begin, near, &none);
    none.left = width > 1 ? 0 : UINT32_MAX;
    none.right = UINT32_MAX;
    parent[last] = first_of(order, depth, last, near, &none);
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
