/* The Gaussian filter: against direct sums in double, and what mathematics says of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/filter/gaussian.h"
#include "tests/reference/gaussian.h"
#include "tests/unit/test_volume_fixture.h"

enum { TAPS_MOST = 256 };

typedef struct filter {
    tk_gaussian gaussian;
    float taps[3][TAPS_MOST];
} filter;

static void make_filter(const double sigma[3], filter *f) {
    for (int a = 0; a < 3; a++) {
        f->gaussian.radius[a] = tk_gaussian_radius(sigma[a]);
        assert_true(f->gaussian.radius[a] < TAPS_MOST);
        tk_gaussian_taps(sigma[a], f->gaussian.radius[a], f->taps[a]);
        f->gaussian.taps[a] = f->taps[a];
    }
}

/* The whole image at once. */
static float *smooth(float *in, const int64_t size[3], const double sigma[3], int threads, tk_isa isa) {
    filter f;
    make_filter(sigma, &f);
    float *out = must_allocate(count_of(size), sizeof *out);
    tk_work work = work_with(threads, isa, tk_gaussian_scratch(&f.gaussian, size, threads));
    const tk_box box = tk_box_of_size(size);
    const tk_view_f32 view = tk_dense_f32(in, size);
    assert_int_equal(
        tk_gaussian_apply(&f.gaussian, &box, &box, tk_read_f32(view), &box, tk_dense_f32(out, size), &work), TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    return out;
}

static const struct {
    int64_t size[3];
    double sigma[3];
} cases[] = {
    {{5, 40, 300}, {1, 1, 1}},     {{1, 70, 530}, {0, 2, 1.5}},  {{9, 7, 3}, {2, 3, 4.2}}, /* radius beyond the image */
    {{1, 1, 1}, {3, 3, 3}},        {{33, 1, 65}, {1.3, 0.7, 2}}, {{3, 100, 17}, {0.4, 6, 0.1}},
    {{40, 5, 64}, {0.8, 0, 0.13}}, {{2, 3, 257}, {5, 5, 9}},
};
enum { CASES = sizeof cases / sizeof *cases };

static void equals_the_reference(void **state) {
    (void)state;
    for (int c = 0; c < CASES; c++) {
        float *in = random_image(cases[c].size, (uint64_t)c);
        const int64_t count = count_of(cases[c].size);
        double *expected = must_allocate(count, sizeof *expected);
        ref_gaussian(in, cases[c].size, cases[c].sigma, expected);
        float *out = smooth(in, cases[c].size, cases[c].sigma, 1, TK_ISA_BASELINE);
        for (int64_t i = 0; i < count; i++) assert_true(fabs((double)out[i] - expected[i]) < 3e-6);
        free(in);
        free(expected);
        free(out);
    }
}

static void threads_and_instruction_sets_give_the_same_bits(void **state) {
    (void)state;
    for (int c = 0; c < CASES; c++) {
        float *in = random_image(cases[c].size, (uint64_t)c);
        const size_t bytes = (size_t)count_of(cases[c].size) * sizeof *in;
        float *expected = smooth(in, cases[c].size, cases[c].sigma, 1, TK_ISA_BASELINE);
        for (tk_isa isa = TK_ISA_BASELINE; isa <= tk_isa_detect(); isa++)
            for (int threads = 1; threads <= 5; threads += 2) {
                float *out = smooth(in, cases[c].size, cases[c].sigma, threads, isa);
                assert_memory_equal(out, expected, bytes);
                free(out);
            }
        free(in);
        free(expected);
    }
}

/* An impulse away from the border becomes the product of the weights, whose sum is 1. */
static void an_impulse_becomes_the_weights(void **state) {
    (void)state;
    const int64_t size[3] = {21, 23, 25};
    const double sigma[3] = {1, 1.5, 2};
    float *in = must_allocate(count_of(size), sizeof *in);
    for (int64_t i = 0; i < count_of(size); i++) in[i] = 0;
    in[(10 * size[1] + 11) * size[2] + 12] = 1;
    float *out = smooth(in, size, sigma, 2, tk_isa_detect());
    filter f;
    make_filter(sigma, &f);
    double sum = 0;
    for (int64_t i = 0; i < count_of(size); i++) {
        const int64_t at[3] = {llabs(i / (size[1] * size[2]) - 10), llabs(i / size[2] % size[1] - 11),
                               llabs(i % size[2] - 12)};
        double weight = 1;
        for (int a = 0; a < 3; a++) weight *= at[a] <= f.gaussian.radius[a] ? (double)f.taps[a][at[a]] : 0;
        assert_true(fabs((double)out[i] - weight) <= 1e-6 * weight);
        sum += (double)out[i];
    }
    assert_true(fabs(sum - 1) < 1e-5);
    free(in);
    free(out);
}

static void no_sigma_leaves_every_bit(void **state) {
    (void)state;
    const int64_t size[3] = {3, 35, 270};
    const double sigma[3] = {0, 0, 0};
    float *in = random_image(size, 5);
    float *out = smooth(in, size, sigma, 2, tk_isa_detect());
    assert_memory_equal(in, out, (size_t)count_of(size) * sizeof *in);
    free(in);
    free(out);
}

static void what_is_missing_is_an_error(void **state) {
    (void)state;
    const int64_t size[3] = {8, 8, 8};
    const double sigma[3] = {1, 1, 1};
    filter f;
    make_filter(sigma, &f);
    float *in = random_image(size, 5), *out = must_allocate(count_of(size), sizeof *out);
    const tk_box image = {{0, 0, 0}, {8, 8, 9}}, box = tk_box_of_size(size);
    tk_work work = work_with(1, TK_ISA_BASELINE, tk_gaussian_scratch(&f.gaussian, size, 1));
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(in, size));
    assert_int_equal(tk_gaussian_apply(&f.gaussian, &image, &box, view, &box, tk_dense_f32(out, size), &work),
                     TK_FAILED);
    tk_scratch_release(&work.scratch);
    work = work_with(1, TK_ISA_BASELINE, tk_gaussian_scratch(&f.gaussian, size, 1) - 64);
    assert_int_equal(tk_gaussian_apply(&f.gaussian, &box, &box, view, &box, tk_dense_f32(out, size), &work),
                     TK_NO_MEMORY);
    tk_scratch_release(&work.scratch);
    free(in);
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),
        cmocka_unit_test(threads_and_instruction_sets_give_the_same_bits),
        cmocka_unit_test(an_impulse_becomes_the_weights),
        cmocka_unit_test(no_sigma_leaves_every_bit),
        cmocka_unit_test(what_is_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
