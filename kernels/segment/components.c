/* Components of a block (components.h): runs of each row, joined with those of the rows before it, then numbered. A
 * mask and labels differ in what a run is, and in when two runs that touch are joined.
 *
 * Rows are dealt to the threads in slabs. Each slab finds its runs and joins them among themselves; the joins across
 * slabs follow one after the other. The root of a component is its first run, so numbering the roots in order gives
 * the raster order of first voxels, and neither depends on the slabs. */
#include "kernels/segment/components.h"

#include <omp.h>
#include <string.h>

#include "kernels/segment/runs.h"
#include "kernels/segment/union_find.h"

enum { SLABS_MOST = 256 };

/* In `component` while numbering: the value is a number already, not another run. */
#define NUMBERED 0x80000000u

/* A row before the current one whose runs may touch it. */
typedef struct neighbour {
    int64_t dz, dy; /* 0 or -1; -1, 0 or 1 */
    uint32_t reach; /* 1 when runs that meet diagonally touch, else 0 */
} neighbour;

typedef struct job {
    tk_cview_u8 mask;
    tk_cview_u32 labels; /* in place of a mask, whose data is NULL then */
    const tk_run_kernels *runs;
    tk_components *c;
    neighbour neighbours[4];
    int count; /* of neighbours */
    int slabs;
    int64_t first[SLABS_MOST + 1]; /* row of each slab; the last is the number of rows */
} job;

/* Runs of a mask have a gap between them; each voxel can have a label of its own. */
static int64_t runs_of_mask(int64_t width) { return (width + 1) / 2; }
static int64_t runs_of_labels(int64_t width) { return width; }

/* Can that many runs be numbered? */
static bool can_be_numbered(const int64_t size[3], int64_t row_runs) {
    const int64_t rows = size[TK_Z] * size[TK_Y];
    return size[TK_X] < INT32_MAX && row_runs <= (int64_t)(NUMBERED - 1) / rows;
}

static size_t scratch_for(const int64_t size[3], int64_t row_runs) {
    if (!can_be_numbered(size, row_runs)) return SIZE_MAX;
    const int64_t rows = size[TK_Z] * size[TK_Y], runs = rows * row_runs;
    const size_t row_bytes = tk_scratch_cost(rows, sizeof(uint32_t)),
                 run_bytes = tk_scratch_cost(runs, sizeof(uint32_t));
    const size_t edge_bytes = tk_scratch_cost(2 * runs, sizeof(uint32_t));
    return tk_size_add(tk_size_add(row_bytes, row_bytes), tk_size_add(run_bytes, edge_bytes));
}

size_t tk_components_scratch(const int64_t size[3]) { return scratch_for(size, runs_of_mask(size[TK_X])); }
size_t tk_components_of_labels_scratch(const int64_t size[3]) { return scratch_for(size, runs_of_labels(size[TK_X])); }

static tk_status take(tk_components *c, const int64_t size[3], int64_t row_runs, tk_scratch *scratch) {
    const int64_t rows = size[TK_Z] * size[TK_Y];
    if (!can_be_numbered(size, row_runs)) return TK_FAILED;
    *c = (tk_components){.size = {size[TK_Z], size[TK_Y], size[TK_X]}, .row_runs = row_runs};
    c->begin = tk_scratch_take(scratch, rows, sizeof(uint32_t));
    c->end = tk_scratch_take(scratch, rows, sizeof(uint32_t));
    c->edge = tk_scratch_take(scratch, 2 * rows * row_runs, sizeof(uint32_t));
    c->component = tk_scratch_take(scratch, rows * row_runs, sizeof(uint32_t));
    return c->begin && c->end && c->edge && c->component ? TK_OK : TK_NO_MEMORY;
}

static void choose_neighbours(job *j, int connectivity) {
    const uint32_t diagonal = connectivity > 6, corner = connectivity > 18;
    const bool planes = connectivity == 4 || connectivity == 8;
    j->neighbours[0] = (neighbour){0, -1, diagonal};
    j->neighbours[1] = (neighbour){-1, 0, diagonal};
    j->neighbours[2] = (neighbour){-1, -1, corner};
    j->neighbours[3] = (neighbour){-1, 1, corner};
    j->count = planes ? 1 : connectivity > 6 ? 4 : 2;
}

/* The voxels of a row, of labels and of a mask. */
static const uint32_t *label_row(const job *j, int64_t row) {
    const int64_t z = row / j->c->size[TK_Y], y = row % j->c->size[TK_Y];
    return j->labels.data + z * j->labels.stride[TK_Z] + y * j->labels.stride[TK_Y];
}
static const uint8_t *mask_row(const job *j, int64_t row) {
    const int64_t z = row / j->c->size[TK_Y], y = row % j->c->size[TK_Y];
    return j->mask.data + z * j->mask.stride[TK_Z] + y * j->mask.stride[TK_Y];
}

/* Finds the runs of a slab's rows; every run starts as a set of its own. */
static void find_runs(const job *j, int slab) {
    const tk_components *c = j->c;
    const uint32_t base = (uint32_t)(j->first[slab] * c->row_runs);
    uint32_t next = base;
    for (int64_t row = j->first[slab]; row < j->first[slab + 1]; row++) {
        uint32_t *edges = c->edge + 2 * (int64_t)next;
        c->begin[row] = next;
        next += (uint32_t)(j->labels.data ? j->runs->find_equal(label_row(j, row), c->size[TK_X], edges)
                                          : j->runs->find(mask_row(j, row), c->size[TK_X], edges));
        c->end[row] = next;
    }
    for (uint32_t r = base; r < next; r++) c->component[r] = r;
}

/* Joins the sets of two runs. Both then name the root, so that it is seen at once when they meet again. A call in its
 * place slows masks of noise by 3 %. */
static inline __attribute__((always_inline)) void join_runs(uint32_t *set, uint32_t a, uint32_t b) {
    const uint32_t root = tk_set_join(set, tk_set_root(set, a), b);
    set[a] = root;
    set[b] = root;
}

/* Joins the runs of two rows that touch. Both lists are ascending; the one whose run ends first moves on. Which one
 * that is cannot be foretold in noise, so it is computed and not branched on; that two runs touch which are not known
 * to be one is rare in any mask. */
static void join_rows(const tk_components *c, int64_t row, int64_t other, uint32_t reach) {
    uint32_t a = c->begin[row], b = c->begin[other], *set = c->component;
    const uint32_t a_end = c->end[row], b_end = c->end[other], *edge = c->edge;
    while (a != a_end && b != b_end) {
        const uint32_t a_hi = edge[2 * a + 1], b_hi = edge[2 * b + 1];
        const uint32_t touch = (edge[2 * b] < a_hi + reach) & (edge[2 * a] < b_hi + reach);
        if ((set[a] ^ set[b]) & (0 - touch)) join_runs(set, a, b); /* one branch, seldom taken */
        const uint32_t next = b_hi <= a_hi;
        b += next;
        a += 1 - next;
    }
}

/* Of labels: only runs of equal label are joined, and runs of a row can follow each other without a gap. Then the run
 * that ends first can touch one more at a corner: the next one of the other row, where both end at the same voxel. */
static void join_label_rows(const job *j, int64_t row, int64_t other, uint32_t reach) {
    const tk_components *c = j->c;
    const uint32_t *here = label_row(j, row), *there = label_row(j, other);
    uint32_t a = c->begin[row], b = c->begin[other], *set = c->component;
    const uint32_t a_end = c->end[row], b_end = c->end[other], *edge = c->edge;
    while (a != a_end && b != b_end) {
        const uint32_t a_lo = edge[2 * a], a_hi = edge[2 * a + 1], b_lo = edge[2 * b], b_hi = edge[2 * b + 1];
        const bool touch = b_lo < a_hi + reach && a_lo < b_hi + reach;
        if (touch && set[a] != set[b] && here[a_lo] == there[b_lo]) join_runs(set, a, b);
        if (b_hi == a_hi && reach && a + 1 != a_end && edge[2 * a + 2] == a_hi && here[a_hi] == there[b_lo])
            join_runs(set, a + 1, b);
        const uint32_t next = b_hi <= a_hi;
        b += next;
        a += 1 - next;
    }
}

/* Joins the rows from .. to-1 with those of their neighbours that lie in least .. most-1. */
static void join_range(const job *j, int64_t from, int64_t to, int64_t least, int64_t most) {
    const int64_t height = j->c->size[TK_Y];
    for (int64_t row = from; row < to; row++) {
        if (j->c->begin[row] == j->c->end[row]) continue;
        const int64_t z = row / height, y = row % height;
        for (int n = 0; n < j->count; n++) {
            const neighbour *at = &j->neighbours[n];
            if (z + at->dz < 0 || y + at->dy < 0 || y + at->dy >= height) continue;
            const int64_t other = row + at->dz * height + at->dy;
            if (other < least || other >= most) continue;
            if (j->labels.data)
                join_label_rows(j, row, other, at->reach);
            else
                join_rows(j->c, row, other, at->reach);
        }
    }
}

/* Joins what the slabs could not see of each other: only the first plane and row of each looks back. */
static void join_slabs(const job *j) {
    for (int slab = 1; slab < j->slabs; slab++) {
        const int64_t first = j->first[slab], reach = first + j->c->size[TK_Y] + 1;
        join_range(j, first, reach < j->first[slab + 1] ? reach : j->first[slab + 1], 0, first);
    }
}

static uint32_t slab_begin(const job *j, int slab) { return j->c->begin[j->first[slab]]; }
static uint32_t slab_end(const job *j, int slab) { return j->c->end[j->first[slab + 1] - 1]; }

/* Numbers the roots of a slab from `number` + 1 on. */
static void number_roots(const job *j, int slab, uint32_t number) {
    uint32_t *set = j->c->component;
    for (uint32_t r = slab_begin(j, slab); r < slab_end(j, slab); r++)
        if (set[r] == r) set[r] = ++number | NUMBERED;
}

static uint32_t count_roots(const job *j, int slab) {
    uint32_t roots = 0;
    for (uint32_t r = slab_begin(j, slab); r < slab_end(j, slab); r++) roots += j->c->component[r] == r;
    return roots;
}

/* Gives every run its root's number. Other slabs may be at the same runs: each value leads to the same number. */
static void number_runs(const job *j, int slab) {
    uint32_t *set = j->c->component;
    for (uint32_t r = slab_begin(j, slab); r < slab_end(j, slab); r++) {
        uint32_t at = __atomic_load_n(&set[r], __ATOMIC_RELAXED);
        while (!(at & NUMBERED)) at = __atomic_load_n(&set[at], __ATOMIC_RELAXED);
        __atomic_store_n(&set[r], at, __ATOMIC_RELAXED);
    }
}

/* All phases, on one team of threads. */
static void run(const job *j) {
    uint32_t number[SLABS_MOST + 1] = {0}; /* of the last root before each slab */
    const int slabs = j->slabs;
#pragma omp parallel num_threads(slabs)
    {
#pragma omp for schedule(static)
        for (int s = 0; s < slabs; s++) {
            find_runs(j, s);
            join_range(j, j->first[s], j->first[s + 1], j->first[s], j->first[s + 1]);
        }
#pragma omp single
        join_slabs(j);
#pragma omp for schedule(static)
        for (int s = 0; s < slabs; s++) number[s + 1] = count_roots(j, s);
#pragma omp single
        for (int s = 0; s < slabs; s++) number[s + 1] += number[s];
#pragma omp for schedule(static)
        for (int s = 0; s < slabs; s++) number_roots(j, s, number[s]);
#pragma omp for schedule(static)
        for (int s = 0; s < slabs; s++) number_runs(j, s);
#pragma omp for schedule(static)
        for (int s = 0; s < slabs; s++)
            for (uint32_t r = slab_begin(j, s); r < slab_end(j, s); r++) j->c->component[r] &= ~NUMBERED;
    }
    j->c->count = number[slabs];
}

/* Deals the rows out, and runs. */
static void run_slabs(job *j, int connectivity, const tk_work *work) {
    const int64_t rows = j->c->size[TK_Z] * j->c->size[TK_Y];
    j->runs = TK_ISA_SELECT(tk_runs, work->isa);
    choose_neighbours(j, connectivity);
    j->slabs = work->threads < SLABS_MOST ? work->threads : SLABS_MOST;
    if (j->slabs > rows) j->slabs = (int)rows;
    for (int s = 0; s <= j->slabs; s++) j->first[s] = rows * s / j->slabs;
    run(j);
}

tk_status tk_components_find(tk_cview_u8 mask, int connectivity, tk_components *components, tk_work *work) {
    job j = {.mask = mask, .c = components};
    TK_TRY(take(components, mask.size, runs_of_mask(mask.size[TK_X]), &work->scratch));
    run_slabs(&j, connectivity, work);
    return TK_OK;
}

tk_status tk_components_of_labels(tk_cview_u32 labels, int connectivity, tk_components *components, tk_work *work) {
    job j = {.labels = labels, .c = components};
    TK_TRY(take(components, labels.size, runs_of_labels(labels.size[TK_X]), &work->scratch));
    run_slabs(&j, connectivity, work);
    return TK_OK;
}

void tk_components_paint(const tk_components *components, const uint32_t *label, tk_view_u32 out, const tk_work *work) {
    const tk_components *c = components;
    const tk_run_kernels *runs = TK_ISA_SELECT(tk_runs, work->isa);
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t row = 0; row < c->size[TK_Z] * c->size[TK_Y]; row++) {
        uint32_t *to = out.data + row / c->size[TK_Y] * out.stride[TK_Z] + row % c->size[TK_Y] * out.stride[TK_Y];
        const uint32_t begin = c->begin[row];
        runs->paint(c->edge + 2 * (int64_t)begin, c->component + begin, label, c->end[row] - begin, c->size[TK_X], to);
    }
}

void tk_components_mask(const tk_components *components, const uint32_t *number, uint8_t beyond, tk_view_u8 out,
                        const tk_work *work) {
    const tk_components *c = components;
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t row = 0; row < c->size[TK_Z] * c->size[TK_Y]; row++) {
        uint8_t *to = out.data + row / c->size[TK_Y] * out.stride[TK_Z] + row % c->size[TK_Y] * out.stride[TK_Y];
        memset(to, beyond, (size_t)c->size[TK_X]);
        for (uint32_t r = c->begin[row]; r < c->end[row]; r++)
            memset(to + c->edge[2 * r], number[c->component[r] - 1] != 0, c->edge[2 * r + 1] - c->edge[2 * r]);
    }
}
