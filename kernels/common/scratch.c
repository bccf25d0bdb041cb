/* An arena with 64-byte pieces; the poison build adds NaN filling and canaries. */
#include "kernels/common/scratch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PIECE_ALIGN = 64, HUGE_ALIGN = 2 << 20 };

#ifdef TK_POISON
/* Each piece is [header: payload bytes][payload][canary]; headers chain the pieces for the check. */
enum { HEADER = PIECE_ALIGN, CANARY = PIECE_ALIGN, POISON_BYTE = 0xFF, CANARY_BYTE = 0xC5 };
#else
enum { HEADER = 0, CANARY = 0 };
#endif

static size_t round_up(size_t bytes, size_t align) { return (bytes + align - 1) / align * align; }

tk_status tk_scratch_reserve(tk_scratch *scratch, size_t size) {
    *scratch = (tk_scratch){0};
    if (size == 0) return TK_OK;
    const size_t align = size >= HUGE_ALIGN ? HUGE_ALIGN : PIECE_ALIGN;
    if (size > SIZE_MAX - align) return TK_NO_MEMORY;
    const size_t bytes = round_up(size, align);
    void *base = aligned_alloc(align, bytes);
    if (!base) return TK_NO_MEMORY;
    if (align == HUGE_ALIGN) (void)madvise(base, bytes, MADV_HUGEPAGE); /* only a hint */
    *scratch = (tk_scratch){base, bytes, 0};
    return TK_OK;
}

void tk_scratch_release(tk_scratch *scratch) {
    tk_scratch_rewind(scratch, 0);
    free(scratch->base);
    *scratch = (tk_scratch){0};
}

size_t tk_scratch_cost(int64_t count, size_t element) {
    size_t bytes = 0;
    if (count < 0 || __builtin_mul_overflow((size_t)count, element, &bytes)) return SIZE_MAX;
    if (bytes > SIZE_MAX - PIECE_ALIGN - HEADER - CANARY) return SIZE_MAX;
    return round_up(bytes, PIECE_ALIGN) + HEADER + CANARY;
}

void *tk_scratch_take(tk_scratch *scratch, int64_t count, size_t element) {
    const size_t cost = tk_scratch_cost(count, element);
    if (cost == SIZE_MAX || cost > scratch->size - scratch->used) return NULL;
    unsigned char *piece = scratch->base + scratch->used;
    scratch->used += cost;
#ifdef TK_POISON
    memcpy(piece, &cost, sizeof cost);
    memset(piece + HEADER, POISON_BYTE, cost - HEADER - CANARY);
    memset(piece + cost - CANARY, CANARY_BYTE, CANARY);
#endif
    return piece + HEADER;
}

void tk_scratch_rewind(tk_scratch *scratch, size_t mark) {
#ifdef TK_POISON
    for (size_t at = mark, cost = 0; at < scratch->used; at += cost) {
        memcpy(&cost, scratch->base + at, sizeof cost);
        if (cost == 0 || cost > scratch->used - at) abort();
        const unsigned char *canary = scratch->base + at + cost - CANARY;
        for (int i = 0; i < CANARY; i++)
            if (canary[i] != CANARY_BYTE) abort();
    }
#endif
    scratch->used = mark;
}
