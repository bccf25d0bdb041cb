/* Training of perceptrons: gradients against differences of the loss, what is learned, and the same bits for threads
 * and instruction sets. */
#include "kernels/classify/mlp_gradient.h"
#include "tests/reference/mlp.h"
#include "tests/unit/test_mlp_fixture.h"

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
