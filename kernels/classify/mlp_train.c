/* Training of a perceptron (mlp.h): standardisation, batches, and Adam over the gradient of mlp_gradient.c.
 *
 * A batch is cut into parts of PART samples, whose gradients are added up in their order: the same sum for any number
 * of threads. Training is in double; its inputs are the float values that prediction standardises. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/classify/mlp.h"
#include "kernels/classify/mlp_gradient.h"
#include "kernels/common/rng.h"

enum { PART = 32, PARTS_MOST = 8, BATCH_LEAST = 16, BATCH_MOST = PART * PARTS_MOST, BATCHES = 50 };
enum { EPOCHS_MOST = 10000 };
/* Samples times numbers that a thread must have in a batch, some 0.4 ms: with less, waiting for each other costs more
 * than it saves, most of all where others use the processors, too. */
enum { THREAD_WORK = 1000000 };
enum { DRAW_WEIGHT1, DRAW_WEIGHT2, DRAW_ORDER }; /* purposes of random streams */

typedef struct training {
    const tk_mlp_kernels *kernels;
    const tk_mlp_choice *choice;
    tk_mlp_shape shape;
    tk_mlp_lessons lessons;
    int threads, workers; /* in all; on a batch */
    int64_t count;
    int64_t *order;                  /* [count]: the samples, shuffled */
    float *z;                        /* [count][features] */
    double *numbers, *mean, *square; /* [tk_mlp_numbers]: what is trained, and its moments */
    double *gradient;                /* [PARTS_MOST][tk_mlp_numbers] */
    tk_adam adam;
} training;

/* ---- checks ---- */

static bool choice_valid(const tk_mlp_choice *c) {
    return c->hidden >= 1 && c->hidden <= TK_MLP_HIDDEN_MOST && c->epochs >= 1 && c->epochs <= EPOCHS_MOST &&
           isfinite(c->rate) && c->rate > 0 && isfinite(c->decay) && c->decay >= 0;
}

static bool samples_valid(const tk_samples *s) {
    if (s->count < 1 || s->features < 1 || s->features > TK_CLASSIFIER_FEATURES_MOST) return false;
    if (s->classes < 1 || s->classes > TK_CLASSES_MOST) return false;
    for (int64_t i = 0; i < s->count; i++)
        if (s->label[i] >= s->classes) return false;
    for (int64_t i = 0; i < s->features * s->count; i++)
        if (!isfinite(s->value[i])) return false;
    return true;
}

/* ---- what is learned from ---- */

/* Mean and 1 / standard deviation of a feature; the scale is 0 where that is no number of float. */
static void standardise(const float *value, int64_t count, float *mean, float *scale) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)value[i];
    const double middle = sum / (double)count;
    for (int64_t i = 0; i < count; i++) square += ((double)value[i] - middle) * ((double)value[i] - middle);
    const float by = (float)(1 / sqrt(square / (double)count));
    *mean = (float)middle;
    *scale = isfinite(by) ? by : 0;
}

static void prepare_lessons(training *t, const tk_samples *samples, tk_mlp_data *data) {
    const int64_t features = samples->features;
#pragma omp parallel for num_threads(t->threads) schedule(static)
    for (int64_t f = 0; f < features; f++) {
        const float *value = samples->value + f * samples->count;
        standardise(value, samples->count, &data->mean[f], &data->scale[f]);
        for (int64_t i = 0; i < samples->count; i++)
            t->z[i * features + f] = (value[i] - data->mean[f]) * data->scale[f];
    }
    t->lessons.z = t->z;
    t->lessons.label = samples->label;
}

/* Each class that occurs gets the same weight in sum, and a sample 1 on average. */
static void weigh_classes(training *t, const tk_samples *samples) {
    int64_t of[TK_CLASSES_MOST] = {0};
    int occur = 0;
    for (int64_t i = 0; i < samples->count; i++) of[samples->label[i]]++;
    for (int c = 0; c < samples->classes; c++) occur += of[c] > 0;
    for (int c = 0; c < samples->classes; c++)
        t->lessons.weight[c] = of[c] ? (double)samples->count / ((double)occur * (double)of[c]) : 0;
}

/* ---- training ---- */

/* Normal weights and no bias: He's rule, which doubles the variance behind units that are 0 half of the time. */
static void draw_numbers(training *t) {
    const tk_mlp_shape *s = &t->shape;
    const uint64_t seed = t->choice->seed;
    const double spread1 = sqrt(1.0 / s->features), spread2 = sqrt(2.0 / t->choice->hidden);
    for (int64_t u = 0; u < t->choice->hidden; u++) {
        tk_rng rng1 = tk_rng_stream(seed, DRAW_WEIGHT1, (uint64_t)u);
        tk_rng rng2 = tk_rng_stream(seed, DRAW_WEIGHT2, (uint64_t)u);
        for (int f = 0; f < s->features; f++) t->numbers[f * s->units + u] = spread1 * tk_rng_normal(&rng1);
        for (int c = 0; c < s->classes; c++)
            t->numbers[tk_mlp_at_weight2(s) + c * s->units + u] = spread2 * tk_rng_normal(&rng2);
    }
}

static void shuffle(training *t, int epoch) {
    tk_rng rng = tk_rng_stream(t->choice->seed, DRAW_ORDER, (uint64_t)epoch);
    for (int64_t i = t->count - 1; i > 0; i--) {
        const int64_t j = (int64_t)(tk_rng_uniform(&rng) * (double)(i + 1)), held = t->order[i];
        t->order[i] = t->order[j];
        t->order[j] = held;
    }
}

/* The gradient of a batch, in the first part's; the loss. */
static double descend(training *t, const int64_t *index, int64_t count) {
    const int64_t parts = (count + PART - 1) / PART, numbers = tk_mlp_numbers(&t->shape);
    double part_loss[PARTS_MOST], loss = 0;
#pragma omp parallel for num_threads(t->workers) schedule(static)
    for (int64_t p = 0; p < parts; p++) {
        double *gradient = t->gradient + p * numbers;
        const int64_t from = p * PART, here = count - from < PART ? count - from : PART;
        memset(gradient, 0, (size_t)numbers * sizeof *gradient);
        part_loss[p] = tk_mlp_gradient(t->kernels, &t->shape, t->numbers, &t->lessons, index + from, here, gradient);
    }
    for (int64_t p = 0; p < parts; p++) {
        loss += part_loss[p];
        if (p > 0) t->kernels->add(numbers, t->gradient + p * numbers, t->gradient);
    }
    return loss;
}

static void adam_on(training *t, double keep, int64_t from, int64_t to) {
    t->adam.keep = keep;
    t->kernels->adam(&t->adam, to - from, t->gradient + from, t->mean + from, t->square + from, t->numbers + from);
}

/* A step of Adam; biases do not decay. */
static void step(training *t, int64_t batch) {
    const tk_mlp_shape *s = &t->shape;
    const int64_t bias1 = tk_mlp_at_bias1(s), weight2 = tk_mlp_at_weight2(s), bias2 = tk_mlp_at_bias2(s);
    const double keep = 1 - t->choice->rate * t->choice->decay;
    t->adam.scale = 1 / (double)batch;
    t->adam.mean_left *= TK_ADAM_MEAN;
    t->adam.square_left *= TK_ADAM_SQUARE;
    adam_on(t, keep, 0, bias1);
    adam_on(t, 1, bias1, weight2);
    adam_on(t, keep, weight2, bias2);
    adam_on(t, 1, bias2, tk_mlp_numbers(s));
}

/* The most samples of a batch: batches of an epoch differ by one at most. */
static int64_t batch_most(int64_t count) {
    const int64_t size = count / BATCHES;
    return size < BATCH_LEAST ? BATCH_LEAST : size > BATCH_MOST ? BATCH_MOST : size;
}

/* How many threads are of use on a batch, at most as many as it has parts. */
static int workers_of(const training *t) {
    const int64_t most = batch_most(t->count), parts = (most + PART - 1) / PART;
    int64_t workers = most * tk_mlp_numbers(&t->shape) / THREAD_WORK;
    if (workers > parts) workers = parts;
    if (workers > t->threads) workers = t->threads;
    return workers < 1 ? 1 : (int)workers;
}

/* The mean loss of an epoch, or a number that is not finite when training has diverged. */
static double run_epoch(training *t, int epoch) {
    const int64_t most = batch_most(t->count), batches = (t->count + most - 1) / most;
    const int64_t size = t->count / batches, larger = t->count % batches;
    const int64_t *index = t->order;
    double loss = 0;
    shuffle(t, epoch);
    for (int64_t b = 0; b < batches; b++) {
        const int64_t here = size + (b < larger);
        loss += descend(t, index, here);
        step(t, here);
        index += here;
    }
    return loss / (double)t->count;
}

/* Rounds what was trained to float; false when a number is not finite. */
static bool hand_over(const training *t, tk_mlp_data *data) {
    const tk_mlp_shape *s = &t->shape;
    const double *bias1 = t->numbers + tk_mlp_at_bias1(s), *weight2 = t->numbers + tk_mlp_at_weight2(s);
    const double *bias2 = t->numbers + tk_mlp_at_bias2(s);
    bool finite = true;
    for (int64_t u = 0; u < data->hidden; u++) {
        finite &= isfinite(data->bias1[u] = (float)bias1[u]) != 0;
        for (int64_t f = 0; f < s->features; f++)
            finite &= isfinite(data->weight1[u * s->features + f] = (float)t->numbers[f * s->units + u]) != 0;
        for (int64_t c = 0; c < s->classes; c++)
            finite &= isfinite(data->weight2[c * data->hidden + u] = (float)weight2[c * s->units + u]) != 0;
    }
    for (int c = 0; c < s->classes; c++) finite &= isfinite(data->bias2[c] = (float)bias2[c]) != 0;
    return finite;
}

static tk_status run(training *t, const tk_samples *samples, tk_mlp_data *data, double *loss) {
    double last = 0;
    t->workers = workers_of(t);
    prepare_lessons(t, samples, data);
    weigh_classes(t, samples);
    draw_numbers(t);
    for (int64_t i = 0; i < t->count; i++) t->order[i] = i;
    for (int epoch = 0; epoch < t->choice->epochs; epoch++) {
        last = run_epoch(t, epoch);
        if (!isfinite(last)) return TK_UNSOLVABLE;
    }
    if (loss) *loss = last;
    return hand_over(t, data) ? TK_OK : TK_UNSOLVABLE;
}

/* ---- memory ---- */

static bool allocate_training(training *t) {
    const size_t count = (size_t)t->count, numbers = (size_t)tk_mlp_numbers(&t->shape);
    t->order = calloc(count, sizeof *t->order);
    t->z = calloc(count, (size_t)t->shape.features * sizeof *t->z);
    t->numbers = calloc(numbers, sizeof *t->numbers);
    t->mean = calloc(numbers, sizeof *t->mean);
    t->square = calloc(numbers, sizeof *t->square);
    t->gradient = calloc(numbers, PARTS_MOST * sizeof *t->gradient);
    return t->order && t->z && t->numbers && t->mean && t->square && t->gradient;
}

static void free_training(training *t) {
    free(t->order), free(t->z), free(t->numbers), free(t->mean), free(t->square), free(t->gradient);
}

static bool allocate_data(tk_mlp_data *d) {
    const size_t features = (size_t)d->features, hidden = (size_t)d->hidden, classes = (size_t)d->classes;
    d->mean = calloc(features, sizeof *d->mean);
    d->scale = calloc(features, sizeof *d->scale);
    d->weight1 = calloc(hidden * features, sizeof *d->weight1);
    d->bias1 = calloc(hidden, sizeof *d->bias1);
    d->weight2 = calloc(classes * hidden, sizeof *d->weight2);
    d->bias2 = calloc(classes, sizeof *d->bias2);
    return d->mean && d->scale && d->weight1 && d->bias1 && d->weight2 && d->bias2;
}

tk_status tk_mlp_train(const tk_samples *samples, const tk_mlp_choice *choice, int threads, tk_mlp_data *data,
                       double *loss) {
    *data = (tk_mlp_data){0};
    if (!choice_valid(choice) || !samples_valid(samples)) return TK_INVALID;
    const int64_t padded = (choice->hidden + TK_MLP_LANES - 1) / TK_MLP_LANES * TK_MLP_LANES;
    training t = {.kernels = TK_ISA_SELECT(tk_mlp, tk_isa_detect()),
                  .choice = choice,
                  .shape = {samples->features, samples->classes, padded},
                  .threads = threads,
                  .count = samples->count,
                  .adam = {.rate = choice->rate, .mean_left = 1, .square_left = 1}};
    *data = (tk_mlp_data){.features = samples->features, .hidden = choice->hidden, .classes = samples->classes};
    tk_status status = allocate_data(data) && allocate_training(&t) ? TK_OK : TK_NO_MEMORY;
    if (status == TK_OK) status = run(&t, samples, data, loss);
    free_training(&t);
    if (status != TK_OK) tk_mlp_data_free(data);
    return status;
}
