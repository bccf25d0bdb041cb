/* Random forests of 100 trees on 35 features, 4 classes: prediction in voxels a second and nanoseconds a node visited,
 * (a) on smooth images, trained on 5,000 voxels of them, (b) on random values, whose neighbours have nothing in common,
 * with trees that are deep since three labels in ten are wrong; and training. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "benchmarks/bench.h"
#include "kernels/classify/forest.h"
#include "kernels/common/rng.h"
#include "kernels/filter/gaussian.h"

enum { FEATURES = 35, CLASSES = 4, TREES = 100, SAMPLES = 200, TAPS_MOST = 64 };

typedef struct scene {
    int64_t size[3];
    float *feature[FEATURES], *probability[CLASSES];
    int64_t samples;
    float *value;
    uint8_t *label;
    tk_forest_data data;
    tk_forest *forest;
    tk_work work;
} scene;

static int64_t voxels(const scene *s) { return s->size[0] * s->size[1] * s->size[2]; }

static void stop(const char *what) {
    fprintf(stderr, "forest: %s\n", what);
    exit(1);
}

static double uniform(uint32_t purpose, int64_t index) {
    tk_rng rng = tk_rng_stream(1, purpose, (uint64_t)index);
    return tk_rng_uniform(&rng);
}

static void make_random(scene *s) {
    for (int f = 0; f < FEATURES; f++)
        for (int64_t i = 0; i < voxels(s); i++) {
            tk_rng rng = tk_rng_stream(2, (uint32_t)f, (uint64_t)i);
            s->feature[f][i] = (float)tk_rng_normal(&rng);
        }
}

/* Gaussian filters of five noisy images at seven scales, made to a deviation of about 1. */
static void make_smooth(scene *s) {
    static const double sigmas[7] = {0.7, 1, 1.6, 2.5, 3.5, 5, 10};
    const tk_box all = tk_box_of_size(s->size);
    float taps[TAPS_MOST], *noise = bench_memory((size_t)voxels(s) * sizeof *noise);
    for (int f = 0; f < FEATURES; f++) {
        const double sigma = sigmas[f % 7];
        const int64_t radius = tk_gaussian_radius(sigma);
        const tk_gaussian gaussian = {.radius = {radius, radius, radius}, .taps = {taps, taps, taps}};
        tk_work work = {.threads = bench_cpus(), .isa = s->work.isa};
        tk_gaussian_taps(sigma, radius, taps);
        for (int64_t i = 0; i < voxels(s); i++)
            noise[i] = (float)((uniform((uint32_t)(f / 7), i) - 0.5) * 23 * pow(sigma, 1.5));
        if (tk_scratch_reserve(&work.scratch, tk_gaussian_scratch(&gaussian, s->size, work.threads)) != TK_OK ||
            tk_gaussian_apply(&gaussian, &all, &all, tk_read_f32(tk_dense_f32(noise, s->size)), &all,
                              tk_dense_f32(s->feature[f], s->size), &work) != TK_OK)
            stop("the Gaussian filter failed");
        tk_scratch_release(&work.scratch);
    }
    free(noise);
}

/* Classes by products and sums of some features; a share of the labels is random. */
static void make_samples(scene *s, int64_t samples, double wrong) {
    s->samples = samples;
    for (int64_t i = 0; i < samples; i++) {
        const int64_t at = (int64_t)(uniform(20, i) * (double)voxels(s));
        double v[FEATURES];
        for (int f = 0; f < FEATURES; f++) v[f] = (double)(s->value[f * samples + i] = s->feature[f][at]);
        s->label[i] = (uint8_t)((v[3] * v[10] + sin(2 * v[18]) + v[25] > 0) + 2 * (v[5] + v[12] * v[12] > 1));
        if (uniform(21, i) < wrong) s->label[i] = (uint8_t)(uniform(22, i) * CLASSES);
    }
}

static void run_train(void *context) {
    scene *s = context;
    const tk_samples samples = {s->samples, FEATURES, CLASSES, s->value, s->label};
    const tk_forest_choice choice = {.trees = TREES, .least = 1, .seed = 1};
    tk_forest_data_free(&s->data);
    if (tk_forest_train(&samples, &choice, s->work.threads, &s->data, NULL) != TK_OK) stop("training failed");
}

static void run_predict(void *context) {
    scene *s = context;
    if (tk_forest_predict(s->forest, voxels(s), (const float *const *)s->feature, s->probability, &s->work) != TK_OK)
        stop("prediction failed");
}

/* One voxel from root to leaf in each tree; how many inner nodes it visits. */
static int64_t walk(const scene *s, int64_t voxel, double probability[CLASSES]) {
    const tk_forest_data *d = &s->data;
    int64_t visits = 0;
    for (int c = 0; c < CLASSES; c++) probability[c] = 0;
    for (int t = 0; t < d->trees; t++) {
        int32_t n = d->root[t];
        for (; d->feature[n] >= 0; visits++) n = d->child[n] + !(s->feature[d->feature[n]][voxel] < d->threshold[n]);
        for (int c = 0; c < CLASSES; c++)
            probability[c] += (double)d->probability[(int64_t)d->child[n] * CLASSES + c] / d->trees;
    }
    return visits;
}

static bool verify_predict(void *context) {
    const scene *s = context;
    for (int i = 0; i < SAMPLES; i++) {
        const int64_t voxel = (int64_t)(uniform(23, i) * (double)voxels(s));
        double expected[CLASSES];
        (void)walk(s, voxel, expected);
        for (int c = 0; c < CLASSES; c++)
            if (fabs((double)s->probability[c][voxel] - expected[c]) > 1e-5) return false;
    }
    return true;
}

/* Trees that grow until leaves are pure tell their own samples, but for a few that they did not see. */
static bool verify_train(void *context) {
    scene *s = context;
    int64_t wrong = 0;
    for (int64_t i = 0; i < s->samples; i++) {
        int32_t n = s->data.root[0];
        while (s->data.feature[n] >= 0)
            n = s->data.child[n] + !(s->value[s->data.feature[n] * s->samples + i] < s->data.threshold[n]);
        wrong += s->data.probability[(int64_t)s->data.child[n] * CLASSES + s->label[i]] < 0.5F;
    }
    return (double)wrong < 0.37 * (double)s->samples;
}

static double visits_of(const scene *s) {
    double sum = 0, probability[CLASSES];
    for (int i = 0; i < SAMPLES; i++)
        sum += (double)walk(s, (int64_t)(uniform(23, i) * (double)voxels(s)), probability);
    return sum / SAMPLES;
}

static void measure_predict(bench *b, scene *s, const char *name) {
    const double count = (double)voxels(s);
    const bench_case c = {name, s->work.threads, run_predict, verify_predict, s, 4 * (FEATURES + CLASSES) * count, 0};
    if (tk_scratch_reserve(&s->work.scratch, tk_forest_scratch(s->forest, s->work.threads)) != TK_OK)
        stop("out of memory");
    const bench_time time = bench_run(b, &c);
    tk_scratch_release(&s->work.scratch);
    if (time.least <= 0) return;
    bench_figure(b, "  speed", 1e-6 * count / time.least, "Mvoxel/s");
    bench_figure(b, "  speed of a core, by CPU time", 1e-6 * count / time.cpu, "Mvoxel/s");
    bench_figure(b, "  a node visited, CPU time", 1e9 * time.cpu / count / visits_of(s), "ns");
    bench_figure(b, "  of the time estimated", 1e9 * time.cpu / count / tk_forest_cost(s->forest), "");
}

static void measure(bench *b, scene *s, const char *kind) {
    char name[80];
    (void)snprintf(name, sizeof name, "training, %s", kind);
    s->work.threads = bench_cpus();
    const bench_case c = {name, s->work.threads, run_train, verify_train, s, 0, 0};
    (void)bench_run(b, &c);
    if (tk_forest_new(&s->data, &s->forest) != TK_OK) stop("the forest is refused");
    bench_figure(b, "  nodes", (double)s->data.nodes, "");
    bench_figure(b, "  nodes visited by a voxel", visits_of(s), "");
    (void)snprintf(name, sizeof name, "prediction, %s", kind);
    for (int threads = 1; threads <= bench_cpus(); threads *= 2) {
        s->work.threads = threads;
        measure_predict(b, s, name);
    }
    s->work.threads = 1;
    for (int isa = TK_ISA_BASELINE; isa < (int)tk_isa_detect(); isa++) {
        s->work.isa = (tk_isa)isa;
        (void)snprintf(name, sizeof name, "prediction, %s, %s", kind, tk_isa_text(s->work.isa));
        measure_predict(b, s, name);
    }
    s->work.isa = tk_isa_detect();
    tk_forest_free(s->forest);
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "forest", argc, argv);
    scene s = {.size = {16, b.quick ? 64 : 256, 256}, .work = {.isa = tk_isa_detect()}};
    const int64_t smooth = 5000, deep = b.quick ? 10000 : 50000;
    for (int f = 0; f < FEATURES; f++) s.feature[f] = bench_memory((size_t)voxels(&s) * sizeof(float));
    for (int c = 0; c < CLASSES; c++) s.probability[c] = bench_memory((size_t)voxels(&s) * sizeof(float));
    s.value = bench_memory((size_t)deep * FEATURES * sizeof *s.value);
    s.label = bench_memory((size_t)deep);
    make_smooth(&s);
    make_samples(&s, smooth, 0.05);
    measure(&b, &s, "smooth images");
    make_random(&s);
    make_samples(&s, deep, 0.3);
    measure(&b, &s, "random values, deep trees");
    for (int f = 0; f < FEATURES; f++) free(s.feature[f]);
    for (int c = 0; c < CLASSES; c++) free(s.probability[c]);
    free(s.value), free(s.label);
    tk_forest_data_free(&s.data);
    return bench_end(&b);
}
