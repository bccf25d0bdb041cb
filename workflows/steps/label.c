/* Step label: connected components of a mask, numbered as in the un-tiled image.
 *
 * survey   each tile tells its components' smallest indices and the runs on its shell
 * agree    joins what touches; the decision lists, for every tile's component, the number of the whole one
 * apply    finds the tile's components again and writes their numbers */
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "kernels/segment/reconcile.h"

enum { PARTIAL_VERSION = 1, DECISION_VERSION = 1 };

/* A partial is one such record for each tile: header, int64 first[components], tk_shell_run run[runs]. */
typedef struct partial_header {
    uint32_t version, reserved;
    int64_t components, runs;
} partial_header;

/* A decision: header, int64 first[components] ascending, uint32 number[components]. */
typedef struct decision_header {
    uint32_t version, reserved;
    int64_t components;
} decision_header;

typedef struct label_state {
    int connectivity;
    int64_t size[3];   /* of the image */
    tk_bytes decision; /* as agreed */
} label_state;

static const tk_param params[] = {
    {.name = "connectivity",
     .type = TK_PARAM_CHOICE,
     .fallback = "26",
     .choices = "6|18|26",
     .help = "voxels are connected by faces (6), also edges (18), also corners (26)"},
    TK_PARAM_END,
};

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    static const int connectivities[] = {6, 18, 26}; /* in the order of the choices */
    label_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step label");
    s->connectivity = connectivities[tk_params_integer(binding->params, "connectivity")];
    memcpy(s->size, binding->input.size, sizeof s->size);
    *state = s;
    return TK_OK;
}

static void release(void *state) {
    label_state *s = state;
    if (s) tk_bytes_free(&s->decision);
    free(s);
}

/* The components, and a number for each: at most one for every second voxel of a row, and one never used. */
static tk_need bytes(const void *state, const int64_t in[3]) {
    (void)state;
    const size_t numbers = tk_scratch_cost(in[TK_Z] * in[TK_Y] * ((in[TK_X] + 1) / 2) + 1, sizeof(uint32_t));
    return (tk_need){.scratch = tk_size_add(tk_components_scratch(in), numbers)};
}

/* Appends a tile's record. */
static tk_status write_partial(const tk_components *found, const tk_block *mask, tk_bytes *partial) {
    partial_header header = {PARTIAL_VERSION, 0, found->count, 0};
    const size_t head = sizeof header + (size_t)found->count * sizeof(int64_t);
    TK_TRY(tk_bytes_resize(partial, head + (size_t)tk_components_shell_most(found) * sizeof(tk_shell_run)));
    tk_components_first(found, &mask->image, &mask->box, (int64_t *)(void *)(partial->data + sizeof header));
    header.runs = tk_components_shell(found, &mask->image, &mask->box, (tk_shell_run *)(void *)(partial->data + head));
    memcpy(partial->data, &header, sizeof header);
    return tk_bytes_resize(partial, head + (size_t)header.runs * sizeof(tk_shell_run));
}

static tk_status survey(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial) {
    const label_state *s = state;
    (void)round;
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_components found;
    TK_TRY(tk_components_find(tk_read_u8(in[0]->u8), s->connectivity, &found, work));
    const tk_status status = write_partial(&found, in[0], partial);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

/* Records in a row; agree sorts them, so their order is of no account. */
static tk_status combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    (void)state;
    (void)round;
    return tk_bytes_append(into, from->data, from->size);
}

/* The record at `at`, checked against what is left; *end is where the next one begins. */
static tk_status read_header(const tk_bytes *records, size_t at, partial_header *header, size_t *end) {
    if (records->size - at < sizeof *header) return TK_FAILED;
    memcpy(header, records->data + at, sizeof *header);
    const size_t left = records->size - at - sizeof *header;
    if (header->version != PARTIAL_VERSION || header->components < 0 || header->runs < 0) return TK_FAILED;
    if ((uint64_t)header->components > left / sizeof(int64_t)) return TK_FAILED;
    const size_t lists = (size_t)header->components * sizeof(int64_t);
    if ((uint64_t)header->runs > (left - lists) / sizeof(tk_shell_run)) return TK_FAILED;
    *end = at + sizeof *header + lists + (size_t)header->runs * sizeof(tk_shell_run);
    return TK_OK;
}

/* How many components and runs all records hold. */
static tk_status count_records(const tk_bytes *records, int64_t *components, int64_t *runs) {
    partial_header header;
    *components = *runs = 0;
    for (size_t at = 0; at < records->size;) {
        TK_TRY(read_header(records, at, &header, &at));
        *components += header.components;
        *runs += header.runs;
    }
    return TK_OK;
}

/* Gathers all records into two lists; runs name their component by its position in the first, plus 1. */
static tk_status gather(const tk_bytes *records, int64_t *first, tk_shell_run *run) {
    partial_header header;
    int64_t components = 0, runs = 0;
    for (size_t at = 0, end = 0; at < records->size; at = end) {
        TK_TRY(read_header(records, at, &header, &end));
        const size_t head = at + sizeof header, lists = (size_t)header.components * sizeof(int64_t);
        memcpy(first + components, records->data + head, lists);
        memcpy(run + runs, records->data + head + lists, end - head - lists);
        for (int64_t r = runs; r < runs + header.runs; r++) {
            if (run[r].component < 1 || run[r].component > header.components) return TK_FAILED;
            run[r].component += (uint32_t)components;
        }
        components += header.components;
        runs += header.runs;
    }
    return TK_OK;
}

/* The lists of one agreement, in one allocation. */
static tk_status reconcile(const label_state *s, const tk_bytes *combined, int64_t components, int64_t runs,
                           tk_scratch *scratch, tk_bytes *decision, int64_t *count) {
    const decision_header header = {DECISION_VERSION, 0, components};
    const size_t lists = (size_t)components * sizeof(int64_t);
    TK_TRY(tk_bytes_resize(decision, sizeof header + lists + (size_t)components * sizeof(uint32_t)));
    memcpy(decision->data, &header, sizeof header);
    int64_t *first = (int64_t *)(void *)(decision->data + sizeof header);
    uint32_t *number = (uint32_t *)(void *)(decision->data + sizeof header + lists);
    tk_shell_run *run = tk_scratch_take(scratch, runs + 1, sizeof *run); /* never of no size */
    if (!run) return TK_NO_MEMORY;
    TK_TRY(gather(combined, first, run));
    return tk_reconcile(first, number, components, run, runs, s->size, s->connectivity, count, scratch);
}

static tk_status agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error) {
    (void)round;
    *more = false;
    int64_t components = 0, runs = 0, count = 0;
    if (count_records(combined, &components, &runs) != TK_OK)
        return tk_fail(error, TK_FAILED, "label: the survey of a tile is damaged");
    if (components >= UINT32_MAX)
        return tk_fail(error, TK_UNSOLVABLE,
                       "label: the tiles have %lld components, more than 32-bit labels can name; "
                       "smooth the image or raise the threshold",
                       (long long)components);
    tk_scratch scratch;
    const size_t need =
        tk_size_add(tk_scratch_cost(runs + 1, sizeof(tk_shell_run)), tk_reconcile_scratch(components, runs));
    if (tk_scratch_reserve(&scratch, need) != TK_OK) return tk_fail_memory(error, "the objects of all tiles");
    const tk_status status = reconcile(state, combined, components, runs, &scratch, decision, &count);
    tk_scratch_release(&scratch);
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the objects of all tiles");
    if (status != TK_OK) return tk_fail(error, status, "label: the tiles' components do not fit together");
    return tk_facts_number(facts, "objects", (double)count, "");
}

static tk_status read_decision(const tk_bytes *decision, decision_header *header) {
    if (decision->size < sizeof *header) return TK_FAILED;
    memcpy(header, decision->data, sizeof *header);
    const uint64_t pairs = (decision->size - sizeof *header) / (sizeof(int64_t) + sizeof(uint32_t));
    return header->version == DECISION_VERSION && header->components >= 0 && (uint64_t)header->components == pairs
               ? TK_OK
               : TK_FAILED;
}

static tk_status adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    (void)round;
    (void)work;
    label_state *s = state;
    decision_header header;
    if (read_decision(decision, &header) != TK_OK) return tk_fail(error, TK_FAILED, "label: the decision is damaged");
    if (tk_bytes_resize(&s->decision, decision->size) != TK_OK) return tk_fail_memory(error, "the objects' numbers");
    memcpy(s->decision.data, decision->data, decision->size);
    return TK_OK;
}

/* Finds the tile's components and writes the numbers that were agreed on. */
static tk_status label_tile(const label_state *s, tk_cview_u8 mask, tk_block *out, tk_work *work) {
    decision_header header;
    tk_components found;
    TK_TRY(read_decision(&s->decision, &header));
    TK_TRY(tk_components_find(mask, s->connectivity, &found, work));
    uint32_t *number = tk_scratch_take(&work->scratch, found.count + 1, sizeof *number); /* never of no size */
    if (!number) return TK_NO_MEMORY;
    const unsigned char *lists = s->decision.data + sizeof header;
    TK_TRY(tk_components_number(&found, &out->image, &out->box, (const int64_t *)(const void *)lists,
                                (const uint32_t *)(const void *)(lists + (size_t)header.components * sizeof(int64_t)),
                                header.components, number));
    tk_components_paint(&found, number, out->u32, work);
    return TK_OK;
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_cview_u8 mask = tk_ccrop_u8(tk_read_u8(in[0]->u8), &in[0]->box, &out->box);
    const tk_status status = label_tile(state, mask, out, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

const tk_step tk_step_label = {
    .name = "label",
    .version = 1,
    .summary = "number the connected objects of a mask",
    .citation =
        "L. He, Y. Chao, K. Suzuki, A run-based two-scan labeling algorithm, IEEE Trans. Image Processing 17, 2008",
    .example = "{connectivity: 26}",
    .exact = true,
    .core_only = true,
    .input = TK_KIND_MASK,
    .output = TK_KIND_LABELS,
    .params = params,
    .bind = bind,
    .release = release,
    .bytes = bytes,
    .survey = survey,
    .combine = combine,
    .agree = agree,
    .adopt = adopt,
    .apply = apply,
};
