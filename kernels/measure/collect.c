/* Open hashing of labels to records that lie densely in the order in which they were met. */
#include "kernels/measure/collect.h"

#include <string.h>

#include "kernels/measure/merge.h"

enum { BITS_LEAST = 9, BITS_MOST = 13, BYTES_MOST = 1 << 20 };

/* Hash slots: twice as many as records, whose bytes are to stay near the core. */
static int bits_for(const tk_object_layout *l) {
    int bits = BITS_MOST;
    while (bits > BITS_LEAST && (l->size << (bits - 1)) > BYTES_MOST) bits--;
    return bits;
}

size_t tk_collector_scratch(const tk_object_layout *l) {
    const int64_t slots = (int64_t)1 << bits_for(l);
    size_t cost = tk_size_add(tk_scratch_cost(slots / 2, l->size), tk_scratch_cost(slots, sizeof(uint32_t)));
    if (l->contact) cost = tk_size_add(cost, 2 * tk_scratch_cost(TK_COLLECTOR_PAIRS, sizeof(tk_object_pair)));
    return cost;
}

tk_status tk_collector_make(const tk_objects_spec *spec, const tk_object_sink *sink, tk_scratch *scratch,
                            tk_collector *c) {
    const int bits = bits_for(&spec->layout);
    const int64_t slots = (int64_t)1 << bits;
    *c = (tk_collector){.spec = spec, .sink = sink, .bits = bits, .capacity = slots / 2};
    c->records = tk_scratch_take(scratch, c->capacity, spec->layout.size);
    c->slot = tk_scratch_take(scratch, slots, sizeof *c->slot);
    if (!c->records || !c->slot) return TK_NO_MEMORY;
    memset(c->slot, 0, (size_t)slots * sizeof *c->slot);
    if (!spec->layout.contact) return TK_OK;
    c->seen = tk_scratch_take(scratch, TK_COLLECTOR_PAIRS, sizeof *c->seen);
    c->pairs = tk_scratch_take(scratch, TK_COLLECTOR_PAIRS, sizeof *c->pairs);
    if (!c->seen || !c->pairs) return TK_NO_MEMORY;
    memset(c->seen, 0, TK_COLLECTOR_PAIRS * sizeof *c->seen);
    return TK_OK;
}

tk_status tk_collector_flush_objects(tk_collector *c) {
    tk_status status = TK_OK;
#pragma omp critical(tk_objects_sink)
    if (c->used) status = c->sink->objects(c->sink->user, c->records, c->used);
    memset(c->slot, 0, sizeof *c->slot << c->bits);
    c->used = 0;
    c->last_label = 0;
    return status;
}

static tk_status flush_pairs(tk_collector *c) {
    tk_status status = TK_OK;
#pragma omp critical(tk_objects_sink)
    if (c->pair_count) status = c->sink->pairs(c->sink->user, c->pairs, c->pair_count);
    c->pair_count = 0;
    return status;
}

tk_status tk_collector_flush(tk_collector *c) {
    const tk_status objects = tk_collector_flush_objects(c), pairs = flush_pairs(c);
    return objects != TK_OK ? objects : pairs;
}

/* Fibonacci hashing. */
static uint32_t hash(uint32_t value, int bits) { return value * 2654435761u >> (32 - bits); }

tk_object *tk_collector_search(tk_collector *c, uint32_t label) {
    const size_t size = c->spec->layout.size;
    const uint32_t mask = (UINT32_C(1) << c->bits) - 1;
    uint32_t i = hash(label, c->bits);
    for (; c->slot[i]; i = (i + 1) & mask) {
        tk_object *o = (tk_object *)(void *)(c->records + (size_t)(c->slot[i] - 1) * size);
        if (o->label != label) continue;
        c->last_label = label;
        return c->last = o;
    }
    tk_object *o = (tk_object *)(void *)(c->records + (size_t)c->used * size);
    tk_object_clear(c->spec, o, label);
    c->slot[i] = (uint32_t)++c->used;
    c->last_label = label;
    return c->last = o;
}

tk_status tk_collector_touch(tk_collector *c, uint32_t one, uint32_t other) {
    const tk_object_pair pair = {0, one < other ? one : other, one < other ? other : one, 0};
    tk_object_pair *seen = &c->seen[hash(pair.a * 40503u ^ pair.b, 10)];
    if (seen->a == pair.a && seen->b == pair.b) return TK_OK;
    *seen = pair;
    if (c->pair_count == TK_COLLECTOR_PAIRS) TK_TRY(flush_pairs(c));
    c->pairs[c->pair_count++] = pair;
    return TK_OK;
}
