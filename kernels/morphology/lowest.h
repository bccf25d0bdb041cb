/* Minima of rows: the inner loops of morphology. */
#ifndef TK_KERNELS_MORPHOLOGY_LOWEST_H
#define TK_KERNELS_MORPHOLOGY_LOWEST_H

#include <stdint.h>

#include "kernels/common/cpu.h"

enum { TK_LOWEST_ROWS = 8 };

typedef struct tk_lowest_kernels {
    /* to[x] := min(to[x], from[x]) for 0 <= x < count. `from` may be `to`, shifted ahead. */
    void (*lower)(float *to, const float *from, int64_t count);
    /* out[x] := min over the TK_LOWEST_ROWS rows of row[x] + its weight. `out` may be one of them. */
    void (*lowest)(const float *const *rows, const float *weights, int64_t count, float *out);
} tk_lowest_kernels;

TK_ISA_DECLARE(tk_lowest_kernels, tk_lowest);

#endif
