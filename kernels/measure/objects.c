/* Objects of a block, run by run along x (objects.h).
 *
 * Each thread collects objects in an open hash table of fixed size and empties it into the sink when it is getting
 * full, so memory is bounded however many labels a block has. */
#include "kernels/measure/objects.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/measure/merge.h"

enum { TABLE_SIZE = 4096, TABLE_FULL = 3072, QUANTUM_BITS = 62 };

/* Objects of one thread; an entry with label 0 is free. */
typedef struct table {
    tk_object entry[TABLE_SIZE];
    int64_t used;
} table;

typedef struct job {
    tk_cview_u32 labels;
    tk_cview_f32 intensity;
    const tk_box *box;
    double scale; /* quanta per unit of intensity */
    tk_object_sink sink;
    void *user;
} job;

int tk_intensity_exponent(float largest) {
    int exponent = 0;
    (void)frexpf(largest, &exponent);
    return exponent;
}

double tk_intensity_sum(const tk_object *object, int exponent) {
    return ldexp((double)object->intensity, exponent - QUANTUM_BITS);
}

static int table_count(const int64_t size[3], int threads) {
    const int64_t rows = size[TK_Z] * size[TK_Y];
    return rows < threads ? (int)rows : threads;
}

size_t tk_objects_scratch(const int64_t size[3], int threads) {
    return tk_scratch_cost(table_count(size, threads), sizeof(table));
}

/* Empties a table into the sink. */
static tk_status flush(const job *j, table *t) {
    int64_t n = 0;
    for (int64_t i = 0; i < TABLE_SIZE; i++)
        if (t->entry[i].label) t->entry[n++] = t->entry[i];
    tk_status status = TK_OK;
#pragma omp critical(tk_objects_sink)
    if (n) status = j->sink(j->user, t->entry, n);
    memset(t, 0, sizeof *t);
    return status;
}

/* The entry of a label, made when there is none. */
static tk_object *entry_of(table *t, uint32_t label) {
    uint32_t i = label * 2654435761u >> 20; /* Fibonacci hashing to 12 bits */
    while (t->entry[i].label != label && t->entry[i].label) i = (i + 1) % TABLE_SIZE;
    tk_object *o = &t->entry[i];
    if (o->label == 0) {
        *o = tk_object_none(label);
        t->used++;
    }
    return o;
}

/* Adds the run x0 <= x < x1 of a row to an object's shape; all indices are of the whole image. */
static void add_shape(tk_object *o, int64_t z, int64_t y, int64_t x0, int64_t x1) {
    const int64_t n = x1 - x0, lo[3] = {z, y, x0}, hi[3] = {z + 1, y + 1, x1};
    o->count += n;
    o->coordinates[TK_Z] += (tk_int128)z * n;
    o->coordinates[TK_Y] += (tk_int128)y * n;
    o->coordinates[TK_X] += (tk_int128)(x0 + x1 - 1) * n / 2; /* one of the factors is even */
    for (int a = 0; a < 3; a++) {
        if (lo[a] < o->lo[a]) o->lo[a] = lo[a];
        if (hi[a] > o->hi[a]) o->hi[a] = hi[a];
    }
}

static void add_intensity(tk_object *o, const float *v, int64_t n, double scale) {
    tk_int128 sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const float value = v[i] + 0.0f; /* -0 becomes +0: which of them is met first is chance */
        if (value < o->intensity_min) o->intensity_min = value;
        if (value > o->intensity_max) o->intensity_max = value;
        if (isfinite(value))
            sum += (int64_t)((double)value * scale);
        else
            o->not_finite++;
    }
    o->intensity += sum;
}

static tk_status measure_row(const job *j, int64_t z, int64_t y, table *t) {
    const uint32_t *label = j->labels.data + z * j->labels.stride[TK_Z] + y * j->labels.stride[TK_Y];
    const float *v = j->intensity.data;
    if (v) v += z * j->intensity.stride[TK_Z] + y * j->intensity.stride[TK_Y];
    const int64_t size = j->labels.size[TK_X], *lo = j->box->lo;
    for (int64_t x = 0, end = 0; x < size; x = end) {
        end = x + 1;
        while (end < size && label[end] == label[x]) end++;
        if (label[x] == 0) continue;
        if (t->used >= TABLE_FULL) TK_TRY(flush(j, t));
        tk_object *o = entry_of(t, label[x]);
        add_shape(o, lo[TK_Z] + z, lo[TK_Y] + y, lo[TK_X] + x, lo[TK_X] + end);
        if (v) add_intensity(o, v + x, end - x, j->scale);
    }
    return TK_OK;
}

/* One thread's rows, from .. to-1. */
static tk_status measure_rows(const job *j, int64_t from, int64_t to, table *t) {
    memset(t, 0, sizeof *t);
    for (int64_t row = from; row < to; row++)
        TK_TRY(measure_row(j, row / j->labels.size[TK_Y], row % j->labels.size[TK_Y], t));
    return flush(j, t);
}

tk_status tk_objects_measure(tk_cview_u32 labels, tk_cview_f32 intensity, const tk_box *box, int exponent,
                             tk_object_sink sink, void *user, tk_work *work) {
    const job j = {labels, intensity, box, ldexp(1, QUANTUM_BITS - exponent), sink, user};
    const int64_t rows = labels.size[TK_Z] * labels.size[TK_Y];
    const size_t mark = tk_scratch_mark(&work->scratch);
    const int parts = table_count(labels.size, tk_work_lanes(work, sizeof(table)));
    table *tables = parts ? tk_scratch_take(&work->scratch, parts, sizeof *tables) : NULL;
    if (!tables) return TK_NO_MEMORY;
    tk_status status = TK_OK;
#pragma omp parallel for schedule(static) num_threads(parts)
    for (int p = 0; p < parts; p++) {
        const tk_status part = measure_rows(&j, rows * p / parts, rows * (p + 1) / parts, &tables[p]);
#pragma omp critical(tk_objects_status)
        if (part != TK_OK) status = part;
    }
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
