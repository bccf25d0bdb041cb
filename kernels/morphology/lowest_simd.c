/* Minima of rows without NaN and with one zero: any order gives the same bits. Loops read ahead of what they write, so
 * vectors are right where rows overlap, too. */
#include "kernels/morphology/lowest.h"

static inline float least(float a, float b) { return a < b ? a : b; }

static void lower(float *to, const float *from, int64_t count) {
#pragma omp simd
    for (int64_t x = 0; x < count; x++) to[x] = least(to[x], from[x]);
}

static void lowest(const float *const *rows, const float *weights, int64_t count, float *out) {
    const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
    const float *e = rows[4], *f = rows[5], *g = rows[6], *h = rows[7];
    const float *w = weights, wa = w[0], wb = w[1], wc = w[2], wd = w[3], we = w[4], wf = w[5], wg = w[6], wh = w[7];
#pragma omp simd
    for (int64_t x = 0; x < count; x++) {
        const float ab = least(a[x] + wa, b[x] + wb), cd = least(c[x] + wc, d[x] + wd);
        const float ef = least(e[x] + we, f[x] + wf), gh = least(g[x] + wg, h[x] + wh);
        out[x] = least(least(ab, cd), least(ef, gh));
    }
}

const tk_lowest_kernels TK_ISA_NAME(tk_lowest) = {lower, lowest};
