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

#endif
