/* Symmetric FIR sums, four vectors of voxels at a time so that the sums stay in registers over all taps. Vectors are
 * the compiler's own (vector_size), and every voxel is summed in the order that fir.h gives, so instruction sets agree
 * bit for bit. */
#include "kernels/filter/fir.h"

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

/* BLOCK voxels from x on. */
static inline void sum_block(const float *const *rows, const float *taps, int64_t radius, int64_t x, float *out) {
    const float *centre = rows[radius] + x;
    lanes s0 = taps[0] * load(centre), s1 = taps[0] * load(centre + LANES);
    lanes s2 = taps[0] * load(centre + 2 * LANES), s3 = taps[0] * load(centre + 3 * LANES);
    for (int64_t k = 1; k <= radius; k++) {
        const float *before = rows[radius - k] + x, *behind = rows[radius + k] + x;
        s0 += taps[k] * (load(before) + load(behind));
        s1 += taps[k] * (load(before + LANES) + load(behind + LANES));
        s2 += taps[k] * (load(before + 2 * LANES) + load(behind + 2 * LANES));
        s3 += taps[k] * (load(before + 3 * LANES) + load(behind + 3 * LANES));
    }
    store(out + x, s0);
    store(out + x + LANES, s1);
    store(out + x + 2 * LANES, s2);
    store(out + x + 3 * LANES, s3);
}

static void symmetric(const float *const *rows, const float *taps, int64_t radius, int64_t count, float *out) {
    int64_t x = 0;
    for (; x + BLOCK <= count; x += BLOCK) sum_block(rows, taps, radius, x, out);
    if (x < count && count >= BLOCK) { /* the last block overlaps the one before: the same sums again */
        sum_block(rows, taps, radius, count - BLOCK, out);
        return;
    }
    for (; x < count; x++) {
        float sum = taps[0] * rows[radius][x];
        for (int64_t k = 1; k <= radius; k++) sum += taps[k] * (rows[radius - k][x] + rows[radius + k][x]);
        out[x] = sum;
    }
}

const tk_fir_kernels TK_ISA_NAME(tk_fir) = {symmetric};
