/* Sorting, joining and merging of objects; every operation is exact, so parts may come in any order. */
#include "kernels/measure/merge.h"

#include <math.h>
#include <stdlib.h>

tk_object tk_object_none(uint32_t label) {
    return (tk_object){.label = label,
                       .lo = {INT64_MAX, INT64_MAX, INT64_MAX},
                       .hi = {INT64_MIN, INT64_MIN, INT64_MIN},
                       .intensity_min = INFINITY,
                       .intensity_max = -INFINITY};
}

void tk_object_join(tk_object *into, const tk_object *from) {
    into->count += from->count;
    into->intensity += from->intensity;
    into->not_finite += from->not_finite;
    for (int a = 0; a < 3; a++) {
        into->coordinates[a] += from->coordinates[a];
        if (from->lo[a] < into->lo[a]) into->lo[a] = from->lo[a];
        if (from->hi[a] > into->hi[a]) into->hi[a] = from->hi[a];
    }
    if (from->intensity_min < into->intensity_min) into->intensity_min = from->intensity_min;
    if (from->intensity_max > into->intensity_max) into->intensity_max = from->intensity_max;
}

static int by_label(const void *a, const void *b) {
    const uint32_t one = ((const tk_object *)a)->label, other = ((const tk_object *)b)->label;
    return one < other ? -1 : one > other;
}

int64_t tk_objects_unite(tk_object *objects, int64_t count) {
    if (count == 0) return 0;
    qsort(objects, (size_t)count, sizeof *objects, by_label);
    int64_t last = 0;
    for (int64_t i = 1; i < count; i++)
        if (objects[i].label == objects[last].label)
            tk_object_join(&objects[last], &objects[i]);
        else
            objects[++last] = objects[i];
    return last + 1;
}

int64_t tk_objects_merge(const tk_object *a, int64_t a_count, const tk_object *b, int64_t b_count, tk_object *out) {
    int64_t n = 0, i = 0, k = 0;
    while (i < a_count || k < b_count) {
        const bool from_a = k == b_count || (i < a_count && a[i].label <= b[k].label);
        out[n] = from_a ? a[i] : b[k];
        if (from_a && k < b_count && b[k].label == a[i].label) tk_object_join(&out[n], &b[k++]);
        i += from_a;
        k += !from_a;
        n++;
    }
    return n;
}
