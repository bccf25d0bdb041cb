/* Perceptrons: prediction against the formula in double, gradients against differences of the loss, and the same bits
 * for threads, instruction sets and pieces. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/classify/mlp.h"
#include "kernels/classify/mlp_gradient.h"
#include "tests/reference/mlp.h"
#include "tests/unit/test_volume_fixture.h"

/* Arrays of a perceptron with normal numbers of the given spread. */
static tk_mlp_data random_mlp(int features, int hidden, int classes, double spread) {
    tk_mlp_data d = {.features = features, .hidden = hidden, .classes = classes};
    float **const arrays[6] = {&d.mean, &d.scale, &d.weight1, &d.bias1, &d.weight2, &d.bias2};
    const int sizes[6] = {features, features, hidden * features, hidden, classes * hidden, classes};
    for (int a = 0; a < 6; a++) {
        *arrays[a] = must_allocate(sizes[a], sizeof(float));
        tk_rng rng = tk_rng_stream(3, 1, (uint64_t)a);
        for (int i = 0; i < sizes[a]; i++) (*arrays[a])[i] = (float)(spread * tk_rng_normal(&rng));
    }
    return d;
}

/* Voxels: values [feature][count] and probabilities [class][count], with pointers to their rows. */
typedef struct voxels {
    int64_t count;
    int features, classes;
    float *value, *probability;
    const float *in[TK_CLASSIFIER_FEATURES_MOST];
    float *out[TK_CLASSES_MOST];
} voxels;

static voxels make_voxels(const tk_mlp_data *d, int64_t count) {
    voxels v = {.count = count, .features = d->features, .classes = d->classes};
    v.value = random_image((const int64_t[3]){1, d->features, count}, 5);
    v.probability = must_allocate(count * d->classes, sizeof *v.probability);
    for (int f = 0; f < d->features; f++) v.in[f] = v.value + f * count;
    for (int c = 0; c < d->classes; c++) v.out[c] = v.probability + c * count;
    return v;
}

static void free_voxels(voxels *v) { free(v->value), free(v->probability); }

static void predict(const tk_mlp_data *d, voxels *v, int threads, tk_isa isa) {
    tk_mlp *mlp = NULL;
    assert_int_equal(tk_mlp_new(d, &mlp), TK_OK);
    tk_work work = work_with(threads, isa, tk_mlp_scratch(mlp, threads));
    assert_int_equal(tk_mlp_predict(mlp, v->count, v->in, v->out, &work), TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    assert_int_equal(tk_mlp_predict(mlp, v->count, v->in, v->out, &work), TK_NO_MEMORY);
    tk_mlp_free(mlp);
}

static void check_against_reference(const tk_mlp_data *d, const voxels *v, double tolerance) {
    float x[TK_CLASSIFIER_FEATURES_MOST];
    double expected[TK_CLASSES_MOST];
    for (int64_t i = 0; i < v->count; i++) {
        for (int f = 0; f < d->features; f++) x[f] = v->in[f][i];
        ref_mlp_predict(d, x, expected);
        for (int c = 0; c < d->classes; c++)
            if (!(fabs((double)v->out[c][i] - expected[c]) <= tolerance)) fail_msg("voxel %d, class %d", (int)i, c);
    }
}

/* By the baseline, then the same bits by everything else. */
static void check_prediction(int features, int hidden, int classes, int64_t count) {
    tk_mlp_data d = random_mlp(features, hidden, classes, 0.3);
    voxels v = make_voxels(&d, count);
    const size_t bytes = (size_t)(count * classes) * sizeof(float);
    float *first = must_allocate(count * classes, sizeof *first);
    predict(&d, &v, 1, TK_ISA_BASELINE);
    check_against_reference(&d, &v, 2e-5);
    memcpy(first, v.probability, bytes);
    for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++)
        for (int threads = 1; threads <= 3; threads++) {
            memset(v.probability, 0, bytes);
            predict(&d, &v, threads, (tk_isa)isa);
            assert_memory_equal(first, v.probability, bytes);
        }
    free(first), free_voxels(&v), tk_mlp_data_free(&d);
}

static void probabilities_are_those_of_the_formula(void **state) {
    (void)state;
    for (int64_t count = 0; count <= 70; count++) check_prediction(5, 7, 3, count);
    check_prediction(35, 64, 2, 13001); /* several threads */
    check_prediction(1, 1, 1, 100);
    check_prediction(3, 17, TK_CLASSES_MOST, 300);
    check_prediction(TK_CLASSIFIER_FEATURES_MOST, 3, 2, 130);
    check_prediction(2, TK_MLP_HIDDEN_MOST, 2, 130);
}

/* A voxel's bits do not depend on where it lies in a call. */
static void pieces_give_the_bits_of_the_whole(void **state) {
    (void)state;
    tk_mlp_data d = random_mlp(6, 10, 3, 0.5);
    voxels whole = make_voxels(&d, 500), part = make_voxels(&d, 500);
    predict(&d, &whole, 1, tk_isa_detect());
    for (int64_t at = 0, here; at < 500; at += here) {
        here = at % 3 ? 37 : 61;
        if (at + here > 500) here = 500 - at;
        voxels some = part;
        some.count = here;
        for (int f = 0; f < 6; f++) some.in[f] += at;
        for (int c = 0; c < 3; c++) some.out[c] += at;
        predict(&d, &some, 1, tk_isa_detect());
    }
    assert_memory_equal(whole.probability, part.probability, 3 * 500 * sizeof(float));
    free_voxels(&whole), free_voxels(&part), tk_mlp_data_free(&d);
}

static void classes_that_nobody_wants_are_not_written(void **state) {
    (void)state;
    tk_mlp_data d = random_mlp(6, 10, 3, 0.5);
    voxels all = make_voxels(&d, 100), one = make_voxels(&d, 100);
    one.out[0] = one.out[2] = NULL;
    predict(&d, &all, 1, tk_isa_detect());
    memset(one.probability, 0, 3 * 100 * sizeof(float));
    predict(&d, &one, 1, tk_isa_detect());
    assert_memory_equal(all.out[1], one.out[1], 100 * sizeof(float));
    for (int i = 0; i < 100; i++) assert_true(one.probability[i] == 0 && one.probability[200 + i] == 0);
    free_voxels(&all), free_voxels(&one), tk_mlp_data_free(&d);
}

/* A value that is not finite makes its voxel NaN, the same NaN everywhere, and no other. */
static void nan_stays_with_its_voxel(void **state) {
    (void)state;
    static const float odd[4] = {NAN, -NAN, INFINITY, -INFINITY};
    tk_mlp_data d = random_mlp(4, 9, 2, 0.5);
    d.scale[3] = 0;
    voxels good = make_voxels(&d, 150), v = make_voxels(&d, 150);
    const float nan = NAN;
    predict(&d, &good, 1, TK_ISA_BASELINE);
    for (int i = 0; i < 150; i += 3) v.value[i % 4 * 150 + i] = odd[i / 3 % 4];
    for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++) {
        predict(&d, &v, 1, (tk_isa)isa);
        for (int i = 0; i < 300; i++)
            assert_memory_equal(&v.probability[i], i % 3 == 0 ? &nan : &good.probability[i], sizeof nan);
    }
    free_voxels(&good), free_voxels(&v), tk_mlp_data_free(&d);
}

/* One feature, hidden units that pass it on, and logits of `by` times it and 0. */
static tk_mlp_data scaling_mlp(float by) {
    tk_mlp_data d = random_mlp(1, TK_MLP_GROUP, 2, 0);
    d.scale[0] = 1;
    for (int u = 0; u < TK_MLP_GROUP; u++) d.weight1[u] = 1;
    d.weight2[0] = by;
    return d;
}

/* It does not reach the logits: the hidden unit is 0. */
static void an_infinity_that_no_unit_passes_on_is_nan(void **state) {
    (void)state;
    tk_mlp_data d = scaling_mlp(1);
    voxels v = make_voxels(&d, 64);
    for (int k = 0; k < 64; k++) v.value[k] = k % 2 ? -INFINITY : -1e30F;
    predict(&d, &v, 1, tk_isa_detect());
    for (int k = 0; k < 64; k++) assert_true(k % 2 ? isnan(v.out[0][k]) : v.out[0][k] == 0.5F);
    free_voxels(&v), tk_mlp_data_free(&d);
}

static void huge_logits_do_not_overflow(void **state) {
    (void)state;
    static const float by[6] = {1, -1, 86.9F, -87.1F, 1e30F, -1e30F};
    for (int i = 0; i < 6; i++) {
        tk_mlp_data d = scaling_mlp(by[i]);
        voxels v = make_voxels(&d, 64);
        for (int k = 0; k < 64; k++) v.value[k] = (float)k / 32;
        predict(&d, &v, 1, tk_isa_detect());
        check_against_reference(&d, &v, 1e-6);
        for (int k = 0; k < 64; k++) {
            assert_true(fabsf(v.out[0][k] + v.out[1][k] - 1) < 1e-6F);
            if (fabsf(by[i] * v.value[k]) > 87) assert_true(v.out[by[i] > 0][k] == 0);
        }
        free_voxels(&v), tk_mlp_data_free(&d);
    }
}

/* Small probabilities are exact to the last bits, too: the ratio of two is the exponential. */
static void the_exponential_is_exact_to_float(void **state) {
    (void)state;
    tk_mlp_data d = scaling_mlp(-1);
    voxels v = make_voxels(&d, 5000);
    for (int k = 0; k < 5000; k++) v.value[k] = 86.9F * (float)k / 5000;
    predict(&d, &v, 1, tk_isa_detect());
    for (int k = 0; k < 5000; k++) {
        const double expected = exp(-(double)v.value[k]);
        assert_true(fabs((double)v.out[0][k] / (double)v.out[1][k] / expected - 1) < 1.6e-7);
    }
    free_voxels(&v), tk_mlp_data_free(&d);
}

/* Sums that overflow: NaN, and the same bits everywhere. */
static void sums_that_overflow_are_nan(void **state) {
    (void)state;
    tk_mlp_data d = scaling_mlp(1e30F);
    d.weight2[TK_MLP_GROUP] = -1e30F;
    voxels v = make_voxels(&d, 64);
    for (int k = 0; k < 64; k++) v.value[k] = k % 2 ? 1e30F : 1;
    for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++) {
        predict(&d, &v, 1, (tk_isa)isa);
        for (int k = 0; k < 64; k++) assert_true(k % 2 ? isnan(v.out[1][k]) : v.out[0][k] == 1);
    }
    free_voxels(&v), tk_mlp_data_free(&d);
}

static void bad_numbers_are_refused(void **state) {
    (void)state;
    tk_mlp_data d = random_mlp(3, 4, 2, 1);
    float *const arrays[6] = {d.mean, d.scale, d.weight1, d.bias1, d.weight2, d.bias2};
    const int last[6] = {2, 2, 11, 3, 7, 1};
    tk_mlp *mlp = NULL;
    for (int a = 0; a < 6; a++)
        for (int kind = 0; kind < 2; kind++) {
            const float held = arrays[a][last[a]];
            arrays[a][last[a]] = kind ? INFINITY : NAN;
            assert_int_equal(tk_mlp_new(&d, &mlp), TK_INVALID);
            assert_null(mlp);
            arrays[a][last[a]] = held;
        }
    tk_mlp_data_free(&d);
    assert_null(d.weight1);
}

static void bad_sizes_are_refused(void **state) {
    (void)state;
    static const int sizes[][3] = {{0, 4, 2},
                                   {-1, 4, 2},
                                   {TK_CLASSIFIER_FEATURES_MOST + 1, 4, 2},
                                   {3, 0, 2},
                                   {3, TK_MLP_HIDDEN_MOST + 1, 2},
                                   {3, 4, 0},
                                   {3, 4, TK_CLASSES_MOST + 1},
                                   {INT32_MAX, INT32_MAX, INT32_MAX}};
    tk_mlp *mlp = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const tk_mlp_data d = {.features = sizes[i][0], .hidden = sizes[i][1], .classes = sizes[i][2]};
        assert_int_equal(tk_mlp_new(&d, &mlp), TK_INVALID);
    }
    tk_mlp_data d = random_mlp(3, 4, 2, 1);
    assert_int_equal(tk_mlp_new(&d, &mlp), TK_OK);
    assert_true(tk_mlp_bytes(&d) >= (3 + 3 + 12 + 4 + 8 + 2) * sizeof(float));
    assert_true(tk_mlp_cost(mlp) > 0);
    tk_mlp_free(mlp), tk_mlp_data_free(&d);
}

/* ---- training ---- */

enum { LESSONS = 23 };

typedef struct lesson_plan {
    tk_mlp_shape shape;
    tk_mlp_lessons lessons;
    float *z;
    uint8_t label[LESSONS];
    int64_t index[LESSONS];
    double *numbers, *gradient;
} lesson_plan;

static lesson_plan make_plan(int features, int64_t units, int classes) {
    lesson_plan p = {.shape = {features, classes, units}};
    const int64_t numbers = tk_mlp_numbers(&p.shape);
    p.z = random_image((const int64_t[3]){1, LESSONS, features}, 8);
    p.numbers = must_allocate(numbers, sizeof *p.numbers);
    p.gradient = must_allocate(numbers, sizeof *p.gradient);
    tk_rng rng = tk_rng_stream(8, 2, 0);
    for (int64_t i = 0; i < numbers; i++) p.numbers[i] = 0.5 * tk_rng_normal(&rng);
    for (int i = 0; i < LESSONS; i++) p.label[i] = (uint8_t)(i * 7 % classes), p.index[i] = LESSONS - 1 - i;
    for (int c = 0; c < classes; c++) p.lessons.weight[c] = 0.5 + c;
    p.lessons.z = p.z;
    return p;
}

static void free_plan(lesson_plan *p) { free(p->z), free(p->numbers), free(p->gradient); }

static double loss_of(lesson_plan *p, tk_isa isa) {
    p->lessons.label = p->label;
    for (int64_t i = 0; i < tk_mlp_numbers(&p->shape); i++) p->gradient[i] = 0;
    return tk_mlp_gradient(TK_ISA_SELECT(tk_mlp, isa), &p->shape, p->numbers, &p->lessons, p->index, LESSONS,
                           p->gradient);
}

/* Central differences of the loss by each number. */
static void the_gradient_is_that_of_the_loss(void **state) {
    (void)state;
    const double h = 1e-6;
    lesson_plan p = make_plan(5, 2 * TK_MLP_LANES, 3);
    const int64_t numbers = tk_mlp_numbers(&p.shape);
    double *gradient = must_allocate(numbers, sizeof *gradient);
    (void)loss_of(&p, tk_isa_detect());
    memcpy(gradient, p.gradient, (size_t)numbers * sizeof *gradient);
    for (int64_t i = 0; i < numbers; i++) {
        const double held = p.numbers[i];
        p.numbers[i] = held + h;
        const double above = loss_of(&p, tk_isa_detect());
        p.numbers[i] = held - h;
        const double below = loss_of(&p, tk_isa_detect());
        p.numbers[i] = held;
        if (fabs((above - below) / (2 * h) - gradient[i]) > 1e-6) fail_msg("number %d", (int)i);
    }
    free(gradient), free_plan(&p);
}

static void the_loss_is_weighted_cross_entropy(void **state) {
    (void)state;
    lesson_plan p = make_plan(4, TK_MLP_LANES, 3);
    double expected = 0;
    tk_mlp_data d = random_mlp(4, TK_MLP_LANES, 3, 0);
    for (int64_t i = 0; i < tk_mlp_numbers(&p.shape); i++) p.numbers[i] = (double)(float)p.numbers[i];
    for (int f = 0; f < 4; f++) d.scale[f] = 1;
    for (int u = 0; u < TK_MLP_LANES; u++) {
        for (int f = 0; f < 4; f++) d.weight1[u * 4 + f] = (float)p.numbers[f * TK_MLP_LANES + u];
        for (int c = 0; c < 3; c++)
            d.weight2[c * TK_MLP_LANES + u] = (float)p.numbers[tk_mlp_at_weight2(&p.shape) + c * TK_MLP_LANES + u];
        d.bias1[u] = (float)p.numbers[tk_mlp_at_bias1(&p.shape) + u];
    }
    for (int c = 0; c < 3; c++) d.bias2[c] = (float)p.numbers[tk_mlp_at_bias2(&p.shape) + c];
    for (int i = 0; i < LESSONS; i++) {
        double probability[3];
        ref_mlp_predict(&d, p.z + (ptrdiff_t)i * 4, probability);
        expected -= p.lessons.weight[p.label[i]] * log(probability[p.label[i]]);
    }
    assert_true(fabs(loss_of(&p, tk_isa_detect()) - expected) < 1e-12 * LESSONS);
    tk_mlp_data_free(&d), free_plan(&p);
}

static void instruction_sets_train_alike(void **state) {
    (void)state;
    lesson_plan p = make_plan(7, 3 * TK_MLP_LANES, 4);
    const int64_t numbers = tk_mlp_numbers(&p.shape);
    const size_t bytes = (size_t)numbers * sizeof(double);
    double *first = must_allocate(3 * numbers, sizeof *first), *moments = must_allocate(3 * numbers, sizeof *moments);
    double first_loss = 0;
    for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++) {
        const tk_mlp_kernels *kernels = TK_ISA_SELECT(tk_mlp, isa);
        const tk_adam how = {0.1, 1e-3, 0.999, 0.81, 0.998};
        const double loss = loss_of(&p, (tk_isa)isa);
        for (int64_t i = 0; i < 2 * numbers; i++) moments[i] = 1e-3;
        memcpy(moments + 2 * numbers, p.numbers, bytes);
        kernels->add(numbers, moments, p.gradient);
        kernels->adam(&how, numbers, p.gradient, moments, moments + numbers, moments + 2 * numbers);
        if (isa == TK_ISA_BASELINE) first_loss = loss, memcpy(first, moments, 3 * bytes);
        assert_memory_equal(&loss, &first_loss, sizeof loss);
        assert_memory_equal(moments, first, 3 * bytes);
    }
    free(first), free(moments), free_plan(&p);
}

typedef struct school {
    tk_samples samples;
    float *value;
    uint8_t *label;
} school;

static school make_school(int64_t count, int features, int classes) {
    school s = {.value = random_image((const int64_t[3]){1, features, count}, 11), .label = must_allocate(count, 1)};
    memset(s.label, 0, (size_t)count);
    s.samples = (tk_samples){count, features, classes, s.value, s.label};
    return s;
}

static void free_school(school *s) { free(s->value), free(s->label); }

/* Labels: whether the signs of the first two features differ. One class comes after the other, as nobody shuffled. */
static school xor_school(int64_t count) {
    school s = make_school(count, 3, 2);
    for (int64_t i = 0; i < count; i++) {
        s.label[i] = i >= count / 2;
        s.value[count + i] = copysignf(s.value[count + i], s.label[i] ? -s.value[i] : s.value[i]);
    }
    return s;
}

/* Labels: which of three rings about the origin. */
static school ring_school(int64_t count) {
    school s = make_school(count, 2, 3);
    for (int64_t i = 0; i < count; i++) {
        const float r = hypotf(s.value[i], s.value[count + i]);
        s.label[i] = (uint8_t)((r > 0.8F) + (r > 1.5F));
        s.value[count + i] = 100 * s.value[count + i] + 1000; /* other units and an offset */
    }
    return s;
}

static tk_mlp_data must_train(const school *s, const tk_mlp_choice *choice, int threads, double *loss) {
    tk_mlp_data d;
    assert_int_equal(tk_mlp_train(&s->samples, choice, threads, &d, loss), TK_OK);
    return d;
}

/* The share of the samples of a class that the perceptron tells right. */
static double recall(const tk_mlp_data *d, const school *s, int class) {
    voxels v = make_voxels(d, s->samples.count);
    int64_t right = 0, all = 0;
    memcpy(v.value, s->value, (size_t)(s->samples.count * d->features) * sizeof(float));
    predict(d, &v, 1, tk_isa_detect());
    for (int64_t i = 0; i < v.count; i++) {
        int most = 0;
        for (int c = 1; c < d->classes; c++)
            if (v.out[c][i] > v.out[most][i]) most = c;
        if (s->label[i] != class) continue;
        all++;
        right += most == class;
    }
    free_voxels(&v);
    return (double)right / (double)all;
}

/* The mean of -ln of the probability of the class, over its samples. */
static double mean_surprise(const tk_mlp_data *d, const school *s, int class) {
    const int64_t count = s->samples.count;
    double sum = 0, all = 0, probability[TK_CLASSES_MOST];
    float x[TK_CLASSIFIER_FEATURES_MOST];
    for (int64_t i = 0; i < count; i++) {
        if (s->label[i] != class) continue;
        for (int f = 0; f < d->features; f++) x[f] = s->value[f * count + i];
        ref_mlp_predict(d, x, probability);
        sum -= log(probability[class]);
        all++;
    }
    return sum / all;
}

static void crosses_and_rings_are_learned(void **state) {
    (void)state;
    const tk_mlp_choice choice = {.hidden = 32, .epochs = 60, .rate = 5e-3, .decay = 1e-4, .seed = 1};
    school crossed = xor_school(2000), rings = ring_school(2000);
    double loss = 0;
    tk_mlp_data d = must_train(&crossed, &choice, 1, &loss);
    for (int c = 0; c < 2; c++) assert_true(recall(&d, &crossed, c) > 0.95);
    assert_true(loss < 0.15);
    tk_mlp_data_free(&d);
    d = must_train(&rings, &choice, 1, &loss);
    for (int c = 0; c < 3; c++) assert_true(recall(&d, &rings, c) > 0.93);
    assert_true(loss < 0.2);
    tk_mlp_data_free(&d), free_school(&crossed), free_school(&rings);
}

static void loss_falls(void **state) {
    (void)state;
    tk_mlp_choice choice = {.hidden = 16, .epochs = 1, .rate = 1e-3, .decay = 1e-4, .seed = 1};
    school s = xor_school(1000);
    double before = 2;
    for (; choice.epochs <= 27; choice.epochs *= 3) {
        double loss = 0;
        tk_mlp_data d = must_train(&s, &choice, 1, &loss);
        assert_true(loss > 0 && loss < 0.95 * before);
        before = loss;
        tk_mlp_data_free(&d);
    }
    free_school(&s);
}

static bool same_data(const tk_mlp_data *a, const tk_mlp_data *b) {
    const size_t f = (size_t)a->features, h = (size_t)a->hidden, c = (size_t)a->classes, one = sizeof(float);
    return !memcmp(a->mean, b->mean, f * one) && !memcmp(a->scale, b->scale, f * one) &&
           !memcmp(a->weight1, b->weight1, h * f * one) && !memcmp(a->bias1, b->bias1, h * one) &&
           !memcmp(a->weight2, b->weight2, c * h * one) && !memcmp(a->bias2, b->bias2, c * one);
}

/* Of different sizes and layers, the last so large that a batch is worth several threads. */
static void threads_do_not_change_what_is_learned(void **state) {
    (void)state;
    tk_mlp_choice choice = {.epochs = 1, .rate = 1e-3, .decay = 1e-4, .seed = 1};
    static const int64_t counts[4] = {1, 17, 4001, 12900};
    for (int i = 0; i < 4; i++) {
        school s = make_school(counts[i], i == 3 ? 20 : 3, 2);
        double loss = 0, other_loss = 0;
        for (int64_t k = 0; k < counts[i]; k++) s.label[k] = s.value[k] > 0;
        choice.hidden = i == 3 ? TK_MLP_HIDDEN_MOST : 13;
        tk_mlp_data d = must_train(&s, &choice, 1, &loss);
        for (int threads = 2; threads <= 5; threads += 3) {
            tk_mlp_data other = must_train(&s, &choice, threads, &other_loss);
            assert_true(same_data(&d, &other) && loss == other_loss);
            tk_mlp_data_free(&other);
        }
        tk_mlp_data_free(&d), free_school(&s);
    }
}

static void another_seed_learns_otherwise(void **state) {
    (void)state;
    tk_mlp_choice choice = {.hidden = 8, .epochs = 2, .rate = 1e-3, .decay = 1e-4, .seed = 1};
    school s = xor_school(500);
    tk_mlp_data first = must_train(&s, &choice, 1, NULL), again = must_train(&s, &choice, 1, NULL);
    choice.seed = 2;
    tk_mlp_data other = must_train(&s, &choice, 1, NULL);
    assert_true(same_data(&first, &again));
    assert_false(same_data(&first, &other));
    tk_mlp_data_free(&first), tk_mlp_data_free(&again), tk_mlp_data_free(&other), free_school(&s);
}

/* A class of 2 % that overlaps the other is told right as often, and classes that do not occur have no say. */
static void rare_classes_weigh_as_much(void **state) {
    (void)state;
    const tk_mlp_choice choice = {.hidden = 8, .epochs = 60, .rate = 1e-3, .decay = 1e-4, .seed = 3};
    school s = make_school(5000, 2, 5);
    for (int64_t i = 0; i < 5000; i++) {
        s.label[i] = i % 50 == 0 ? 1 : 3;
        s.value[i] += i % 50 == 0 ? 1 : -1;
    }
    double loss = 0;
    tk_mlp_data d = must_train(&s, &choice, 2, &loss);
    assert_true(recall(&d, &s, 1) > 0.75); /* 84 % where the densities cross */
    assert_true(recall(&d, &s, 3) > 0.75);
    assert_true(fabs(loss / (0.5 * (mean_surprise(&d, &s, 1) + mean_surprise(&d, &s, 3))) - 1) < 0.1);
    tk_mlp_data_free(&d), free_school(&s);
}

static double mean_square(const float *v, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += (double)v[i] * (double)v[i];
    return sum / count;
}

/* A rate of nearly nothing shows the first weights. */
static void first_weights_have_the_variance_of_he(void **state) {
    (void)state;
    const tk_mlp_choice choice = {.hidden = 500, .epochs = 1, .rate = 1e-30, .decay = 0, .seed = 3};
    school s = make_school(20, 40, 3);
    tk_mlp_data d = must_train(&s, &choice, 1, NULL);
    assert_true(fabs(mean_square(d.weight1, 500 * 40) * 40 - 1) < 0.05);
    assert_true(fabs(mean_square(d.weight2, 3 * 500) * 500 / 2 - 1) < 0.15);
    assert_true(mean_square(d.bias1, 500) < 1e-50 && mean_square(d.bias2, 3) < 1e-50);
    tk_mlp_data_free(&d), free_school(&s);
}

/* By the moments without their start at 0, the first step is the rate, whatever the gradient. */
static void the_first_step_is_the_rate(void **state) {
    (void)state;
    const tk_mlp_choice choice = {.hidden = 5, .epochs = 1, .rate = 0.125, .decay = 3, .seed = 3};
    school s = xor_school(16); /* one batch */
    tk_mlp_data d = must_train(&s, &choice, 1, NULL);
    for (int c = 0; c < 2; c++) assert_true(fabs(fabs((double)d.bias2[c]) - 0.125) < 1e-6);
    tk_mlp_data_free(&d), free_school(&s);
}

static void decay_shrinks_weights(void **state) {
    (void)state;
    tk_mlp_choice choice = {.hidden = 16, .epochs = 10, .rate = 1e-3, .decay = 0, .seed = 3};
    school s = xor_school(1000);
    tk_mlp_data free_of_it = must_train(&s, &choice, 1, NULL);
    choice.decay = 2; /* 630 steps take a factor of exp(-1.26) off a weight that no gradient holds */
    tk_mlp_data d = must_train(&s, &choice, 1, NULL);
    assert_true(mean_square(d.weight1, 16 * 3) < 0.5 * mean_square(free_of_it.weight1, 16 * 3));
    assert_true(mean_square(d.weight2, 16 * 2) < 0.5 * mean_square(free_of_it.weight2, 16 * 2));
    tk_mlp_data_free(&free_of_it), tk_mlp_data_free(&d), free_school(&s);
}

static void features_are_standardised(void **state) {
    (void)state;
    const tk_mlp_choice choice = {.hidden = 4, .epochs = 1, .rate = 1e-3, .decay = 0, .seed = 3};
    school s = make_school(1000, 3, 2);
    double sum = 0, square = 0;
    for (int64_t i = 0; i < 1000; i++) {
        s.label[i] = (uint8_t)(i % 2);
        s.value[i] = 5 * s.value[i] + 300;
        s.value[1000 + i] = 0.1F;                    /* does not vary */
        s.value[2000 + i] = i % 2 ? 1e-43F : 2e-43F; /* by less than a float can undo */
        sum += (double)s.value[i];
    }
    for (int64_t i = 0; i < 1000; i++) square += ((double)s.value[i] - sum / 1000) * ((double)s.value[i] - sum / 1000);
    tk_mlp_data d = must_train(&s, &choice, 1, NULL);
    assert_true(fabs((double)d.mean[0] / (sum / 1000) - 1) < 1e-7);
    assert_true(fabs((double)d.scale[0] * sqrt(square / 1000) - 1) < 1e-7);
    assert_true(d.scale[1] == 0 && d.scale[2] == 0);
    tk_mlp_data_free(&d), free_school(&s);
}

static void bad_choices_are_refused(void **state) {
    (void)state;
    static const tk_mlp_choice bad[] = {{0, 1, 1e-3, 0, 1},       {TK_MLP_HIDDEN_MOST + 1, 1, 1e-3, 0, 1},
                                        {4, 0, 1e-3, 0, 1},       {4, 10001, 1e-3, 0, 1},
                                        {4, 1, 0, 0, 1},          {4, 1, NAN, 0, 1},
                                        {4, 1, INFINITY, 0, 1},   {4, 1, 1e-3, -1, 1},
                                        {4, 1, 1e-3, NAN, 1},     {4, 1, -1e-3, 0, 1},
                                        {4, 1, 1e-3, INFINITY, 1}};
    school s = xor_school(50);
    tk_mlp_data d;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tk_mlp_train(&s.samples, &bad[i], 1, &d, NULL), TK_INVALID);
        assert_null(d.weight1);
    }
    free_school(&s);
}

static void bad_samples_are_refused(void **state) {
    (void)state;
    const tk_mlp_choice choice = {.hidden = 4, .epochs = 1, .rate = 1e-3, .decay = 0, .seed = 3};
    school s = xor_school(50);
    tk_mlp_data d;
    tk_samples none = s.samples, many = s.samples, flat = s.samples;
    none.count = 0, many.classes = TK_CLASSES_MOST + 1, flat.features = 0;
    assert_int_equal(tk_mlp_train(&none, &choice, 1, &d, NULL), TK_INVALID);
    assert_int_equal(tk_mlp_train(&many, &choice, 1, &d, NULL), TK_INVALID);
    assert_int_equal(tk_mlp_train(&flat, &choice, 1, &d, NULL), TK_INVALID);
    s.label[49] = 2;
    assert_int_equal(tk_mlp_train(&s.samples, &choice, 1, &d, NULL), TK_INVALID);
    s.label[49] = 0, s.value[149] = INFINITY;
    assert_int_equal(tk_mlp_train(&s.samples, &choice, 1, &d, NULL), TK_INVALID);
    free_school(&s);
}

static void training_that_diverges_says_so(void **state) {
    (void)state;
    const tk_mlp_choice leaping = {.hidden = 4, .epochs = 20, .rate = 1e200, .decay = 0, .seed = 3};
    const tk_mlp_choice beyond_float = {.hidden = 4, .epochs = 1, .rate = 1e45, .decay = 0, .seed = 3};
    school s = xor_school(50);
    tk_mlp_data d;
    assert_int_equal(tk_mlp_train(&s.samples, &leaping, 1, &d, NULL), TK_UNSOLVABLE);
    assert_int_equal(tk_mlp_train(&s.samples, &beyond_float, 1, &d, NULL), TK_UNSOLVABLE);
    assert_null(d.weight1);
    free_school(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_the_formula),
        cmocka_unit_test(pieces_give_the_bits_of_the_whole),
        cmocka_unit_test(classes_that_nobody_wants_are_not_written),
        cmocka_unit_test(nan_stays_with_its_voxel),
        cmocka_unit_test(an_infinity_that_no_unit_passes_on_is_nan),
        cmocka_unit_test(huge_logits_do_not_overflow),
        cmocka_unit_test(the_exponential_is_exact_to_float),
        cmocka_unit_test(sums_that_overflow_are_nan),
        cmocka_unit_test(bad_numbers_are_refused),
        cmocka_unit_test(bad_sizes_are_refused),
        cmocka_unit_test(the_gradient_is_that_of_the_loss),
        cmocka_unit_test(the_loss_is_weighted_cross_entropy),
        cmocka_unit_test(instruction_sets_train_alike),
        cmocka_unit_test(crosses_and_rings_are_learned),
        cmocka_unit_test(loss_falls),
        cmocka_unit_test(threads_do_not_change_what_is_learned),
        cmocka_unit_test(another_seed_learns_otherwise),
        cmocka_unit_test(rare_classes_weigh_as_much),
        cmocka_unit_test(first_weights_have_the_variance_of_he),
        cmocka_unit_test(the_first_step_is_the_rate),
        cmocka_unit_test(decay_shrinks_weights),
        cmocka_unit_test(features_are_standardised),
        cmocka_unit_test(bad_choices_are_refused),
        cmocka_unit_test(bad_samples_are_refused),
        cmocka_unit_test(training_that_diverges_says_so),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
