/* Perceptrons: prediction against the formula in double, and the same bits for threads, instruction sets and pieces. */
#include "kernels/classify/mlp_kernels.h"
#include "tests/reference/mlp.h"
#include "tests/unit/test_mlp_fixture.h"

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
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
