/* Records of tiles, dealt out, reduced and agreed on (components_rule.h). A partial is a row of records in any order.
 */
#include "workflows/steps/components_rule.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/segment/histogram.h"
#include "kernels/segment/reconcile.h"
#include "workflows/steps/components_records.h"

/* Where a time point's part of the decision is: int64 first[components] ascending, uint32 number[components]. */
typedef struct place {
    int64_t time, at, components;
} place;

struct tk_components_state {
    tk_components_rule rule;
    int64_t size[3];   /* of the image */
    tk_bytes decision; /* as agreed */
    tk_bytes parts;    /* place: its parts, in ascending order of time */
};

/* A decision is one such part for each time point that has any components, padded to a multiple of 8 bytes. */
typedef struct decision_header {
    uint32_t version, reserved;
    int64_t time, components;
} decision_header;

enum { DECISION_VERSION = 3 };

typedef tk_components_state rule_state;

int tk_components_connectivity(const tk_params *params) {
    static const int connectivities[] = {4, 6, 8, 18, 26}; /* in the order of the choices */
    return connectivities[tk_params_integer(params, "connectivity")];
}

tk_components_rule tk_components_rule_of_sizes(const tk_params *params, const char *step) {
    const int64_t most = tk_params_integer(params, "max_size");
    return (tk_components_rule){.connectivity = tk_components_connectivity(params),
                                .least = tk_params_integer(params, "min_size"),
                                .most = most > 0 ? most : INT64_MAX,
                                .border = !tk_params_bool(params, "exclude_border"),
                                .step = step,
                                .fact = "objects"};
}

tk_status tk_components_state_make(const tk_components_rule *rule, const int64_t image[3], void **state,
                                   tk_error *error) {
    rule_state *s = calloc(1, sizeof *s);
    *state = s;
    if (!s) return tk_fail_memory(error, rule->step);
    s->rule = *rule;
    memcpy(s->size, image, sizeof s->size);
    return TK_OK;
}

void tk_components_release(void *state) {
    rule_state *s = state;
    if (s) tk_bytes_free(&s->decision);
    if (s) tk_bytes_free(&s->parts);
    free(s);
}

bool tk_components_by_planes(const tk_components_rule *rule) {
    return rule->connectivity == 4 || rule->connectivity == 8;
}

static bool makes_mask(const rule_state *s) { return s->rule.outside || s->rule.hysteresis; }

/* --- A tile ------------------------------------------------------------------------------------------------------- */

/* The most components that a block can have: one for each voxel of labels; of masks no two within a cell of 2 x 2 (x 2)
 * voxels when corners connect, two when edges do, and one for every second voxel of a row when only faces do. */
static int64_t components_most(const tk_components_rule *rule, const int64_t in[3]) {
    const int64_t half[3] = {(in[TK_Z] + 1) / 2, (in[TK_Y] + 1) / 2, (in[TK_X] + 1) / 2};
    if (rule->labels) return in[TK_Z] * in[TK_Y] * in[TK_X];
    switch (rule->connectivity) {
    case 26:
        return half[TK_Z] * half[TK_Y] * half[TK_X];
    case 18:
        return 2 * half[TK_Z] * half[TK_Y] * half[TK_X];
    case 8:
        return in[TK_Z] * half[TK_Y] * half[TK_X];
    default:
        return in[TK_Z] * in[TK_Y] * half[TK_X];
    }
}

/* The components, a number for each and one that is never used, and the mask that is made: turned over, or of the
 * voxels above a level. */
tk_need tk_components_bytes(const void *state, const int64_t in[3]) {
    const rule_state *s = state;
    const size_t found = s->rule.labels ? tk_components_of_labels_scratch(in) : tk_components_scratch(in);
    const size_t numbers = tk_scratch_cost(components_most(&s->rule, in) + 1, sizeof(uint32_t));
    const size_t made = makes_mask(s) ? tk_scratch_cost(in[TK_Z] * in[TK_Y] * in[TK_X], 1) : 0;
    return (tk_need){.scratch = tk_size_add(tk_size_add(found, numbers), made)};
}

/* Of a mask of blobs; a mask of noise takes several times as long. */
double tk_components_cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    (void)state;
    (void)largest;
    return 1.0 * (double)(in[TK_Z] * in[TK_Y] * in[TK_X]);
}

double tk_components_survey_cost(const void *state, int round, const int64_t in[3]) {
    (void)state;
    (void)round;
    return 0.8 * (double)(in[TK_Z] * in[TK_Y] * in[TK_X]);
}

static void turn_over(tk_cview_u8 mask, uint8_t *turned, const tk_work *work) {
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t row = 0; row < mask.size[TK_Z] * mask.size[TK_Y]; row++) {
        const uint8_t *from =
            mask.data + row / mask.size[TK_Y] * mask.stride[TK_Z] + row % mask.size[TK_Y] * mask.stride[TK_Y];
        uint8_t *to = turned + row * mask.size[TK_X];
        for (int64_t x = 0; x < mask.size[TK_X]; x++) to[x] = from[x] == 0;
    }
}

/* The components of what lies in `box` of a block. */
static tk_status find(const rule_state *s, const tk_block *in, const tk_box *box, tk_components *found, tk_work *work) {
    if (s->rule.labels)
        return tk_components_of_labels(tk_ccrop_u32(tk_read_u32(in->u32), &in->box, box), s->rule.connectivity, found,
                                       work);
    if (!makes_mask(s))
        return tk_components_find(tk_ccrop_u8(tk_read_u8(in->u8), &in->box, box), s->rule.connectivity, found, work);
    const int64_t size[3] = {tk_box_size(box, TK_Z), tk_box_size(box, TK_Y), tk_box_size(box, TK_X)};
    uint8_t *made = tk_scratch_take(&work->scratch, size[TK_Z] * size[TK_Y] * size[TK_X], 1);
    if (!made) return TK_NO_MEMORY;
    const tk_view_u8 mask = tk_dense_u8(made, size);
    if (s->rule.hysteresis)
        tk_threshold(tk_ccrop_f32(tk_read_f32(in->f32), &in->box, box), s->rule.low, mask, work);
    else
        turn_over(tk_ccrop_u8(tk_read_u8(in->u8), &in->box, box), made, work);
    return tk_components_find(tk_read_u8(mask), s->rule.connectivity, found, work);
}

tk_status tk_components_survey(const void *state, int round, const tk_block *const in[], tk_work *work,
                               tk_bytes *partial) {
    const rule_state *s = state;
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_components found;
    (void)round;
    tk_status status = find(s, in[0], &in[0]->box, &found, work);
    if (status == TK_OK) status = tk_records_of_tile(&s->rule, &found, in[0], work, partial);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

tk_status tk_components_combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    (void)state;
    (void)round;
    return tk_bytes_append(into, from->data, from->size);
}

tk_status tk_components_split(const void *state, int round, const tk_bytes *combined, int parts, tk_bytes part[]) {
    const rule_state *s = state;
    (void)round;
    return tk_records_split(combined, s->size, parts, part);
}

tk_status tk_components_reduce(const void *state, int round, tk_bytes *part) {
    const rule_state *s = state;
    (void)round;
    return tk_records_reduce(part, s->size, s->rule.connectivity);
}

/* --- The agreement ------------------------------------------------------------------------------------------------ */

bool tk_components_is_kept(const tk_components_rule *rule, const tk_component *whole) {
    if (rule->hysteresis && !whole->strong) return false;
    const int64_t voxels = (int64_t)whole->voxels;
    return voxels >= rule->least && voxels <= rule->most && (rule->border || !whole->border);
}

/* Renumbers those that are kept; returns how many. `whole` is overwritten: its voxels become the new number. */
static int64_t choose(const tk_components_rule *rule, tk_component *whole, int64_t count, uint32_t *number,
                      int64_t components) {
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++)
        tk_component_set_voxels(&whole[i], tk_components_is_kept(rule, &whole[i]) ? (uint64_t)++kept : 0);
    for (int64_t i = 0; i < components; i++) number[i] = (uint32_t)whole[number[i] - 1].voxels;
    return kept;
}

static size_t number_bytes(int64_t components) { return ((size_t)components * sizeof(uint32_t) + 7) / 8 * 8; }

/* The part of one time point, behind what the decision has. */
static tk_status add_part(const rule_state *s, const tk_records *all, tk_bytes *decision, int64_t *objects) {
    const decision_header header = {DECISION_VERSION, 0, all->time, all->components};
    const size_t at = decision->size, lists = (size_t)all->components * sizeof(int64_t);
    TK_TRY(tk_bytes_resize(decision, at + sizeof header + lists + number_bytes(all->components)));
    memcpy(decision->data + at, &header, sizeof header);
    int64_t *first = (int64_t *)(void *)(decision->data + at + sizeof header), count = 0;
    uint32_t *number = (uint32_t *)(void *)(decision->data + at + sizeof header + lists);
    for (int64_t i = 0; i < all->components; i++) first[i] = all->component[i].first;
    TK_TRY(tk_reconcile_pairs(all->component, all->components, all->pair, all->pairs, number, &count));
    *objects += choose(&s->rule, all->component, count, number, all->components);
    return TK_OK;
}

tk_status tk_components_check_count(const tk_components_rule *rule, int64_t components, tk_error *error) {
    if (components < UINT32_MAX) return TK_OK;
    return tk_fail(error, TK_UNSOLVABLE,
                   "%s: the tiles have %lld components, more than 32-bit labels can name; "
                   "smooth the image, raise the threshold, or leave out small ones (min_size)",
                   rule->step, (long long)components);
}

static tk_status agree_on_time(const rule_state *s, const tk_records *all, tk_bytes *decision, int64_t *objects,
                               tk_error *error) {
    TK_TRY(tk_components_check_count(&s->rule, all->components, error));
    const tk_status status = add_part(s, all, decision, objects);
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the objects of all tiles");
    if (status != TK_OK) return tk_fail(error, status, "%s: the tiles' components do not fit together", s->rule.step);
    return TK_OK;
}

tk_status tk_components_agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                              tk_facts *facts, tk_error *error) {
    const rule_state *s = state;
    int64_t objects = 0;
    tk_records_reader reader = {.partial = combined};
    tk_records all;
    tk_status status = TK_OK;
    (void)round;
    *more = false;
    while (status == TK_OK && (status = tk_records_next(&reader, &all)) == TK_OK && !reader.over)
        status = agree_on_time(s, &all, decision, &objects, error);
    tk_records_end(&reader);
    if (status == TK_NO_MEMORY && error->status == TK_OK) return tk_fail_memory(error, "the objects of all tiles");
    if (status != TK_OK && error->status == TK_OK)
        return tk_fail(error, TK_FAILED, "%s: the survey of a tile is damaged", s->rule.step);
    return status == TK_OK ? tk_facts_number(facts, s->rule.fact, (double)objects, "") : status;
}

/* --- The decision ------------------------------------------------------------------------------------------------- */

/* The part of a decision at `at`, checked against what is left; *end is where the next one begins. */
static tk_status read_part(const tk_bytes *decision, size_t at, decision_header *header, size_t *end) {
    if (decision->size - at < sizeof *header) return TK_FAILED;
    memcpy(header, decision->data + at, sizeof *header);
    const size_t left = decision->size - at - sizeof *header;
    if (header->version != DECISION_VERSION || header->components < 0) return TK_FAILED;
    if ((uint64_t)header->components > left / (sizeof(int64_t) + sizeof(uint32_t))) return TK_FAILED;
    const size_t lists = (size_t)header->components * sizeof(int64_t) + number_bytes(header->components);
    if (lists > left) return TK_FAILED;
    *end = at + sizeof *header + lists;
    return TK_OK;
}

static tk_status list_parts(const tk_bytes *decision, tk_bytes *parts) {
    parts->size = 0;
    for (size_t at = 0, end = 0; at < decision->size; at = end) {
        decision_header header;
        TK_TRY(read_part(decision, at, &header, &end));
        const place part = {header.time, (int64_t)(at + sizeof header), header.components};
        TK_TRY(tk_bytes_append(parts, &part, sizeof part));
    }
    return TK_OK;
}

tk_status tk_components_adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    rule_state *s = state;
    (void)round;
    (void)work;
    const tk_status status = list_parts(decision, &s->parts);
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the objects' numbers");
    if (status != TK_OK) return tk_fail(error, TK_FAILED, "%s: the decision is damaged", s->rule.step);
    if (tk_bytes_resize(&s->decision, decision->size) != TK_OK) return tk_fail_memory(error, "the objects' numbers");
    if (decision->size > 0) memcpy(s->decision.data, decision->data, decision->size);
    return TK_OK;
}

/* The time point's part of the decision; NULL: it has no components. */
static const place *part_of(const rule_state *s, int64_t time) {
    const place *part = (const place *)(const void *)s->parts.data;
    size_t low = 0, high = s->parts.size / sizeof *part;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (part[middle].time == time) return &part[middle];
        if (part[middle].time < time)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

tk_status tk_components_again(const tk_components_state *s, const tk_block *in, const tk_block *out, tk_work *work,
                              tk_components *found, uint32_t **number) {
    const place *part = part_of(s, out->time);
    TK_TRY(find(s, in, &out->box, found, work));
    *number = tk_scratch_take(&work->scratch, found->count + 1, sizeof **number); /* never of no size */
    if (!*number) return TK_NO_MEMORY;
    if (found->count == 0) return TK_OK;
    if (!part) return memset(*number, 0, (size_t)found->count * sizeof **number), TK_OK;
    const unsigned char *lists = s->decision.data + part->at;
    tk_components_number(found, &out->image, &out->box, (const int64_t *)(const void *)lists,
                         (const uint32_t *)(const void *)(lists + (size_t)part->components * sizeof(int64_t)),
                         part->components, *number);
    return TK_OK;
}

tk_status tk_components_apply_labels(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_components found;
    uint32_t *number = NULL;
    const tk_status status = tk_components_again(state, in[0], out, work, &found, &number);
    if (status == TK_OK) tk_components_paint(&found, number, out->u32, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

tk_status tk_components_apply_mask(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const rule_state *s = state;
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_components found;
    uint32_t *number = NULL;
    const tk_status status = tk_components_again(s, in[0], out, work, &found, &number);
    if (status == TK_OK) tk_components_mask(&found, number, s->rule.outside, out->u8, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
