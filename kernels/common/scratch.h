/* Scratch memory: one allocation, taken from piece by piece and given back all at once.
 *
 * Whoever calls a kernel asks it first how many bytes it needs (each kernel has a *_scratch function), reserves
 * that much once, and lends it; the kernel takes pieces and never frees. In a poison build (TK_POISON) every piece
 * starts as NaN and carries a canary behind it that tk_scratch_rewind checks. */
#ifndef TK_KERNELS_COMMON_SCRATCH_H
#define TK_KERNELS_COMMON_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/common/status.h"

typedef struct tk_scratch {
    unsigned char *base;
    size_t size, used;
} tk_scratch;

/* Reserves `size` bytes, aligned to 2 MiB when large (for huge pages). TK_NO_MEMORY when there are none. */
tk_status tk_scratch_reserve(tk_scratch *scratch, size_t size);

/* Frees the reservation; the scratch may be reserved again. */
void tk_scratch_release(tk_scratch *scratch);

/* A piece for `count` elements of `element` bytes, aligned to 64 bytes, or NULL when the reservation is exhausted. */
void *tk_scratch_take(tk_scratch *scratch, int64_t count, size_t element);

/* The bytes that one tk_scratch_take of this size uses up, alignment and canary included; sum these to size a
 * reservation. SIZE_MAX when the size does not fit in a size_t. */
size_t tk_scratch_cost(int64_t count, size_t element);

/* a + b, saturating at SIZE_MAX, for sums of tk_scratch_cost. */
static inline size_t tk_size_add(size_t a, size_t b) { return a > SIZE_MAX - b ? SIZE_MAX : a + b; }

/* A mark to rewind to; everything taken after it is given back by tk_scratch_rewind, which aborts in a poison
 * build when a canary was overwritten. */
static inline size_t tk_scratch_mark(const tk_scratch *scratch) { return scratch->used; }
void tk_scratch_rewind(tk_scratch *scratch, size_t mark);

#endif
