/* Sums of a row: value i goes to lane i mod LANES, and the lanes are added in order. */
#include "kernels/deconvolve/sums.h"

#include <string.h>

enum { LANES = 16 };

static double total(const double lanes[LANES]) {
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += lanes[lane];
    return sum;
}

static double sum(int64_t n, const float *a) {
    double lanes[LANES] = {0};
    const int64_t whole = n - n % LANES;
    for (int64_t i = 0; i < whole; i += LANES)
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++) lanes[lane] += (double)a[i + lane];
    for (int64_t i = whole; i < n; i++) lanes[i - whole] += (double)a[i];
    return total(lanes);
}

static double dot(int64_t n, const float *a, const float *b) {
    double lanes[LANES] = {0};
    const int64_t whole = n - n % LANES;
    for (int64_t i = 0; i < whole; i += LANES)
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++) lanes[lane] += (double)a[i + lane] * (double)b[i + lane];
    for (int64_t i = whole; i < n; i++) lanes[i - whole] += (double)a[i] * (double)b[i];
    return total(lanes);
}

/* Natural logarithm, to a relative error of 1e-12 of a float that is positive and normal; finite for 0. As
 * kernels/common/rng.c has it: x = 2^e m with m about 1, and ln m = 2 artanh((m - 1) / (m + 1)) by its series. */
static inline double log_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int32_t e = (bits - 0x3F3504F3) >> 23, m_bits = bits - e * (1 << 23);
    float m;
    memcpy(&m, &m_bits, sizeof m);
    const double s = ((double)m - 1) / ((double)m + 1), z = s * s;
    const double tail = z * (1.0 / 3 + z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9 + z * (1.0 / 11 + z / 13)))));
    return (double)e * 0.69314718055994531 + 2 * s * (1 + tail);
}

/* Half the Poisson deviance of one value. */
static inline double divergence_of(float seen, float expected) {
    return ((double)expected - (double)seen) + (double)seen * log_of(seen / expected);
}

static inline double square(double a) { return a * a; }

static inline float at_least(float value, float least) { return value > least ? value : least; }

static void compare(int64_t n, const float *blurred, const tk_deconvolve_row *row, const tk_deconvolve_step *step,
                    float odds, float held_shift, double sums[3]) {
    const tk_deconvolve_step s = *step;
    double held_out[LANES] = {0}, fitted[LANES] = {0}, data[LANES] = {0};
    for (int64_t i = 0; i < n; i += LANES) {
        const int lanes = (int)(n - i < LANES ? n - i : LANES);
#pragma omp simd
        for (int lane = 0; lane < lanes; lane++) {
            const int64_t at = i + lane;
            const float held = row->held[at], b = row->background ? row->background[at] * s.part + s.shift : s.offset;
            const float expected = at_least(blurred[at], s.floor) + b;
            const float seen = at_least((row->counts[at] - s.zero) * s.gain - held + s.shift, 0.0F);
            const double v = square((double)(held + held_shift) - (double)(odds * expected));
            const double f = divergence_of(seen, expected);
            const bool datum = held == held;
            held_out[lane] += datum ? v : 0;
            fitted[lane] += datum ? f : 0;
            data[lane] += datum ? 1 : 0;
        }
    }
    sums[0] += total(held_out);
    sums[1] += total(fitted);
    sums[2] += total(data);
}

const tk_sums TK_ISA_NAME(tk_sums_table) = {sum, dot, compare};
