/* Depths in plateaus: borders first; then they spread, forwards and backwards through the volume, until nothing
 * changes. What they end as does not depend on the order in which they spread. */
#include "kernels/segment/plateau.h"

#include "kernels/segment/descent.h"
#include "kernels/segment/spans.h"

typedef struct plateau {
    const uint32_t *order, *markers;
    int64_t size[3], stride[3];
    int limit;
    uint8_t *depth;
} plateau;

static uint8_t read_depth(const plateau *p, int64_t i) { return __atomic_load_n(&p->depth[i], __ATOMIC_RELAXED); }

/* How far the row on that side (−1, 1) along z or y is; 0: there is none. */
static int64_t other_row(const plateau *p, int64_t row, int axis, int side) {
    const int64_t at = axis == TK_Z ? row / p->size[TK_Y] : row % p->size[TK_Y];
    return at + side >= 0 && at + side < p->size[axis] ? side * p->stride[axis] : 0;
}

/* Borders of plateaus have depth 0, all else the limit. */
static void find_borders(const plateau *p, int64_t row, const tk_descent_kernels *kernels) {
    const int64_t begin = row * p->size[TK_X], end = begin + p->size[TK_X];
    const int64_t other[4] = {other_row(p, row, TK_Z, -1), other_row(p, row, TK_Y, -1), other_row(p, row, TK_Y, 1),
                              other_row(p, row, TK_Z, 1)};
    kernels->edges(p->order, begin, end - begin, other, (uint8_t)p->limit, p->depth);
    for (int64_t i = begin; p->markers && i < end; i++) p->depth[i] = p->markers[i] ? 0 : p->depth[i];
}

/* Voxel i is at most one deeper than its neighbour in the plateau. Others may spread to either meanwhile; what was
 * read is then found too large in the next turn. */
static bool spread(const plateau *p, int64_t i, int64_t from) {
    if (p->order[from] != p->order[i]) return false;
    const int depth = read_depth(p, from) + 1;
    if (depth >= read_depth(p, i)) return false;
    __atomic_store_n(&p->depth[i], (uint8_t)depth, __ATOMIC_RELAXED);
    return true;
}

/* From the neighbours of voxel i of a row on one side, along z, y and x; 0: none. Did anything change? */
static bool spread_all(const plateau *p, int64_t i, int64_t z, int64_t y, int64_t x) {
    bool changed = z != 0 && spread(p, i, i + z);
    changed |= y != 0 && spread(p, i, i + y);
    return changed | (x != 0 && spread(p, i, i + x));
}

/* Rows are one thread's at a time. */
static bool spread_forwards(const plateau *p, int64_t row) {
    const int64_t begin = row * p->size[TK_X], width = p->size[TK_X];
    const int64_t z = other_row(p, row, TK_Z, -1), y = other_row(p, row, TK_Y, -1);
    bool changed = false;
    for (int64_t x = 0; (x = tk_span_flag(p->depth + begin, x, width)) < width; x++)
        changed |= spread_all(p, begin + x, z, y, x > 0 ? -1 : 0);
    return changed;
}

static bool spread_backwards(const plateau *p, int64_t row) {
    const int64_t begin = row * p->size[TK_X], width = p->size[TK_X];
    const int64_t z = other_row(p, row, TK_Z, 1), y = other_row(p, row, TK_Y, 1);
    const int64_t first = tk_span_flag(p->depth + begin, 0, width);
    bool changed = false;
    for (int64_t x = width; x-- > first;)
        if (p->depth[begin + x]) changed |= spread_all(p, begin + x, z, y, x + 1 < width);
    return changed;
}

void tk_plateau_depth(const uint32_t *order, const uint32_t *markers, const int64_t size[3], int limit, uint8_t *depth,
                      const tk_work *work) {
    const tk_descent_kernels *kernels = TK_ISA_SELECT(tk_descent, work->isa);
    const plateau p = {order, markers, {size[0], size[1], size[2]}, {size[1] * size[2], size[2], 1}, limit, depth};
    const int64_t rows = size[TK_Z] * size[TK_Y];
    int64_t changed = 1;
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t row = 0; row < rows; row++) find_borders(&p, row, kernels);
    while (changed > 0) {
        changed = 0;
#pragma omp parallel num_threads(work->threads) reduction(+ : changed)
        {
#pragma omp for schedule(static)
            for (int64_t row = 0; row < rows; row++) changed += spread_forwards(&p, row);
#pragma omp for schedule(static)
            for (int64_t back = 0; back < rows; back++) changed += spread_backwards(&p, rows - 1 - back);
        }
    }
}
