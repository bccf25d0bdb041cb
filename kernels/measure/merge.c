/* Layout, sorting, joining and merging of records; every operation is exact, so parts may come in any order. */
#include "kernels/measure/merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room for `count` parts of one kind, behind what there is. */
static size_t place(size_t *size, size_t part, int count) {
    const size_t at = *size;
    *size += part * (size_t)count;
    return count ? at : 0;
}

tk_object_layout tk_object_layout_of(unsigned parts, int channels) {
    tk_object_layout l = {.channels = channels, .size = sizeof(tk_object)};
    l.moments = place(&l.size, sizeof(tk_object_moments), (parts & TK_OBJECT_MOMENTS) != 0);
    l.surface = place(&l.size, sizeof(tk_object_cells), (parts & TK_OBJECT_SURFACE) != 0);
    l.contact = place(&l.size, sizeof(tk_object_cells), (parts & TK_OBJECT_CONTACT) != 0);
    l.extremes = place(&l.size, sizeof(tk_object_extremes), (parts & TK_OBJECT_EXTREMES) != 0);
    l.intensity = place(&l.size, sizeof(tk_object_intensity), channels);
    l.spread = place(&l.size, sizeof(tk_object_spread), parts & TK_OBJECT_SPREAD ? channels : 0);
    return l;
}

/* All parts are multiples of the strictest alignment, so that those behind them are aligned. */
_Static_assert(sizeof(tk_object) % 16 == 0 && sizeof(tk_object_moments) % 16 == 0 &&
                   sizeof(tk_object_cells) % 16 == 0 && sizeof(tk_object_extremes) % 16 == 0 &&
                   sizeof(tk_object_intensity) % 16 == 0 && sizeof(tk_object_spread) % 16 == 0,
               "parts of records are aligned");

static tk_object *object_at(void *records, size_t size, int64_t i) {
    return (tk_object *)(void *)((char *)records + (size_t)i * size);
}

static const tk_object *read_object(const void *records, size_t size, int64_t i) {
    return (const tk_object *)(const void *)((const char *)records + (size_t)i * size);
}

void tk_object_clear(const tk_objects_spec *spec, void *record, uint32_t label) {
    const tk_object_layout *l = &spec->layout;
    memset(record, 0, l->size);
    tk_object *o = record;
    o->label = label;
    for (int a = 0; a < 3; a++) {
        o->lo[a] = INT64_MAX;
        o->hi[a] = INT64_MIN;
    }
    if (l->extremes) memset((char *)record + l->extremes, -1, sizeof(tk_object_extremes));
    for (int c = 0; c < l->channels; c++) {
        tk_object_intensity *i = (tk_object_intensity *)(void *)((char *)record + l->intensity) + c;
        i->min = INFINITY;
        i->max = -INFINITY;
    }
}

static void join_object(tk_object *into, const tk_object *from) {
    into->count += from->count;
    for (int a = 0; a < 3; a++) {
        into->coordinates[a] += from->coordinates[a];
        if (from->lo[a] < into->lo[a]) into->lo[a] = from->lo[a];
        if (from->hi[a] > into->hi[a]) into->hi[a] = from->hi[a];
    }
}

static void join_cells(tk_object_cells *into, const tk_object_cells *from) {
    for (int d = 0; d < TK_OBJECTS_LANES; d++) into->number[d] += from->number[d];
}

static void join_extremes(const tk_objects_spec *spec, tk_object_extremes *into, const tk_object_extremes *from) {
    for (int k = 0; k < TK_OBJECTS_EXTREMES && from->axis[0][k] >= 0; k++)
        tk_object_reach(spec, into, k, from->axis[0][k], from->axis[1][k], from->axis[2][k]);
}

static void join_intensity(tk_object_intensity *into, const tk_object_intensity *from) {
    into->sum += from->sum;
    into->not_finite += from->not_finite;
    if (from->min < into->min) into->min = from->min;
    if (from->max > into->max) into->max = from->max;
}

static void join_spread(tk_object_spread *into, const tk_object_spread *from) {
    into->coarse += from->coarse;
    into->squares += from->squares;
    for (int a = 0; a < 3; a++) into->weighted[a] += from->weighted[a];
}

void tk_object_join(const tk_objects_spec *spec, void *into, const void *from) {
    const tk_object_layout *l = &spec->layout;
    char *to = into;
    join_object(into, from);
    for (int i = 0; l->moments && i < 6; i++)
        ((tk_object_moments *)(void *)(to + l->moments))->products[i] += tk_object_moments_of(l, from)->products[i];
    if (l->surface) join_cells((tk_object_cells *)(void *)(to + l->surface), tk_object_surface_of(l, from));
    if (l->contact) join_cells((tk_object_cells *)(void *)(to + l->contact), tk_object_contact_of(l, from));
    if (l->extremes)
        join_extremes(spec, (tk_object_extremes *)(void *)(to + l->extremes), tk_object_extremes_of(l, from));
    for (int c = 0; c < l->channels; c++)
        join_intensity((tk_object_intensity *)(void *)(to + l->intensity) + c, tk_object_intensity_of(l, from, c));
    for (int c = 0; l->spread && c < l->channels; c++)
        join_spread((tk_object_spread *)(void *)(to + l->spread) + c, tk_object_spread_of(l, from, c));
}

/* What tells objects apart, and how they are ordered: the time point, then the label. */
static uint64_t key_of(const tk_object *o) { return (uint64_t)o->time << 32 | o->label; }

static int by_key(const void *a, const void *b) {
    const uint64_t one = key_of(a), other = key_of(b);
    return one < other ? -1 : one > other;
}

int64_t tk_objects_unite(const tk_objects_spec *spec, void *records, int64_t count) {
    const size_t size = spec->layout.size;
    if (count == 0) return 0;
    qsort(records, (size_t)count, size, by_key);
    int64_t last = 0;
    for (int64_t i = 1; i < count; i++) {
        const tk_object *next = object_at(records, size, i);
        if (key_of(next) == key_of(object_at(records, size, last)))
            tk_object_join(spec, object_at(records, size, last), next);
        else if (++last != i)
            memcpy(object_at(records, size, last), next, size);
    }
    return last + 1;
}

int64_t tk_objects_merge(const tk_objects_spec *spec, const void *a, int64_t a_count, const void *b, int64_t b_count,
                         void *out) {
    const size_t size = spec->layout.size;
    int64_t n = 0, i = 0, k = 0;
    while (i < a_count || k < b_count) {
        const tk_object *one = i < a_count ? read_object(a, size, i) : NULL;
        const tk_object *other = k < b_count ? read_object(b, size, k) : NULL;
        const int order = !one ? 1 : !other ? -1 : by_key(one, other);
        const void *taken = one && order <= 0 ? (const void *)one : other;
        if (taken) memcpy(object_at(out, size, n), taken, size);
        if (order == 0) tk_object_join(spec, object_at(out, size, n), other);
        i += order <= 0;
        k += order >= 0;
        n++;
    }
    return n;
}

static int by_pair(const void *a, const void *b) {
    const tk_object_pair *one = a, *other = b;
    if (one->time != other->time) return one->time < other->time ? -1 : 1;
    if (one->a != other->a) return one->a < other->a ? -1 : 1;
    return one->b < other->b ? -1 : one->b > other->b;
}

int64_t tk_pairs_unite(tk_object_pair *pairs, int64_t count) {
    if (count == 0) return 0;
    qsort(pairs, (size_t)count, sizeof *pairs, by_pair);
    int64_t last = 0;
    for (int64_t i = 1; i < count; i++)
        if (by_pair(&pairs[i], &pairs[last]) != 0) pairs[++last] = pairs[i];
    return last + 1;
}

int64_t tk_pairs_merge(const tk_object_pair *a, int64_t a_count, const tk_object_pair *b, int64_t b_count,
                       tk_object_pair *out) {
    int64_t n = 0, i = 0, k = 0;
    while (i < a_count || k < b_count) {
        const int order = i == a_count ? 1 : k == b_count ? -1 : by_pair(&a[i], &b[k]);
        out[n++] = order <= 0 ? a[i] : b[k];
        i += order <= 0;
        k += order >= 0;
    }
    return n;
}
