/* The order of a voxel is one 64-bit number, its value above its index, so that descent is a minimum. */
#include "kernels/segment/descent.h"

static const uint32_t LAST = 0xffffffffu, SIGN = 0x80000000u;

static inline uint64_t key(const uint32_t *order, int64_t at) { return (uint64_t)order[at] << 32 | (uint32_t)at; }

static inline uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* A row that is not there is the voxel's own. */
static inline uint64_t among_rows(const uint32_t *order, int64_t at, const int64_t other[4]) {
    uint64_t best = key(order, at);
    for (int k = 0; k < 4; k++) best = least(best, key(order, at + other[k]));
    return best;
}

static inline uint32_t settle(uint32_t own, int64_t at, uint64_t best) {
    return own == LAST ? (uint32_t)at : (uint32_t)best;
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

static void order(uint32_t *values, int64_t count, uint32_t turn) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        const uint32_t size = values[i] & ~SIGN;
        const uint32_t bits = size == 0 ? 0 : values[i] ^ turn; /* one zero */
        const uint32_t ordered = bits & SIGN ? ~bits : bits | SIGN;
        values[i] = size > 0x7f800000u ? LAST : ordered;
    }
}

const tk_descent_kernels TK_ISA_NAME(tk_descent) = {row, order};
