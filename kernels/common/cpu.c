/* Detects the instruction set by the compiler's own feature test. */
#include "kernels/common/cpu.h"

#include <string.h>

static const char *const isa_names[TK_ISA_COUNT] = {"baseline", "avx2", "avx512"};

tk_isa tk_isa_detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl");
    if (avx2 && avx512) return TK_ISA_AVX512;
    if (avx2) return TK_ISA_AVX2;
#endif
    return TK_ISA_BASELINE;
}

const char *tk_isa_text(tk_isa isa) { return (unsigned)isa < TK_ISA_COUNT ? isa_names[isa] : "unknown"; }

bool tk_isa_from_text(const char *text, tk_isa *isa) {
    for (int i = 0; i < TK_ISA_COUNT; i++) {
        if (strcmp(text, isa_names[i]) != 0) continue;
        *isa = (tk_isa)i;
        return true;
    }
    return false;
}
