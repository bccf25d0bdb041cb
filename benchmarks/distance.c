/* The exact distance transform on cubes of 256 voxels an edge (512 with --large as the first argument): blobs that fill
 * about a third, voxels set at random with probability 1/2, and a single background voxel; and erosions of these masks
 * by a ball. In voxels a second and as a fraction of the time that copying takes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/bench.h"
#include "kernels/common/rng.h"
#include "kernels/distance/distance.h"
#include "kernels/filter/gaussian.h"
#include "kernels/morphology/mask.h"

enum { SAMPLES = 200, SIGMA = 5, RADIUS = 5 };

typedef struct scene {
    int64_t size[3], single; /* index of the single background voxel; −1: another mask */
    tk_distance distance;
    tk_mask_morphology erosion;
    uint8_t *mask, *eroded;
    int32_t *squared;
    float *out, *noise;
    tk_work work;
} scene;

static int64_t voxels(const scene *s) { return s->size[0] * s->size[1] * s->size[2]; }

static void stop(const char *what) {
    fprintf(stderr, "distance: %s\n", what);
    exit(1);
}

static void run_distance(void *context) {
    scene *s = context;
    const tk_cview_u8 mask = tk_read_u8(tk_dense_u8(s->mask, s->size));
    if (tk_distance_planes(&s->distance, mask, s->squared, &s->work) != TK_OK) stop("too little scratch");
    if (tk_distance_columns(&s->distance, s->size[0], s->size[1], s->size[2], s->squared, &s->work) != TK_OK)
        stop("too little scratch");
}

static void run_erosion(void *context) {
    scene *s = context;
    const tk_box all = tk_box_of_size(s->size);
    if (tk_mask_morphology_apply(&s->erosion, &all, &all, tk_read_u8(tk_dense_u8(s->mask, s->size)), &all,
                                 tk_dense_u8(s->eroded, s->size), &s->work) != TK_OK)
        stop("too little scratch");
}

/* The squared distance to the nearest background voxel in a box that reaches r voxels from this one. */
static int64_t nearest(const scene *s, const int64_t at[3], int64_t r) {
    int64_t least = INT64_MAX;
    for (int64_t z = at[0] > r ? at[0] - r : 0; z <= at[0] + r && z < s->size[0]; z++)
        for (int64_t y = at[1] > r ? at[1] - r : 0; y <= at[1] + r && y < s->size[1]; y++)
            for (int64_t x = at[2] > r ? at[2] - r : 0; x <= at[2] + r && x < s->size[2]; x++) {
                if (s->mask[(z * s->size[1] + y) * s->size[2] + x]) continue;
                const int64_t d = (z - at[0]) * (z - at[0]) + (y - at[1]) * (y - at[1]) + (x - at[2]) * (x - at[2]);
                if (d < least) least = d;
            }
    return least;
}

/* The n-th of the voxels that are looked at; its index. */
static int64_t sample(const scene *s, int n, int64_t at[3]) {
    tk_rng rng = tk_rng_stream(3, 1, (uint64_t)n);
    for (int a = 0; a < 3; a++) at[a] = (int64_t)(tk_rng_uniform(&rng) * (double)s->size[a]);
    return (at[0] * s->size[1] + at[1]) * s->size[2] + at[2];
}

static bool verify_distance(void *context) {
    const scene *s = context;
    for (int i = 0; i < SAMPLES; i++) {
        int64_t at[3];
        const int32_t found = s->squared[sample(s, i, at)];
        if (s->single < 0 && nearest(s, at, (int64_t)ceil(sqrt((double)found))) != found) return false;
        const int64_t d[3] = {at[0] - s->single / s->size[1] / s->size[2], at[1] - s->single / s->size[2] % s->size[1],
                              at[2] - s->single % s->size[2]};
        if (s->single >= 0 && found != d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) return false;
    }
    return true;
}

static bool verify_erosion(void *context) {
    const scene *s = context;
    for (int i = 0; i < SAMPLES; i++) {
        int64_t at[3];
        if (s->eroded[sample(s, i, at)] != (nearest(s, at, RADIUS) > RADIUS * RADIUS)) return false;
    }
    return true;
}

/* Smoothed noise above its mean plus half a deviation. */
static void make_blobs(scene *s) {
    bench_smooth(s->noise, s->size, SIGMA, s->out);
    const float level = bench_level(s->out, voxels(s), 0.5);
    for (int64_t i = 0; i < voxels(s); i++) s->mask[i] = s->out[i] > level;
}

static void measure_one(bench *b, const bench_case *c, const scene *s, double copy) {
    const bench_time time = bench_run(b, c);
    if (time.least <= 0) return;
    bench_figure(b, "  speed", 1e-6 * (double)voxels(s) / time.least, "Mvoxel/s");
    bench_figure(b, "  of the time that copying takes", copy * c->bytes / (8 * (double)voxels(s)) / time.least, "");
}

static void measure(bench *b, scene *s, const char *kind, double copy) {
    char distance[80], erosion[80];
    (void)snprintf(distance, sizeof distance, "distance, %s", kind);
    (void)snprintf(erosion, sizeof erosion, "erosion by a ball of %d, %s", 2 * RADIUS + 1, kind);
    const double count = (double)voxels(s);
    const bench_case cases[] = {
        {distance, s->work.threads, run_distance, verify_distance, s, 13 * count, 0},
        {erosion, s->work.threads, run_erosion, verify_erosion, s, 2 * count, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) measure_one(b, &cases[i], s, copy);
}

static void measure_threads(bench *b, scene *s, int threads) {
    s->work.threads = threads;
    const double copy = bench_copy(b, s->noise, s->out, voxels(s), s->work.threads);
    s->single = -1;
    make_blobs(s);
    measure(b, s, "blobs", copy);
    for (int64_t i = 0; i < voxels(s); i++) s->mask[i] = s->noise[i] > 0.5F;
    measure(b, s, "random", copy);
    memset(s->mask, 1, (size_t)voxels(s));
    s->single = voxels(s) / 2 + voxels(s) / 7;
    s->mask[s->single] = 0;
    measure(b, s, "one background voxel", copy);
}

/* Is that the first argument? Takes it away. */
static bool take_large(int *argc, char **argv) {
    if (*argc < 2 || strcmp(argv[1], "--large") != 0) return false;
    (*argc)--;
    for (int i = 1; i < *argc; i++) argv[i] = argv[i + 1];
    return true;
}

static void reserve(scene *s) {
    const size_t count = (size_t)voxels(s);
    s->mask = bench_memory(count);
    s->eroded = bench_memory(count);
    s->squared = bench_memory(count * sizeof *s->squared);
    s->out = bench_memory(count * sizeof *s->out);
    s->noise = bench_memory(count * sizeof *s->noise);
    for (size_t i = 0; i < count; i++) {
        tk_rng rng = tk_rng_stream(1, 0, i);
        s->noise[i] = (float)tk_rng_uniform(&rng);
    }
    /* More than the transform alone needs. */
    const size_t scratch = tk_mask_morphology_scratch(&s->erosion, s->size, bench_cpus());
    if (tk_scratch_reserve(&s->work.scratch, scratch) != TK_OK) stop("out of memory");
}

int main(int argc, char **argv) {
    bench b;
    const bool large = take_large(&argc, argv);
    bench_begin(&b, "distance", argc, argv);
    const int64_t edge = large ? 512 : b.quick ? 128 : 256, radius[3] = {RADIUS, RADIUS, RADIUS};
    scene s = {.size = {edge, edge, edge}, .work = {.isa = tk_isa_detect()}};
    s.distance = tk_distance_of((const double[3]){1, 1, 1}, s.size);
    s.erosion = tk_mask_morphology_of(TK_MASK_ERODE, radius, s.size);
    reserve(&s);
    for (int threads = 1; threads <= bench_cpus(); threads *= 2) measure_threads(&b, &s, threads);
    tk_scratch_release(&s.work.scratch);
    free(s.mask), free(s.eroded), free(s.squared), free(s.out), free(s.noise);
    return bench_end(&b);
}
