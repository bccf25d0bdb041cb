/* Instruction sets: which there are, which this machine has, and how a kernel is chosen for one.
 *
 * A file named *_simd.c is compiled once for each instruction set and defines one constant table of functions,
 * named with TK_ISA_NAME. The header beside it declares the tables with TK_ISA_DECLARE, and a kernel picks one with
 * TK_ISA_SELECT from the instruction set it is given in tk_work. All instruction sets run the same C source
 * with -ffp-contract=off, so element-wise kernels give the same bits on each. */
#ifndef TK_KERNELS_COMMON_CPU_H
#define TK_KERNELS_COMMON_CPU_H

#include <stdbool.h>

typedef enum tk_isa { TK_ISA_BASELINE, TK_ISA_AVX2, TK_ISA_AVX512, TK_ISA_COUNT } tk_isa;

/* The best instruction set this machine runs. */
tk_isa tk_isa_detect(void);

/* "baseline", "avx2" or "avx512". */
const char *tk_isa_text(tk_isa isa);

/* The instruction set of that name; false when there is none of that name. */
bool tk_isa_from_text(const char *text, tk_isa *isa);

#define TK_CONCAT_(a, b)  a##_##b
#define TK_CONCAT(a, b)   TK_CONCAT_(a, b)
/* In a *_simd.c file: `name` with the suffix of the instruction set that is being compiled. */
#define TK_ISA_NAME(name) TK_CONCAT(name, TK_ISA)

/* TK_ISA_COMPILED: the names of all that were compiled. */
#if defined(__x86_64__)
#define TK_ISA_COMPILED            "baseline, avx2, avx512"
#define TK_ISA_DECLARE(type, name) extern const type name##_baseline, name##_avx2, name##_avx512
#define TK_ISA_SELECT(name, isa)                                                                                       \
    ((isa) == TK_ISA_AVX512 ? &name##_avx512 : (isa) == TK_ISA_AVX2 ? &name##_avx2 : &name##_baseline)
#else
#define TK_ISA_COMPILED            "baseline"
#define TK_ISA_DECLARE(type, name) extern const type name##_baseline
#define TK_ISA_SELECT(name, isa)   ((void)(isa), &name##_baseline)
#endif

#endif
