/* From a file's element type to what the engine computes with. */
#ifndef TK_IO_CONVERT_H
#define TK_IO_CONVERT_H

#include <stdint.h>

#include "io/dtype.h"
#include "kernels/common/view.h"

/* Converts densely packed elements (z y x, as many as `out` has) to float32, rounding to nearest. */
void tk_convert_f32(tk_dtype type, const void *dense, tk_view_f32 out);

/* Converts densely packed elements to labels. Answers the index of the first element that is no integer in 0 .. 2^32-1,
 * with its value in *value; -1 when all are labels. */
int64_t tk_convert_labels(tk_dtype type, const void *dense, tk_view_u32 out, double *value);

#endif
