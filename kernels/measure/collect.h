/* What one thread has found of objects and of pairs that touch: kept in tables of fixed size, which are emptied into
 * the sink when they are full, so memory is bounded however many labels a block has. */
#ifndef TK_KERNELS_MEASURE_COLLECT_H
#define TK_KERNELS_MEASURE_COLLECT_H

#include "kernels/measure/objects.h"

enum { TK_COLLECTOR_PAIRS = 1024 };

typedef struct tk_collector {
    const tk_objects_spec *spec;
    const tk_object_sink *sink;
    unsigned char *records; /* `used` of them */
    uint32_t *slot;         /* 2^bits hash slots: 0 or the number of a record, from 1 on */
    int bits;
    int64_t capacity, used;
    uint32_t last_label;   /* found last; 0: none … */
    tk_object *last;       /* … and its record */
    tk_object_pair *seen;  /* by hash: pairs that have been reported */
    tk_object_pair *pairs; /* `pair_count` of them, to be handed over */
    int64_t pair_count;
} tk_collector;

/* Scratch bytes of one collector. */
size_t tk_collector_scratch(const tk_object_layout *layout);

/* Takes an empty collector from the scratch. Errors: TK_NO_MEMORY. */
tk_status tk_collector_make(const tk_objects_spec *spec, const tk_object_sink *sink, tk_scratch *scratch,
                            tk_collector *c);

/* Hands the objects over. Errors: those of the sink. */
tk_status tk_collector_flush_objects(tk_collector *c);

/* Makes sure that `count` more labels find room. Errors: those of the sink. */
static inline tk_status tk_collector_room(tk_collector *c, int64_t count) {
    return c->used + count <= c->capacity ? TK_OK : tk_collector_flush_objects(c);
}

/* The record of a label that may not be the one found last. */
tk_object *tk_collector_search(tk_collector *c, uint32_t label);

/* The record of a label, made when there is none, for which there must be room. Valid until the next call of
 * tk_collector_room. */
static inline tk_object *tk_collector_find(tk_collector *c, uint32_t label) {
    return label == c->last_label ? c->last : tk_collector_search(c, label);
}

/* Two labels, not equal, touch. Errors: those of the sink. */
tk_status tk_collector_touch(tk_collector *c, uint32_t one, uint32_t other);

/* Hands all over. Errors: those of the sink. */
tk_status tk_collector_flush(tk_collector *c);

#endif
