/* A record is a header and what it counts:
 *
 *   COMPONENTS   tk_component[count]
 *   RUNS         int64 first[components], tk_shell_run[count]; a run names its component by its position in `first`
 *                plus 1
 *   LABEL_RUNS   int64 first[components], uint32 value[components] padded to a multiple of 8 bytes,
 *                tk_shell_run[count]: runs of labels, and the labels
 *   PAIRS        tk_component_pair[count] */
#include "workflows/steps/components_records.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 4, COMPONENTS = 1, RUNS, PAIRS, LABEL_RUNS };

typedef struct header {
    uint32_t version, kind;
    int64_t time, components, count;
} header;

/* A record in a row of them. */
typedef struct record {
    header head;
    const unsigned char *first, *value, *items; /* of runs: first[], and value[] or NULL; what is counted */
    size_t end;                                 /* where the next one begins */
} record;

static bool is_runs(const record *r) { return r->head.kind == RUNS || r->head.kind == LABEL_RUNS; }

static size_t item_size(uint32_t kind) {
    return kind == COMPONENTS ? sizeof(tk_component) : kind == PAIRS ? sizeof(tk_component_pair) : sizeof(tk_shell_run);
}

/* What first[] and value[] take. */
static size_t first_bytes(int64_t components) { return (size_t)components * sizeof(int64_t); }
static size_t value_bytes(uint32_t kind, int64_t components) {
    return kind == LABEL_RUNS ? ((size_t)components * sizeof(uint32_t) + 7) / 8 * 8 : 0;
}

/* The record at `at`, checked against what is left. */
static tk_status read_record(const tk_bytes *records, size_t at, record *r) {
    if (records->size - at < sizeof r->head) return TK_FAILED;
    memcpy(&r->head, records->data + at, sizeof r->head);
    const size_t left = records->size - at - sizeof r->head;
    const header *h = &r->head;
    if (h->version != VERSION || h->kind < COMPONENTS || h->kind > LABEL_RUNS || h->components < 0 || h->count < 0)
        return TK_FAILED;
    if ((uint64_t)h->components > left / sizeof(int64_t)) return TK_FAILED;
    const size_t lists = first_bytes(h->components) + value_bytes(h->kind, h->components);
    if (lists > left) return TK_FAILED;
    if ((uint64_t)h->count > (left - lists) / item_size(h->kind)) return TK_FAILED;
    r->first = records->data + at + sizeof *h;
    r->value = h->kind == LABEL_RUNS ? r->first + first_bytes(h->components) : NULL;
    r->items = r->first + lists;
    r->end = at + sizeof *h + lists + (size_t)h->count * item_size(h->kind);
    return TK_OK;
}

static tk_status append_header(tk_bytes *records, uint32_t kind, int64_t time, int64_t components, int64_t count) {
    const header h = {VERSION, kind, time, components, count};
    return tk_bytes_append(records, &h, sizeof h);
}

/* --- A tile ------------------------------------------------------------------------------------------------------- */

/* What a tile tells is made of: all its components, and the position of each, plus 1, among those on the shell, or 0.
 */
typedef struct tile_parts {
    const tk_components *found;
    const tk_block *tile;
    tk_component *component;
    uint32_t *on_shell;
} tile_parts;

/* Names the components of the runs anew, by their positions among those on the shell; returns how many there are. */
static int64_t name_shell(const tile_parts *t, tk_shell_run *run, int64_t runs) {
    int64_t named = 0;
    for (int64_t i = 0; i < runs; i++) t->on_shell[run[i].component - 1] = 1;
    for (int64_t c = 0; c < t->found->count; c++)
        if (t->on_shell[c]) t->on_shell[c] = (uint32_t)++named;
    for (int64_t i = 0; i < runs; i++) run[i].component = t->on_shell[run[i].component - 1];
    return named;
}

/* The label of a component. */
static uint32_t value_of(const tk_block *tile, int64_t first) {
    const int64_t width = tile->image.hi[TK_X], row = first / width, height = tile->image.hi[TK_Y];
    const tk_view_u32 *v = &tile->u32;
    return v->data[(row / height - tile->box.lo[TK_Z]) * v->stride[TK_Z] +
                   (row % height - tile->box.lo[TK_Y]) * v->stride[TK_Y] + first % width - tile->box.lo[TK_X]];
}

/* first[] and, of labels, value[] of the components on the shell. */
static void fill_lists(const tile_parts *t, bool labels, int64_t *first, uint32_t *value) {
    for (int64_t c = 0; c < t->found->count; c++) {
        if (!t->on_shell[c]) continue;
        first[t->on_shell[c] - 1] = t->component[c].first;
        if (labels) value[t->on_shell[c] - 1] = value_of(t->tile, t->component[c].first);
    }
}

/* A record of runs that have their names already. */
static tk_status append_named(const tile_parts *t, const tk_shell_run *run, int64_t count, int64_t components,
                              tk_bytes *partial) {
    const bool labels = t->tile->kind == TK_KIND_LABELS;
    const uint32_t kind = labels ? LABEL_RUNS : RUNS;
    TK_TRY(append_header(partial, kind, t->tile->time, components, count));
    const size_t at = partial->size;
    TK_TRY(tk_bytes_resize(partial, at + first_bytes(components) + value_bytes(kind, components)));
    int64_t *first = (int64_t *)(void *)(partial->data + at);
    fill_lists(t, labels, first, (uint32_t *)(void *)(first + components));
    return tk_bytes_append(partial, run, (size_t)count * sizeof *run);
}

static tk_status append_runs(const tile_parts *t, tk_bytes *partial) {
    tk_bytes shell = {0};
    TK_TRY(tk_bytes_resize(&shell, (size_t)tk_components_shell_most(t->found) * sizeof(tk_shell_run)));
    tk_shell_run *run = (tk_shell_run *)(void *)shell.data;
    const int64_t count = tk_components_shell(t->found, &t->tile->image, &t->tile->box, run);
    const int64_t components = name_shell(t, run, count);
    const tk_status status = count > 0 ? append_named(t, run, count, components, partial) : TK_OK;
    tk_bytes_free(&shell);
    return status;
}

/* The components but those that can be left out. */
static tk_status append_components(const tk_components_rule *rule, const tile_parts *t, tk_bytes *partial) {
    int64_t count = 0;
    for (int64_t c = 0; c < t->found->count; c++)
        if (t->on_shell[c] || tk_components_is_kept(rule, &t->component[c])) t->component[count++] = t->component[c];
    if (count == 0) return TK_OK;
    TK_TRY(append_header(partial, COMPONENTS, t->tile->time, 0, count));
    return tk_bytes_append(partial, t->component, (size_t)count * sizeof *t->component);
}

tk_status tk_records_of_tile(const tk_components_rule *rule, const tk_components *found, const tk_block *tile,
                             tk_work *work, tk_bytes *partial) {
    if (found->count == 0) return TK_OK;
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_bytes list = {0};
    tile_parts t = {found, tile, NULL, tk_scratch_take(&work->scratch, found->count, sizeof(uint32_t))};
    if (!t.on_shell) return TK_NO_MEMORY;
    memset(t.on_shell, 0, (size_t)found->count * sizeof *t.on_shell);
    tk_status status = tk_bytes_resize(&list, (size_t)found->count * sizeof(tk_component));
    if (status == TK_OK) {
        t.component = (tk_component *)(void *)list.data;
        tk_components_describe(found, &tile->image, &tile->box, tk_components_by_planes(rule), t.component);
        if (rule->hysteresis) tk_components_mark(found, tk_read_f32(tile->f32), rule->high, t.component);
        status = append_runs(&t, partial);
    }
    if (status == TK_OK) status = append_components(rule, &t, partial);
    tk_bytes_free(&list);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

/* --- Dealing out -------------------------------------------------------------------------------------------------- */

/* How rows are shared. */
typedef struct shares {
    int64_t rows, width, back; /* back: how many rows before its own a part can touch */
    int parts;
} shares;

static int64_t begin_of(const shares *s, int part) { return s->rows * part / s->parts; }

/* The part that a row belongs to. */
static int part_of(const shares *s, int64_t row) {
    int part = (int)(row * s->parts / s->rows);
    while (part + 1 < s->parts && begin_of(s, part + 1) <= row) part++;
    while (begin_of(s, part) > row) part--;
    return part;
}

static tk_status split_components(const shares *s, const record *r, tk_bytes part[]) {
    const tk_component *list = (const tk_component *)(const void *)r->items;
    for (int64_t i = 0, end = 0; i < r->head.count; i = end) {
        const int to = part_of(s, list[i].first / s->width);
        while (end < r->head.count && part_of(s, list[end].first / s->width) == to) end++;
        TK_TRY(append_header(&part[to], COMPONENTS, r->head.time, 0, end - i));
        TK_TRY(tk_bytes_append(&part[to], &list[i], (size_t)(end - i) * sizeof *list));
    }
    return TK_OK;
}

/* The runs of rows from … to − 1, with the first voxels of their components alone. `known` has room for a position of
 * each component, and is all 0. */
static tk_status append_some_runs(const record *r, const shares *s, int64_t from, int64_t to, uint32_t *known,
                                  tk_bytes *part) {
    const int64_t *first = (const int64_t *)(const void *)r->first;
    const uint32_t *value = (const uint32_t *)(const void *)r->value;
    const tk_shell_run *run = (const tk_shell_run *)(const void *)r->items;
    int64_t begin = 0, end = 0, components = 0;
    while (begin < r->head.count && run[begin].index / s->width < from) begin++;
    for (end = begin; end < r->head.count && run[end].index / s->width < to; end++)
        if (!known[run[end].component - 1]) known[run[end].component - 1] = (uint32_t)++components;
    if (begin == end) return TK_OK;
    TK_TRY(append_header(part, r->head.kind, r->head.time, components, end - begin));
    const size_t at = part->size, values = value_bytes(r->head.kind, components);
    const size_t lists = first_bytes(components) + values;
    TK_TRY(tk_bytes_resize(part, at + lists + (size_t)(end - begin) * sizeof *run));
    int64_t *their_first = (int64_t *)(void *)(part->data + at);
    uint32_t *their_value = (uint32_t *)(void *)(their_first + components);
    tk_shell_run *their_run = (tk_shell_run *)(void *)(part->data + at + lists);
    memset(their_value, 0, values);
    for (int64_t i = begin; i < end; i++) {
        const uint32_t name = known[run[i].component - 1];
        their_first[name - 1] = first[run[i].component - 1];
        if (value) their_value[name - 1] = value[run[i].component - 1];
        their_run[i - begin] = (tk_shell_run){run[i].index, run[i].length, name};
    }
    for (int64_t i = begin; i < end; i++) known[run[i].component - 1] = 0;
    return TK_OK;
}

static tk_status split_runs(const shares *s, const record *r, tk_bytes part[]) {
    const tk_shell_run *run = (const tk_shell_run *)(const void *)r->items;
    for (int64_t i = 0; i < r->head.count; i++)
        if (run[i].component < 1 || run[i].component > r->head.components || run[i].index < 0 ||
            run[i].index / s->width >= s->rows)
            return TK_FAILED;
    if (r->head.count == 0) return TK_OK;
    uint32_t *known = calloc((size_t)r->head.components, sizeof *known);
    tk_status status = known ? TK_OK : TK_NO_MEMORY;
    const int64_t least = run[0].index / s->width, last = run[r->head.count - 1].index / s->width;
    for (int p = part_of(s, least); p < s->parts && begin_of(s, p) - s->back <= last && status == TK_OK; p++)
        status = append_some_runs(r, s, begin_of(s, p) - s->back, begin_of(s, p + 1), known, &part[p]);
    free(known);
    return status;
}

tk_status tk_records_split(const tk_bytes *records, const int64_t image[3], int parts, tk_bytes part[]) {
    const shares s = {.rows = image[TK_Z] * image[TK_Y],
                      .width = image[TK_X],
                      .back = image[TK_Z] > 1 ? image[TK_Y] + 1 : 1,
                      .parts = parts};
    record r;
    for (size_t at = 0; at < records->size; at = r.end) {
        TK_TRY(read_record(records, at, &r));
        if (r.head.kind == PAIRS) return TK_FAILED;
        TK_TRY(r.head.kind == COMPONENTS ? split_components(&s, &r, part) : split_runs(&s, &r, part));
    }
    return TK_OK;
}

/* --- By time point ------------------------------------------------------------------------------------------------ */

/* Where a record is. */
typedef struct place {
    int64_t time;
    size_t at;
} place;

/* The records of one time point. */
typedef struct group {
    const tk_bytes *records;
    const place *place;
    size_t count;
    int64_t time;
} group;

static int by_time(const void *a, const void *b) {
    const place *p = a, *q = b;
    if (p->time != q->time) return p->time < q->time ? -1 : 1;
    return p->at < q->at ? -1 : p->at > q->at;
}

/* All records, by time. */
static tk_status list_records(const tk_bytes *records, tk_bytes *list) {
    record r;
    for (size_t at = 0; at < records->size; at = r.end) {
        TK_TRY(read_record(records, at, &r));
        const place found = {r.head.time, at};
        TK_TRY(tk_bytes_append(list, &found, sizeof found));
    }
    if (list->size > 0) qsort(list->data, list->size / sizeof(place), sizeof(place), by_time);
    return TK_OK;
}

/* The records of the time point that begins at position *next of the list, which moves behind them; false: none is
 * left. */
static bool next_group(const tk_bytes *records, const tk_bytes *list, size_t *next, group *g) {
    const place *all = (const place *)(const void *)list->data;
    const size_t count = list->size / sizeof *all;
    if (*next >= count) return false;
    *g = (group){records, all + *next, 0, all[*next].time};
    for (; *next < count && all[*next].time == g->time; ++*next) g->count++;
    return true;
}

/* How much there is of a kind. */
static tk_status count_items(const group *g, uint32_t kind, int64_t *count) {
    record r;
    *count = 0;
    for (size_t i = 0; i < g->count; i++) {
        TK_TRY(read_record(g->records, g->place[i].at, &r));
        if (r.head.kind == kind) *count += r.head.count;
    }
    return TK_OK;
}

/* --- Reducing ----------------------------------------------------------------------------------------------------- */

/* How many runs and components of runs there are; *labels: are they of labels? All must be of one kind. */
static tk_status count_runs(const group *g, int64_t *components, int64_t *runs, bool *labels) {
    record r;
    uint32_t kind = 0;
    *components = *runs = 0;
    for (size_t i = 0; i < g->count; i++) {
        TK_TRY(read_record(g->records, g->place[i].at, &r));
        if (!is_runs(&r)) continue;
        if (kind != 0 && kind != r.head.kind) return TK_FAILED;
        kind = r.head.kind;
        *components += r.head.components;
        *runs += r.head.count;
    }
    *labels = kind == LABEL_RUNS;
    return TK_OK;
}

/* All runs, their components named by positions in one list. `value` is not used for runs of masks. */
static tk_status gather_runs(const group *g, int64_t *first, uint32_t *value, tk_shell_run *run) {
    record r;
    int64_t components = 0;
    for (size_t k = 0; k < g->count; k++) {
        TK_TRY(read_record(g->records, g->place[k].at, &r));
        if (!is_runs(&r) || r.head.count == 0) continue;
        memcpy(first + components, r.first, first_bytes(r.head.components));
        if (r.value) memcpy(value + components, r.value, (size_t)r.head.components * sizeof *value);
        memcpy(run, r.items, (size_t)r.head.count * sizeof *run);
        for (int64_t i = 0; i < r.head.count; i++) {
            if (run[i].component < 1 || run[i].component > r.head.components) return TK_FAILED;
            run[i].component += (uint32_t)components;
        }
        components += r.head.components;
        run += r.head.count;
    }
    return TK_OK;
}

/* Each component that is joined to an earlier one makes a pair with the first of them. */
static tk_status append_pairs(int64_t time, const int64_t *first, const uint32_t *number, int64_t components,
                              int64_t *leader, tk_bytes *out) {
    const size_t at = out->size;
    int64_t pairs = 0;
    TK_TRY(append_header(out, PAIRS, time, 0, 0));
    for (int64_t i = 0, known = 0; i < components; i++) {
        if (number[i] > known) leader[known++] = first[i];
        const tk_component_pair pair = {leader[number[i] - 1], first[i]};
        if (pair.a == pair.b) continue;
        TK_TRY(tk_bytes_append(out, &pair, sizeof pair));
        pairs++;
    }
    const header h = {VERSION, PAIRS, time, 0, pairs};
    memcpy(out->data + at, &h, sizeof h);
    return TK_OK;
}

static tk_status reduce_in(const group *g, const int64_t image[3], int connectivity, int64_t components, int64_t runs,
                           bool labels, tk_scratch *scratch, tk_bytes *out) {
    int64_t *first = tk_scratch_take(scratch, components, sizeof *first), wholes = 0;
    int64_t *leader = tk_scratch_take(scratch, components, sizeof *leader);
    uint32_t *number = tk_scratch_take(scratch, components, sizeof *number);
    uint32_t *value = labels ? tk_scratch_take(scratch, components, sizeof *value) : NULL;
    tk_shell_run *run = tk_scratch_take(scratch, runs, sizeof *run);
    if (!first || !leader || !number || (labels && !value) || !run) return TK_NO_MEMORY;
    TK_TRY(gather_runs(g, first, value, run));
    TK_TRY(tk_reconcile(first, value, number, components, run, runs, image, connectivity, &wholes, scratch));
    return append_pairs(g->time, first, number, components, leader, out);
}

static tk_status reduce_group(const group *g, const int64_t image[3], int connectivity, tk_bytes *out) {
    int64_t components = 0, runs = 0;
    bool labels = false;
    TK_TRY(count_runs(g, &components, &runs, &labels));
    if (runs == 0) return TK_OK;
    if (components >= UINT32_MAX) return TK_UNSOLVABLE;
    const size_t lists = tk_size_add(2 * tk_scratch_cost(components, sizeof(int64_t)),
                                     (labels ? 2 : 1) * tk_scratch_cost(components, sizeof(uint32_t)));
    const size_t need = tk_size_add(tk_size_add(lists, tk_scratch_cost(runs, sizeof(tk_shell_run))),
                                    tk_reconcile_scratch(components, runs));
    tk_scratch scratch;
    TK_TRY(tk_scratch_reserve(&scratch, need));
    const tk_status status = reduce_in(g, image, connectivity, components, runs, labels, &scratch, out);
    tk_scratch_release(&scratch);
    return status;
}

/* Moves the records of components together, in place, and drops all others. */
static tk_status keep_components(tk_bytes *part) {
    record r;
    size_t kept = 0;
    for (size_t at = 0; at < part->size; at = r.end) {
        TK_TRY(read_record(part, at, &r));
        if (r.head.kind != COMPONENTS) continue;
        memmove(part->data + kept, part->data + at, r.end - at);
        kept += r.end - at;
    }
    return tk_bytes_resize(part, kept);
}

tk_status tk_records_reduce(tk_bytes *part, const int64_t image[3], int connectivity) {
    tk_bytes pairs = {0}, list = {0};
    group g;
    tk_status status = list_records(part, &list);
    for (size_t next = 0; status == TK_OK && next_group(part, &list, &next, &g);)
        status = reduce_group(&g, image, connectivity, &pairs);
    tk_bytes_free(&list);
    if (status == TK_OK) status = keep_components(part);
    if (status == TK_OK) status = tk_bytes_append(part, pairs.data, pairs.size);
    tk_bytes_free(&pairs);
    return status;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

/* What is left of a record's components, which ascend by first voxel. */
typedef struct cursor {
    const tk_component *at, *end;
} cursor;

static int64_t key(const cursor *c) { return c->at->first; }

/* Moves the root of a heap down to where it belongs. */
static void sift(cursor *heap, size_t count, size_t root) {
    const cursor moved = heap[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && key(&heap[child + 1]) < key(&heap[child])) child++;
        if (key(&moved) <= key(&heap[child])) break;
        heap[root] = heap[child];
    }
    heap[root] = moved;
}

/* Merges the records' components. Errors: TK_FAILED when that does not make an ascending list. */
static tk_status merge_components(cursor *heap, size_t count, tk_component *to) {
    for (size_t root = count / 2; root-- > 0;) sift(heap, count, root);
    for (int64_t last = -1; count > 0;) {
        if (key(&heap[0]) <= last) return TK_FAILED;
        last = key(&heap[0]);
        *to++ = *heap[0].at++;
        if (heap[0].at == heap[0].end) heap[0] = heap[--count];
        if (count > 0) sift(heap, count, 0);
    }
    return TK_OK;
}

static tk_status read_components(const group *g, tk_component *to) {
    tk_bytes cursors = {0};
    record r;
    tk_status status = TK_OK;
    for (size_t i = 0; i < g->count && status == TK_OK; i++) {
        status = read_record(g->records, g->place[i].at, &r);
        if (status != TK_OK || r.head.kind != COMPONENTS || r.head.count == 0) continue;
        const tk_component *first = (const tk_component *)(const void *)r.items;
        const cursor c = {first, first + r.head.count};
        status = tk_bytes_append(&cursors, &c, sizeof c);
    }
    if (status == TK_OK) status = merge_components((cursor *)(void *)cursors.data, cursors.size / sizeof(cursor), to);
    tk_bytes_free(&cursors);
    return status;
}

static tk_status read_pairs(const group *g, tk_component_pair *to) {
    record r;
    for (size_t i = 0; i < g->count; i++) {
        TK_TRY(read_record(g->records, g->place[i].at, &r));
        if (r.head.kind != PAIRS || r.head.count == 0) continue;
        memcpy(to, r.items, (size_t)r.head.count * sizeof *to);
        to += r.head.count;
    }
    return TK_OK;
}

static tk_status read_group(const group *g, tk_bytes *lists, tk_records *records) {
    *records = (tk_records){.time = g->time};
    TK_TRY(count_items(g, COMPONENTS, &records->components));
    TK_TRY(count_items(g, PAIRS, &records->pairs));
    const size_t components = (size_t)records->components * sizeof(tk_component);
    TK_TRY(tk_bytes_resize(lists, components + (size_t)records->pairs * sizeof(tk_component_pair)));
    if (lists->size == 0) return TK_OK;
    records->component = (tk_component *)(void *)lists->data;
    records->pair = (tk_component_pair *)(void *)(lists->data + components);
    TK_TRY(read_components(g, records->component));
    return read_pairs(g, records->pair);
}

tk_status tk_records_next(tk_records_reader *reader, tk_records *records) {
    group g;
    if (!reader->begun) TK_TRY(list_records(reader->partial, &reader->list));
    reader->begun = true;
    reader->over = !next_group(reader->partial, &reader->list, &reader->next, &g);
    return reader->over ? TK_OK : read_group(&g, &reader->lists, records);
}

void tk_records_end(tk_records_reader *reader) {
    tk_bytes_free(&reader->list);
    tk_bytes_free(&reader->lists);
}
