/* Perceptrons: prediction of 2 million voxels by layers of several sizes, in voxels a second, operations a second and
 * over the instruction sets' baseline; and training, in samples a second. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "benchmarks/bench.h"
#include "kernels/classify/mlp.h"
#include "kernels/common/rng.h"

enum { FEATURES_MOST = 100, CLASSES_MOST = 4, SAMPLES = 20 };

typedef struct scene {
    int64_t count;
    float *voxels, *answer; /* [FEATURES_MOST][count], [CLASSES_MOST][count] */
    const float *value[FEATURES_MOST];
    float *probability[CLASSES_MOST];
    tk_mlp_data data;
    tk_mlp *mlp;
    tk_work work;
    tk_samples samples;
    tk_mlp_choice choice;
    double loss;
} scene;

static void stop(const char *what) {
    fprintf(stderr, "mlp: %s\n", what);
    exit(1);
}

static float *normal_numbers(int64_t count, double spread, uint64_t index) {
    float *numbers = bench_memory((size_t)count * sizeof *numbers);
    tk_rng rng = tk_rng_stream(1, 0, index);
    for (int64_t i = 0; i < count; i++) numbers[i] = (float)(spread * tk_rng_normal(&rng));
    return numbers;
}

static void make_mlp(scene *s, int features, int hidden, int classes) {
    s->data = (tk_mlp_data){.features = features,
                            .hidden = hidden,
                            .classes = classes,
                            .mean = normal_numbers(features, 1, 1),
                            .scale = normal_numbers(features, 1, 2),
                            .weight1 = normal_numbers((int64_t)hidden * features, sqrt(2.0 / features), 3),
                            .bias1 = normal_numbers(hidden, 1, 4),
                            .weight2 = normal_numbers((int64_t)classes * hidden, sqrt(2.0 / hidden), 5),
                            .bias2 = normal_numbers(classes, 1, 6)};
    if (tk_mlp_new(&s->data, &s->mlp) != TK_OK) stop("no perceptron");
}

static void run_predict(void *context) {
    scene *s = context;
    if (tk_mlp_predict(s->mlp, s->count, s->value, s->probability, &s->work) != TK_OK) stop("prediction failed");
}

static double logit(const scene *s, int64_t voxel, int class) {
    const tk_mlp_data *d = &s->data;
    double sum = (double)d->bias2[class];
    for (int u = 0; u < d->hidden; u++) {
        double unit = (double)d->bias1[u];
        for (int f = 0; f < d->features; f++)
            unit += (double)d->weight1[u * d->features + f] * ((double)s->value[f][voxel] - (double)d->mean[f]) *
                    (double)d->scale[f];
        sum += (double)d->weight2[class * d->hidden + u] * fmax(unit, 0);
    }
    return sum;
}

/* Some voxels by the formula. */
static bool verify_predict(void *context) {
    const scene *s = context;
    for (int i = 0; i < SAMPLES; i++) {
        tk_rng rng = tk_rng_stream(1, 1, (uint64_t)i);
        const int64_t voxel = (int64_t)(tk_rng_uniform(&rng) * (double)s->count);
        double sum = 0;
        for (int c = 0; c < s->data.classes; c++) sum += exp(logit(s, voxel, c));
        for (int c = 0; c < s->data.classes; c++)
            if (!(fabs(exp(logit(s, voxel, c)) / sum - (double)s->probability[c][voxel]) < 1e-4)) return false;
    }
    return true;
}

static double measure_predict(bench *b, scene *s, const char *name, double baseline) {
    const tk_mlp_data *d = &s->data;
    const double voxels = (double)s->count, flops = 2.0 * d->hidden * (d->features + d->classes) * voxels;
    const double bytes = 4.0 * (d->features + d->classes) * voxels;
    const bench_case c = {name, s->work.threads, run_predict, verify_predict, s, bytes, flops};
    if (tk_scratch_reserve(&s->work.scratch, tk_mlp_scratch(s->mlp, s->work.threads)) != TK_OK) stop("out of memory");
    const bench_time time = bench_run(b, &c);
    tk_scratch_release(&s->work.scratch);
    if (time.least <= 0) return 0;
    bench_figure(b, "  speed", 1e-6 * voxels / time.least, "Mvoxel/s");
    bench_figure(b, "  speed of a CPU second", 1e-6 * voxels / time.cpu, "Mvoxel/s");
    bench_figure(b, "  operations of a CPU second", 1e-9 * flops / time.cpu, "GFLOP/s");
    if (baseline > 0) bench_figure(b, "  over the baseline", baseline / time.cpu, "");
    bench_figure(b, "  of the estimated time", 1e9 * time.cpu / voxels / tk_mlp_cost(s->mlp), "");
    return time.cpu;
}

static void measure_layers(bench *b, scene *s, int features, int hidden, int classes) {
    char name[80];
    double baseline = 0;
    make_mlp(s, features, hidden, classes);
    for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++) {
        s->work = (tk_work){.threads = 1, .isa = (tk_isa)isa};
        (void)snprintf(name, sizeof name, "predict %d-%d-%d, %s", features, hidden, classes, tk_isa_text((tk_isa)isa));
        const double cpu = measure_predict(b, s, name, baseline);
        if (isa == TK_ISA_BASELINE) baseline = cpu;
    }
    (void)snprintf(name, sizeof name, "predict %d-%d-%d", features, hidden, classes);
    for (s->work.threads = 2; s->work.threads <= bench_cpus(); s->work.threads *= 2)
        (void)measure_predict(b, s, name, baseline);
    tk_mlp_free(s->mlp);
    tk_mlp_data_free(&s->data);
}

static void run_train(void *context) {
    scene *s = context;
    tk_mlp_data learned;
    if (tk_mlp_train(&s->samples, &s->choice, s->work.threads, &learned, &s->loss) != TK_OK) stop("training failed");
    tk_mlp_data_free(&learned);
}

/* Better than a guess, whose loss is ln 2. */
static bool verify_train(void *context) {
    const scene *s = context;
    return s->loss < 0.67;
}

/* Labels: whether the signs of two features differ. */
static void measure_train(bench *b, scene *s, int features, int hidden, int epochs) {
    const int64_t count = b->quick ? 15000 : 50000;
    const double visits = 1e-6 * (double)count * epochs;
    float *value = normal_numbers(count * features, 1, 7);
    uint8_t *label = bench_memory((size_t)count);
    char name[80];
    for (int64_t i = 0; i < count; i++) label[i] = (value[i] > 0) != (value[count + i] > 0);
    s->samples = (tk_samples){count, features, 2, value, label};
    s->choice = (tk_mlp_choice){.hidden = hidden, .epochs = epochs, .rate = 1e-3, .decay = 1e-4, .seed = 1};
    (void)snprintf(name, sizeof name, "train %d-%d-2, %d epochs", features, hidden, epochs);
    for (s->work.threads = 1; s->work.threads <= bench_cpus(); s->work.threads *= 2) {
        const bench_case c = {name, s->work.threads, run_train, verify_train, s, 0, 0};
        const bench_time time = bench_run(b, &c);
        if (time.least <= 0) continue;
        bench_figure(b, "  speed", visits / time.least, "million samples/s");
        bench_figure(b, "  speed of a CPU second", visits / time.cpu, "million samples/s");
    }
    free(value), free(label);
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "mlp", argc, argv);
    scene s = {.count = b.quick ? 200000 : 2000000};
    s.voxels = normal_numbers(FEATURES_MOST * s.count, 1, 0);
    s.answer = bench_memory((size_t)(CLASSES_MOST * s.count) * sizeof *s.answer);
    for (int f = 0; f < FEATURES_MOST; f++) s.value[f] = s.voxels + f * s.count;
    for (int c = 0; c < CLASSES_MOST; c++) s.probability[c] = s.answer + c * s.count;
    measure_layers(&b, &s, 35, 64, 2);
    measure_layers(&b, &s, 12, 16, 2);
    measure_layers(&b, &s, 100, 128, 4);
    measure_train(&b, &s, 35, 64, b.quick ? 10 : 50);
    measure_train(&b, &s, 100, 256, 4);
    free(s.voxels), free(s.answer);
    return bench_end(&b);
}
