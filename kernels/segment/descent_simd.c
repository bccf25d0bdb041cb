/* The order of a voxel is one 64-bit number, its value above its index, so that descent is a minimum. */
#include "kernels/segment/descent.h"

#include <string.h>

#include "kernels/segment/basins.h"

static const uint32_t SIGN = 0x80000000u;

static inline uint64_t key(const uint32_t *order, int64_t at) { return (uint64_t)order[at] << 32 | (uint32_t)at; }

static inline uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* A row that is not there is the voxel's own. */
static inline uint64_t among_rows(const uint32_t *order, int64_t at, const int64_t other[4]) {
    uint64_t best = key(order, at);
    for (int k = 0; k < 4; k++) best = least(best, key(order, at + other[k]));
    return best;
}

static inline uint32_t settle(uint32_t own, int64_t at, uint64_t best) {
    return own >= TK_BASIN_NAN ? (uint32_t)at : (uint32_t)best;
}

static void row(const uint32_t *order, int64_t begin, int64_t width, const int64_t other[4], uint32_t *parent) {
    const int64_t near[4] = {other[0], other[1], other[2], other[3]}, last = begin + width - 1;
#pragma omp simd
    for (int64_t at = begin + 1; at < last; at++) {
        const uint64_t beside = least(key(order, at - 1), key(order, at + 1));
        parent[at] = settle(order[at], at, least(among_rows(order, at, near), beside));
    }
    const uint64_t first = width > 1 ? key(order, begin + 1) : UINT64_MAX;
    parent[begin] = settle(order[begin], begin, least(among_rows(order, begin, near), first));
    if (width > 1) parent[last] = settle(order[last], last, least(among_rows(order, last, near), key(order, last - 1)));
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

const tk_descent_kernels TK_ISA_NAME(tk_descent) = {row, order, borders, ends};
