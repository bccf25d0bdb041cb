/* Steepest descent over a tile, and the ends of its paths. */
#include "kernels/segment/basins.h"

#include <math.h>
#include <string.h>

#include "kernels/segment/descent.h"

static const uint32_t SIGN = 0x80000000u;
enum { ORDER_PIECE = 1 << 16 };

void tk_basin_order(void *values, const uint8_t *mask, int64_t count, bool from_maxima, const tk_work *work) {
    const tk_descent_kernels *kernels = TK_ISA_SELECT(tk_descent, work->isa);
    uint32_t *order = values;
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t i = 0; i < count; i += ORDER_PIECE) {
        const int64_t some = count - i < ORDER_PIECE ? count - i : ORDER_PIECE;
        kernels->order(order + i, some, from_maxima ? SIGN : 0);
        for (int64_t k = i; mask && k < i + some; k++) order[k] = mask[k] ? order[k] : TK_BASIN_LAST;
    }
}

float tk_basin_value(uint32_t ordered, bool from_maxima) {
    const uint32_t bits = ordered & SIGN ? ordered & ~SIGN : ~ordered;
    float value = 0;
    if (ordered == TK_BASIN_LAST) return NAN;
    memcpy(&value, &bits, sizeof value);
    return from_maxima ? -value : value;
}

/* Row (z, y) of the box. Ghosts and markers are ends. */
static void descend_row(const tk_basin_tile *t, const tk_descent_kernels *kernels, int64_t z, int64_t y,
                        uint32_t *parent) {
    const int64_t high = tk_box_size(&t->box, TK_Y), width = tk_box_size(&t->box, TK_X), plane = high * width;
    const int64_t begin = z * plane + y * width, deep = tk_box_size(&t->box, TK_Z);
    const int64_t other[4] = {z > 0 ? -plane : 0, y > 0 ? -width : 0, y + 1 < high ? width : 0,
                              z + 1 < deep ? plane : 0};
    int64_t own_begin = begin + t->core.lo[TK_X] - t->box.lo[TK_X],
            own_end = begin + t->core.hi[TK_X] - t->box.lo[TK_X];
    const int64_t at[2] = {z + t->box.lo[TK_Z], y + t->box.lo[TK_Y]};
    for (int a = 0; a < 2; a++)
        if (at[a] < t->core.lo[a] || at[a] >= t->core.hi[a]) own_begin = own_end = begin;
    if (own_begin < own_end) kernels->row(t->order, begin, width, other, parent);
    for (int64_t i = begin; i < own_begin; i++) parent[i] = (uint32_t)i;
    for (int64_t i = own_end; i < begin + width; i++) parent[i] = (uint32_t)i;
    for (int64_t i = own_begin; t->markers && i < own_end; i++) parent[i] = t->markers[i] ? (uint32_t)i : parent[i];
}

/* Others follow and shorten the same paths meanwhile: whatever is read leads to the same end. */
static void follow(uint32_t *parent, int64_t i) {
    uint32_t at = __atomic_load_n(&parent[i], __ATOMIC_RELAXED), next = 0;
    while ((next = __atomic_load_n(&parent[at], __ATOMIC_RELAXED)) != at) at = next;
    __atomic_store_n(&parent[i], at, __ATOMIC_RELAXED);
}

tk_status tk_basins_descend(const tk_basin_tile *t, uint32_t *parent, const tk_work *work) {
    const tk_descent_kernels *kernels = TK_ISA_SELECT(tk_descent, work->isa);
    const int64_t high = tk_box_size(&t->box, TK_Y), rows = tk_box_size(&t->box, TK_Z) * high;
    const int64_t count = tk_box_count(&t->box);
    if (count > UINT32_MAX) return TK_FAILED;
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t row = 0; row < rows; row++) descend_row(t, kernels, row / high, row % high, parent);
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t i = 0; i < count; i++) follow(parent, i);
    return TK_OK;
}

/* The first in the order of voxel i and its neighbours in the box. */
static int64_t step_from(const tk_basin_tile *t, int64_t i) {
    const int64_t width = tk_box_size(&t->box, TK_X), plane = tk_box_size(&t->box, TK_Y) * width;
    const int64_t stride[3] = {plane, width, 1}, at[3] = {i / plane, i % plane / width, i % width};
    int64_t best = i;
    if (t->order[i] == TK_BASIN_LAST || (t->markers && t->markers[i])) return i;
    for (int a = 0; a < 3; a++) {
        const int64_t before = at[a] > 0 ? i - stride[a] : i, after = i + stride[a];
        if (t->order[before] < t->order[best] || (t->order[before] == t->order[best] && before < best)) best = before;
        if (at[a] + 1 == tk_box_size(&t->box, a)) continue;
        if (t->order[after] < t->order[best] || (t->order[after] == t->order[best] && after < best)) best = after;
    }
    return best;
}

void tk_basins_join_ghosts(const tk_basin_tile *t, uint32_t *parent, const tk_work *work) {
    const int64_t high = tk_box_size(&t->box, TK_Y), width = tk_box_size(&t->box, TK_X);
    const int64_t count = tk_box_count(&t->box), left = t->core.lo[TK_X] - t->box.lo[TK_X];
    const int64_t right = t->core.hi[TK_X] - t->box.lo[TK_X];
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t row = 0; row < tk_box_size(&t->box, TK_Z) * high; row++) {
        const int64_t z = row / high + t->box.lo[TK_Z], y = row % high + t->box.lo[TK_Y];
        const bool own = z >= t->core.lo[TK_Z] && z < t->core.hi[TK_Z] && y >= t->core.lo[TK_Y] && y < t->core.hi[TK_Y];
        const int64_t end = own ? left : width;
        for (int64_t x = 0; x < end; x++) parent[row * width + x] = (uint32_t)step_from(t, row * width + x);
        for (int64_t x = own ? right : width; x < width; x++)
            parent[row * width + x] = (uint32_t)step_from(t, row * width + x);
    }
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t i = 0; i < count; i++) follow(parent, i);
}

int64_t tk_basin_end(const tk_basin_tile *t, int64_t i) {
    int64_t index = 0;
    for (int64_t next = i; tk_basin_is_own(t, i, &index); i = next)
        if ((next = step_from(t, i)) == i) break;
    return t->markers && t->markers[i] ? -(int64_t)t->markers[i] : tk_basin_name(t, i);
}

bool tk_basin_is_own(const tk_basin_tile *t, int64_t i, int64_t *index) {
    const int64_t width = tk_box_size(&t->box, TK_X), plane = tk_box_size(&t->box, TK_Y) * width;
    const int64_t at[3] = {t->box.lo[0] + i / plane, t->box.lo[1] + i / width % (plane / width),
                           t->box.lo[2] + i % width};
    bool own = true;
    for (int a = 0; a < 3; a++) own = own && at[a] >= t->core.lo[a] && at[a] < t->core.hi[a];
    *index = (at[0] * t->image.hi[TK_Y] + at[1]) * t->image.hi[TK_X] + at[2];
    return own;
}

int64_t tk_basin_name(const tk_basin_tile *t, int64_t basin) {
    int64_t index = 0;
    if (basin < 0 || basin == TK_BASIN_NONE) return basin;
    return tk_basin_is_own(t, basin, &index) ? index : TK_BASIN_BEYOND + index;
}
