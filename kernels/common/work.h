/* What every kernel is lent to work with: threads, an instruction set and scratch memory. */
#ifndef TK_KERNELS_COMMON_WORK_H
#define TK_KERNELS_COMMON_WORK_H

#include "kernels/common/cpu.h"
#include "kernels/common/scratch.h"

typedef struct tk_work {
    int threads; /* OpenMP threads to use, >= 1; results do not depend on it */
    tk_isa isa;  /* the instruction set to use */
    tk_scratch scratch;
} tk_work;

/* How many threads can each take `cost` bytes of the scratch that is left: at most work->threads; 0: not even one. */
static inline int tk_work_lanes(const tk_work *work, size_t cost) {
    const size_t fit = cost ? (work->scratch.size - work->scratch.used) / cost : (size_t)work->threads;
    return fit < (size_t)work->threads ? (int)fit : work->threads;
}

#endif
