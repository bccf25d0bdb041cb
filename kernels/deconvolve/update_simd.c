/* Row arithmetic of Richardson-Lucy with momentum, float32; one value at a time, so that every instruction set
 * gives the same bits. */
#include "kernels/deconvolve/update.h"

#include <stddef.h>

static const float least_flux = 0.01F; /* Bertero & Boccacci (2005), eq. 18: below it the data say nothing */

static inline float at_least(float value, float least) { return value > least ? value : least; }

static inline float extrapolate(float now, float before, float momentum, float least) {
    return at_least(now + momentum * (now - before), least);
}

/* NaN is not below the saturation either. */
static inline bool is_datum(float counts, float saturation, bool dead) { return (counts < saturation) & !dead; }

static inline bool is_held(float held) { return held == held; }

/* Once with and once without `dead` where this is inlined. */
static inline __attribute__((always_inline)) void mask_of(int64_t n, float *restrict to, const float *restrict counts,
                                                          const uint8_t *restrict dead, float saturation) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] = is_datum(counts[i], saturation, dead && dead[i] != 0) ? 1.0F : 0.0F;
}

static void mask_of_held(int64_t n, float *restrict to, const float *restrict held) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] = is_held(held[i]) ? 1.0F : 0.0F;
}

static void mask(int64_t n, float *restrict to, const tk_deconvolve_row *row, const tk_deconvolve_step *step) {
    if (row->held)
        mask_of_held(n, to, row->held);
    else if (row->dead)
        mask_of(n, to, row->counts, row->dead, step->saturation);
    else
        mask_of(n, to, row->counts, NULL, step->saturation);
}

/* Once for each kind of row: where this is inlined, the rows are NULL or not. */
static inline __attribute__((always_inline)) void
ratio_of(int64_t n, float *restrict blurred, const float *restrict counts, const float *restrict background,
         const uint8_t *restrict dead, const float *restrict held, const tk_deconvolve_step *step) {
    const tk_deconvolve_step s = *step;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float photons = (counts[i] - s.zero) * s.gain - (held ? held[i] : 0.0F);
        const float seen = at_least(photons + s.shift, 0.0F);
        const float expected =
            at_least(blurred[i], s.floor) + (background ? background[i] * s.part + s.shift : s.offset);
        const float r = seen / expected - 1.0F;
        const bool datum = held ? is_held(held[i]) : is_datum(counts[i], s.saturation, dead && dead[i] != 0);
        blurred[i] = datum ? r : 0.0F;
    }
}

static void ratio(int64_t n, float *restrict blurred, const tk_deconvolve_row *row, const tk_deconvolve_step *step) {
    if (row->held && row->background)
        ratio_of(n, blurred, row->counts, row->background, NULL, row->held, step);
    else if (row->held)
        ratio_of(n, blurred, row->counts, NULL, NULL, row->held, step);
    else if (row->dead && row->background)
        ratio_of(n, blurred, row->counts, row->background, row->dead, NULL, step);
    else if (row->dead)
        ratio_of(n, blurred, row->counts, NULL, row->dead, NULL, step);
    else if (row->background)
        ratio_of(n, blurred, row->counts, row->background, NULL, NULL, step);
    else
        ratio_of(n, blurred, row->counts, NULL, NULL, NULL, step);
}

static void weight_of(int64_t n, float *restrict weight, const float *restrict flux) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) weight[i] = flux[i] >= least_flux ? 1.0F / flux[i] : 0.0F;
}

static const float steps_of_one = 200.0F; /* of a weight's inverse in a byte */

static void pack(int64_t n, uint8_t *restrict to, const float *restrict weight) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float steps = steps_of_one / weight[i] + 0.5F;
        to[i] = (uint8_t)(int)(weight[i] > 0.0F ? (steps < 255.0F ? steps : 255.0F) : 0.0F);
    }
}

static void unpack(int64_t n, float *restrict weight, const uint8_t *restrict from) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float steps = (float)from[i];
        weight[i] = steps > 0.0F ? steps_of_one / steps : 0.0F;
    }
}

/* One value of x_(k+1), and p_k. */
static inline float correct(float p, float weight, float correction, float smooth, const tk_deconvolve_step *step) {
    return at_least(p * at_least(1.0F + weight * correction, step->least) * smooth, step->floor);
}

/* x_(k+1), and into `row` p_(k+1), or x_(k+1) - p_k where only the change is wanted. Once for each of these, with and
 * without `smooth`, where this is inlined. `previous` may be `to`, value by value. */
static inline __attribute__((always_inline)) void update_of(int64_t n, float *restrict row, const float *restrict x,
                                                            const float *previous, const float *restrict weight,
                                                            const float *restrict smooth, float *to, bool change,
                                                            const tk_deconvolve_step *step) {
    const tk_deconvolve_step s = *step;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float p = extrapolate(x[i], previous[i], s.momentum, s.floor);
        const float made = correct(p, weight[i], row[i], smooth ? smooth[i] : 1.0F, &s);
        to[i] = made;
        row[i] = change ? made - p : extrapolate(made, x[i], s.next, s.floor);
    }
}

static void update(int64_t n, float *row, const tk_deconvolve_estimate *e, float *to, const tk_deconvolve_step *step) {
    if (e->smooth)
        update_of(n, row, e->x, e->previous, e->weight, e->smooth, to, false, step);
    else
        update_of(n, row, e->x, e->previous, e->weight, NULL, to, false, step);
}

static void change(int64_t n, float *row, const tk_deconvolve_estimate *e, float *to, const tk_deconvolve_step *step) {
    if (e->smooth)
        update_of(n, row, e->x, e->previous, e->weight, e->smooth, to, true, step);
    else
        update_of(n, row, e->x, e->previous, e->weight, NULL, to, true, step);
}

static void extrapolate_row(int64_t n, float *restrict row, const float *restrict x, const float *restrict previous,
                            const tk_deconvolve_step *step) {
    const float momentum = step->momentum, floor = step->floor;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) row[i] = extrapolate(x[i], previous[i], momentum, floor);
}

const tk_deconvolve_rows TK_ISA_NAME(tk_deconvolve_rows_table) = {mask,   ratio, weight_of, update,
                                                                  change, pack,  unpack,    extrapolate_row};
