/* Row arithmetic of Richardson-Lucy with momentum, float32; one value at a time, so that every instruction set
 * gives the same bits. */
#include "kernels/deconvolve/update.h"

static const float least_flux = 0.01F; /* Bertero & Boccacci (2005), eq. 18: below it the data say nothing */

static inline float at_least(float value, float least) { return value > least ? value : least; }

static inline float extrapolate(float now, float before, float momentum, float least) {
    return at_least(now + momentum * (now - before), least);
}

static inline float correct(float p, float weight, float correction, float least) {
    return at_least(p * (1.0F + weight * correction), least);
}

static void ratio(int64_t n, float *restrict blurred, const float *restrict g, const tk_deconvolve_step *step) {
    const float floor = step->floor, offset = step->offset, shift = step->shift;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        blurred[i] = at_least(g[i] + shift, 0.0F) / (at_least(blurred[i], floor) + offset) - 1.0F;
}

static void weight_of(int64_t n, float *restrict weight, const float *restrict flux) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) weight[i] = flux[i] >= least_flux ? 1.0F / flux[i] : 0.0F;
}

static void update(int64_t n, float *restrict row, const float *restrict x, float *restrict previous,
                   const float *restrict weight, const tk_deconvolve_step *step) {
    const float momentum = step->momentum, next = step->next, floor = step->floor;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float p = extrapolate(x[i], previous[i], momentum, floor);
        const float made = correct(p, weight[i], row[i], floor);
        previous[i] = made;
        row[i] = extrapolate(made, x[i], next, floor);
    }
}

static void finish(int64_t n, float *restrict out, const float *restrict row, const float *restrict x,
                   const float *restrict previous, const float *restrict weight, const tk_deconvolve_step *step) {
    const float momentum = step->momentum, floor = step->floor;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        out[i] = correct(extrapolate(x[i], previous[i], momentum, floor), weight[i], row[i], floor);
}

const tk_deconvolve_rows TK_ISA_NAME(tk_deconvolve_rows_table) = {ratio, weight_of, update, finish};
