/* Sorting of records by an index, without comparisons. */
#ifndef TK_KERNELS_SEGMENT_RADIX_H
#define TK_KERNELS_SEGMENT_RADIX_H

#include "kernels/segment/components.h"

/* Sorts records by ascending index (>= 0), stable; `spare` has as many. Returns the one of the two arrays that the
 * sorted records are in. */
tk_shell_run *tk_sort_by_index(tk_shell_run *records, tk_shell_run *spare, int64_t count);

#endif
