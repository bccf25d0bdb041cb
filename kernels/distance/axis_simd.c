/* The search outwards from each voxel, many columns at a time: it ends where the step alone is as long as what was
 * found in every column. */
#include "kernels/distance/axis.h"

#include <string.h>

enum { COLUMNS = TK_DISTANCE_COLUMNS, SEARCH = TK_DISTANCE_SEARCH };

#define DEFINE_SEARCH(NAME, T)                                                                                         \
    /* The best of one row so far; is any column's still longer than the step? */                                      \
    static bool any_longer_##NAME(const T *best, T step) {                                                             \
        int longer = 0;                                                                                                \
        for (int c = 0; c < COLUMNS; c++) longer |= best[c] > step;                                                    \
        return longer;                                                                                                 \
    }                                                                                                                  \
    static void take_##NAME(const T *restrict row, T step, T *restrict best) {                                         \
        for (int c = 0; c < COLUMNS; c++) {                                                                            \
            const T there = row[c] + step;                                                                             \
            best[c] = there < best[c] ? there : best[c];                                                               \
        }                                                                                                              \
    }                                                                                                                  \
    /* One row: false when SEARCH steps did not do. */                                                                 \
    static bool row_##NAME(const T *source, int64_t n, int64_t i, T weight, T *best) {                                 \
        const int64_t most = i > n - 1 - i ? i : n - 1 - i;                                                            \
        memcpy(best, source + i * COLUMNS, COLUMNS * sizeof *best);                                                    \
        for (int64_t k = 1; k <= most; k++) {                                                                          \
            const T step = weight * (T)(k * k);                                                                        \
            if (!any_longer_##NAME(best, step)) return true;                                                           \
            if (k > SEARCH) return false;                                                                              \
            if (i >= k) take_##NAME(source + (i - k) * COLUMNS, step, best);                                           \
            if (i + k < n) take_##NAME(source + (i + k) * COLUMNS, step, best);                                        \
        }                                                                                                              \
        return true;                                                                                                   \
    }                                                                                                                  \
    static bool search_##NAME(const T *source, tk_distance_span span, T weight, T *data, int64_t step,                 \
                              int64_t width) {                                                                         \
        T best[COLUMNS] __attribute__((aligned(64)));                                                                  \
        for (int64_t i = span.from; i < span.to; i++) {                                                                \
            if (!row_##NAME(source, span.n, i, weight, best)) return false;                                            \
            memcpy(data + (i - span.from) * step, best, (size_t)width * sizeof *best);                                 \
        }                                                                                                              \
        return true;                                                                                                   \
    }
DEFINE_SEARCH(i32, int32_t)
DEFINE_SEARCH(f64, double)

const tk_distance_kernels TK_ISA_NAME(tk_distance_axis) = {search_i32, search_f64};
