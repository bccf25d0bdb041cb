/* Philox4x32-10 and distributions made of its words with IEEE basic arithmetic only (see rng.h for the papers). */
#include "kernels/common/rng.h"

#include <math.h>

#include "kernels/common/elementary.h"

enum { PHILOX_ROUNDS = 10, POISSON_TABLE = 10 };

/* From here on the logarithms in PTRS and BTRS cancel too many digits, and the skewness, 1 / sqrt(mean), is below 4e-5.
 */
static const double POISSON_LARGE = 1e9, BINOMIAL_LARGE = 1e9;

void tk_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        const uint64_t a = (uint64_t)0xD2511F53U * c0, b = (uint64_t)0xCD9E8D57U * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

tk_rng tk_rng_stream(uint64_t seed, uint32_t purpose, uint64_t index) {
    return (tk_rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                    .counter = {(uint32_t)index, (uint32_t)(index >> 32), 0, purpose},
                    .used = 4};
}

uint32_t tk_rng_word(tk_rng *rng) {
    if (rng->used == 4) {
        tk_philox(rng->counter, rng->key, rng->word);
        rng->counter[2]++;
        rng->used = 0;
    }
    return rng->word[rng->used++];
}

double tk_rng_uniform(tk_rng *rng) {
    const uint64_t high = tk_rng_word(rng) >> 6, low = tk_rng_word(rng) >> 6;
    return ((double)(high << 26 | low) + 0.5) * 0x1p-52; /* 52 bits and a half: exact in a double */
}

/* ln(k!) : a table below 10, then Stirling's series for ln Gamma(k + 1), whose error is below 1e-15 there. */
static double log_factorial(double k) {
    static const double table[POISSON_TABLE] = {0,
                                                0,
                                                0.69314718055994531,
                                                1.79175946922805500,
                                                3.17805383034794562,
                                                4.78749174278204599,
                                                6.57925121201010100,
                                                8.52516136106541430,
                                                10.60460290274525023,
                                                12.80182748008146961};
    if (k < POISSON_TABLE) return table[(int)k];
    const double x = k + 1, z = 1 / (x * x);
    const double series = (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z / 1188)))) / x;
    return (x - 0.5) * tk_log_ieee(x) - x + 0.91893853320467274 + series;
}

static double polynomial(const double c[8], double x) {
    double sum = c[7];
    for (int i = 6; i >= 0; i--) sum = sum * x + c[i];
    return sum;
}

/* The standard normal quantile of p: Wichura's PPND16, rational approximations on three ranges. */
static double normal_quantile(double p) {
    static const double a[8] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                3.3430575583588128105e4, 2.5090809287301226727e3};
    static const double b[8] = {1.0,
                                4.2313330701600911252e1,
                                6.8718700749205790830e2,
                                5.3941960214247511077e3,
                                2.1213794301586595867e4,
                                3.9307895800092710610e4,
                                2.8729085735721942674e4,
                                5.2264952788528545610e3};
    static const double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                                3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                                2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double d[8] = {1.0,
                                2.05319162663775882187e0,
                                1.67638483018380384940e0,
                                6.89767334985100004550e-1,
                                1.48103976427480074590e-1,
                                1.51986665636164571966e-2,
                                5.47593808499534494600e-4,
                                1.05075007164441684324e-9};
    static const double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double f[8] = {1.0,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};
    const double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        return q * polynomial(a, r) / polynomial(b, r);
    }
    const double r = sqrt(-tk_log_ieee(q < 0 ? p : 1 - p));
    const double tail =
        r <= 5 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6) : polynomial(e, r - 5) / polynomial(f, r - 5);
    return q < 0 ? -tail : tail;
}

double tk_rng_normal(tk_rng *rng) { return normal_quantile(tk_rng_uniform(rng)); }

double tk_rng_exponential(tk_rng *rng) { return -tk_log_ieee(tk_rng_uniform(rng)); }

static int64_t poisson_by_inversion(tk_rng *rng, double mean) {
    const double u = tk_rng_uniform(rng);
    double term = tk_exp_ieee(-mean), sum = term;
    int64_t k = 0;
    while (u > sum && term > 0x1p-1000) { /* the sum may stay below a u next to 1 */
        k++;
        term *= mean / (double)k;
        sum += term;
    }
    return k;
}

/* Names as in Hörmann's algorithm PTRS. */
static int64_t poisson_by_rejection(tk_rng *rng, double mean) {
    const double log_mean = tk_log_ieee(mean), b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        const double u = tk_rng_uniform(rng) - 0.5, v = tk_rng_uniform(rng), us = 0.5 - fabs(u);
        const double k = floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= v_r) return (int64_t)k;
        if (k < 0 || (us < 0.013 && v > us)) continue;
        const double log_accept = tk_log_ieee(v * inverse_alpha / (a / (us * us) + b));
        if (log_accept <= k * log_mean - mean - log_factorial(k)) return (int64_t)k;
    }
}

int64_t tk_rng_poisson(tk_rng *rng, double mean) {
    if (!(mean > 0)) return 0;
    if (mean < 10) return poisson_by_inversion(rng, mean);
    if (mean < POISSON_LARGE) return poisson_by_rejection(rng, mean);
    const double bounded = mean < 0x1p53 ? mean : 0x1p53;
    return (int64_t)floor(bounded + sqrt(bounded) * tk_rng_normal(rng) + 0.5);
}

static int64_t binomial_by_inversion(tk_rng *rng, double n, double p) {
    const double u = tk_rng_uniform(rng), odds = p / (1 - p);
    double term = tk_exp_ieee(n * tk_log_ieee(1 - p)), sum = term, k = 0;
    while (u > sum && k < n) {
        k++;
        term *= odds * (n - k + 1) / k;
        sum += term;
    }
    return (int64_t)k;
}

/* Names as in Hörmann's algorithm BTRS. */
static int64_t binomial_by_rejection(tk_rng *rng, double n, double p) {
    const double spq = sqrt(n * p * (1 - p)), b = 1.15 + 2.53 * spq, a = -0.0873 + 0.0248 * b + 0.01 * p;
    const double c = n * p + 0.5, v_r = 0.92 - 4.2 / b, alpha = (2.83 + 5.1 / b) * spq;
    const double lpq = tk_log_ieee(p / (1 - p)), m = floor((n + 1) * p), h = log_factorial(m) + log_factorial(n - m);
    for (;;) {
        const double u = tk_rng_uniform(rng) - 0.5, v = tk_rng_uniform(rng), us = 0.5 - fabs(u);
        const double k = floor((2 * a / us + b) * u + c);
        if (us >= 0.07 && v <= v_r) return (int64_t)k;
        if (k < 0 || k > n) continue;
        const double log_accept = tk_log_ieee(v * alpha / (a / (us * us) + b));
        if (log_accept <= h - log_factorial(k) - log_factorial(n - k) + (k - m) * lpq) return (int64_t)k;
    }
}

int64_t tk_rng_binomial(tk_rng *rng, int64_t n, double p) {
    if (!(n > 0 && p > 0)) return 0;
    if (p >= 1) return n;
    if (p > 0.5) return n - tk_rng_binomial(rng, n, 1 - p);
    const double trials = (double)n, mean = trials * p;
    if (mean < 10) return binomial_by_inversion(rng, trials, p);
    if (trials < BINOMIAL_LARGE) return binomial_by_rejection(rng, trials, p);
    const double k = floor(mean + sqrt(mean * (1 - p)) * tk_rng_normal(rng) + 0.5);
    return k < 0 ? 0 : k > trials ? n : (int64_t)k;
}
