/* Counter-based random numbers: the n-th number of a stream is a function of (seed, purpose, index, n) alone, so any
 * thread or rank may draw the numbers of any voxel or object in any order.
 *
 * The generator is Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11,
 * 2011. The distributions use only IEEE additions, multiplications, divisions and square roots, with logarithm
 * and exponential of our own, so that every machine with IEEE doubles draws the same numbers whatever its C library. */
#ifndef TK_KERNELS_COMMON_RNG_H
#define TK_KERNELS_COMMON_RNG_H

#include <stdint.h>

/* A stream of random numbers; a plain value, to be kept on the stack. */
typedef struct tk_rng {
    uint32_t key[2];     /* the seed */
    uint32_t counter[4]; /* index (low, high), block of four draws, purpose */
    uint32_t word[4];    /* the current block */
    int used;            /* words of it already given out */
} tk_rng;

/* Ten rounds of Philox4x32 on one counter. */
void tk_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The stream of one voxel or object, `index`, for one purpose (a small number that keeps uses of one seed apart). It
 * gives up to 2^34 words. */
tk_rng tk_rng_stream(uint64_t seed, uint32_t purpose, uint64_t index);

/* 32 random bits. */
uint32_t tk_rng_word(tk_rng *rng);

/* Uniform in the open interval (0, 1), one of 2^52 equidistant values symmetric about 1/2; draws two words. */
double tk_rng_uniform(tk_rng *rng);

/* Standard normal, by the inverse of its distribution function: algorithm AS 241 (Wichura 1988), relative accuracy
 * 1e-16; draws two words. */
double tk_rng_normal(tk_rng *rng);

/* Exponential of mean 1; draws two words. */
double tk_rng_exponential(tk_rng *rng);

/* Poisson of any mean: by inversion below 10, else by transformed rejection PTRS (Hörmann, "The transformed rejection
 * method for generating Poisson random variables", Insurance: Mathematics and Economics 12, 1993), and from 10^9 on
 * as a rounded normal of that mean and variance. A mean that is not positive gives 0; one above 2^53 is taken as 2^53.
 */
int64_t tk_rng_poisson(tk_rng *rng, double mean);

/* Binomial of n trials of probability p: by inversion where n min(p, 1 - p) is below 10, else by transformed rejection
 * BTRS (Hörmann, "The generation of binomial random variates", J. Stat. Comput. Simul. 46, 1993), and from n = 10^9 on
 * as a rounded normal of that mean and variance. 0 unless n > 0 and p > 0; n from p = 1 on. */
int64_t tk_rng_binomial(tk_rng *rng, int64_t n, double p);

#endif
