/* Records of objects: their layout, the empty one, and joining of two. */
#ifndef TK_KERNELS_MEASURE_MERGE_H
#define TK_KERNELS_MEASURE_MERGE_H

#include "kernels/measure/objects.h"

/* Makes the record of an object without any voxel: what joining leaves unchanged. */
void tk_object_clear(const tk_objects_spec *spec, void *record, uint32_t label);

/* Adds another part of the same object. */
void tk_object_join(const tk_objects_spec *spec, void *into, const void *from);

/* Takes a voxel (z y x) as the outermost in the k-th direction if it is. */
static inline void tk_object_reach(const tk_objects_spec *spec, tk_object_extremes *e, int k, int64_t z, int64_t y,
                                   int64_t x) {
    const int64_t p[3] = {z, y, x};
    int64_t ahead = 0, first = 0; /* by how much it lies further out; which comes first in the image */
    for (int a = 0; a < 3; a++) {
        const int64_t step = p[a] - e->axis[a][k];
        ahead += spec->direction[a][k] * step;
        if (first == 0) first = step;
    }
    if (e->axis[0][k] >= 0 && (ahead < 0 || (ahead == 0 && first >= 0))) return;
    for (int a = 0; a < 3; a++) e->axis[a][k] = (int32_t)p[a];
}

#endif
