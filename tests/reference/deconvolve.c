/* The iterations written as in the papers (double precision, z y x), by direct sums. */
#include "tests/reference/deconvolve.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>

enum { Z, Y, X };

static int64_t count(const int64_t n[3]) { return n[Z] * n[Y] * n[X]; }

static int64_t at(const int64_t n[3], int64_t z, int64_t y, int64_t x) { return (z * n[Y] + y) * n[X] + x; }

static void object_size(const int64_t n[3], const int64_t p[3], int64_t size[3]) {
    for (int axis = 0; axis < 3; axis++) size[axis] = n[axis] + p[axis] - 1;
}

/* Visits every pair of a data voxel and a PSF voxel: the data's index, the object's index, the PSF's value. */
typedef void visitor(int64_t data, int64_t object, double h, const double *from, double *to);

static void for_each_pair(const int64_t n[3], const float *psf, const int64_t p[3], visitor *visit, const double *from,
                          double *to) {
    int64_t m[3];
    object_size(n, p, m);
    for (int64_t i = 0; i < count(n); i++) {
        const int64_t z = i / (n[Y] * n[X]), y = i / n[X] % n[Y], x = i % n[X];
        for (int64_t j = 0; j < count(p); j++) {
            const int64_t dz = j / (p[Y] * p[X]), dy = j / p[X] % p[Y], dx = j % p[X];
            visit(i, at(m, z + p[Z] - 1 - dz, y + p[Y] - 1 - dy, x + p[X] - 1 - dx), psf[j], from, to);
        }
    }
}

static void add_forward(int64_t data, int64_t object, double h, const double *from, double *to) {
    to[data] += h * from[object];
}

static void add_transposed(int64_t data, int64_t object, double h, const double *from, double *to) {
    to[object] += h * from[data];
}

void ref_blur(const double *object, const int64_t n[3], const float *psf, const int64_t p[3], double *data) {
    for (int64_t i = 0; i < count(n); i++) data[i] = 0;
    for_each_pair(n, psf, p, add_forward, object, data);
}

void ref_blur_transposed(const double *data, const int64_t n[3], const float *psf, const int64_t p[3], double *object) {
    int64_t m[3];
    object_size(n, p, m);
    for (int64_t i = 0; i < count(m); i++) object[i] = 0;
    for_each_pair(n, psf, p, add_transposed, data, object);
}

static double larger(double a, double b) { return a > b ? a : b; }

typedef struct state {
    double *x, *before, *p, *flux, *correction, *change; /* on the periodic volume */
    double *r;                                           /* on the data's voxels */
} state;

/* r := H p, or with `transposed` correction := H^T r, in the periodic volume: data voxel i sees p at i - j + p / 2 for
 * PSF voxel j. */
static void blur_periodic(const ref_deconvolve_problem *q, const double *from, double *to, bool transposed) {
    const int64_t *n = q->n, *p = q->p, *m = q->m;
    for (int64_t i = 0; i < (transposed ? count(m) : count(n)); i++) to[i] = 0;
    for (int64_t i = 0; i < count(n); i++) {
        const int64_t z = i / (n[Y] * n[X]) + p[Z] / 2, y = i / n[X] % n[Y] + p[Y] / 2, x = i % n[X] + p[X] / 2;
        for (int64_t j = 0; j < count(p); j++) {
            const int64_t dz = j / (p[Y] * p[X]), dy = j / p[X] % p[Y], dx = j % p[X];
            const int64_t o = at(m, (z - dz + m[Z]) % m[Z], (y - dy + m[Y]) % m[Y], (x - dx + m[X]) % m[X]);
            if (transposed)
                to[o] += q->psf[j] * from[i];
            else
                to[i] += q->psf[j] * from[o];
        }
    }
}

/* The discrete Fourier transform of a volume along one axis, by its definition. */
static bool transform_axis(double complex *volume, const int64_t m[3], int axis, int sign) {
    const int64_t length = m[axis], step = axis == Z ? m[Y] * m[X] : axis == Y ? m[X] : 1;
    double complex *line = malloc((size_t)length * sizeof *line);
    if (!line) return false;
    for (int64_t i = 0; i < count(m); i++) {
        if (i / step % length != 0) continue;
        for (int64_t f = 0; f < length; f++) {
            line[f] = 0;
            for (int64_t j = 0; j < length; j++)
                line[f] += volume[i + j * step] * cexp(sign * 2 * M_PI * I * (double)(f * j % length) / (double)length);
        }
        for (int64_t f = 0; f < length; f++) volume[i + f * step] = line[f];
    }
    free(line);
    return true;
}

static bool transform(double complex *volume, const int64_t m[3], int sign) {
    return transform_axis(volume, m, Z, sign) && transform_axis(volume, m, Y, sign) &&
           transform_axis(volume, m, X, sign);
}

/* The factor of conj(H) at spectral voxel i (Guo et al. 2020). */
static double projector_gain(const ref_deconvolve_problem *q, const ref_deconvolve_options *o, int64_t i, double h) {
    const int64_t *m = q->m, index[3] = {i / (m[Y] * m[X]), i / m[X] % m[Y], i % m[X]};
    const double gain = o->at_cutoff / (o->at_cutoff * o->at_cutoff + o->alpha) / o->beta;
    double square = 0;
    for (int axis = 0; axis < 3; axis++) {
        const int64_t f = index[axis] <= m[axis] / 2 ? index[axis] : m[axis] - index[axis];
        square += pow((double)f / (double)m[axis] / o->cutoff[axis], 2);
    }
    return (1 + o->alpha) / (h * h + o->alpha) / sqrt(1 + larger(gain * gain - 1, 0) * pow(square, o->order));
}

/* correction := B r with the Wiener-Butterworth projector. */
static bool project(const ref_deconvolve_problem *q, const ref_deconvolve_options *o, state *s) {
    const int64_t *m = q->m, *n = q->n, *p = q->p, voxels = count(m);
    double complex *otf = calloc((size_t)(2 * voxels), sizeof *otf), *r = otf + voxels;
    if (!otf) return false;
    for (int64_t j = 0; j < count(p); j++) {
        const int64_t z = j / (p[Y] * p[X]) - p[Z] / 2, y = j / p[X] % p[Y] - p[Y] / 2, x = j % p[X] - p[X] / 2;
        otf[at(m, (z + m[Z]) % m[Z], (y + m[Y]) % m[Y], (x + m[X]) % m[X])] += q->psf[j];
    }
    for (int64_t i = 0; i < count(n); i++) r[at(m, i / (n[Y] * n[X]), i / n[X] % n[Y], i % n[X])] = s->r[i];
    bool good = transform(otf, m, -1) && transform(r, m, -1);
    for (int64_t i = 0; i < voxels; i++) r[i] *= conj(otf[i]) * projector_gain(q, o, i, cabs(otf[i])) / (double)voxels;
    good = good && transform(r, m, 1);
    for (int64_t i = 0; i < voxels; i++) s->correction[i] = creal(r[i]);
    free(otf);
    return good;
}

/* Component `axis` of grad x / |grad x| at a voxel, by forward differences in the periodic volume. */
static double unit_gradient(const double *x, const int64_t m[3], const int64_t at_voxel[3], double least, int axis) {
    double square = least * least, wanted = 0;
    for (int a = 0; a < 3; a++) {
        int64_t here[3], next[3];
        for (int k = 0; k < 3; k++) {
            here[k] = (at_voxel[k] + m[k]) % m[k];
            next[k] = (at_voxel[k] + (k == a) + m[k]) % m[k];
        }
        const double d = x[at(m, next[Z], next[Y], next[X])] - x[at(m, here[Z], here[Y], here[X])];
        square += d * d;
        if (a == axis) wanted = d;
    }
    return wanted / sqrt(square);
}

static double smoothing(const double *x, const int64_t m[3], int64_t i, double lambda, double least) {
    double divergence = 0;
    for (int axis = 0; axis < 3; axis++) {
        int64_t here[3] = {i / (m[Y] * m[X]), i / m[X] % m[Y], i % m[X]};
        divergence += unit_gradient(x, m, here, least, axis);
        here[axis]--;
        divergence -= unit_gradient(x, m, here, least, axis);
    }
    return 1 / larger(1 - lambda * divergence, 0.25);
}

/* The momentum after iteration k, which changed p by `change`, and the iteration before by `old`, which it replaces. */
static double next_momentum(const ref_deconvolve_options *o, int k, const double *change, double *old, int64_t voxels) {
    double above = 0, below = 0;
    for (int64_t i = 0; i < voxels; i++) {
        above += change[i] * old[i];
        below += old[i] * old[i];
        old[i] = change[i];
    }
    const int j = k + 1 - o->warm;
    if (j <= 0 || o->method == REF_RL) return 0;
    if (o->method == REF_SHB) return j / (j + 3.0);
    if (o->momentum) return o->momentum[k + 1];
    return j < 2 || below <= 0 || above <= 0 ? 0 : above > below ? 1 : above / below;
}

static bool iterate(const ref_deconvolve_problem *q, const ref_deconvolve_options *o, state *s) {
    const int64_t voxels = count(q->m), data = count(q->n);
    const double eps = o->start / 32768, noise = o->read_noise * o->read_noise;
    double a = 0;
    blur_periodic(q, q->mask, s->flux, true);
    for (int64_t i = 0; i < voxels; i++) s->x[i] = s->before[i] = o->start;
    for (int k = 0; k < o->iterations; k++) {
        const bool warm = k < o->warm;
        for (int64_t i = 0; i < voxels; i++) s->p[i] = larger(s->x[i] + a * (s->x[i] - s->before[i]), eps);
        blur_periodic(q, s->p, s->r, false);
        for (int64_t i = 0; i < data; i++)
            s->r[i] = q->mask[i] * (larger(q->photons[i] + noise, 0) / (s->r[i] + q->background[i] + noise) - 1);
        if (!warm) blur_periodic(q, s->r, s->correction, true);
        if (warm && !project(q, o, s)) return false;
        for (int64_t i = 0; i < voxels; i++) {
            const double w = warm ? 1 : s->flux[i] >= 0.01 ? 1 / s->flux[i] : 0;
            const double t = o->tv > 0 ? smoothing(s->x, q->m, i, o->tv, 1e-3 * o->start) : 1;
            s->before[i] = larger(s->p[i] * larger(1 + w * s->correction[i], warm ? 0.3 : 0) * t, eps);
        }
        double *made = s->before;
        s->before = s->x;
        s->x = made;
        for (int64_t i = 0; i < voxels; i++) s->p[i] = s->x[i] - s->p[i];
        a = k + 1 < o->iterations ? next_momentum(o, k, s->p, s->change, voxels) : 0;
    }
    return true;
}

bool ref_deconvolve(const ref_deconvolve_problem *q, const ref_deconvolve_options *options, double *out) {
    const int64_t voxels = count(q->m), *n = q->n;
    double *v = calloc((size_t)(6 * voxels + count(n)), sizeof *v);
    if (!v) return false;
    state s = {v, v + voxels, v + 2 * voxels, v + 3 * voxels, v + 4 * voxels, v + 5 * voxels, v + 6 * voxels};
    const bool good = iterate(q, options, &s);
    for (int64_t i = 0; i < count(n); i++) out[i] = s.x[at(q->m, i / (n[Y] * n[X]), i / n[X] % n[Y], i % n[X])];
    free(v);
    return good;
}
