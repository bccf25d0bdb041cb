/* Medians of rows of keys: the inner loop of the median filter.
 *
 * A key is a float as an integer of the same order; -0 is below +0, and every NaN is the one largest key. */
#ifndef TK_KERNELS_FILTER_RANK_H
#define TK_KERNELS_FILTER_RANK_H

#include <stdint.h>

#include "kernels/common/cpu.h"

/* Rows of keys are read and written in whole vectors: so many more elements must be there behind `count`. */
enum { TK_RANK_VECTOR = 16, TK_RANK_SLACK = 4 * TK_RANK_VECTOR };

typedef struct tk_rank_kernels {
    void (*keys)(const float *in, int64_t count, int32_t *out);
    void (*values)(const int32_t *in, int64_t count, float *out);
    /* out[x] = the median of rows[0][x] … rows[n-1][x], n odd, for 0 <= x < count. `window` has tk_rank_window(n)
     * elements, aligned to 64 bytes. */
    void (*median)(const int32_t *const *rows, int64_t n, int64_t count, int32_t *window, int32_t *out);
} tk_rank_kernels;

/* More rows than these are not sorted but counted. */
enum { TK_RANK_SORTED = 81 };

static inline int64_t tk_rank_window(int64_t n) { return (n <= TK_RANK_SORTED ? n / 2 + 2 : 1) * TK_RANK_VECTOR; }

TK_ISA_DECLARE(tk_rank_kernels, tk_rank);

#endif
