/* Richardson-Lucy and SHB with Bertero-Boccacci weights, written as in the papers (double precision, z y x). */
#include "tests/reference/deconvolve.h"

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
    double *x, *before, *p, *flux, *correction; /* on the object's voxels */
    double *r;                                  /* on the data's voxels */
} state;

static void iterate(const float *g, const int64_t n[3], const float *psf, const int64_t p[3],
                    const ref_deconvolve_options *o, state *s) {
    int64_t m[3];
    object_size(n, p, m);
    const double eps = o->start / 32768, noise = o->read_noise * o->read_noise;
    for (int64_t i = 0; i < count(n); i++) s->r[i] = 1;
    ref_blur_transposed(s->r, n, psf, p, s->flux);
    for (int64_t i = 0; i < count(m); i++) s->x[i] = s->before[i] = o->start;
    for (int k = 0; k < o->iterations; k++) {
        const double a = o->momentum ? k / (k + 3.0) : 0;
        for (int64_t i = 0; i < count(m); i++) s->p[i] = larger(s->x[i] + a * (s->x[i] - s->before[i]), eps);
        ref_blur(s->p, n, psf, p, s->r);
        for (int64_t i = 0; i < count(n); i++)
            s->r[i] = larger(g[i] + noise, 0) / (s->r[i] + o->background + noise) - 1;
        ref_blur_transposed(s->r, n, psf, p, s->correction);
        for (int64_t i = 0; i < count(m); i++) {
            const double w = s->flux[i] >= 0.01 ? 1 / s->flux[i] : 0;
            s->before[i] = s->x[i];
            s->x[i] = larger(s->p[i] * (1 + w * s->correction[i]), eps);
        }
    }
}

/* The object's voxels that lie where the data are: data voxel i is object voxel i + p - 1 - p / 2. */
static void crop(const double *object, const int64_t n[3], const int64_t p[3], double *out) {
    int64_t m[3];
    object_size(n, p, m);
    for (int64_t i = 0; i < count(n); i++) {
        const int64_t z = i / (n[Y] * n[X]), y = i / n[X] % n[Y], x = i % n[X];
        out[i] = object[at(m, z + p[Z] - 1 - p[Z] / 2, y + p[Y] - 1 - p[Y] / 2, x + p[X] - 1 - p[X] / 2)];
    }
}

bool ref_deconvolve(const float *g, const int64_t n[3], const float *psf, const int64_t p[3],
                    const ref_deconvolve_options *options, double *out) {
    int64_t m[3];
    object_size(n, p, m);
    double *memory = calloc((size_t)(5 * count(m) + count(n)), sizeof *memory);
    if (!memory) return false;
    double *const end = memory + 5 * count(m);
    state s = {memory, memory + count(m), memory + 2 * count(m), memory + 3 * count(m), memory + 4 * count(m), end};
    iterate(g, n, psf, p, options, &s);
    crop(s.x, n, p, out);
    free(memory);
    return true;
}
