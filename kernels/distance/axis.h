/* One pass of the distance transform along an axis, for a few columns that lie beside each other. */
#ifndef TK_KERNELS_DISTANCE_AXIS_H
#define TK_KERNELS_DISTANCE_AXIS_H

#include <math.h>
#include <stdint.h>

#include "kernels/common/cpu.h"

enum { TK_DISTANCE_COLUMNS = 64, TK_DISTANCE_SEARCH = 40 };

/* More than any squared distance; a step of at most as much can be added to it. */
#define TK_DISTANCE_ENDLESS ((int32_t)1 << 30)

/* Of n rows, those that results are wanted for: from … to − 1. */
typedef struct tk_distance_span {
    int64_t n, from, to;
} tk_distance_span;

typedef struct tk_distance_kernels {
    /* For the rows i of the span and each column: data[i − from] := min over j of source[j] + weight (i − j)^2.
     * `source` has n rows of TK_DISTANCE_COLUMNS columns, `data` rows of `width` of them at `step` elements from each
     * other. Steps up to TK_DISTANCE_SEARCH are searched; false: some column needs more, and data is undefined. */
    bool (*search_i32)(const int32_t *source, tk_distance_span span, int32_t weight, int32_t *data, int64_t step,
                       int64_t width);
    bool (*search_f64)(const double *source, tk_distance_span span, double weight, double *data, int64_t step,
                       int64_t width);
} tk_distance_kernels;

TK_ISA_DECLARE(tk_distance_kernels, tk_distance_axis);

#endif
