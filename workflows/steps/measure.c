/* Step measure: a table of the labelled objects, with columns named as scikit-image's regionprops names them.
 *
 * With an intensity image there are two rounds: the largest magnitude in the objects, which fixes the quantum of the
 * sums, then the measurements. Without, the measurements alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "kernels/measure/objects.h"

enum { PLANNED_THREADS = 64, COLUMNS_MOST = 24 };

typedef struct measure_state {
    bool intensity;
    int32_t exponent; /* agreed: what the quantum of intensities follows from */
    double voxel_um[3];
} measure_state;

static const tk_param params[] = {
    {.name = "intensity",
     .type = TK_PARAM_IMAGE,
     .help = "image to measure in the objects; without it there are only columns of shape"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    measure_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step measure");
    s->intensity = binding->inputs > 1;
    memcpy(s->voxel_um, binding->input.voxel_um, sizeof s->voxel_um);
    *state = s;
    return TK_OK;
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    (void)state;
    return (tk_need){.scratch = tk_objects_scratch(in, PLANNED_THREADS)};
}

static int rounds(const void *state) {
    const measure_state *s = state;
    return s->intensity ? 2 : 1;
}

/* Is this the round that finds the largest magnitude? */
static bool is_range_round(const measure_state *s, int round) { return s->intensity && round == 0; }

static tk_status append(void *partial, const tk_object *objects, int64_t count) {
    return tk_bytes_append(partial, objects, (size_t)count * sizeof *objects);
}

static int64_t objects_in(const tk_bytes *partial) { return (int64_t)(partial->size / sizeof(tk_object)); }

static tk_status survey(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial) {
    const measure_state *s = state;
    const tk_cview_u32 labels = tk_read_u32(in[0]->u32);
    tk_cview_f32 intensity = {0};
    if (s->intensity) intensity = tk_ccrop_f32(tk_read_f32(in[1]->f32), &in[1]->box, &in[0]->box);
    if (is_range_round(s, round)) {
        const float largest = tk_objects_largest(labels, intensity, work);
        return tk_bytes_append(partial, &largest, sizeof largest);
    }
    TK_TRY(tk_objects_measure(labels, intensity, &in[0]->box, s->exponent, append, partial, work));
    const int64_t left = tk_objects_unite((tk_object *)(void *)partial->data, objects_in(partial));
    return tk_bytes_resize(partial, (size_t)left * sizeof(tk_object));
}

static tk_status combine_largest(tk_bytes *into, const tk_bytes *from) {
    float a = 0, b = 0;
    if (into->size != sizeof a || from->size != sizeof b) return TK_FAILED;
    memcpy(&a, into->data, sizeof a);
    memcpy(&b, from->data, sizeof b);
    if (b > a) memcpy(into->data, &b, sizeof b);
    return TK_OK;
}

static tk_status combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    if (is_range_round(state, round)) return combine_largest(into, from);
    if (into->size % sizeof(tk_object) || from->size % sizeof(tk_object)) return TK_FAILED;
    tk_bytes merged = {0};
    TK_TRY(tk_bytes_resize(&merged, into->size + from->size));
    const int64_t count = tk_objects_merge((const tk_object *)(const void *)into->data, objects_in(into),
                                           (const tk_object *)(const void *)from->data, objects_in(from),
                                           (tk_object *)(void *)merged.data);
    tk_bytes_free(into);
    *into = merged;
    return tk_bytes_resize(into, (size_t)count * sizeof(tk_object));
}

static tk_status agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error) {
    *more = is_range_round(state, round);
    if (!*more) return tk_facts_number(facts, "objects", (double)objects_in(combined), "");
    float largest = 0;
    if (combined->size != sizeof largest) return tk_fail(error, TK_FAILED, "measure: the survey is incomplete");
    memcpy(&largest, combined->data, sizeof largest);
    const int32_t exponent = tk_intensity_exponent(largest);
    return tk_bytes_append(decision, &exponent, sizeof exponent);
}

static tk_status adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    (void)work;
    measure_state *s = state;
    if (!is_range_round(s, round)) return TK_OK;
    if (decision->size != sizeof s->exponent) return tk_fail(error, TK_FAILED, "measure: the decision is damaged");
    memcpy(&s->exponent, decision->data, sizeof s->exponent);
    return TK_OK;
}

static const tk_column shape_columns[] = {
    {"label", "", "number of the object", TK_U32, NULL},
    {"area", "voxel", "voxels of the object", TK_I64, NULL},
    {"centroid-0", "voxel", "mean index along z", TK_F64, NULL},
    {"centroid-1", "voxel", "mean index along y", TK_F64, NULL},
    {"centroid-2", "voxel", "mean index along x", TK_F64, NULL},
    {"bbox-0", "voxel", "first index of the bounding box along z", TK_I64, NULL},
    {"bbox-1", "voxel", "first index of the bounding box along y", TK_I64, NULL},
    {"bbox-2", "voxel", "first index of the bounding box along x", TK_I64, NULL},
    {"bbox-3", "voxel", "index behind the bounding box along z", TK_I64, NULL},
    {"bbox-4", "voxel", "index behind the bounding box along y", TK_I64, NULL},
    {"bbox-5", "voxel", "index behind the bounding box along x", TK_I64, NULL},
};

static const tk_column physical_columns[] = {
    {"volume", "um^3", "volume of the object's voxels", TK_F64, NULL},
    {"centroid_z", "um", "centroid from the centre of the first voxel along z", TK_F64, NULL},
    {"centroid_y", "um", "centroid from the centre of the first voxel along y", TK_F64, NULL},
    {"centroid_x", "um", "centroid from the centre of the first voxel along x", TK_F64, NULL},
};

static const tk_column intensity_columns[] = {
    {"intensity_min", "", "smallest intensity", TK_F32, NULL},
    {"intensity_max", "", "largest intensity", TK_F32, NULL},
    {"intensity_mean", "", "mean intensity", TK_F64, NULL},
    {"intensity_sum", "", "sum of intensities", TK_F64, NULL},
};

enum { COUNT_OF_SHAPE = sizeof shape_columns / sizeof *shape_columns };
enum { COUNT_OF_PHYSICAL = sizeof physical_columns / sizeof *physical_columns };
enum { COUNT_OF_INTENSITY = sizeof intensity_columns / sizeof *intensity_columns };
_Static_assert(COUNT_OF_SHAPE + COUNT_OF_PHYSICAL + COUNT_OF_INTENSITY <= COLUMNS_MOST, "room for all columns");

static void set_f64(tk_column *column, int64_t row, double value) { ((double *)column->data)[row] = value; }
static void set_i64(tk_column *column, int64_t row, int64_t value) { ((int64_t *)column->data)[row] = value; }

/* The mean index along an axis: quotient and remainder apart, so that large sums lose nothing. */
static double centroid(const tk_object *o, int axis) {
    const tk_int128 n = o->count;
    return (double)(int64_t)(o->coordinates[axis] / n) + (double)(int64_t)(o->coordinates[axis] % n) / (double)o->count;
}

static void fill_shape(const tk_object *o, int64_t row, tk_column *c) {
    ((uint32_t *)c[0].data)[row] = o->label;
    set_i64(&c[1], row, o->count);
    for (int a = 0; a < 3; a++) {
        set_f64(&c[2 + a], row, centroid(o, a));
        set_i64(&c[5 + a], row, o->lo[a]);
        set_i64(&c[8 + a], row, o->hi[a]);
    }
}

static void fill_physical(const tk_object *o, const double um[3], int64_t row, tk_column *c) {
    set_f64(&c[0], row, (double)o->count * (um[0] * um[1] * um[2]));
    for (int a = 0; a < 3; a++) set_f64(&c[1 + a], row, centroid(o, a) * um[a]);
}

/* A sum with an infinity or a NaN in it is not a number of ours to give: NaN. */
static void fill_intensity(const tk_object *o, int exponent, int64_t row, tk_column *c) {
    const double sum = o->not_finite ? NAN : tk_intensity_sum(o, exponent);
    ((float *)c[0].data)[row] = o->intensity_min <= o->intensity_max ? o->intensity_min : NAN;
    ((float *)c[1].data)[row] = o->intensity_min <= o->intensity_max ? o->intensity_max : NAN;
    set_f64(&c[2], row, sum / (double)o->count);
    set_f64(&c[3], row, sum);
}

static int add_columns(tk_column *to, int at, const tk_column *from, int count) {
    memcpy(to + at, from, (size_t)count * sizeof *from);
    return at + count;
}

static tk_status tabulate(const void *state, const tk_bytes *combined, tk_table *table, tk_error *error) {
    const measure_state *s = state;
    const bool physical = s->voxel_um[0] > 0 && s->voxel_um[1] > 0 && s->voxel_um[2] > 0;
    tk_column columns[COLUMNS_MOST];
    int count = add_columns(columns, 0, shape_columns, COUNT_OF_SHAPE);
    if (physical) count = add_columns(columns, count, physical_columns, COUNT_OF_PHYSICAL);
    if (s->intensity) count = add_columns(columns, count, intensity_columns, COUNT_OF_INTENSITY);
    TK_TRY(tk_table_make(objects_in(combined), columns, count, table, error));
    const tk_object *objects = (const tk_object *)(const void *)combined->data;
    for (int64_t row = 0; row < table->rows; row++) {
        fill_shape(&objects[row], row, table->column);
        if (physical) fill_physical(&objects[row], s->voxel_um, row, table->column + COUNT_OF_SHAPE);
        if (s->intensity) fill_intensity(&objects[row], s->exponent, row, table->column + count - COUNT_OF_INTENSITY);
    }
    return TK_OK;
}

const tk_step tk_step_measure = {
    .name = "measure",
    .version = 1,
    .summary = "measure labelled objects: size, place, intensity",
    .citation = "",
    .example = "{intensity: input}",
    .exact = true,
    .input = TK_KIND_LABELS,
    .output = TK_KIND_TABLE,
    .params = params,
    .bind = bind,
    .release = free,
    .bytes = bytes,
    .rounds = rounds,
    .survey = survey,
    .combine = combine,
    .agree = agree,
    .adopt = adopt,
    .tabulate = tabulate,
};
