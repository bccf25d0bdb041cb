/* Joining of objects' parts. */
#ifndef TK_KERNELS_MEASURE_MERGE_H
#define TK_KERNELS_MEASURE_MERGE_H

#include "kernels/measure/objects.h"

/* The object of that label without any voxel: what joining leaves unchanged. */
tk_object tk_object_none(uint32_t label);

/* Adds another part of the same object. */
void tk_object_join(tk_object *into, const tk_object *from);

#endif
