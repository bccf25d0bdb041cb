/* Filters of finite support on volumes and planes of 16.8 million voxels: responses to Gaussian filters
 * (Laplacian, gradient, differences, eigenvalues of Hessian and structure tensor) and medians, in voxels a second and
 * as a fraction of what copying the same voxels costs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "benchmarks/bench.h"
#include "kernels/common/rng.h"
#include "kernels/filter/features.h"
#include "kernels/filter/median.h"

enum { SAMPLES = 50 };

typedef struct scene {
    int64_t size[3];
    tk_view_f32 image, out[TK_FEATURES_MOST];
    tk_features *features;
    unsigned which;
    double sigma;
    tk_median median;
    tk_work work;
} scene;

static int64_t voxels(const scene *s) { return s->size[0] * s->size[1] * s->size[2]; }

static void stop(const char *what) {
    fprintf(stderr, "filters: %s\n", what);
    exit(1);
}

static void run_features(void *context) {
    scene *s = context;
    const tk_box all = tk_box_of_size(s->size);
    if (tk_features_apply(s->features, &all, &all, tk_read_f32(s->image), &all, s->out, &s->work) != TK_OK)
        stop("a filter failed");
}

static void run_median(void *context) {
    scene *s = context;
    const tk_box all = tk_box_of_size(s->size);
    if (tk_median_apply(&s->median, &all, &all, tk_read_f32(s->image), &all, s->out[0], &s->work) != TK_OK)
        stop("the median filter failed");
}

/* The n-th of the voxels that are looked at, at least `reach` from the border. */
static void sample(const scene *s, int n, const int64_t reach[3], int64_t at[3]) {
    tk_rng rng = tk_rng_stream(1, 1, (uint64_t)n);
    for (int a = 0; a < 3; a++)
        at[a] = reach[a] + (int64_t)(tk_rng_uniform(&rng) * (double)(s->size[a] - 2 * reach[a]));
}

static double voxel(const scene *s, tk_view_f32 view, int64_t z, int64_t y, int64_t x) {
    return (double)view.data[(z * s->size[1] + y) * s->size[2] + x];
}

/* The Laplacian around a voxel by a sum over all of its neighbourhood. */
static double direct_laplacian(const scene *s, const int64_t at[3]) {
    const int64_t r = (int64_t)(4 * s->sigma + 0.5), rz = s->size[0] > 1 ? r : 0;
    const double variance = s->sigma * s->sigma;
    double sum = 0, norm = 0, weights = 0;
    for (int64_t k = -r; k <= r; k++) norm += exp(-0.5 * (double)(k * k) / variance);
    weights = pow(norm, rz ? 3 : 2);
    for (int64_t z = -rz; z <= rz; z++)
        for (int64_t y = -r; y <= r; y++)
            for (int64_t x = -r; x <= r; x++) {
                const double d2 = (double)(z * z + y * y + x * x), axes = rz ? 3 : 2;
                sum += exp(-0.5 * d2 / variance) * (d2 / variance - axes) / variance *
                       voxel(s, s->image, at[0] + z, at[1] + y, at[2] + x);
            }
    return sum / weights;
}

/* What has a sum that is known: the Laplacian itself, and the Hessian's trace. The others need to be finite. */
static bool verify_features(void *context) {
    const scene *s = context;
    const int count = tk_features_count(s->features);
    int64_t reach[3], at[3];
    tk_features_halo(s->features, reach);
    for (int n = 0; n < SAMPLES; n++) {
        sample(s, n, reach, at);
        double trace = 0;
        for (int o = 0; o < count; o++) trace += voxel(s, s->out[o], at[0], at[1], at[2]);
        if (!isfinite(trace)) return false;
        if (s->which != TK_FEATURE_LAPLACIAN && s->which != TK_FEATURE_HESSIAN) continue;
        if (!(fabs(trace - direct_laplacian(s, at)) < 1e-5)) return false;
    }
    return true;
}

/* Not more than half of the neighbourhood is on either side of the median. */
static bool verify_median(void *context) {
    const scene *s = context;
    const int64_t *r = s->median.radius;
    for (int n = 0; n < SAMPLES; n++) {
        int64_t at[3], below = 0, above = 0;
        sample(s, n, r, at);
        const double median = voxel(s, s->out[0], at[0], at[1], at[2]);
        for (int64_t z = -r[0]; z <= r[0]; z++)
            for (int64_t y = -r[1]; y <= r[1]; y++)
                for (int64_t x = -r[2]; x <= r[2]; x++) {
                    const double v = voxel(s, s->image, at[0] + z, at[1] + y, at[2] + x);
                    below += v < median;
                    above += v > median;
                }
        if (below > tk_median_voxels(&s->median) / 2 || above > tk_median_voxels(&s->median) / 2) return false;
    }
    return true;
}

/* Runs a case with the scratch it needs. */
static void measure(bench *b, scene *s, const bench_case *c, size_t scratch, double copy) {
    if (tk_scratch_reserve(&s->work.scratch, scratch) != TK_OK) stop("out of memory");
    const bench_time time = bench_run(b, c);
    tk_scratch_release(&s->work.scratch);
    if (time.least <= 0) return;
    bench_figure(b, "  speed", 1e-6 * (double)voxels(s) / time.least, "Mvoxel/s");
    bench_figure(b, "  of the time that copying takes", copy / time.least, "");
}

static void measure_features(bench *b, scene *s, double copy) {
    static const struct {
        const char *name;
        unsigned which;
    } all[] = {{"laplacian", TK_FEATURE_LAPLACIAN},
               {"gradient", TK_FEATURE_GRADIENT},
               {"dog", TK_FEATURE_DOG},
               {"hessian, all eigenvalues", TK_FEATURE_HESSIAN},
               {"structure, all", TK_FEATURE_STRUCTURE},
               {"all responses", TK_FEATURE_ALL}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        for (s->sigma = 1; s->sigma < 2; s->sigma += 0.6) {
            char name[80];
            tk_features_choice choice = {.which = s->which = all[k].which};
            for (int a = 0; a < 3; a++) {
                choice.size[a] = s->size[a];
                choice.sigma[a] = s->sigma, choice.second[a] = 1.6 * s->sigma, choice.outer[a] = 0.5 * s->sigma;
                choice.unit[a] = 1;
            }
            if (tk_features_new(&choice, &s->features) != TK_OK) stop("out of memory");
            const double bytes = 4.0 * (1 + tk_features_count(s->features)) * (double)voxels(s);
            (void)snprintf(name, sizeof name, "%s, sigma %.1f, %s", all[k].name, s->sigma,
                           s->size[0] > 1 ? "3-D" : "2-D");
            const bench_case c = {name, s->work.threads, run_features, verify_features, s, bytes, 0};
            measure(b, s, &c, tk_features_scratch(s->features, s->size, s->work.threads), copy);
            tk_features_free(s->features);
        }
}

static void measure_medians(bench *b, scene *s, double copy) {
    for (int64_t radius = 1; radius <= (b->quick ? 1 : 2); radius++)
        for (int ball = 0; ball < 2; ball++) {
            char name[80];
            s->median = (tk_median){{s->size[0] > 1 ? radius : 0, radius, radius}, ball};
            (void)snprintf(name, sizeof name, "median of %d voxels", (int)tk_median_voxels(&s->median));
            const bench_case c = {name, s->work.threads,         run_median, ball ? NULL : verify_median,
                                  s,    8.0 * (double)voxels(s), 0};
            measure(b, s, &c, tk_median_scratch(&s->median, s->work.threads), copy);
        }
}

static void measure_size(bench *b, scene *s) {
    s->image = tk_dense_f32(s->image.data, s->size);
    for (int o = 0; o < TK_FEATURES_MOST; o++) s->out[o] = tk_dense_f32(s->out[o].data, s->size);
    for (s->work.threads = 1; s->work.threads <= bench_cpus(); s->work.threads *= 2) {
        const double copy = bench_copy(b, s->image.data, s->out[0].data, voxels(s), s->work.threads);
        measure_features(b, s, copy);
        measure_medians(b, s, copy);
    }
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "filters", argc, argv);
    scene s = {.size = {b.quick ? 32 : 128, b.quick ? 128 : 256, b.quick ? 128 : 512},
               .work = {.isa = tk_isa_detect()}};
    const size_t count = (size_t)voxels(&s), bytes = count * sizeof(float);
    s.image.data = bench_memory(bytes);
    for (int o = 0; o < TK_FEATURES_MOST; o++) s.out[o].data = bench_memory(bytes);
    for (size_t i = 0; i < count; i++) {
        tk_rng rng = tk_rng_stream(1, 0, i);
        s.image.data[i] = (float)tk_rng_uniform(&rng);
    }
    measure_size(&b, &s);
    s.size[0] = 1, s.size[1] = s.size[2] = b.quick ? 512 : 4096;
    measure_size(&b, &s);
    free(s.image.data);
    for (int o = 0; o < TK_FEATURES_MOST; o++) free(s.out[o].data);
    return bench_end(&b);
}
