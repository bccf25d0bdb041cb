/* Kruskal's algorithm on passes: joined for the forest, for the dynamics of minima, and for the flood. */
#include "kernels/segment/flood.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/segment/descent.h"
#include "kernels/segment/spans.h"
#include "kernels/segment/union_find.h"

/* --- The graph ---------------------------------------------------------------------------------------------------- */

/* The total order of passes. */
static int compare_passes(const void *a, const void *b) {
    const tk_basin_pass *p = a, *q = b;
    const int later = tk_rank_compare(&p->later, &q->later);
    return later ? later : tk_rank_compare(&p->earlier, &q->earlier);
}

static uint64_t hash(const int64_t basin[2]) {
    uint64_t h = (uint64_t)basin[0] * 0x9E3779B97F4A7C15u ^ (uint64_t)basin[1] * 0xC2B2AE3D27D4EB4Fu;
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    return h ^ h >> 32;
}

static bool is_empty(const tk_basin_pass *slot) { return slot->basin[0] == slot->basin[1]; }

/* The slot of these basins, or the empty one where they belong. Passes come along borders: often it is the last one. */
static tk_basin_pass *find(const tk_basin_graph *graph, const int64_t basin[2]) {
    tk_basin_pass *last = &graph->slot[graph->last];
    if (last->basin[0] == basin[0] && last->basin[1] == basin[1]) return last;
    uint64_t at = hash(basin) & (uint64_t)(graph->slots - 1);
    for (;; at = (at + 1) & (uint64_t)(graph->slots - 1)) {
        tk_basin_pass *slot = &graph->slot[at];
        if (is_empty(slot) || (slot->basin[0] == basin[0] && slot->basin[1] == basin[1])) return slot;
    }
}

static tk_status grow(tk_basin_graph *graph) {
    tk_basin_graph larger = {.slots = graph->slots ? 2 * graph->slots : 1024, .used = graph->used};
    larger.slot = calloc((size_t)larger.slots, sizeof *larger.slot);
    if (!larger.slot) return TK_NO_MEMORY;
    for (int64_t i = 0; i < graph->slots; i++)
        if (!is_empty(&graph->slot[i])) *find(&larger, graph->slot[i].basin) = graph->slot[i];
    free(graph->slot);
    *graph = larger;
    return TK_OK;
}

tk_status tk_basin_graph_add(tk_basin_graph *graph, const tk_basin_pass *pass) {
    if (2 * (graph->used + 1) > graph->slots) TK_TRY(grow(graph));
    tk_basin_pass *slot = find(graph, pass->basin);
    graph->last = slot - graph->slot;
    if (is_empty(slot)) graph->used++;
    if (is_empty(slot) || compare_passes(pass, slot) < 0) *slot = *pass;
    return TK_OK;
}

void tk_basin_graph_free(tk_basin_graph *graph) {
    free(graph->slot);
    *graph = (tk_basin_graph){0};
}

/* --- Passes of a tile --------------------------------------------------------------------------------------------- */

/* The pass between voxel i and the one ahead, of other parents. */
static tk_status add_pass(const tk_basin_tile *t, const uint32_t *parent, int64_t i, int64_t ahead,
                          tk_basin_graph *graph) {
    const int64_t a = tk_basin_at(t, parent, i), b = tk_basin_at(t, parent, ahead);
    if (a == b || (a < 0 && b < 0)) return TK_OK;
    const tk_rank_of_voxel here = tk_basin_rank(t, i), there = tk_basin_rank(t, ahead);
    const bool first = tk_rank_compare(&here, &there) < 0;
    const tk_basin_pass pass = {first ? there : here, first ? here : there, {a < b ? a : b, a < b ? b : a}};
    return tk_basin_graph_add(graph, &pass);
}

/* The passes of voxels begin … end − 1 of a row, at most TK_SPAN_FLAGS; ahead: how far the neighbours are. */
static tk_status add_passes(const tk_basin_tile *t, const uint32_t *parent, int64_t begin, int64_t end,
                            const int64_t ahead[3], tk_basin_graph *graph, const tk_descent_kernels *kernels) {
    uint8_t flags[TK_SPAN_FLAGS];
    kernels->borders(t->order, parent, begin, end - begin, ahead, flags);
    for (int64_t k = 0; (k = tk_span_flag(flags, k, end - begin)) < end - begin; k++)
        for (int a = 0; a < 3; a++)
            if (flags[k] >> a & 1) TK_TRY(add_pass(t, parent, begin + k, begin + k + ahead[a], graph));
    return TK_OK;
}

static tk_status row_passes(const tk_basin_tile *t, const uint32_t *parent, int64_t row, tk_basin_graph *graph,
                            const tk_descent_kernels *kernels) {
    const int64_t high = tk_box_size(&t->box, TK_Y), width = tk_box_size(&t->box, TK_X), last = (row + 1) * width;
    const int64_t below = row / high + 1 < tk_box_size(&t->box, TK_Z) ? high * width : 0;
    const int64_t ahead[3] = {below, row % high + 1 < high ? width : 0, 1}, alone[3] = {ahead[0], ahead[1], 0};
    for (int64_t begin = 0, end = row * width; tk_span_next(t->order, last, &begin, &end);)
        for (int64_t at = begin, to = 0; at < end; at = to) {
            const int64_t stop = end == last ? last - 1 : end;
            to = at == stop ? end : stop - at < TK_SPAN_FLAGS ? stop : at + TK_SPAN_FLAGS;
            TK_TRY(add_passes(t, parent, at, to, at == stop ? alone : ahead, graph, kernels));
        }
    return TK_OK;
}

static tk_status add_all(tk_basin_graph *into, const tk_basin_graph *from) {
    for (int64_t i = 0; i < from->slots; i++)
        if (!is_empty(&from->slot[i])) TK_TRY(tk_basin_graph_add(into, &from->slot[i]));
    return TK_OK;
}

tk_status tk_basins_passes(const tk_basin_tile *t, const uint32_t *parent, tk_basin_graph *graph, const tk_work *work) {
    const tk_descent_kernels *kernels = TK_ISA_SELECT(tk_descent, work->isa);
    const int64_t rows = tk_box_size(&t->box, TK_Z) * tk_box_size(&t->box, TK_Y);
    tk_status worst = TK_OK;
#pragma omp parallel num_threads(work->threads)
    {
        tk_basin_graph mine = {0};
        tk_status status = TK_OK;
#pragma omp for schedule(static) nowait
        for (int64_t row = 0; row < rows; row++)
            if (status == TK_OK) status = row_passes(t, parent, row, &mine, kernels);
#pragma omp critical(tk_basins_passes)
        {
            if (status == TK_OK) status = add_all(graph, &mine);
            if (status != TK_OK) worst = status;
        }
        tk_basin_graph_free(&mine);
    }
    return worst;
}

/* Those of voxels begin … end − 1 of a row, at most TK_SPAN_FLAGS; the whole image's index is `offset` larger. */
static int64_t list_minima(const tk_basin_tile *t, const uint32_t *parent, int64_t begin, int64_t end, int64_t offset,
                           tk_basin *basins, const tk_descent_kernels *kernels) {
    uint8_t flags[TK_SPAN_FLAGS];
    int64_t count = 0;
    kernels->ends(t->order, parent, begin, end - begin, flags);
    for (int64_t k = 0; (k = tk_span_flag(flags, k, end - begin)) < end - begin; k++) {
        if (t->markers && t->markers[begin + k]) continue;
        if (basins) basins[count] = (tk_basin){begin + k + offset, t->order[begin + k], 0};
        count++;
    }
    return count;
}

int64_t tk_basins_minima(const tk_basin_tile *t, const uint32_t *parent, tk_basin *basins, const tk_work *work) {
    const tk_descent_kernels *kernels = TK_ISA_SELECT(tk_descent, work->isa);
    const int64_t high = tk_box_size(&t->box, TK_Y), width = tk_box_size(&t->box, TK_X);
    int64_t count = 0;
    for (int64_t z = t->core.lo[TK_Z]; z < t->core.hi[TK_Z]; z++)
        for (int64_t y = t->core.lo[TK_Y]; y < t->core.hi[TK_Y]; y++) {
            const int64_t row = ((z - t->box.lo[TK_Z]) * high + y - t->box.lo[TK_Y]) * width;
            const int64_t first = row + t->core.lo[TK_X] - t->box.lo[TK_X], last = first + tk_box_size(&t->core, TK_X);
            const int64_t offset = (z * t->image.hi[TK_Y] + y) * t->image.hi[TK_X] + t->core.lo[TK_X] - first;
            for (int64_t begin = 0, end = row; tk_span_next(t->order, row + width, &begin, &end);)
                for (int64_t at = begin > first ? begin : first, to = 0; at < end && at < last; at = to) {
                    to = end < last ? end : last;
                    to = to - at < TK_SPAN_FLAGS ? to : at + TK_SPAN_FLAGS;
                    count += list_minima(t, parent, at, to, offset, basins ? basins + count : NULL, kernels);
                }
        }
    return count;
}

int64_t tk_basins_own_passes(const tk_basin_tile *t, tk_basin_pass *passes, int64_t count) {
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        tk_basin_pass pass = passes[i];
        if (!tk_basin_is_own(t, passes[i].later.index, &pass.later.index)) continue;
        tk_basin_is_own(t, passes[i].earlier.index, &pass.earlier.index);
        const int64_t p = tk_basin_end(t, passes[i].later.index), q = tk_basin_end(t, passes[i].earlier.index);
        pass.basin[0] = p < q ? p : q;
        pass.basin[1] = p < q ? q : p;
        passes[kept++] = pass;
    }
    return kept;
}

/* --- The forest --------------------------------------------------------------------------------------------------- */

static int compare_indices(const void *a, const void *b) {
    const int64_t p = *(const int64_t *)a, q = *(const int64_t *)b;
    return p < q ? -1 : p > q;
}

/* All basins that passes name, ascending, each once; all markers count as one, −1. NULL: no memory. */
static int64_t *list_basins(const tk_basin_pass *passes, int64_t count, int64_t *length) {
    int64_t *list = malloc((size_t)(2 * count + 1) * sizeof *list), kept = 0;
    if (!list) return NULL;
    for (int64_t i = 0; i < 2 * count; i++) list[i] = passes[i / 2].basin[i % 2] < 0 ? -1 : passes[i / 2].basin[i % 2];
    qsort(list, (size_t)(2 * count), sizeof *list, compare_indices);
    for (int64_t i = 0; i < 2 * count; i++)
        if (i == 0 || list[i] != list[i - 1]) list[kept++] = list[i];
    *length = kept;
    return list;
}

static int64_t position(const int64_t *list, int64_t length, int64_t basin) {
    int64_t lo = 0, hi = length;
    while (hi - lo > 1) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (list[middle] <= basin)
            lo = middle;
        else
            hi = middle;
    }
    return lo;
}

/* Joins the sets of a and b; false: they are one already. */
static bool join(uint32_t *set, uint32_t a, uint32_t b) {
    const uint32_t p = tk_set_root(set, a), q = tk_set_root(set, b);
    if (p == q) return false;
    set[p > q ? p : q] = p < q ? p : q;
    return true;
}

int64_t tk_basin_forest(tk_basin_pass *passes, int64_t count) {
    int64_t length = 0, kept = 0;
    if (count == 0) return 0;
    qsort(passes, (size_t)count, sizeof *passes, compare_passes);
    int64_t *list = list_basins(passes, count, &length);
    uint32_t *set = list && length < UINT32_MAX ? malloc((size_t)(length + 1) * sizeof *set) : NULL;
    for (int64_t i = 0; set && i < length; i++) set[i] = (uint32_t)i;
    for (int64_t i = 0; set && i < count; i++) {
        const int64_t *b = passes[i].basin;
        const uint32_t p = (uint32_t)position(list, length, b[0] < 0 ? -1 : b[0]);
        const uint32_t q = (uint32_t)position(list, length, b[1] < 0 ? -1 : b[1]);
        if (join(set, p, q)) passes[kept++] = passes[i];
    }
    const bool done = set != NULL;
    free(list);
    free(set);
    return done ? kept : -1;
}

const tk_basin *tk_basin_find(const tk_basin *basins, int64_t count, int64_t basin) {
    int64_t lo = 0, hi = count;
    while (lo < hi) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (basins[middle].basin < basin)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < count && basins[lo].basin == basin ? &basins[lo] : NULL;
}

/* --- The flood ---------------------------------------------------------------------------------------------------- */

/* What floods: sets of basins, and of each set's root its label (0: none yet) and its lowest basin. */
typedef struct flood {
    tk_basin *basins;
    int64_t count;
    uint32_t *set, *label, *lowest;
    bool from_maxima;
} flood;

static bool is_lower(const flood *f, uint32_t a, uint32_t b) {
    if (f->basins[a].bottom != f->basins[b].bottom) return f->basins[a].bottom < f->basins[b].bottom;
    return f->basins[a].basin < f->basins[b].basin;
}

/* The number of a basin; count: it is not there. */
static int64_t number_of(const flood *f, int64_t basin) {
    const tk_basin *found = tk_basin_find(f->basins, f->count, basin);
    return found ? found - f->basins : f->count;
}

static void begin(const flood *f) {
    for (int64_t i = 0; i < f->count; i++) {
        f->set[i] = f->lowest[i] = (uint32_t)i;
        f->label[i] = 0;
    }
}

/* Is the climb from the basin's minimum to the pass at least h? None at all is never enough: equal neighbours are one
 * minimum. */
static bool is_deep(const flood *f, uint32_t basin, const tk_basin_pass *pass, double h) {
    if (f->basins[basin].bottom >= TK_BASIN_NAN) return false;
    const double top = (double)tk_basin_value(pass->later.value, f->from_maxima);
    const double climb = fabs(top - (double)tk_basin_value(f->basins[basin].bottom, f->from_maxima));
    return isnan(climb) || (climb > 0 && climb >= h);
}

/* The elder rule: where two sets meet, the minimum that is not the lowest of both has its dynamics. Marks seeds by a
 * label of 1 in `basins`. */
static tk_status find_seeds(const flood *f, const tk_basin_pass *passes, int64_t count, double h) {
    begin(f);
    for (int64_t i = 0; i < f->count; i++) f->basins[i].label = f->basins[i].bottom < TK_BASIN_NAN;
    for (int64_t i = 0; i < count; i++) {
        const int64_t a = number_of(f, passes[i].basin[0]), b = number_of(f, passes[i].basin[1]);
        if (a == f->count || b == f->count) return TK_FAILED;
        const uint32_t p = tk_set_root(f->set, (uint32_t)a), q = tk_set_root(f->set, (uint32_t)b);
        if (p == q) continue;
        const bool first = is_lower(f, f->lowest[p], f->lowest[q]);
        const uint32_t lower = f->lowest[first ? p : q], higher = f->lowest[first ? q : p];
        if (!is_deep(f, higher, &passes[i], h)) f->basins[higher].label = 0;
        join(f->set, p, q);
        f->lowest[p < q ? p : q] = lower;
    }
    return TK_OK;
}

static tk_status number_seeds(const flood *f, int64_t *seeds) {
    begin(f);
    *seeds = 0;
    for (int64_t i = 0; i < f->count; i++) {
        if (!f->basins[i].label) continue;
        if (++*seeds >= UINT32_MAX) return TK_UNSOLVABLE;
        f->label[i] = (uint32_t)*seeds;
    }
    return TK_OK;
}

/* A basin floods, or is flooded by, a marker. */
static void meet_marker(const flood *f, int64_t basin, int64_t marker) {
    const uint32_t root = tk_set_root(f->set, (uint32_t)basin);
    if (!f->label[root]) f->label[root] = (uint32_t)-marker;
}

static void meet(const flood *f, int64_t a, int64_t b) {
    const uint32_t p = tk_set_root(f->set, (uint32_t)a), q = tk_set_root(f->set, (uint32_t)b);
    if (p == q || (f->label[p] && f->label[q])) return;
    const uint32_t label = f->label[p] ? f->label[p] : f->label[q];
    join(f->set, p, q);
    f->label[p < q ? p : q] = label;
}

static tk_status grow_seeds(const flood *f, const tk_basin_pass *passes, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        const int64_t *basin = passes[i].basin;
        const int64_t a = basin[0] < 0 ? 0 : number_of(f, basin[0]), b = number_of(f, basin[1]);
        if (a == f->count || b == f->count) return TK_FAILED;
        if (basin[0] < 0)
            meet_marker(f, b, basin[0]);
        else
            meet(f, a, b);
    }
    for (int64_t i = 0; i < f->count; i++) f->basins[i].label = f->label[tk_set_root(f->set, (uint32_t)i)];
    return TK_OK;
}

static tk_status run(const flood *f, const tk_basin_pass *passes, int64_t count, bool marked, double h,
                     int64_t *seeds) {
    if (marked)
        begin(f);
    else
        TK_TRY(find_seeds(f, passes, count, h));
    if (!marked) TK_TRY(number_seeds(f, seeds));
    return grow_seeds(f, passes, count);
}

tk_status tk_basin_flood(tk_basin *basins, int64_t count, const tk_basin_pass *passes, int64_t pass_count, bool marked,
                         bool from_maxima, double h, int64_t *seeds) {
    *seeds = 0;
    if (count == 0) return TK_OK;
    if (count >= UINT32_MAX) return TK_UNSOLVABLE;
    uint32_t *memory = malloc(3 * (size_t)count * sizeof *memory);
    if (!memory) return TK_NO_MEMORY;
    const flood f = {basins, count, memory, memory + count, memory + 2 * count, from_maxima};
    const tk_status status = run(&f, passes, pass_count, marked, h, seeds);
    free(memory);
    return status;
}
