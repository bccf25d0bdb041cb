/* Arithmetic on boxes. */
#include "kernels/common/view.h"

tk_box tk_box_of_size(const int64_t size[3]) { return (tk_box){{0, 0, 0}, {size[0], size[1], size[2]}}; }

int64_t tk_box_count(const tk_box *box) {
    int64_t count = 1;
    for (int a = 0; a < 3; a++) {
        if (box->hi[a] <= box->lo[a]) return 0;
        count *= tk_box_size(box, a);
    }
    return count;
}

tk_box tk_box_grow(const tk_box *box, const int64_t halo[3], const tk_box *limits) {
    tk_box grown;
    for (int a = 0; a < 3; a++) {
        grown.lo[a] = box->lo[a] - halo[a];
        grown.hi[a] = box->hi[a] + halo[a];
    }
    return tk_box_intersect(&grown, limits);
}

bool tk_box_contains(const tk_box *outer, const tk_box *inner) {
    for (int a = 0; a < 3; a++)
        if (inner->lo[a] < outer->lo[a] || inner->hi[a] > outer->hi[a]) return false;
    return true;
}

tk_box tk_box_intersect(const tk_box *a, const tk_box *b) {
    tk_box common;
    for (int i = 0; i < 3; i++) {
        common.lo[i] = a->lo[i] > b->lo[i] ? a->lo[i] : b->lo[i];
        common.hi[i] = a->hi[i] < b->hi[i] ? a->hi[i] : b->hi[i];
        if (common.hi[i] < common.lo[i]) common.hi[i] = common.lo[i];
    }
    return common;
}
