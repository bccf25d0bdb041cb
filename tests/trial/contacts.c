/* Step contacts: how often each two labels meet at the voxels of a mask, and how bright the image is there, so that the
 * engine's surveys with a halo, wide side inputs and dealt-out partials can be held against numpy.
 *
 * A pair of voxels one apart along an axis belongs to the tile that owns the first of them. reduce drops pairs of
 * labels that meet less than `least` times, which is right only once all tiles' counts are together. */
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "tests/trial/trial.h"

typedef struct contacts_state {
    int64_t least;
    bool other;
    int images;
} contacts_state;

typedef struct contact {
    uint32_t label[2];  /* the smaller one first */
    int64_t count, sum; /* of the first voxels' brightness, whole numbers */
} contact;

static const tk_param params[] = {
    {.name = "mask", .type = TK_PARAM_MASK, .required = true, .help = "where it counts"},
    {.name = "other", .type = TK_PARAM_LABELS, .help = "labels that must differ, too"},
    {.name = "images", .type = TK_PARAM_IMAGE, .most = 3, .help = "whose brightness is added up"},
    {.name = "least", .type = TK_PARAM_INTEGER, .fallback = "1", .least = 1, .most = 1e6, .help = "times to meet"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    contacts_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step contacts");
    s->least = tk_params_integer(binding->params, "least");
    s->other = tk_params_get(binding->params, "other")->set;
    s->images = tk_params_get(binding->params, "images")->count;
    *state = s;
    return TK_OK;
}

static void survey_halo(const void *state, int64_t halo[3]) {
    (void)state;
    for (int a = 0; a < 3; a++) halo[a] = 1;
}

static int64_t at(const int64_t stride[3], const tk_box *box, const int64_t voxel[3]) {
    int64_t offset = 0;
    for (int a = 0; a < 3; a++) offset += (voxel[a] - box->lo[a]) * stride[a];
    return offset;
}

static bool differ(const tk_block *labels, const int64_t a[3], const int64_t b[3]) {
    const tk_view_u32 v = labels->u32;
    return v.data[at(v.stride, &labels->box, a)] != v.data[at(v.stride, &labels->box, b)];
}

static bool is_set(const tk_block *mask, const int64_t voxel[3]) {
    return mask->u8.data[at(mask->u8.stride, &mask->box, voxel)] != 0;
}

/* Adds the pair of a voxel and the next one along an axis, if there is one. in: labels, mask, other labels, images. */
static tk_status add_pair(const contacts_state *s, const tk_block *const in[], const int64_t voxel[3], int axis,
                          tk_bytes *partial) {
    int64_t next[3] = {voxel[0], voxel[1], voxel[2]};
    const int first = s->other ? 3 : 2;
    next[axis]++;
    if (next[axis] >= in[0]->box.hi[axis] || !is_set(in[1], voxel)) return TK_OK;
    if (!differ(in[0], voxel, next) || (s->other && !differ(in[2], voxel, next))) return TK_OK;
    const tk_view_u32 labels = in[0]->u32;
    const uint32_t a = labels.data[at(labels.stride, &in[0]->box, voxel)];
    const uint32_t b = labels.data[at(labels.stride, &in[0]->box, next)];
    contact c = {{a < b ? a : b, a < b ? b : a}, 1, 0};
    for (int k = first; k < first + s->images; k++)
        c.sum += (int64_t)in[k]->f32.data[at(in[k]->f32.stride, &in[k]->box, voxel)];
    return tk_bytes_append(partial, &c, sizeof c);
}

static int by_labels(const void *a, const void *b) {
    return memcmp(((const contact *)a)->label, ((const contact *)b)->label, 8);
}

/* Sorts and joins what is of the same labels. */
static void unite(tk_bytes *partial) {
    contact *c = (contact *)(void *)partial->data;
    const size_t count = partial->size / sizeof *c;
    size_t kept = 0;
    if (count == 0) return;
    qsort(c, count, sizeof *c, by_labels);
    for (size_t i = 1; i < count; i++) {
        if (by_labels(&c[kept], &c[i]) != 0) {
            c[++kept] = c[i];
            continue;
        }
        c[kept].count += c[i].count;
        c[kept].sum += c[i].sum;
    }
    partial->size = (kept + 1) * sizeof *c;
}

static tk_status survey(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial) {
    const contacts_state *s = state;
    const tk_box *core = &in[0]->core;
    (void)round;
    (void)work;
    for (int k = 1; k < 2 + s->other + s->images; k++)
        if (memcmp(&in[k]->box, &in[0]->box, sizeof in[0]->box) != 0) return TK_FAILED;
    int64_t v[3];
    for (v[0] = core->lo[0]; v[0] < core->hi[0]; v[0]++)
        for (v[1] = core->lo[1]; v[1] < core->hi[1]; v[1]++)
            for (v[2] = core->lo[2]; v[2] < core->hi[2]; v[2]++)
                for (int axis = 0; axis < 3; axis++) TK_TRY(add_pair(s, in, v, axis, partial));
    unite(partial);
    return TK_OK;
}

static tk_status combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    (void)state;
    (void)round;
    TK_TRY(tk_bytes_append(into, from->data, from->size));
    unite(into);
    return TK_OK;
}

static tk_status split(const void *state, int round, const tk_bytes *combined, int parts, tk_bytes part[]) {
    const contact *c = (const contact *)(const void *)combined->data;
    (void)state;
    (void)round;
    for (size_t i = 0; i < combined->size / sizeof *c; i++)
        TK_TRY(tk_bytes_append(&part[(c[i].label[0] + c[i].label[1]) % (unsigned)parts], &c[i], sizeof c[i]));
    return TK_OK;
}

static tk_status reduce(const void *state, int round, tk_bytes *part) {
    const contacts_state *s = state;
    contact *c = (contact *)(void *)part->data;
    size_t kept = 0;
    (void)round;
    for (size_t i = 0; i < part->size / sizeof *c; i++)
        if (c[i].count >= s->least) c[kept++] = c[i];
    return tk_bytes_resize(part, kept * sizeof *c);
}

static tk_status tabulate(const void *state, const tk_bytes *combined, tk_table *table, tk_error *error) {
    static const tk_column columns[] = {{"a", "", "one label", TK_I64, NULL},
                                        {"b", "", "the other", TK_I64, NULL},
                                        {"count", "", "how often they meet", TK_I64, NULL},
                                        {"sum", "", "brightness", TK_I64, NULL}};
    const contact *c = (const contact *)(const void *)combined->data;
    (void)state;
    TK_TRY(tk_table_make((int64_t)(combined->size / sizeof *c), columns, 4, table, error));
    for (int64_t i = 0; i < table->rows; i++) {
        const int64_t row[4] = {c[i].label[0], c[i].label[1], c[i].count, c[i].sum};
        for (int k = 0; k < 4; k++) ((int64_t *)table->column[k].data)[i] = row[k];
    }
    return TK_OK;
}

const tk_step tk_step_contacts = {
    .name = "contacts",
    .version = 1,
    .summary = "count where labels meet",
    .citation = "",
    .exact = true,
    .wide_sides = true,
    .input = TK_KIND_LABELS,
    .output = TK_KIND_TABLE,
    .params = params,
    .bind = bind,
    .release = free,
    .survey_halo = survey_halo,
    .survey = survey,
    .combine = combine,
    .split = split,
    .reduce = reduce,
    .tabulate = tabulate,
};
