/* Objects of a block, run by run along x, and cell by cell (cells.h). Threads share the rows and collect apart. */
#include "kernels/measure/objects.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/measure/cells.h"
#include "kernels/measure/collect.h"
#include "kernels/measure/merge.h"

enum { QUANTUM_BITS = 62, COARSE_BITS = 44 };

typedef struct job {
    const tk_objects_spec *spec;
    const tk_objects_block *block;
    tk_cview_u32 labels;               /* of the core */
    double scale[TK_OBJECTS_CHANNELS]; /* quanta per unit of intensity */
    const tk_object_sink *sink;
    const tk_cells_table *cells; /* NULL: they are not measured */
    tk_isa isa;
    const tk_rows_kernels *rows; /* of this instruction set */
} job;

/* A run of one label in a row; indices are of the whole image. */
typedef struct run {
    int64_t z, y, x0, x1; /* x0 <= x < x1 */
} run;

int tk_intensity_exponent(float largest) {
    int exponent = 0;
    (void)frexpf(largest, &exponent);
    return exponent;
}

static bool has_cells(const tk_object_layout *l) { return l->surface || l->contact; }

/* Scratch bytes of one thread. Flags and the last voxel of a row, whole words of them, are its own. */
static size_t lane_scratch(const tk_object_layout *l, const int64_t size[3]) {
    const size_t cells = has_cells(l) ? tk_cells_scratch(size) : 0;
    return tk_size_add(tk_collector_scratch(l), tk_size_add(tk_scratch_cost(size[TK_X] + 8, 1), cells));
}

static size_t table_scratch(const tk_object_layout *l) {
    return has_cells(l) ? tk_scratch_cost(1, sizeof(tk_cells_table)) : 0;
}

/* Threads that find work. */
static int lanes_for(const int64_t size[3], int threads) {
    const int64_t rows = size[TK_Z] * size[TK_Y];
    return rows < threads ? (int)rows : threads;
}

size_t tk_objects_scratch(const tk_object_layout *l, const int64_t size[3], int threads) {
    const size_t lane = tk_scratch_cost(1, lane_scratch(l, size));
    size_t sum = table_scratch(l);
    for (int i = 0; i < lanes_for(size, threads); i++) sum = tk_size_add(sum, lane);
    return sum;
}

static void add_shape(tk_object *o, const run *r) {
    const int64_t n = r->x1 - r->x0, lo[3] = {r->z, r->y, r->x0}, hi[3] = {r->z + 1, r->y + 1, r->x1};
    o->count += n;
    o->coordinates[TK_Z] += (tk_int128)r->z * n;
    o->coordinates[TK_Y] += (tk_int128)r->y * n;
    o->coordinates[TK_X] += (tk_int128)(r->x0 + r->x1 - 1) * n / 2; /* one of the factors is even */
    for (int a = 0; a < 3; a++) {
        if (lo[a] < o->lo[a]) o->lo[a] = lo[a];
        if (hi[a] > o->hi[a]) o->hi[a] = hi[a];
    }
}

/* The sum of squares of 0 … n-1. */
static tk_int128 squares_below(int64_t n) { return (tk_int128)(n - 1) * n / 2 * (2 * n - 1) / 3; }

static void add_moments(tk_object_moments *m, const run *r) {
    const int64_t n = r->x1 - r->x0;
    const tk_int128 x = (tk_int128)(r->x0 + r->x1 - 1) * n / 2;
    m->products[0] += (tk_int128)r->z * r->z * n;
    m->products[1] += (tk_int128)r->y * r->y * n;
    m->products[2] += squares_below(r->x1) - squares_below(r->x0);
    m->products[3] += (tk_int128)r->z * r->y * n;
    m->products[4] += x * r->z;
    m->products[5] += x * r->y;
}

static void add_extremes(const job *j, tk_object_extremes *e, const run *r) {
    const int32_t at[4] = {(int32_t)r->z, (int32_t)r->y, (int32_t)r->x0, (int32_t)r->x1 - 1};
    j->rows->reach(j->spec->direction, at, e);
}

/* What changes voxel by voxel is in variables of its own: the compiler cannot know that v is not part of o. */
static void add_intensity(tk_object_intensity *o, const float *v, int64_t n, double scale) {
    tk_int128 sum = 0;
    int64_t not_finite = 0;
    float least = o->min, most = o->max;
    for (int64_t i = 0; i < n; i++) {
        const float value = v[i] + 0.0f; /* -0 becomes +0: which of them is met first is chance */
        least = value < least ? value : least;
        most = value > most ? value : most;
        if (isfinite(value))
            sum += (int64_t)((double)value * scale);
        else
            not_finite++;
    }
    o->sum += sum;
    o->not_finite += not_finite;
    o->min = least;
    o->max = most;
}

/* Sums of i v[i] over a run are sums of the sums of v from i on. */
static void add_spread(tk_object_spread *o, const float *v, const run *r, double scale) {
    tk_int128 sum = 0, along = 0, coarse = 0, squares = 0;
    for (int64_t i = r->x1 - r->x0 - 1; i >= 0; i--) {
        const int64_t q = isfinite(v[i]) ? (int64_t)((double)v[i] * scale) : 0, c = q >> (QUANTUM_BITS - COARSE_BITS);
        along += sum;
        sum += q;
        coarse += c;
        squares += (tk_int128)c * c;
    }
    o->coarse += coarse;
    o->squares += squares;
    o->weighted[TK_Z] += sum * r->z;
    o->weighted[TK_Y] += sum * r->y;
    o->weighted[TK_X] += sum * r->x0 + along;
}

static const float *voxel_of(const tk_cview_f32 *v, const tk_box *core, const run *r) {
    return v->data + (r->z - core->lo[TK_Z]) * v->stride[TK_Z] + (r->y - core->lo[TK_Y]) * v->stride[TK_Y] + r->x0 -
           core->lo[TK_X];
}

static void add_run(const job *j, tk_object *o, const run *r) {
    const tk_object_layout *l = &j->spec->layout;
    char *record = (char *)o;
    add_shape(o, r);
    if (l->moments) add_moments((tk_object_moments *)(void *)(record + l->moments), r);
    if (l->extremes) add_extremes(j, (tk_object_extremes *)(void *)(record + l->extremes), r);
    for (int c = 0; c < l->channels; c++) {
        const float *v = voxel_of(&j->block->intensity[c], &j->block->core, r);
        add_intensity((tk_object_intensity *)(void *)(record + l->intensity) + c, v, r->x1 - r->x0, j->scale[c]);
        if (l->spread) add_spread((tk_object_spread *)(void *)(record + l->spread) + c, v, r, j->scale[c]);
    }
}

/* One thread. */
typedef struct lane {
    const job *job;
    tk_scratch scratch; /* its own */
    tk_collector found;
    uint8_t *end; /* of a row's voxels: is it the last of its run? */
} lane;

static tk_status measure_run(lane *l, uint32_t label, int64_t row, int64_t from, int64_t to) {
    const tk_box *core = &l->job->block->core;
    const int64_t height = l->job->labels.size[TK_Y], x = core->lo[TK_X];
    const run r = {core->lo[TK_Z] + row / height, core->lo[TK_Y] + row % height, x + from, x + to};
    if (label == 0) return TK_OK;
    TK_TRY(tk_collector_room(&l->found, 1));
    add_run(l->job, tk_collector_find(&l->found, label), &r);
    return TK_OK;
}

static tk_status measure_row(lane *l, int64_t row) {
    const tk_cview_u32 *v = &l->job->labels;
    const uint32_t *label = v->data + row / v->size[TK_Y] * v->stride[TK_Z] + row % v->size[TK_Y] * v->stride[TK_Y];
    const int64_t size = v->size[TK_X];
    int64_t start = 0;
    l->job->rows->ends(label, size - 1, l->end);
    l->end[size - 1] = 1;
    for (int64_t x = 0; x < size; x += 8) {
        uint64_t word;
        memcpy(&word, l->end + x, sizeof word);
        for (; word; word &= word - 1) {
            const int64_t behind = x + __builtin_ctzll(word) / 8 + 1;
            TK_TRY(measure_run(l, label[start], row, start, behind));
            start = behind;
        }
    }
    return TK_OK;
}

static tk_status make_lane(const job *j, tk_scratch *scratch, lane *l) {
    const int64_t room = j->labels.size[TK_X] + 8;
    const size_t size = lane_scratch(&j->spec->layout, j->labels.size);
    *l = (lane){.job = j, .scratch = {.base = tk_scratch_take(scratch, 1, size), .size = size}};
    if (!l->scratch.base) return TK_NO_MEMORY;
    TK_TRY(tk_collector_make(j->spec, j->sink, &l->scratch, &l->found));
    l->end = tk_scratch_take(&l->scratch, room, 1);
    if (!l->end) return TK_NO_MEMORY;
    memset(l->end, 0, (size_t)room);
    return TK_OK;
}

/* The p-th of `parts` shares of the rows and of the rows of cells. */
static tk_status measure_share(lane *l, int p, int parts) {
    const job *j = l->job;
    const int64_t rows = j->labels.size[TK_Z] * j->labels.size[TK_Y];
    for (int64_t row = rows * p / parts; row < rows * (p + 1) / parts; row++) TK_TRY(measure_row(l, row));
    if (j->cells) {
        const int64_t cells = tk_cells_rows(j->block);
        TK_TRY(tk_cells_measure(j->block, j->cells, cells * p / parts, cells * (p + 1) / parts, j->isa, &l->scratch,
                                &l->found));
    }
    return tk_collector_flush(&l->found);
}

static tk_status measure_shares(lane *lanes, int parts) {
    tk_status status = TK_OK;
#pragma omp parallel for schedule(static) num_threads(parts)
    for (int p = 0; p < parts; p++) {
        const tk_status part = measure_share(&lanes[p], p, parts);
#pragma omp critical(tk_objects_status)
        if (part != TK_OK) status = part;
    }
    return status;
}

enum { LANES_MOST = 256 };

static tk_status measure_lanes(job *j, tk_work *work) {
    const tk_object_layout *l = &j->spec->layout;
    lane lanes[LANES_MOST];
    if (has_cells(l)) {
        tk_cells_table *table = tk_scratch_take(&work->scratch, 1, sizeof *table);
        if (!table) return TK_NO_MEMORY;
        tk_cells_table_make(table);
        j->cells = table;
    }
    const int fit = tk_work_lanes(work, tk_scratch_cost(1, lane_scratch(l, j->labels.size)));
    const int parts = lanes_for(j->labels.size, fit < LANES_MOST ? fit : LANES_MOST);
    if (parts == 0) return TK_NO_MEMORY;
    for (int p = 0; p < parts; p++) TK_TRY(make_lane(j, &work->scratch, &lanes[p]));
    return measure_shares(lanes, parts);
}

/* Does the box hold all that the cells need? */
static bool reaches_far_enough(const tk_objects_block *b) {
    for (int a = 0; a < 3; a++)
        if (b->core.hi[a] < b->image.hi[a] && b->box.hi[a] <= b->core.hi[a]) return false;
    return true;
}

tk_status tk_objects_measure(const tk_objects_spec *spec, const tk_objects_block *block, const tk_object_sink *sink,
                             tk_work *work) {
    job j = {.spec = spec, .block = block, .sink = sink, .isa = work->isa, .rows = TK_ISA_SELECT(tk_rows, work->isa)};
    if (has_cells(&spec->layout) && !reaches_far_enough(block)) return TK_INVALID;
    if (tk_box_count(&block->core) == 0) return TK_OK;
    j.labels = tk_ccrop_u32(block->labels, &block->box, &block->core);
    for (int c = 0; c < spec->layout.channels; c++) j.scale[c] = ldexp(1, QUANTUM_BITS - spec->exponent[c]);
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = measure_lanes(&j, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

static float largest_of_row(const uint32_t *label, const float *v, int64_t size) {
    float largest = 0;
    for (int64_t x = 0; x < size; x++) {
        const float magnitude = label[x] && isfinite(v[x]) ? fabsf(v[x]) : 0;
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

float tk_objects_largest(tk_cview_u32 labels, tk_cview_f32 intensity, const tk_work *work) {
    float largest = 0;
#pragma omp parallel for schedule(static) num_threads(work->threads) reduction(max : largest)
    for (int64_t row = 0; row < labels.size[TK_Z] * labels.size[TK_Y]; row++) {
        const int64_t z = row / labels.size[TK_Y], y = row % labels.size[TK_Y];
        const float here =
            largest_of_row(labels.data + z * labels.stride[TK_Z] + y * labels.stride[TK_Y],
                           intensity.data + z * intensity.stride[TK_Z] + y * intensity.stride[TK_Y], labels.size[TK_X]);
        if (here > largest) largest = here;
    }
    return largest;
}
