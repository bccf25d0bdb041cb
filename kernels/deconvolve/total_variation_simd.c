/* Row arithmetic of total variation, float32; one value at a time, so that every instruction set gives the same bits.
 */
#include "kernels/deconvolve/total_variation.h"

#include <math.h>
#include <stddef.h>

static const float least_divisor = 0.25F;

static inline void unit_at(int64_t i, int64_t next, const tk_tv_rows *r, float square, float u[3]) {
    const float x = r->here[next] - r->here[i], y = r->down[i] - r->here[i], z = r->deep[i] - r->here[i];
    const float length = sqrtf(x * x + y * y + z * z + square);
    u[0] = z / length, u[1] = y / length, u[2] = x / length;
}

/* The components that are wanted, that is, whose row is not NULL where this is inlined. */
static inline __attribute__((always_inline)) void unit_of(int64_t n, float *restrict x, float *restrict y,
                                                          float *restrict z, const tk_tv_rows *rows, float square) {
    const tk_tv_rows r = *rows;
#pragma omp simd
    for (int64_t i = 0; i < n - 1; i++) {
        float u[3];
        unit_at(i, i + 1, &r, square, u);
        if (z) z[i] = u[0];
        if (y) y[i] = u[1];
        if (x) x[i] = u[2];
    }
    float u[3];
    unit_at(n - 1, 0, &r, square, u);
    if (z) z[n - 1] = u[0];
    if (y) y[n - 1] = u[1];
    if (x) x[n - 1] = u[2];
}

static void unit(int64_t n, float *restrict x, float *restrict y, float *restrict z, const tk_tv_rows *rows,
                 float square) {
    unit_of(n, x, y, z, rows, square);
}

static void unit_y(int64_t n, float *restrict to, const tk_tv_rows *rows, float square) {
    unit_of(n, NULL, to, NULL, rows, square);
}

static void unit_z(int64_t n, float *restrict to, const tk_tv_rows *rows, float square) {
    unit_of(n, NULL, NULL, to, rows, square);
}

static inline float factor_at(float divergence, float lambda) {
    const float divisor = 1.0F - lambda * divergence;
    return 1.0F / (divisor > least_divisor ? divisor : least_divisor);
}

static void factor(int64_t n, float *restrict to, const float *restrict x, const float *restrict y,
                   const float *restrict z, const float *restrict y_before, const float *restrict z_before,
                   float lambda) {
    to[0] = factor_at(((x[0] - x[n - 1]) + (y[0] - y_before[0])) + (z[0] - z_before[0]), lambda);
#pragma omp simd
    for (int64_t i = 1; i < n; i++)
        to[i] = factor_at(((x[i] - x[i - 1]) + (y[i] - y_before[i])) + (z[i] - z_before[i]), lambda);
}

const tk_tv TK_ISA_NAME(tk_tv_table) = {unit, unit_y, unit_z, factor};
