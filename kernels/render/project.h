/* From volumes to pictures: projections along z, contrast, outlines of objects. Axis order z y x; projections have one
 * plane. All of it is additive over slabs of planes and does not depend on threads. */
#ifndef TK_KERNELS_RENDER_PROJECT_H
#define TK_KERNELS_RENDER_PROJECT_H

#include <stdint.h>

#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* The maximum-intensity projection: projection := max(projection, planes of slab). The projection starts as minus
 * infinity; NaN are passed over. */
void tk_project_max(tk_cview_f32 slab, tk_work *work, tk_view_f32 projection);

/* The labels seen from the top, at low z: where a pixel of the projection (which starts as 0) has no label yet, it gets
 * the first one below it. Slabs are given in ascending order of z. */
void tk_project_labels(tk_cview_u32 slab, tk_work *work, tk_view_u32 projection);

/* Bytes of scratch memory for tk_percentile. */
size_t tk_percentile_scratch(void);

/* The percentile (0 … 100) of a view's finite values: the value of rank floor(percent / 100 * (count - 1)) in ascending
 * order, exactly. Errors: TK_UNSOLVABLE (no finite value), TK_NO_MEMORY (scratch too small). */
tk_status tk_percentile(tk_cview_f32 view, double percent, tk_work *work, float *value);

#endif
