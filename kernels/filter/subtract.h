/* Subtraction of one level from every voxel. */
#ifndef TK_KERNELS_FILTER_SUBTRACT_H
#define TK_KERNELS_FILTER_SUBTRACT_H

#include <stdbool.h>

#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* out = in - level; with `clip`, negative results become 0 (NaN stays NaN). The views have the same size and do not
 * overlap. */
void tk_subtract(tk_cview_f32 in, float level, bool clip, tk_view_f32 out, const tk_work *work);

#endif
