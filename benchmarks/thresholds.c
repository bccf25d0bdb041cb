/* Thresholds: range, histogram, methods on a histogram, and local thresholds, on a volume of 128 x 512 x 512, in voxels
 * a second and as a fraction of what copying the same voxels costs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/bench.h"
#include "kernels/common/rng.h"
#include "kernels/segment/histogram.h"
#include "kernels/segment/level.h"
#include "kernels/segment/local_threshold.h"

enum { BINS = 4096, CLASSES = 4, SAMPLES = 20 };

typedef struct scene {
    int64_t size[3];
    tk_view_f32 image, copy;
    tk_view_u8 mask;
    tk_range range;
    int64_t *counts, levels[TK_LEVEL_CLASSES_MOST];
    double level;
    tk_local_threshold local;
    tk_work work;
} scene;

static int64_t voxels(const scene *s) { return s->size[0] * s->size[1] * s->size[2]; }

static void stop(const char *what) {
    fprintf(stderr, "thresholds: %s\n", what);
    exit(1);
}

static void run_range(void *context) {
    scene *s = context;
    s->range = TK_RANGE_NONE;
    tk_range_of(tk_read_f32(s->image), &s->range, &s->work);
}

static bool verify_range(void *context) {
    const scene *s = context;
    return s->range.lo >= 0 && s->range.hi <= 1 && s->range.hi - s->range.lo > 0.99F;
}

static void run_histogram(void *context) {
    scene *s = context;
    memset(s->counts, 0, BINS * sizeof *s->counts);
    if (tk_histogram_count(tk_read_f32(s->image), s->range, BINS, s->counts, &s->work) != TK_OK) stop("out of memory");
}

static bool verify_histogram(void *context) {
    const scene *s = context;
    int64_t sum = 0;
    for (int b = 0; b < BINS; b++) sum += s->counts[b];
    return sum == voxels(s);
}

static void run_otsu(void *context) {
    scene *s = context;
    if (!tk_level_otsu(&(tk_level_histogram){s->counts, BINS, false}, &s->level)) stop("no threshold");
}

/* Voxels are uniform: one threshold halves them, three quarter them. */
static bool verify_otsu(void *context) {
    const scene *s = context;
    return fabs(s->level / BINS - 0.5) < 0.02;
}

static void run_multi_otsu(void *context) {
    scene *s = context;
    const tk_level_histogram h = {s->counts, BINS, false};
    if (tk_level_multi_otsu(&h, CLASSES, s->levels, &s->work.scratch) != TK_OK) stop("no thresholds");
}

static bool verify_multi_otsu(void *context) {
    const scene *s = context;
    for (int c = 1; c < CLASSES; c++)
        if (fabs((double)s->levels[c - 1] / BINS - (double)c / CLASSES) > 0.02) return false;
    return true;
}

static void run_local(void *context) {
    scene *s = context;
    const tk_box all = tk_box_of_size(s->size);
    if (tk_local_threshold_apply(&s->local, &all, &all, tk_read_f32(s->image), &all, s->mask, &s->work) != TK_OK)
        stop("the local threshold failed");
}

static double voxel_at(const scene *s, int64_t z, int64_t y, int64_t x) {
    return (double)s->image.data[(z * s->size[1] + y) * s->size[2] + x];
}

/* The mean of boxes inside the image, visited. The other methods are held against references by the unit tests. */
static bool verify_local(void *context) {
    const scene *s = context;
    const int64_t *r = s->local.radius;
    if (s->local.method != TK_LOCAL_MEAN) return true;
    for (int i = 0; i < SAMPLES; i++) {
        tk_rng rng = tk_rng_stream(1, 1, (uint64_t)i);
        int64_t at[3];
        double sum = 0;
        for (int a = 0; a < 3; a++) at[a] = r[a] + (int64_t)(tk_rng_uniform(&rng) * (double)(s->size[a] - 2 * r[a]));
        for (int64_t z = -r[0]; z <= r[0]; z++)
            for (int64_t y = -r[1]; y <= r[1]; y++)
                for (int64_t x = -r[2]; x <= r[2]; x++) sum += voxel_at(s, at[0] + z, at[1] + y, at[2] + x);
        const double mean = sum / (double)((2 * r[0] + 1) * (2 * r[1] + 1) * (2 * r[2] + 1));
        const double v = voxel_at(s, at[0], at[1], at[2]);
        const uint8_t found = s->mask.data[(at[0] * s->size[1] + at[1]) * s->size[2] + at[2]];
        if (fabs(v - mean) > 1e-4 && found != (v > mean)) return false;
    }
    return true;
}

static void measure(bench *b, scene *s, const char *name, void (*run)(void *), bool (*verify)(void *), double bytes,
                    double copy) {
    const bench_case c = {name, s->work.threads, run, verify, s, bytes * (double)voxels(s), 0};
    const bench_time time = bench_run(b, &c);
    if (time.least <= 0) return;
    bench_figure(b, "  speed", 1e-6 * (double)voxels(s) / time.least, "Mvoxel/s");
    bench_figure(b, "  speed of a core", 1e-6 * (double)voxels(s) / time.least / s->work.threads, "Mvoxel/s");
    bench_figure(b, "  of the time that copying takes", copy * bytes / 8 / time.least, "");
}

static void measure_local(bench *b, scene *s, double copy) {
    static const struct {
        const char *name;
        tk_local_method method;
        int64_t radius[3];
    } cases[] = {
        {"local mean, radius 3", TK_LOCAL_MEAN, {3, 3, 3}},
        {"sauvola, radius 2 7 7", TK_LOCAL_SAUVOLA, {2, 7, 7}},
        {"sauvola, radius 15", TK_LOCAL_SAUVOLA, {15, 15, 15}},
        {"phansalkar, radius 2 7 7", TK_LOCAL_PHANSALKAR, {2, 7, 7}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s->local.method = cases[i].method;
        memcpy(s->local.radius, cases[i].radius, sizeof s->local.radius);
        measure(b, s, cases[i].name, run_local, verify_local, 5, copy);
    }
}

static void measure_threads(bench *b, scene *s, int threads) {
    s->work.threads = threads;
    const double copy = bench_copy(b, s->image.data, s->copy.data, voxels(s), s->work.threads);
    measure(b, s, "range", run_range, verify_range, 4, copy);
    run_range(s);
    measure(b, s, "histogram, 4096 bins", run_histogram, verify_histogram, 4, copy);
    run_histogram(s);
    measure_local(b, s, copy);
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "thresholds", argc, argv);
    scene s = {.size = {b.quick ? 48 : 128, b.quick ? 128 : 512, b.quick ? 128 : 512},
               .local = {.radius = {15, 15, 15},
                         .factor = 1,
                         .floor = -1,
                         .k = 0.2,
                         .r = 0.5,
                         .p = 2,
                         .q = 10,
                         .levels = {0, 1.0 / 65535, 65535}},
               .work = {.isa = tk_isa_detect()}};
    const size_t count = (size_t)voxels(&s);
    s.image = tk_dense_f32(bench_memory(count * sizeof(float)), s.size);
    s.copy = tk_dense_f32(bench_memory(count * sizeof(float)), s.size);
    s.mask = tk_dense_u8(bench_memory(count), s.size);
    s.counts = bench_memory(BINS * sizeof *s.counts);
    for (size_t i = 0; i < count; i++) {
        tk_rng rng = tk_rng_stream(1, 0, i);
        s.image.data[i] = (float)tk_rng_uniform(&rng);
    }
    const size_t local = tk_local_threshold_scratch(&s.local, s.size, bench_cpus());
    const size_t bins = tk_histogram_scratch(BINS, bench_cpus()), levels = tk_level_multi_otsu_scratch(BINS, CLASSES);
    if (tk_scratch_reserve(&s.work.scratch, tk_size_add(local, tk_size_add(bins, levels))) != TK_OK)
        stop("out of memory");
    for (int threads = 1; threads <= bench_cpus(); threads *= 2) measure_threads(&b, &s, threads);
    const bench_case otsu = {"otsu of 4096 bins", 1, run_otsu, verify_otsu, &s, 0, 0};
    const bench_case multi = {"multi-otsu, 4 classes of 4096 bins", 1, run_multi_otsu, verify_multi_otsu, &s, 0, 0};
    (void)bench_run(&b, &otsu), (void)bench_run(&b, &multi);
    tk_scratch_release(&s.work.scratch);
    free(s.image.data), free(s.copy.data), free(s.mask.data), free(s.counts);
    return bench_end(&b);
}
