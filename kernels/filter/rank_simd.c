/* Medians of rows of keys (rank.h), a vector of voxels at a time.
 *
 * Few rows: forgetful selection (A. W. Paeth, Median finding on a 3x3 grid, Graphics Gems, 1990). The least and the
 * greatest of n/2 + 2 keys cannot be the median of n; they are dropped, the next key comes in, and so on until one is
 * left. For the neighbourhoods met most all loops are unrolled, and the window stays in registers.
 * Many rows: the median's bits from the highest on, each by counting the keys below. */
#include "kernels/filter/rank.h"

#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX2__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

enum { TOGETHER = 4 };

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#pragma clang diagnostic ignored "-Wpass-failed" /* the number of rows is not always a constant */
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t))));

static inline lanes load(const int32_t *from) {
    lanes v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store(int32_t *to, lanes v) { memcpy(to, &v, sizeof v); }

/* Puts the smaller into *a and the larger into *b, in each lane. */
static inline __attribute__((always_inline)) void exchange(lanes *a, lanes *b) {
#if defined(__AVX512F__)
    const __m512i x = (__m512i)*a, y = (__m512i)*b;
    *a = (lanes)_mm512_min_epi32(x, y);
    *b = (lanes)_mm512_max_epi32(x, y);
#elif defined(__AVX2__)
    const __m256i x = (__m256i)*a, y = (__m256i)*b;
    *a = (lanes)_mm256_min_epi32(x, y);
    *b = (lanes)_mm256_max_epi32(x, y);
#else
    const lanes swap = (*a ^ *b) & (*a > *b);
    *a ^= swap;
    *b ^= swap;
#endif
}

/* Brings the least of m keys to the front and the greatest to the end. */
static inline __attribute__((always_inline)) void part_extremes(lanes *window, int64_t m) {
    UNROLL
    for (int64_t i = 0; i < m / 2; i++) exchange(&window[i], &window[m - 1 - i]);
    UNROLL
    for (int64_t i = 1; i < (m + 1) / 2; i++) exchange(&window[0], &window[i]);
    UNROLL
    for (int64_t i = m / 2; i < m - 1; i++) exchange(&window[i], &window[m - 1]);
}

static inline __attribute__((always_inline)) lanes forgetful(const int32_t *const *rows, int64_t n, int64_t x,
                                                             lanes *window) {
    const int64_t first = n / 2 + 2 < n ? n / 2 + 2 : n;
    UNROLL
    for (int64_t i = 0; i < first; i++) window[i] = load(rows[i] + x);
    UNROLL
    for (int64_t m = first; m >= 3; m--) {
        part_extremes(window, m);
        if (m > 3) window[0] = load(rows[first + (first - m)] + x);
        if (m == 3) window[0] = window[1];
    }
    return window[0];
}

/* n is a constant where this is inlined. */
static inline __attribute__((always_inline)) void forgetful_rows(const int32_t *const *rows, int64_t n, int64_t count,
                                                                 int32_t *out) {
    lanes window[16];
    for (int64_t x = 0; x < count; x += LANES) store(out + x, forgetful(rows, n, x, window));
}

/* TOGETHER vectors at a time, since each waits for its own count. */
static void counted_rows(const int32_t *const *rows, int64_t n, int64_t count, int32_t *out) {
    const lanes half = (lanes){0} + (int32_t)(n / 2);
    for (int64_t x = 0; x < count; x += TOGETHER * LANES) {
        lanes median[TOGETHER];
        for (int v = 0; v < TOGETHER; v++) median[v] = (lanes){0} + INT32_MIN;
        for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1) {
            lanes candidate[TOGETHER], below[TOGETHER];
            for (int v = 0; v < TOGETHER; v++) candidate[v] = median[v] ^ (int32_t)bit, below[v] = (lanes){0};
            for (int64_t i = 0; i < n; i++)
                for (int v = 0; v < TOGETHER; v++) below[v] -= load(rows[i] + x + v * LANES) < candidate[v];
            for (int v = 0; v < TOGETHER; v++) {
                const lanes take = below[v] <= half;
                median[v] = (candidate[v] & take) | (median[v] & ~take);
            }
        }
        for (int v = 0; v < TOGETHER; v++) store(out + x + v * LANES, median[v]);
    }
}

static void median(const int32_t *const *rows, int64_t n, int64_t count, int32_t *window, int32_t *out) {
    switch (n) {
    case 3:
        forgetful_rows(rows, 3, count, out);
        return;
    case 5:
        forgetful_rows(rows, 5, count, out);
        return;
    case 7:
        forgetful_rows(rows, 7, count, out);
        return;
    case 9:
        forgetful_rows(rows, 9, count, out);
        return;
    case 25:
        forgetful_rows(rows, 25, count, out);
        return;
    case 27:
        forgetful_rows(rows, 27, count, out);
        return;
    default:
        break;
    }
    if (n > TK_RANK_SORTED)
        counted_rows(rows, n, count, out);
    else
        for (int64_t x = 0; x < count; x += LANES) store(out + x, forgetful(rows, n, x, (lanes *)(void *)window));
}

/* Negative floats grow as their bits shrink. */
static inline int32_t turned(int32_t bits) { return bits ^ (bits >> 31 & INT32_MAX); }

static void keys(const float *in, int64_t count, int32_t *out) {
    for (int64_t x = 0; x < count; x++) {
        int32_t bits;
        memcpy(&bits, in + x, sizeof bits);
        out[x] = (bits & INT32_MAX) > 0x7F800000 ? INT32_MAX : turned(bits);
    }
}

static void values(const int32_t *in, int64_t count, float *out) {
    for (int64_t x = 0; x < count; x++) {
        const int32_t bits = in[x] == INT32_MAX ? 0x7FC00000 : turned(in[x]);
        memcpy(out + x, &bits, sizeof bits);
    }
}

const tk_rank_kernels TK_ISA_NAME(tk_rank) = {keys, values, median};
