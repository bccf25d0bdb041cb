/* Random numbers: Philox against the known answers of the Random123 distribution, distributions against their
 * moments and their distribution functions. Seeds are fixed, so that the outcomes are too; the bounds are five standard
 * errors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/rng.h"

enum { DRAWS = 200000 };

static void philox_gives_the_known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t out[4];
        tk_philox(cases[i].counter, cases[i].key, out);
        assert_memory_equal(out, cases[i].answer, sizeof out);
    }
}

static void streams_differ_by_seed_purpose_and_index(void **state) {
    (void)state;
    tk_rng a = tk_rng_stream(1, 2, 3), again = tk_rng_stream(1, 2, 3);
    tk_rng others[] = {tk_rng_stream(2, 2, 3), tk_rng_stream(1, 3, 3), tk_rng_stream(1, 2, 4),
                       tk_rng_stream(1ULL << 32, 2, 3), tk_rng_stream(1, 2, 3ULL << 32)};
    for (int n = 0; n < 9; n++) {
        const uint32_t word = tk_rng_word(&a);
        assert_int_equal(word, tk_rng_word(&again));
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_int_not_equal(word, tk_rng_word(&others[i]));
    }
}

/* Mean and variance of DRAWS numbers against what they should be, given the fourth central moment. */
static void check_moments(const double *x, double mean, double variance, double fourth) {
    double m = 0, v = 0;
    for (int i = 0; i < DRAWS; i++) m += x[i];
    m /= DRAWS;
    for (int i = 0; i < DRAWS; i++) v += (x[i] - mean) * (x[i] - mean);
    v /= DRAWS;
    assert_true(fabs(m - mean) < 5 * sqrt(variance / DRAWS));
    assert_true(fabs(v - variance) < 5 * sqrt((fourth - variance * variance) / DRAWS));
}

static double numbers[DRAWS];

static void uniform_normal_and_exponential_have_their_moments(void **state) {
    (void)state;
    double least = 1, most = 0;
    for (int i = 0; i < DRAWS; i++) {
        tk_rng rng = tk_rng_stream(7, 0, (uint64_t)i);
        numbers[i] = tk_rng_uniform(&rng);
        least = fmin(least, numbers[i]);
        most = fmax(most, numbers[i]);
    }
    assert_true(least > 0 && most < 1);
    check_moments(numbers, 0.5, 1.0 / 12, 1.0 / 80);
    for (int i = 0; i < DRAWS; i++) {
        tk_rng rng = tk_rng_stream(7, 1, (uint64_t)i);
        numbers[i] = tk_rng_normal(&rng);
    }
    check_moments(numbers, 0, 1, 3);
    tk_rng rng = tk_rng_stream(7, 2, 0);
    for (int i = 0; i < DRAWS; i++) numbers[i] = tk_rng_exponential(&rng);
    check_moments(numbers, 1, 1, 9);
}

/* The library's functions of the same words: the normal's distribution function undoes the quantile. */
static void normal_and_exponential_invert_their_distribution(void **state) {
    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        tk_rng a = tk_rng_stream(11, 0, (uint64_t)i), b = a, c = a;
        const double u = tk_rng_uniform(&a);
        assert_true(fabs(0.5 * erfc(-tk_rng_normal(&b) / sqrt(2)) - u) <= 4e-15 * u + 1e-16);
        assert_true(fabs(tk_rng_exponential(&c) + log(u)) <= 4e-16 * (1 - log(u)));
    }
}

static void poisson_has_its_moments(void **state) {
    (void)state;
    static const double means[] = {0.01, 0.7, 3, 9.99, 10, 10.01, 37.5, 1000, 123456.7, 3e9, 1e15};
    for (size_t m = 0; m < sizeof means / sizeof *means; m++) {
        const double mean = means[m];
        for (int i = 0; i < DRAWS; i++) {
            tk_rng rng = tk_rng_stream(13, (uint32_t)m, (uint64_t)i);
            numbers[i] = (double)tk_rng_poisson(&rng, mean);
        }
        check_moments(numbers, mean, mean, mean * (1 + 3 * mean));
    }
}

/* Pearson's chi-squared over the bulk of the distribution, for inversion and for rejection. */
static void poisson_has_its_probabilities(void **state) {
    (void)state;
    static const double means[] = {0.3, 4, 9.5, 10, 14.2, 60};
    for (size_t m = 0; m < sizeof means / sizeof *means; m++) {
        double seen[256] = {0}, chi2 = 0;
        for (int i = 0; i < DRAWS; i++) {
            tk_rng rng = tk_rng_stream(17, (uint32_t)m, (uint64_t)i);
            const int64_t k = tk_rng_poisson(&rng, means[m]);
            if (k < 256) seen[k]++;
        }
        int cells = 0;
        for (int k = 0; k < 256; k++) {
            const double expected = DRAWS * exp(k * log(means[m]) - means[m] - lgamma(k + 1.0));
            if (expected < 10) continue;
            chi2 += (seen[k] - expected) * (seen[k] - expected) / expected;
            cells++;
        }
        assert_true(chi2 < cells + 5 * sqrt(2.0 * cells));
    }
}

/* Moments for all three methods, and Pearson's chi-squared over the bulk of the distribution. */
static void binomial_has_its_moments_and_probabilities(void **state) {
    (void)state;
    static const struct {
        int64_t n;
        double p;
    } kinds[] = {{1, 0.1},   {7, 0.1},    {60, 0.1},  {99, 0.1},  {101, 0.1},       {300, 0.1},
                 {40, 0.25}, {200, 0.45}, {30, 0.85}, {500, 0.9}, {3000000000, 0.1}};
    for (size_t m = 0; m < sizeof kinds / sizeof *kinds; m++) {
        const double n = (double)kinds[m].n, p = kinds[m].p, variance = n * p * (1 - p);
        double seen[512] = {0}, chi2 = 0;
        for (int i = 0; i < DRAWS; i++) {
            tk_rng rng = tk_rng_stream(19, (uint32_t)m, (uint64_t)i);
            const int64_t k = tk_rng_binomial(&rng, kinds[m].n, p);
            assert_true(k >= 0 && k <= kinds[m].n);
            numbers[i] = (double)k;
            if (k < 512) seen[k]++;
        }
        check_moments(numbers, n * p, variance, variance * (1 + 3 * variance));
        int cells = 0;
        for (int k = 0; k < 512 && k <= n && n < 512; k++) {
            const double choices = lgamma(n + 1) - lgamma(k + 1.0) - lgamma(n - k + 1);
            const double expected = DRAWS * exp(choices + k * log(p) + (n - k) * log1p(-p));
            if (expected < 10) continue;
            chi2 += (seen[k] - expected) * (seen[k] - expected) / expected;
            cells++;
        }
        assert_true(chi2 <= cells + 5 * sqrt(2.0 * cells));
    }
}

static void binomial_of_nothing_and_of_certainty(void **state) {
    (void)state;
    tk_rng rng = tk_rng_stream(1, 0, 0);
    assert_int_equal(tk_rng_binomial(&rng, 0, 0.3), 0);
    assert_int_equal(tk_rng_binomial(&rng, -4, 0.3), 0);
    assert_int_equal(tk_rng_binomial(&rng, 9, 0), 0);
    assert_int_equal(tk_rng_binomial(&rng, 9, (double)NAN), 0);
    assert_int_equal(tk_rng_binomial(&rng, 9, 1), 9);
}

static void poisson_of_no_mean_is_zero(void **state) {
    (void)state;
    tk_rng rng = tk_rng_stream(1, 0, 0);
    assert_int_equal(tk_rng_poisson(&rng, 0), 0);
    assert_int_equal(tk_rng_poisson(&rng, -3), 0);
    assert_int_equal(tk_rng_poisson(&rng, (double)NAN), 0);
    assert_true(tk_rng_poisson(&rng, (double)INFINITY) > (int64_t)1 << 52);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(streams_differ_by_seed_purpose_and_index),
        cmocka_unit_test(uniform_normal_and_exponential_have_their_moments),
        cmocka_unit_test(normal_and_exponential_invert_their_distribution),
        cmocka_unit_test(poisson_has_its_moments),
        cmocka_unit_test(poisson_has_its_probabilities),
        cmocka_unit_test(poisson_of_no_mean_is_zero),
        cmocka_unit_test(binomial_has_its_moments_and_probabilities),
        cmocka_unit_test(binomial_of_nothing_and_of_certainty),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
