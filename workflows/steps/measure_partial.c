/* Step measure: what tiles know, and how it is put together. Partials of the first round are the largest magnitude of
 * each image; those of the last are records of objects and pairs of neighbours, sorted. */
#include <string.h>

#include "workflows/steps/measure_state.h"

enum { UNITE_FROM = 4096 }; /* records */

static int64_t valid_objects(const tk_measure_state *s, const void *records, int64_t count) {
    int64_t valid = 0;
    for (int64_t i = 0; i < count; i++)
        valid +=
            ((const tk_object *)(const void *)((const char *)records + (size_t)i * s->spec.layout.size))->count > 0;
    return valid;
}

bool tk_measure_open(const tk_measure_state *s, const tk_bytes *partial, tk_measure_head *head, const void **records,
                     const tk_object_pair **pairs) {
    if (partial->size < sizeof *head) return false;
    memcpy(head, partial->data, sizeof *head);
    const size_t rest = partial->size - sizeof *head, size = s->spec.layout.size;
    if (head->objects < 0 || (size_t)head->objects > rest / size) return false;
    const size_t left = rest - (size_t)head->objects * size;
    if (head->pairs < 0 || (size_t)head->pairs != left / sizeof **pairs || left % sizeof **pairs) return false;
    *records = partial->data + sizeof *head;
    *pairs = (const tk_object_pair *)(const void *)(partial->data + partial->size - left);
    return true;
}

/* What is being measured in one block. */
typedef struct measured {
    const tk_measure_state *state;
    tk_bytes *partial; /* a head and records */
    tk_bytes pairs;
    int64_t unite_at, unite_pairs_at; /* bytes: parts of the same object are joined now and then */
    uint32_t time;
} measured;

static tk_status unite_objects(measured *m) {
    const size_t size = m->state->spec.layout.size, head = sizeof(tk_measure_head);
    const int64_t count = (int64_t)((m->partial->size - head) / size);
    const int64_t left = tk_objects_unite(&m->state->spec, m->partial->data + head, count);
    m->unite_at = 2 * left > UNITE_FROM ? 2 * left : UNITE_FROM;
    return tk_bytes_resize(m->partial, head + (size_t)left * size);
}

static tk_status append_objects(void *user, const void *records, int64_t count) {
    measured *m = user;
    const size_t size = m->state->spec.layout.size, before = m->partial->size;
    TK_TRY(tk_bytes_append(m->partial, records, (size_t)count * size));
    for (size_t at = before; at < m->partial->size; at += size)
        ((tk_object *)(void *)(m->partial->data + at))->time = m->time;
    return (int64_t)(m->partial->size / size) > m->unite_at ? unite_objects(m) : TK_OK;
}

static tk_status unite_pairs(measured *m) {
    const int64_t count = (int64_t)(m->pairs.size / sizeof(tk_object_pair));
    const int64_t left = tk_pairs_unite((tk_object_pair *)(void *)m->pairs.data, count);
    m->unite_pairs_at = 2 * left > UNITE_FROM ? 2 * left : UNITE_FROM;
    return tk_bytes_resize(&m->pairs, (size_t)left * sizeof(tk_object_pair));
}

static tk_status append_pairs(void *user, const tk_object_pair *pairs, int64_t count) {
    measured *m = user;
    const size_t before = m->pairs.size;
    TK_TRY(tk_bytes_append(&m->pairs, pairs, (size_t)count * sizeof *pairs));
    for (size_t at = before; at < m->pairs.size; at += sizeof *pairs)
        ((tk_object_pair *)(void *)(m->pairs.data + at))->time = m->time;
    return (int64_t)(m->pairs.size / sizeof *pairs) > m->unite_pairs_at ? unite_pairs(m) : TK_OK;
}

/* The last of a block: all parts of an object become one, and the head tells how many there are. */
static tk_status finish(measured *m) {
    TK_TRY(unite_objects(m));
    TK_TRY(unite_pairs(m));
    const tk_measure_head head = {
        (int64_t)((m->partial->size - sizeof head) / m->state->spec.layout.size),
        (int64_t)(m->pairs.size / sizeof(tk_object_pair)),
    };
    TK_TRY(tk_bytes_append(m->partial, m->pairs.data, m->pairs.size));
    memcpy(m->partial->data, &head, sizeof head);
    return TK_OK;
}

static tk_objects_block block_of(const tk_measure_state *s, const tk_block *const in[]) {
    tk_objects_block block = {
        .labels = tk_read_u32(in[0]->u32), .image = in[0]->image, .box = in[0]->box, .core = in[0]->core};
    for (int c = 0; c < s->spec.layout.channels; c++)
        block.intensity[c] = tk_ccrop_f32(tk_read_f32(in[1 + c]->f32), &in[1 + c]->box, &in[0]->core);
    return block;
}

static tk_status survey_largest(const tk_measure_state *s, const tk_objects_block *block, const tk_work *work,
                                tk_bytes *partial) {
    const tk_cview_u32 labels = tk_ccrop_u32(block->labels, &block->box, &block->core);
    for (int c = 0; c < s->spec.layout.channels; c++) {
        const float largest = tk_objects_largest(labels, block->intensity[c], work);
        TK_TRY(tk_bytes_append(partial, &largest, sizeof largest));
    }
    return TK_OK;
}

tk_status tk_measure_survey(const void *state, int round, const tk_block *const in[], tk_work *work,
                            tk_bytes *partial) {
    const tk_measure_state *s = state;
    const tk_objects_block block = block_of(s, in);
    if (tk_measure_is_range_round(s, round)) return survey_largest(s, &block, work, partial);
    measured found = {.state = s,
                      .partial = partial,
                      .unite_at = UNITE_FROM,
                      .unite_pairs_at = UNITE_FROM,
                      .time = (uint32_t)in[0]->time};
    const tk_object_sink sink = {append_objects, append_pairs, &found};
    tk_status status = tk_bytes_resize(partial, sizeof(tk_measure_head));
    if (status == TK_OK) status = tk_objects_measure(&s->spec, &block, &sink, work);
    if (status == TK_OK) status = finish(&found);
    tk_bytes_free(&found.pairs);
    return status;
}

static tk_status combine_largest(const tk_measure_state *s, tk_bytes *into, const tk_bytes *from) {
    const size_t size = (size_t)s->spec.layout.channels * sizeof(float);
    if (into->size != size || from->size != size) return TK_FAILED;
    for (size_t at = 0; at < size; at += sizeof(float)) {
        float a, b;
        memcpy(&a, into->data + at, sizeof a);
        memcpy(&b, from->data + at, sizeof b);
        if (b > a) memcpy(into->data + at, &b, sizeof b);
    }
    return TK_OK;
}

tk_status tk_measure_combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    const tk_measure_state *s = state;
    tk_measure_head a, b, sum = {0, 0};
    const void *records[2];
    const tk_object_pair *pairs[2];
    tk_bytes merged = {0};
    if (tk_measure_is_range_round(s, round)) return combine_largest(s, into, from);
    if (!tk_measure_open(s, into, &a, &records[0], &pairs[0]) || !tk_measure_open(s, from, &b, &records[1], &pairs[1]))
        return TK_FAILED;
    TK_TRY(tk_bytes_resize(&merged, into->size + from->size));
    unsigned char *at = merged.data + sizeof sum;
    sum.objects = tk_objects_merge(&s->spec, records[0], a.objects, records[1], b.objects, at);
    at += (size_t)sum.objects * s->spec.layout.size;
    sum.pairs = tk_pairs_merge(pairs[0], a.pairs, pairs[1], b.pairs, (tk_object_pair *)(void *)at);
    at += (size_t)sum.pairs * sizeof(tk_object_pair);
    memcpy(merged.data, &sum, sizeof sum);
    tk_bytes_free(into);
    *into = merged;
    return tk_bytes_resize(into, (size_t)(at - merged.data));
}

static tk_status count_objects(const tk_measure_state *s, const tk_bytes *combined, tk_facts *facts, tk_error *error) {
    tk_measure_head head = {0, 0};
    const void *records = NULL;
    const tk_object_pair *pairs;
    if (combined->size > 0 && !tk_measure_open(s, combined, &head, &records, &pairs))
        return tk_fail(error, TK_FAILED, "measure: the survey is damaged");
    return tk_facts_number(facts, "objects", (double)valid_objects(s, records, head.objects), "");
}

tk_status tk_measure_agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                           tk_facts *facts, tk_error *error) {
    const tk_measure_state *s = state;
    *more = tk_measure_is_range_round(s, round);
    if (!*more) return count_objects(s, combined, facts, error);
    if (combined->size != (size_t)s->spec.layout.channels * sizeof(float))
        return tk_fail(error, TK_FAILED, "measure: the survey is incomplete");
    for (int c = 0; c < s->spec.layout.channels; c++) {
        float largest;
        memcpy(&largest, combined->data + (size_t)c * sizeof largest, sizeof largest);
        const int32_t exponent = tk_intensity_exponent(largest);
        TK_TRY(tk_bytes_append(decision, &exponent, sizeof exponent));
    }
    return TK_OK;
}

tk_status tk_measure_adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    (void)work;
    tk_measure_state *s = state;
    if (!tk_measure_is_range_round(s, round)) return TK_OK;
    if (decision->size != (size_t)s->spec.layout.channels * sizeof(int32_t))
        return tk_fail(error, TK_FAILED, "measure: the decision is damaged");
    for (int c = 0; c < s->spec.layout.channels; c++) {
        int32_t exponent;
        memcpy(&exponent, decision->data + (size_t)c * sizeof exponent, sizeof exponent);
        s->spec.exponent[c] = exponent;
    }
    return TK_OK;
}
