/* Steepest descent over a tile, and the ends of its paths. */
#include "kernels/segment/basins.h"

#include <math.h>
#include <string.h>

#include "kernels/segment/descent.h"
#include "kernels/segment/spans.h"

static const uint32_t SIGN = 0x80000000u;

void tk_basin_order(tk_cview_f32 values, tk_cview_u8 mask, bool from_maxima, uint32_t *order, const tk_work *work) {
    const tk_descent_kernels *kernels = TK_ISA_SELECT(tk_descent, work->isa);
    const int64_t high = values.size[TK_Y], width = values.size[TK_X];
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t row = 0; row < values.size[TK_Z] * high; row++) {
        const int64_t z = row / high, y = row % high;
        const uint8_t *inside = mask.data ? mask.data + z * mask.stride[TK_Z] + y * mask.stride[TK_Y] : NULL;
        kernels->order(values.data + z * values.stride[TK_Z] + y * values.stride[TK_Y], inside, width,
                       from_maxima ? SIGN : 0, order + row * width);
    }
}

float tk_basin_value(uint32_t ordered, bool from_maxima) {
    const uint32_t bits = ordered & SIGN ? ordered & ~SIGN : ~ordered;
    float value = 0;
    if (ordered >= TK_BASIN_NAN) return NAN;
    memcpy(&value, &bits, sizeof value);
    return from_maxima ? -value : value;
}

/* --- Descent ------------------------------------------------------------------------------------------------------ */

/* Rows of a box, and of each the stretch that is the core's. */
typedef struct rows {
    int64_t count, width, plane;
} rows;

static rows rows_of(const tk_basin_tile *t) {
    const int64_t high = tk_box_size(&t->box, TK_Y), width = tk_box_size(&t->box, TK_X);
    return (rows){tk_box_size(&t->box, TK_Z) * high, width, high * width};
}

/* Of a row of the box, voxels *from … *to − 1 are the core's; none when the row is one of ghosts. */
static void own_part(const tk_basin_tile *t, int64_t row, int64_t *from, int64_t *to) {
    const rows r = rows_of(t);
    const int64_t high = r.plane / r.width, at[2] = {row / high + t->box.lo[TK_Z], row % high + t->box.lo[TK_Y]};
    *from = *to = row * r.width;
    for (int a = 0; a < 2; a++)
        if (at[a] < t->core.lo[a] || at[a] >= t->core.hi[a]) return;
    *from += t->core.lo[TK_X] - t->box.lo[TK_X];
    *to += t->core.hi[TK_X] - t->box.lo[TK_X];
}

/* A row of the box. Ghosts and markers are ends. */
static void descend_row(const tk_basin_tile *t, const tk_descent_kernels *kernels, int64_t row, uint32_t *parent) {
    const rows r = rows_of(t);
    const int64_t start = row * r.width, high = r.plane / r.width, z = row / high, y = row % high;
    const int64_t other[4] = {z > 0 ? -r.plane : 0, y > 0 ? -r.width : 0, y + 1 < high ? r.width : 0,
                              row + high < r.count ? r.plane : 0};
    int64_t own = 0, own_end = 0;
    own_part(t, row, &own, &own_end);
    for (int64_t begin = 0, end = start; own < own_end && tk_span_next(t->order, start + r.width, &begin, &end);)
        kernels->row(t->order, t->depth, begin, end - begin, other, parent);
    for (int64_t i = start; i < own; i++) parent[i] = (uint32_t)i;
    for (int64_t i = own_end; i < start + r.width; i++) parent[i] = (uint32_t)i;
    for (int64_t i = own; t->markers && i < own_end; i++) parent[i] = t->markers[i] ? (uint32_t)i : parent[i];
}

/* Rows from the last to the first. Paths that go ahead skip as far as is known already: their voxels need not be walked
 * one by one when their ends are looked for. */
static void descend_rows(const tk_basin_tile *t, const tk_descent_kernels *kernels, int64_t first, int64_t last,
                         uint32_t *parent) {
    const int64_t width = rows_of(t).width;
    for (int64_t row = last; row-- > first;) {
        descend_row(t, kernels, row, parent);
        for (int64_t begin = 0, end = row * width; tk_span_next(t->order, (row + 1) * width, &begin, &end);)
            for (int64_t i = end; i-- > begin;) {
                const uint64_t step = (uint64_t)(parent[i] - i); /* huge when it goes back */
                parent[i] = parent[i + (step < (uint64_t)(last * width - i) ? (int64_t)step : 0)];
            }
    }
}

/* Others follow and shorten the same paths meanwhile: whatever is read leads to the same end. */
static uint32_t read_parent(const uint32_t *parent, uint32_t i) {
    return __atomic_load_n(&parent[i], __ATOMIC_RELAXED);
}

static void write_parent(uint32_t *parent, uint32_t i, uint32_t end) {
    __atomic_store_n(&parent[i], end, __ATOMIC_RELAXED);
}

/* All voxels of a long path lead to its end at once, so that no path is walked twice. */
static void follow_far(uint32_t *parent, uint32_t i) {
    uint32_t end = i, next = 0;
    while ((next = read_parent(parent, end)) != end) end = next;
    for (; (next = read_parent(parent, i)) != end; i = next) write_parent(parent, i, end);
}

/* parent[i] := the end of the path from i; most paths are short by now. */
static void follow(uint32_t *parent, uint32_t i) {
    const uint32_t end = read_parent(parent, read_parent(parent, i));
    if (read_parent(parent, end) == end)
        write_parent(parent, i, end);
    else
        follow_far(parent, i);
}

static void follow_row(const tk_basin_tile *t, int64_t row, uint32_t *parent) {
    const int64_t width = rows_of(t).width;
    for (int64_t begin = 0, end = row * width; tk_span_next(t->order, (row + 1) * width, &begin, &end);)
        for (int64_t i = begin; i < end; i++) follow(parent, (uint32_t)i);
}

tk_status tk_basins_descend(const tk_basin_tile *t, uint32_t *parent, const tk_work *work) {
    const tk_descent_kernels *kernels = TK_ISA_SELECT(tk_descent, work->isa);
    const rows r = rows_of(t);
    const int64_t parts = work->threads;
    if (tk_box_count(&t->box) > UINT32_MAX) return TK_FAILED;
#pragma omp parallel num_threads(work->threads)
    {
#pragma omp for schedule(static)
        for (int64_t part = 0; part < parts; part++)
            descend_rows(t, kernels, r.count * part / parts, r.count * (part + 1) / parts, parent);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < r.count; row++) follow_row(t, row, parent);
    }
    return TK_OK;
}

/* --- Ghosts ------------------------------------------------------------------------------------------------------- */

/* The first in the order of voxel i and its neighbours in the box. */
static int64_t step_from(const tk_basin_tile *t, int64_t i) {
    const int64_t width = tk_box_size(&t->box, TK_X), plane = tk_box_size(&t->box, TK_Y) * width;
    const int64_t stride[3] = {plane, width, 1}, at[3] = {i / plane, i % plane / width, i % width};
    tk_rank_of_voxel best = tk_basin_rank(t, i);
    if (t->order[i] >= TK_BASIN_NAN || (t->markers && t->markers[i])) return i;
    for (int a = 0; a < 3; a++)
        for (int side = -1; side <= 1; side += 2) {
            if (at[a] + side < 0 || at[a] + side == tk_box_size(&t->box, a)) continue;
            const tk_rank_of_voxel beside = tk_basin_rank(t, i + side * stride[a]);
            if (tk_rank_compare(&beside, &best) < 0) best = beside;
        }
    return best.index;
}

/* Calls for all ghosts of a row; `step` false: follow, else parent := the first step. */
static void move_ghosts(const tk_basin_tile *t, int64_t row, bool step, uint32_t *parent) {
    const rows r = rows_of(t);
    int64_t own = 0, own_end = 0;
    own_part(t, row, &own, &own_end);
    for (int64_t i = row * r.width; i < (row + 1) * r.width; i++) {
        if (i == own && own < own_end) i = own_end;
        if (i == (row + 1) * r.width) break;
        if (step)
            parent[i] = (uint32_t)step_from(t, i);
        else
            follow(parent, (uint32_t)i);
    }
}

void tk_basins_join_ghosts(const tk_basin_tile *t, uint32_t *parent, const tk_work *work) {
    const rows r = rows_of(t);
    if (tk_box_count(&t->core) == tk_box_count(&t->box)) return;
#pragma omp parallel num_threads(work->threads)
    {
#pragma omp for schedule(static)
        for (int64_t row = 0; row < r.count; row++) move_ghosts(t, row, true, parent);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < r.count; row++) move_ghosts(t, row, false, parent);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < r.count; row++) follow_row(t, row, parent);
    }
}

/* --- Names -------------------------------------------------------------------------------------------------------- */

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
