/* The contingency table as a hash table with linear probing. Runs of equal pairs along x are counted before they are
 * looked up, so the table is touched once a run. */
#include <stdlib.h>

#include "kernels/metrics/labels.h"

enum { FIRST_SLOTS = 1024 };

static const int64_t MOST_SLOTS = (int64_t)1 << 50; /* more memory than there is */

/* The slot of a pair, or the empty one where it belongs: Fibonacci hashing. */
static tk_label_pair *slot_of(const tk_contingency *table, uint32_t truth, uint32_t result) {
    const uint64_t key = (uint64_t)truth << 32 | result, mask = (uint64_t)table->slots - 1;
    uint64_t at = (key * 0x9E3779B97F4A7C15ULL) >> 20 & mask;
    for (;; at = (at + 1) & mask) {
        tk_label_pair *slot = &table->slot[at];
        if (slot->count == 0 || (slot->truth == truth && slot->result == result)) return slot;
    }
}

/* Doubles the table when it is half full. */
static tk_status make_room(tk_contingency *table) {
    if (table->slots > 0 && 2 * table->used < table->slots) return TK_OK;
    if (table->slots < 0 || table->slots >= MOST_SLOTS) return TK_NO_MEMORY;
    tk_contingency larger = {.slots = table->slots ? 2 * table->slots : FIRST_SLOTS, .used = table->used};
    larger.slot = calloc((size_t)larger.slots, sizeof *larger.slot);
    if (!larger.slot) return TK_NO_MEMORY;
    for (int64_t i = 0; i < table->slots; i++)
        if (table->slot[i].count > 0) *slot_of(&larger, table->slot[i].truth, table->slot[i].result) = table->slot[i];
    free(table->slot);
    *table = larger;
    return TK_OK;
}

tk_status tk_contingency_add_pair(tk_contingency *table, tk_label_pair pair) {
    TK_TRY(make_room(table));
    tk_label_pair *slot = slot_of(table, pair.truth, pair.result);
    if (slot->count == 0) {
        *slot = (tk_label_pair){pair.truth, pair.result, 0};
        table->used++;
    }
    slot->count += pair.count;
    return TK_OK;
}

static tk_status add_row(tk_contingency *table, const uint32_t *result, const uint32_t *truth, int64_t width) {
    for (int64_t from = 0, to = 0; from < width; from = to) {
        while (to < width && truth[to] == truth[from] && result[to] == result[from]) to++;
        TK_TRY(tk_contingency_add_pair(table, (tk_label_pair){truth[from], result[from], to - from}));
    }
    return TK_OK;
}

tk_status tk_contingency_add(tk_contingency *table, tk_cview_u32 result, tk_cview_u32 truth) {
    for (int64_t z = 0; z < truth.size[TK_Z]; z++)
        for (int64_t y = 0; y < truth.size[TK_Y]; y++)
            TK_TRY(add_row(table, result.data + z * result.stride[TK_Z] + y * result.stride[TK_Y],
                           truth.data + z * truth.stride[TK_Z] + y * truth.stride[TK_Y], truth.size[TK_X]));
    return TK_OK;
}

void tk_contingency_free(tk_contingency *table) {
    free(table->slot);
    *table = (tk_contingency){0};
}
