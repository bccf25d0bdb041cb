/* Morphology: erosions and top-hats with boxes, balls and paraboloids on a volume of 128 x 512 x 512, in voxels a
 * second and as a fraction of what copying the same voxels costs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "benchmarks/bench.h"
#include "kernels/common/rng.h"
#include "kernels/morphology/morphology.h"

enum { SAMPLES = 50 };

typedef struct scene {
    int64_t size[3];
    tk_view_f32 image, out;
    tk_morphology how;
    tk_work work;
} scene;

static const struct {
    const char *name;
    tk_morphology how;
} cases[] = {
    {"erode, box of 15", {TK_MORPHOLOGY_ERODE, TK_MORPHOLOGY_BOX, {7, 7, 7}, 0}},
    {"tophat, box of 15", {TK_MORPHOLOGY_TOPHAT, TK_MORPHOLOGY_BOX, {7, 7, 7}, 0}},
    {"tophat, box of 63", {TK_MORPHOLOGY_TOPHAT, TK_MORPHOLOGY_BOX, {31, 31, 31}, 0}},
    {"erode, ball of 5", {TK_MORPHOLOGY_ERODE, TK_MORPHOLOGY_BALL, {2, 2, 2}, 0}},
    {"erode, ball of 15", {TK_MORPHOLOGY_ERODE, TK_MORPHOLOGY_BALL, {7, 7, 7}, 0}},
    {"tophat, ball of 15", {TK_MORPHOLOGY_TOPHAT, TK_MORPHOLOGY_BALL, {7, 7, 7}, 0}},
    {"tophat, paraboloid of 15", {TK_MORPHOLOGY_TOPHAT, TK_MORPHOLOGY_PARABOLOID, {7, 7, 7}, 0.2}},
    {"tophat, paraboloid of 63", {TK_MORPHOLOGY_TOPHAT, TK_MORPHOLOGY_PARABOLOID, {31, 31, 31}, 0.2}},
};
enum { CASES = sizeof cases / sizeof *cases };

static int64_t voxels(const scene *s) { return s->size[0] * s->size[1] * s->size[2]; }

static void stop(const char *what) {
    fprintf(stderr, "morphology: %s\n", what);
    exit(1);
}

static void run_morphology(void *context) {
    scene *s = context;
    const tk_box all = tk_box_of_size(s->size);
    if (tk_morphology_apply(&s->how, &all, &all, tk_read_f32(s->image), &all, s->out, &s->work) != TK_OK)
        stop("the filter failed");
}

static double part(int64_t d, int64_t r) { return (double)(d * d) / (double)(r * r); }

/* The erosion of a voxel that is not near the border. */
static double eroded(const scene *s, const int64_t at[3]) {
    const int64_t *r = s->how.radius;
    double least = INFINITY;
    for (int64_t z = -r[0]; z <= r[0]; z++)
        for (int64_t y = -r[1]; y <= r[1]; y++)
            for (int64_t x = -r[2]; x <= r[2]; x++) {
                if (s->how.shape == TK_MORPHOLOGY_BALL && part(z, r[0]) + part(y, r[1]) + part(x, r[2]) > 1 + 1e-9)
                    continue;
                const float v = s->image.data[((at[0] + z) * s->size[1] + at[1] + y) * s->size[2] + at[2] + x];
                least = fmin(least, (double)v);
            }
    return least;
}

/* Erosions are computed anew here and there; top-hats are between nothing and the image. */
static bool verify(void *context) {
    const scene *s = context;
    if (s->how.operation == TK_MORPHOLOGY_TOPHAT) {
        for (int64_t i = 0; i < voxels(s); i++)
            if (!(s->out.data[i] >= -1e-6F && s->out.data[i] <= s->image.data[i])) return false;
        return true;
    }
    for (int i = 0; i < SAMPLES; i++) {
        tk_rng rng = tk_rng_stream(1, 1, (uint64_t)i);
        int64_t at[3];
        for (int a = 0; a < 3; a++) {
            const int64_t r = s->how.radius[a];
            at[a] = r + (int64_t)(tk_rng_uniform(&rng) * (double)(s->size[a] - 2 * r));
        }
        const float found = s->out.data[(at[0] * s->size[1] + at[1]) * s->size[2] + at[2]];
        if ((double)found != eroded(s, at)) return false;
    }
    return true;
}

static void measure_threads(bench *b, scene *s, int threads) {
    s->work.threads = threads;
    const double bytes = 8.0 * (double)voxels(s);
    const double copy = bench_copy(b, s->image.data, s->out.data, voxels(s), s->work.threads);
    for (int i = 0; i < CASES; i++) {
        const bench_case c = {cases[i].name, threads, run_morphology, verify, s, bytes, 0};
        s->how = cases[i].how;
        const bench_time time = bench_run(b, &c);
        if (time.least <= 0) continue;
        bench_figure(b, "  speed", 1e-6 * (double)voxels(s) / time.least, "Mvoxel/s");
        bench_figure(b, "  CPU time of a voxel", 1e9 * time.cpu / (double)voxels(s), "ns");
        bench_figure(b, "  of the time that copying takes", copy / time.least, "");
    }
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "morphology", argc, argv);
    scene s = {.size = {b.quick ? 96 : 128, b.quick ? 128 : 512, b.quick ? 128 : 512},
               .work = {.isa = tk_isa_detect()}};
    const size_t count = (size_t)voxels(&s);
    size_t most = 0;
    s.image = tk_dense_f32(bench_memory(count * sizeof(float)), s.size);
    s.out = tk_dense_f32(bench_memory(count * sizeof(float)), s.size);
    for (size_t i = 0; i < count; i++) {
        tk_rng rng = tk_rng_stream(1, 0, i);
        s.image.data[i] = (float)tk_rng_uniform(&rng);
    }
    bench_volume(&b, "random", "float32", sizeof(float), s.size, s.image.data);
    for (int i = 0; i < CASES; i++) {
        const size_t scratch = tk_morphology_scratch(&cases[i].how, s.size, s.size, bench_cpus());
        most = scratch > most ? scratch : most;
    }
    if (tk_scratch_reserve(&s.work.scratch, most) != TK_OK) stop("out of memory");
    for (int threads = 1; threads <= bench_cpus(); threads *= 2) measure_threads(&b, &s, threads);
    tk_scratch_release(&s.work.scratch);
    free(s.image.data), free(s.out.data);
    return bench_end(&b);
}
