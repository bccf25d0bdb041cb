/* Vectors and symmetric matrices (tensor.h). Rows are worked on in pieces that stay in the first cache, so that results
 * nobody wants need no branch in the loops: they go to a piece of their own. */
#include "kernels/filter/tensor.h"

#include <math.h>
#include <string.h>

enum { PIECE = 128 };

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* The largest root of 4 t^3 - 3 t = r for r in 0 .. 1, cos(acos(r) / 3): between 0.866 and 1, where the slope is at
 * least 6. From a cubic with an error below 4e-5, two steps of Newton's are enough for double. */
static inline double root_of(double r) {
    double t = 0.866058 + r * (0.165475 + r * (-0.041069 + r * 0.009569));
    t -= ((4 * t * t - 3) * t - r) / (12 * t * t - 3);
    t -= ((4 * t * t - 3) * t - r) / (12 * t * t - 3);
    return t;
}

static void eigenvalues3_piece(const float *const entry[6], int64_t at, int64_t count, float (*restrict out)[PIECE]) {
    const float *restrict e00 = entry[0] + at, *restrict e01 = entry[1] + at, *restrict e02 = entry[2] + at;
    const float *restrict e11 = entry[3] + at, *restrict e12 = entry[4] + at, *restrict e22 = entry[5] + at;
#pragma omp simd
    for (int64_t x = 0; x < count; x++) {
        const double a01 = (double)e01[x], a02 = (double)e02[x], a12 = (double)e12[x];
        const double q = ((double)e00[x] + (double)e11[x] + (double)e22[x]) / 3;
        const double b00 = (double)e00[x] - q, b11 = (double)e11[x] - q, b22 = (double)e22[x] - q;
        const double squares = b00 * b00 + b11 * b11 + b22 * b22 + 2 * (a01 * a01 + a02 * a02 + a12 * a12);
        const double p = sqrt(squares / 6), cube = p * p * p;
        const double det =
            b00 * (b11 * b22 - a12 * a12) - a01 * (a01 * b22 - a12 * a02) + a02 * (a01 * a12 - b11 * a02);
        const double r = fabs(det) / (2 * (cube > 0 ? cube : 1)), t = root_of(r < 1 ? r : 1);
        const double left = 1 - t * t, s = 0.86602540378443865 * sqrt(left > 0 ? left : 0);
        const double outer = 2 * p * t, middle = 2 * p * (s - 0.5 * t), inner = 2 * p * (-s - 0.5 * t);
        out[0][x] = (float)(q + (det < 0 ? -inner : outer));
        out[1][x] = (float)(q + (det < 0 ? -middle : middle));
        out[2][x] = (float)(q + (det < 0 ? -outer : inner));
    }
}

static void eigenvalues2_piece(const float *const entry[3], int64_t at, int64_t count, float (*restrict out)[PIECE]) {
    const float *restrict e00 = entry[0] + at, *restrict e01 = entry[1] + at, *restrict e11 = entry[2] + at;
#pragma omp simd
    for (int64_t x = 0; x < count; x++) {
        const double a = (double)e00[x], b = (double)e01[x], c = (double)e11[x];
        const double half = 0.5 * (a + c), apart = 0.5 * (a - c), root = sqrt(apart * apart + b * b);
        out[0][x] = (float)(half + root);
        out[1][x] = (float)(half - root);
    }
}

/* Hands the results of a piece over to those that want them. */
static void deliver(float (*results)[PIECE], int n, int64_t at, int64_t count, float *const *out) {
    for (int i = 0; i < n; i++)
        if (out[i]) memcpy(out[i] + at, results[i], (size_t)count * sizeof(float));
}

static void eigenvalues3(const float *const entry[6], int64_t count, float *const out[3]) {
    float results[3][PIECE];
    for (int64_t at = 0; at < count; at += PIECE) {
        const int64_t here = least(PIECE, count - at);
        eigenvalues3_piece(entry, at, here, results);
        deliver(results, 3, at, here, out);
    }
}

static void eigenvalues2(const float *const entry[3], int64_t count, float *const out[2]) {
    float results[2][PIECE];
    for (int64_t at = 0; at < count; at += PIECE) {
        const int64_t here = least(PIECE, count - at);
        eigenvalues2_piece(entry, at, here, results);
        deliver(results, 2, at, here, out);
    }
}

/* Adds up entries, or their squares, of one piece. */
static inline __attribute__((always_inline)) void add_up(const float *const *entry, int n, int64_t at, int64_t count,
                                                         double *restrict total, int power) {
    for (int64_t x = 0; x < count; x++) total[x] = 0;
    for (int i = 0; i < n; i++) {
        const float *restrict e = entry[i] + at;
#pragma omp simd
        for (int64_t x = 0; x < count; x++) total[x] += power == 2 ? (double)e[x] * (double)e[x] : (double)e[x];
    }
}

static void length(const float *const *entry, int n, int64_t count, float *out) {
    double total[PIECE];
    for (int64_t at = 0; at < count; at += PIECE) {
        const int64_t here = least(PIECE, count - at);
        add_up(entry, n, at, here, total, 2);
#pragma omp simd
        for (int64_t x = 0; x < here; x++) out[at + x] = (float)sqrt(total[x]);
    }
}

static void sum(const float *const *entry, int n, double scale, int64_t count, float *out) {
    double total[PIECE];
    for (int64_t at = 0; at < count; at += PIECE) {
        const int64_t here = least(PIECE, count - at);
        add_up(entry, n, at, here, total, 1);
#pragma omp simd
        for (int64_t x = 0; x < here; x++) out[at + x] = (float)(scale * total[x]);
    }
}

static void difference(const float *a, const float *b, int64_t count, float *restrict out) {
#pragma omp simd
    for (int64_t x = 0; x < count; x++) out[x] = a[x] - b[x];
}

static void product(const float *a, const float *b, int64_t count, float *restrict out) {
#pragma omp simd
    for (int64_t x = 0; x < count; x++) out[x] = a[x] * b[x];
}

const tk_tensor_kernels TK_ISA_NAME(tk_tensor) = {eigenvalues3, eigenvalues2, length, sum, difference, product};
