/* Runs of voxels beside other tiles, and the paths that lead from tile to tile through them. */
#include "kernels/segment/basin_links.h"

#include <stdlib.h>

#include "kernels/segment/descent.h"
#include "kernels/segment/spans.h"

int64_t tk_basin_runs_most(const tk_basin_tile *t) {
    int64_t most = 0;
    for (int a = 0; a < 3; a++) {
        const int64_t area = tk_box_size(&t->core, (a + 1) % 3) * tk_box_size(&t->core, (a + 2) % 3);
        most += area * ((t->box.lo[a] < t->core.lo[a]) + (t->box.hi[a] > t->core.hi[a]));
    }
    return most;
}

/* Can a path of another tile enter voxel i, at `at` of the image? */
static bool is_entered(const tk_basin_tile *t, int64_t i, const int64_t at[3], const int64_t stride[3]) {
    if (t->order[i] == TK_BASIN_OUTSIDE || (t->markers && t->markers[i])) return false;
    const tk_rank_of_voxel own = tk_basin_rank(t, i);
    for (int a = 0; a < 3; a++)
        for (int side = -1; side <= 1; side += 2) {
            const int64_t beside = at[a] + side;
            if (beside < t->box.lo[a] || beside >= t->box.hi[a]) continue;
            if (beside >= t->core.lo[a] && beside < t->core.hi[a]) continue;
            const tk_rank_of_voxel ghost = tk_basin_rank(t, i + side * stride[a]);
            if (ghost.value != TK_BASIN_OUTSIDE && tk_rank_compare(&own, &ghost) < 0) return true;
        }
    return false;
}

/* The runs of the core's row that has its first voxel at `at`; of inner rows, only the ends can be beside others. */
static int64_t runs_of_row(const tk_basin_tile *t, const uint32_t *parent, const int64_t start[3], tk_basin_run *run) {
    const int64_t width = tk_box_size(&t->box, TK_X), stride[3] = {tk_box_size(&t->box, TK_Y) * width, width, 1};
    int64_t count = 0, at[3] = {start[0], start[1], start[2]}, end = -1, last = 0;
    bool outer = false;
    for (int a = 0; a < 2; a++) outer = outer || at[a] == t->core.lo[a] || at[a] == t->core.hi[a] - 1;
    const int64_t step = outer || t->core.hi[2] - start[2] < 2 ? 1 : t->core.hi[2] - start[2] - 1;
    for (; at[2] < t->core.hi[2]; at[2] += step) {
        int64_t i = 0;
        for (int a = 0; a < 3; a++) i += (at[a] - t->box.lo[a]) * stride[a];
        if (!is_entered(t, i, at, stride)) continue;
        const int64_t index = (at[0] * t->image.hi[TK_Y] + at[1]) * t->image.hi[TK_X] + at[2];
        if (count > 0 && end == parent[i] && last == index - 1)
            run[count - 1].length++;
        else
            run[count++] = (tk_basin_run){index, tk_basin_name(t, tk_basin_at(t, parent, i)), 1, 0};
        end = parent[i];
        last = index;
    }
    return count;
}

int64_t tk_basin_runs(const tk_basin_tile *t, const uint32_t *parent, tk_basin_run *run) {
    int64_t count = 0;
    for (int64_t z = t->core.lo[0]; z < t->core.hi[0]; z++)
        for (int64_t y = t->core.lo[1]; y < t->core.hi[1]; y++)
            count += runs_of_row(t, parent, (const int64_t[3]){z, y, t->core.lo[2]}, run + count);
    return count;
}

static int by_first(const void *a, const void *b) {
    const tk_basin_run *p = a, *q = b;
    return p->first < q->first ? -1 : p->first > q->first;
}

const tk_basin_run *tk_basin_run_of(const tk_basin_run *run, int64_t runs, int64_t voxel) {
    int64_t lo = 0, hi = runs;
    while (lo < hi) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (run[middle].first <= voxel)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo > 0 && voxel - run[lo - 1].first < run[lo - 1].length ? &run[lo - 1] : NULL;
}

static bool leads_beyond(int64_t basin) { return basin >= TK_BASIN_BEYOND; }

/* Where a basin's name leads at last; still beyond when it leads nowhere. A path enters no run twice. */
static int64_t follow(const tk_basin_run *run, int64_t runs, int64_t basin) {
    for (int64_t turn = 0; turn < runs && leads_beyond(basin); turn++) {
        const tk_basin_run *next = tk_basin_run_of(run, runs, basin - TK_BASIN_BEYOND);
        if (!next) break;
        basin = next->basin;
    }
    return basin;
}

/* Follows a run, and shortens the whole path. */
static tk_status follow_run(tk_basin_run *run, int64_t runs, int64_t i) {
    const int64_t end = follow(run, runs, run[i].basin);
    if (leads_beyond(end)) return TK_FAILED;
    while (leads_beyond(run[i].basin)) {
        const int64_t next = tk_basin_run_of(run, runs, run[i].basin - TK_BASIN_BEYOND) - run;
        run[i].basin = end;
        i = next;
    }
    return TK_OK;
}

tk_status tk_basin_runs_follow(tk_basin_run *run, int64_t runs, tk_basin_pass *pass, int64_t *passes) {
    int64_t kept = 0;
    if (runs > 0) qsort(run, (size_t)runs, sizeof *run, by_first);
    for (int64_t i = 0; i < runs; i++) TK_TRY(follow_run(run, runs, i));
    for (int64_t i = 0; i < *passes; i++) {
        const int64_t a = follow(run, runs, pass[i].basin[0]), b = follow(run, runs, pass[i].basin[1]);
        if (leads_beyond(a) || leads_beyond(b)) return TK_FAILED;
        if (a == b || (a < 0 && b < 0)) continue;
        pass[kept++] = (tk_basin_pass){pass[i].later, pass[i].earlier, {a < b ? a : b, a < b ? b : a}};
    }
    *passes = kept;
    return TK_OK;
}

tk_status tk_basin_runs_label(tk_basin_run *run, int64_t runs, const tk_basin *basins, int64_t count) {
    for (int64_t i = 0; i < runs; i++) {
        const tk_basin *basin = run[i].basin < 0 ? NULL : tk_basin_find(basins, count, run[i].basin);
        if (run[i].basin >= 0 && !basin) return TK_FAILED;
        run[i].label = basin ? basin->label : (uint32_t)-run[i].basin;
    }
    return TK_OK;
}

/* --- Labels ------------------------------------------------------------------------------------------------------- */

/* The label of the path's end i; of ghosts that no path enters, 0. */
static uint32_t label_of(const tk_basin_tile *t, const tk_basin_labels *l, int64_t i) {
    int64_t index = 0;
    if (t->markers && t->markers[i]) return t->markers[i];
    if (tk_basin_is_own(t, i, &index)) {
        const tk_basin *basin = tk_basin_find(l->basins, l->count, index);
        return basin ? basin->label : 0;
    }
    const tk_basin_run *run = tk_basin_run_of(l->run, l->runs, index);
    return run ? run->label : 0;
}

/* Ends in a row of the box have their labels instead of their orders. */
static void label_ends(const tk_basin_tile *t, const uint32_t *parent, const tk_basin_labels *labels, int64_t row,
                       uint32_t *order, const tk_descent_kernels *kernels) {
    const int64_t width = tk_box_size(&t->box, TK_X), last = (row + 1) * width;
    uint8_t flags[TK_SPAN_FLAGS];
    for (int64_t begin = 0, end = row * width; tk_span_next(order, last, &begin, &end);)
        for (int64_t at = begin, to = 0; at < end; at = to) {
            to = end - at < TK_SPAN_FLAGS ? end : at + TK_SPAN_FLAGS;
            kernels->ends(order, parent, at, to - at, flags);
            for (int64_t k = 0; (k = tk_span_flag(flags, k, to - at)) < to - at; k++)
                order[at + k] = label_of(t, labels, at + k);
        }
}

/* A row of the core: the labels of its paths' ends. */
static void paint_row(const tk_basin_tile *t, const uint32_t *parent, const uint32_t *order, int64_t row,
                      const tk_view_u32 *out) {
    const int64_t high = tk_box_size(&t->box, TK_Y), width = tk_box_size(&t->box, TK_X);
    const int64_t z = row / out->size[TK_Y] + t->core.lo[TK_Z] - t->box.lo[TK_Z];
    const int64_t y = row % out->size[TK_Y] + t->core.lo[TK_Y] - t->box.lo[TK_Y];
    const int64_t first = (z * high + y) * width + t->core.lo[TK_X] - t->box.lo[TK_X];
    uint32_t *to = out->data + row / out->size[TK_Y] * out->stride[TK_Z] + row % out->size[TK_Y] * out->stride[TK_Y];
    for (int64_t x = 0; x < out->size[TK_X]; x++) {
        const int64_t i = first + x;
        to[x] = order[i] == TK_BASIN_OUTSIDE ? 0 : order[parent[i]];
    }
}

void tk_basins_paint(const tk_basin_tile *t, const uint32_t *parent, const tk_basin_labels *labels, uint32_t *order,
                     tk_view_u32 out, const tk_work *work) {
    const tk_descent_kernels *kernels = TK_ISA_SELECT(tk_descent, work->isa);
    const int64_t rows = tk_box_size(&t->box, TK_Z) * tk_box_size(&t->box, TK_Y);
#pragma omp parallel num_threads(work->threads)
    {
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) label_ends(t, parent, labels, row, order, kernels);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < out.size[TK_Z] * out.size[TK_Y]; row++) paint_row(t, parent, order, row, &out);
    }
}
