/* The poison build's check that a step leaves its inputs as they were; nothing in other builds. */
#ifndef TK_ENGINE_GUARD_H
#define TK_ENGINE_GUARD_H

#include "engine/step.h"

typedef struct tk_guard {
    int inputs;
    uint64_t sum[TK_MAX_INPUTS];
} tk_guard;

/* Notes what the inputs hold. */
tk_guard tk_guard_inputs(const tk_block *const in[], int inputs);

/* Aborts when an input has changed since. */
void tk_guard_check(const tk_guard *guard, const tk_block *const in[]);

#endif
