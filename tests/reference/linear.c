/* Linear deconvolution by discrete Fourier sums over every voxel and every frequency. */
#include "tests/reference/linear.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>

static int64_t count(const int64_t n[3]) { return n[0] * n[1] * n[2]; }

static void position(const int64_t n[3], int64_t i, int64_t at[3]) {
    at[0] = i / (n[1] * n[2]);
    at[1] = i / n[2] % n[1];
    at[2] = i % n[2];
}

/* How far a padded index lies beyond the data, to which side, and how the data fade there. */
static double fade(int64_t i, int64_t size, int64_t padded, int64_t *nearest) {
    const int64_t after = i - (size - 1), before = padded - i;
    *nearest = i;
    if (i < size) return 1;
    *nearest = after <= before ? size - 1 : 0;
    const double distance = (double)(after <= before ? after : before);
    return 0.5 * (1 + cos(M_PI * 2 * distance / (double)(padded - size + 1)));
}

static double padded_value(const ref_linear *q, const int64_t at[3]) {
    int64_t near[3];
    double factor = 1;
    for (int axis = 0; axis < 3; axis++) factor *= fade(at[axis], q->size[axis], q->padded[axis], &near[axis]);
    const double photons = q->photons[(near[0] * q->size[1] + near[1]) * q->size[2] + near[2]];
    return isnan(photons) ? 0 : factor * (photons - q->level);
}

static double complex wave(const int64_t n[3], const int64_t k[3], const int64_t at[3]) {
    double turns = 0;
    for (int axis = 0; axis < 3; axis++) turns += (double)(k[axis] * at[axis]) / (double)n[axis];
    return cexp(-2 * M_PI * I * turns);
}

/* The PSF's transform at one frequency. */
static double complex otf(const ref_linear *q, const int64_t k[3]) {
    double complex sum = 0;
    for (int64_t i = 0; i < count(q->psf_size); i++) {
        int64_t at[3];
        position(q->psf_size, i, at);
        for (int axis = 0; axis < 3; axis++) at[axis] -= q->psf_size[axis] / 2;
        sum += q->psf[i] * wave(q->padded, k, at);
    }
    return sum;
}

static double laplacian(const ref_linear *q, const int64_t k[3]) {
    double sum = 0;
    for (int axis = 0; axis < 3; axis++) sum += 1 - cos(2 * M_PI * (double)k[axis] / (double)q->padded[axis]);
    return sum;
}

/* R at one frequency; `mean` is that of the squared Laplacian. */
static double penalty(const ref_linear *q, const int64_t k[3], double mean) {
    return q->tikhonov ? laplacian(q, k) * laplacian(q, k) / mean : 1;
}

void ref_linear_deconvolve(const ref_linear *q, double *out) {
    const int64_t all = count(q->padded);
    double complex *spectrum = calloc((size_t)all, sizeof *spectrum);
    double *value = malloc((size_t)all * sizeof *value), mean = 0;
    if (!spectrum || !value) abort();
    const int64_t origin[3] = {0, 0, 0};
    for (int64_t i = 0; i < all; i++) {
        int64_t at[3];
        position(q->padded, i, at);
        value[i] = padded_value(q, at);
        mean += laplacian(q, at) * laplacian(q, at) / (double)all;
    }
    for (int64_t f = 0; f < all; f++) {
        int64_t k[3], at[3];
        position(q->padded, f, k);
        for (int64_t i = 0; i < all; i++) {
            position(q->padded, i, at);
            spectrum[f] += value[i] * wave(q->padded, k, at);
        }
        const double complex h = otf(q, k);
        spectrum[f] *= conj(h) * (1 + q->lambda * penalty(q, origin, mean)) /
                       (creal(h * conj(h)) + q->lambda * penalty(q, k, mean)) / (double)all;
    }
    for (int64_t i = 0; i < count(q->size); i++) {
        int64_t at[3], k[3];
        double complex sum = 0;
        position(q->size, i, at);
        for (int64_t f = 0; f < all; f++) {
            position(q->padded, f, k);
            sum += spectrum[f] * conj(wave(q->padded, k, at));
        }
        out[i] = q->level + creal(sum);
    }
    free(spectrum);
    free(value);
}
