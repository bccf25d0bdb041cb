/* FIR sums, four vectors of voxels at a time so that the sums stay in registers over all taps. Vectors are the
 * compiler's own (vector_size), and every voxel is summed in the order that fir.h gives, so instruction sets agree bit
 * for bit. Both parities come from one text: `odd` is a constant wherever it is inlined. */
#include "kernels/filter/fir.h"

#include <stdbool.h>
#include <string.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
enum { BLOCK = 4 * LANES };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

static inline lanes load(const float *from) {
    lanes v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store(float *to, lanes v) { memcpy(to, &v, sizeof v); }

static inline __attribute__((always_inline)) lanes pair(const float *before, const float *behind, bool odd) {
    return odd ? load(behind) - load(before) : load(before) + load(behind);
}

/* BLOCK voxels from x on. */
static inline __attribute__((always_inline)) void sum_block(const float *const *rows, const float *taps, int64_t radius,
                                                            int64_t x, float *out, bool odd) {
    const float *centre = rows[radius] + x;
    lanes s0 = taps[0] * load(centre), s1 = taps[0] * load(centre + LANES);
    lanes s2 = taps[0] * load(centre + 2 * LANES), s3 = taps[0] * load(centre + 3 * LANES);
    for (int64_t k = 1; k <= radius; k++) {
        const float *before = rows[radius - k] + x, *behind = rows[radius + k] + x;
        s0 += taps[k] * pair(before, behind, odd);
        s1 += taps[k] * pair(before + LANES, behind + LANES, odd);
        s2 += taps[k] * pair(before + 2 * LANES, behind + 2 * LANES, odd);
        s3 += taps[k] * pair(before + 3 * LANES, behind + 3 * LANES, odd);
    }
    store(out + x, s0);
    store(out + x + LANES, s1);
    store(out + x + 2 * LANES, s2);
    store(out + x + 3 * LANES, s3);
}

static inline __attribute__((always_inline)) void sum_rows(const float *const *rows, const float *taps, int64_t radius,
                                                           int64_t count, float *out, bool odd) {
    int64_t x = 0;
    for (; x + BLOCK <= count; x += BLOCK) sum_block(rows, taps, radius, x, out, odd);
    if (x < count && count >= BLOCK) { /* the last block overlaps the one before: the same sums again */
        sum_block(rows, taps, radius, count - BLOCK, out, odd);
        return;
    }
    for (; x < count; x++) {
        float sum = taps[0] * rows[radius][x];
        for (int64_t k = 1; k <= radius; k++) {
            const float before = rows[radius - k][x], behind = rows[radius + k][x];
            sum += taps[k] * (odd ? behind - before : before + behind);
        }
        out[x] = sum;
    }
}

static void symmetric(const float *const *rows, const float *taps, int64_t radius, int64_t count, float *out) {
    sum_rows(rows, taps, radius, count, out, false);
}

static void antisymmetric(const float *const *rows, const float *taps, int64_t radius, int64_t count, float *out) {
    sum_rows(rows, taps, radius, count, out, true);
}

const tk_fir_kernels TK_ISA_NAME(tk_fir) = {symmetric, antisymmetric};
