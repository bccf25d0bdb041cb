/* Responses to Gaussian filters: against one filtered image after the other in double, and what mathematics says of
 * them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/filter/features.h"
#include "kernels/filter/tensor.h"
#include "tests/reference/features.h"
#include "tests/unit/test_volume_fixture.h"

static const tk_features_choice cases[] = {
    {TK_FEATURE_ALL, {9, 20, 70}, {1, 1, 1}, {1.6, 1.6, 1.6}, {0.5, 0.5, 0.5}, {1, 1, 1}, false},
    {TK_FEATURE_ALL, {1, 45, 290}, {1, 2, 1.5}, {1, 3, 2}, {1, 1, 1}, {1, 1, 1}, true},
    {TK_FEATURE_ALL, {40, 11, 12}, {0.7, 1.2, 1.6}, {0.4, 0.8, 1}, {2, 1, 0}, {2, 0.5, 0.5}, false},
    {TK_FEATURE_ALL, {5, 6, 4}, {2.5, 2, 1.7}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, false}, /* reach beyond the image */
    {TK_FEATURE_ALL, {7, 1, 33}, {1, 1, 1}, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}, false},
    {TK_FEATURE_ALL, {1, 1, 1}, {1, 1, 1}, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}, false},
};
enum { CASES = sizeof cases / sizeof *cases, MOST = TK_FEATURES_MOST };

static tk_features *features_for(const tk_features_choice *choice) {
    tk_features *f = NULL;
    assert_int_equal(tk_features_new(choice, &f), TK_OK);
    return f;
}

/* All outputs over `box`, one dense image after the other, from exactly the voxels that are needed. */
static float *respond(const tk_features *f, float *image, const int64_t size[3], const tk_box *box, int threads,
                      tk_isa isa) {
    int64_t halo[3], in_size[3], out_size[3];
    tk_features_halo(f, halo);
    const tk_box whole = tk_box_of_size(size), in_box = tk_box_grow(box, halo, &whole);
    for (int a = 0; a < 3; a++) in_size[a] = tk_box_size(&in_box, a), out_size[a] = tk_box_size(box, a);
    float *part = must_allocate(count_of(in_size), sizeof *part), *at = part;
    for (int64_t z = in_box.lo[0]; z < in_box.hi[0]; z++)
        for (int64_t y = in_box.lo[1]; y < in_box.hi[1]; y++, at += in_size[2])
            memcpy(at, image + (z * size[1] + y) * size[2] + in_box.lo[2], (size_t)in_size[2] * sizeof *at);
    const int64_t count = count_of(out_size);
    float *out = must_allocate(MOST * count, sizeof *out);
    tk_view_f32 view[MOST];
    for (int o = 0; o < MOST; o++) view[o] = tk_dense_f32(out + o * count, out_size);
    tk_work work = work_with(threads, isa, tk_features_scratch(f, in_size, threads));
    assert_int_equal(tk_features_apply(f, &whole, &in_box, tk_read_f32(tk_dense_f32(part, in_size)), box, view, &work),
                     TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    free(part);
    return out;
}

static void equal_the_reference(void **state) {
    (void)state;
    for (int c = 0; c < CASES; c++) {
        const tk_features_choice *choice = &cases[c];
        const int64_t *size = choice->size, count = count_of(size);
        const tk_box whole = tk_box_of_size(size);
        tk_features *f = features_for(choice);
        assert_int_equal(tk_features_count(f), size[0] == 1 ? 8 : 10);
        float *image = random_image(size, (uint64_t)c), *out = respond(f, image, size, &whole, 1, TK_ISA_BASELINE);
        double *expected = must_allocate(MOST * count, sizeof *expected), *row[MOST];
        for (int o = 0; o < MOST; o++) row[o] = expected + o * count;
        ref_features(image, size, choice->sigma, choice->second, choice->outer, choice->unit, row);
        for (int64_t i = 0; choice->negate && i < count; i++) row[1][i] = -row[1][i];
        const double scale = choice->unit[2] < 1 ? 10 : 1;
        for (int64_t i = 0; i < tk_features_count(f) * count; i++)
            assert_true(fabs((double)out[i] - expected[i]) < 2e-6 * scale);
        tk_features_free(f);
        free(image);
        free(out);
        free(expected);
    }
}

static void threads_and_instruction_sets_give_the_same_bits(void **state) {
    (void)state;
    for (int c = 0; c < CASES; c++) {
        tk_features *f = features_for(&cases[c]);
        const int64_t *size = cases[c].size;
        const tk_box whole = tk_box_of_size(size);
        const size_t bytes = (size_t)(tk_features_count(f) * count_of(size)) * sizeof(float);
        float *image = random_image(size, (uint64_t)c), *expected = respond(f, image, size, &whole, 1, TK_ISA_BASELINE);
        for (tk_isa isa = TK_ISA_BASELINE; isa <= tk_isa_detect(); isa++)
            for (int threads = 1; threads <= 5; threads += 2) {
                float *out = respond(f, image, size, &whole, threads, isa);
                assert_memory_equal(out, expected, bytes);
                free(out);
            }
        tk_features_free(f);
        free(image);
        free(expected);
    }
}

/* A box of the image, from the voxels around it alone, has the bits of the whole. */
static void boxes_give_the_same_bits(void **state) {
    (void)state;
    static const tk_box boxes[2] = {{{3, 4, 1}, {38, 9, 8}}, {{39, 0, 11}, {40, 3, 12}}};
    const int64_t *size = cases[2].size;
    const tk_box whole = tk_box_of_size(size);
    tk_features *f = features_for(&cases[2]);
    float *image = random_image(size, 3), *expected = respond(f, image, size, &whole, 2, tk_isa_detect());
    for (int b = 0; b < 2; b++) {
        const tk_box *box = &boxes[b];
        float *out = respond(f, image, size, box, 2, tk_isa_detect()), *at = out;
        for (int o = 0; o < tk_features_count(f); o++)
            for (int64_t z = box->lo[0]; z < box->hi[0]; z++)
                for (int64_t y = box->lo[1]; y < box->hi[1]; y++)
                    for (int64_t x = box->lo[2]; x < box->hi[2]; x++)
                        assert_true(*at++ == expected[((o * size[0] + z) * size[1] + y) * size[2] + x]);
        free(out);
    }
    tk_features_free(f);
    free(image);
    free(expected);
}

/* One response alone has the bits that it has among all; outputs without data are left out. */
static void alone_and_together_are_the_same(void **state) {
    (void)state;
    for (int c = 0; c < 3; c++) {
        const int64_t *size = cases[c].size, count = count_of(size);
        const tk_box whole = tk_box_of_size(size);
        tk_features *all = features_for(&cases[c]);
        float *image = random_image(size, 8), *expected = respond(all, image, size, &whole, 1, tk_isa_detect());
        for (unsigned feature = 1; feature < TK_FEATURE_ALL; feature <<= 1) {
            tk_features_choice choice = cases[c];
            choice.which = feature;
            tk_features *one = features_for(&choice);
            const int outputs = tk_features_count(one), first = tk_features_first(all, feature);
            float *out = must_allocate(outputs * count, sizeof *out);
            tk_view_f32 view[MOST] = {{0}};
            view[outputs - 1] = tk_dense_f32(out, size); /* the smallest eigenvalue alone */
            tk_work work = work_with(1, tk_isa_detect(), tk_features_scratch(one, size, 1));
            assert_int_equal(
                tk_features_apply(one, &whole, &whole, tk_read_f32(tk_dense_f32(image, size)), &whole, view, &work),
                TK_OK);
            assert_memory_equal(out, expected + (first + outputs - 1) * count, (size_t)count * sizeof *out);
            tk_scratch_release(&work.scratch);
            tk_features_free(one);
            free(out);
        }
        tk_features_free(all);
        free(image);
        free(expected);
    }
}

/* Far from the border: a plane z + 2 y - 2 x has a gradient of length 3 and no second derivative; z^2 - y x has the
 * Hessian's eigenvalues 2, 1 and -1. */
static void polynomials_have_their_derivatives(void **state) {
    (void)state;
    const tk_features_choice choice = {TK_FEATURE_ALL, {25, 25, 25}, {1.5, 1.5, 1.5}, {2, 2, 2}, {0.5, 0.5, 0.5},
                                       {1, 1, 1},      false};
    const int64_t *size = choice.size, count = count_of(size), centre = (12 * 25 + 12) * 25 + 12;
    const tk_box whole = tk_box_of_size(size);
    tk_features *f = features_for(&choice);
    float *image = must_allocate(count, sizeof *image);
    for (int64_t i = 0; i < count; i++) {
        const int64_t z = i / 625 - 12, y = i / 25 % 25 - 12, x = i % 25 - 12;
        image[i] = (float)(z + 2 * y - 2 * x);
    }
    float *out = respond(f, image, size, &whole, 1, tk_isa_detect());
    const double tensor[3] = {9, 0, 0}, hessian[3] = {2, 1, -1}; /* truncated at 4 sigma: 0.1 % are missing */
    assert_true(fabs((double)out[2 * count + centre] - 3) < 6e-3);
    for (int e = 0; e < 3; e++) {
        assert_true(fabs((double)out[(4 + e) * count + centre]) < 1e-5);
        assert_true(fabs((double)out[(7 + e) * count + centre] - tensor[e]) < 3e-2);
    }
    free(out);
    for (int64_t i = 0; i < count; i++) {
        const int64_t z = i / 625 - 12, y = i / 25 % 25 - 12, x = i % 25 - 12;
        image[i] = (float)(z * z - y * x);
    }
    out = respond(f, image, size, &whole, 1, tk_isa_detect());
    for (int e = 0; e < 3; e++) assert_true(fabs((double)out[(4 + e) * count + centre] - hessian[e]) < 1e-2);
    assert_true(fabs((double)out[count + centre] - 2) < 1e-2);
    tk_features_free(f);
    free(image);
    free(out);
}

enum { MATRICES = 4096 };

/* Entries of matrices of all kinds: random, nearly equal eigenvalues, of rank one, diagonal, 0; of any magnitude. */
static void make_matrices(float *entry) {
    for (int m = 0; m < MATRICES; m++) {
        tk_rng rng = tk_rng_stream(5, 5, (uint64_t)m);
        const double scale = pow(10, 30 * (tk_rng_uniform(&rng) - 0.5)),
                     v[3] = {tk_rng_normal(&rng), 1, tk_rng_normal(&rng)};
        const double noise[] = {1, 1e-3, 1e-7, 0}, rank = m % 5 == 0, equal = m % 3;
        for (int a = 0, e = 0; a < 3; a++)
            for (int b = a; b < 3; b++, e++)
                entry[e * MATRICES + m] =
                    (float)(scale * (rank * v[a] * v[b] + equal * (a == b) + noise[m % 4] * tk_rng_normal(&rng)));
    }
}

static void check_matrix(const float *entry, const float *found, int m) {
    double matrix[3][3], values[3];
    for (int a = 0, e = 0; a < 3; a++)
        for (int b = a; b < 3; b++, e++) matrix[a][b] = matrix[b][a] = (double)entry[e * MATRICES + m];
    ref_eigenvalues(matrix, 3, values);
    const double largest = fmax(fabs(values[0]), fabs(values[2]));
    for (int k = 0; k < 3; k++) assert_true(fabs((double)found[k * MATRICES + m] - values[k]) <= 1.3e-7 * largest);
    assert_true(found[m] >= found[MATRICES + m] && found[MATRICES + m] >= found[2 * MATRICES + m]);
}

static void eigenvalues_are_as_good_as_float(void **state) {
    (void)state;
    float *entry = must_allocate(6 * MATRICES, sizeof *entry), *found = must_allocate(3 * MATRICES, sizeof *found);
    float *first = must_allocate(3 * MATRICES, sizeof *first);
    make_matrices(entry);
    const float *in[6];
    for (int e = 0; e < 6; e++) in[e] = entry + e * MATRICES;
    for (tk_isa isa = TK_ISA_BASELINE; isa <= tk_isa_detect(); isa++) {
        float *to = isa == TK_ISA_BASELINE ? first : found, *out[3] = {to, to + MATRICES, to + 2 * MATRICES};
        TK_ISA_SELECT(tk_tensor, isa)->eigenvalues3(in, MATRICES, out);
        assert_memory_equal(first, to, 3 * MATRICES * sizeof *to);
    }
    for (int m = 0; m < MATRICES; m++) check_matrix(entry, first, m);
    free(entry);
    free(found);
    free(first);
}

static void a_nan_reaches_as_far_as_the_filter(void **state) {
    (void)state;
    const tk_features_choice choice = {TK_FEATURE_HESSIAN, {15, 15, 15}, {1, 1, 1}, {0}, {0}, {1, 1, 1}, false};
    const tk_box whole = tk_box_of_size(choice.size);
    tk_features *f = features_for(&choice);
    float *image = random_image(choice.size, 4);
    image[(7 * 15 + 7) * 15 + 7] = NAN;
    float *out = respond(f, image, choice.size, &whole, 1, tk_isa_detect());
    for (int64_t i = 0; i < 3375; i++) {
        const bool near = llabs(i / 225 - 7) <= 4 && llabs(i / 15 % 15 - 7) <= 4 && llabs(i % 15 - 7) <= 4;
        for (int e = 0; e < 3; e++) assert_true(isnan(out[e * 3375 + i]) == near);
    }
    tk_features_free(f);
    free(image);
    free(out);
}

static void what_is_missing_is_an_error(void **state) {
    (void)state;
    tk_features_choice wrong = cases[0];
    tk_features *f = NULL;
    wrong.which = 0;
    assert_int_equal(tk_features_new(&wrong, &f), TK_INVALID);
    wrong.which = TK_FEATURE_HESSIAN;
    wrong.sigma[1] = 0;
    assert_int_equal(tk_features_new(&wrong, &f), TK_INVALID);
    wrong.sigma[1] = NAN;
    assert_int_equal(tk_features_new(&wrong, &f), TK_INVALID);
    for (unsigned feature = TK_FEATURE_HESSIAN; feature <= TK_FEATURE_STRUCTURE; feature <<= 1) {
        tk_features_choice choice = cases[0];
        choice.which = feature;
        f = features_for(&choice);
        const int64_t *size = choice.size, count = count_of(size);
        float *image = random_image(size, 1), *out = must_allocate(3 * count, sizeof *out);
        tk_view_f32 view[3];
        for (int o = 0; o < 3; o++) view[o] = tk_dense_f32(out + o * count, size);
        const tk_box box = tk_box_of_size(size), larger = {{0, 0, 0}, {9, 20, 71}};
        const tk_cview_f32 in = tk_read_f32(tk_dense_f32(image, size));
        tk_work work = work_with(1, tk_isa_detect(), tk_features_scratch(f, size, 1));
        assert_int_equal(tk_features_apply(f, &larger, &box, in, &box, view, &work), TK_FAILED);
        tk_scratch_release(&work.scratch);
        work = work_with(1, tk_isa_detect(), tk_features_scratch(f, size, 1) / 2);
        assert_int_equal(tk_features_apply(f, &box, &box, in, &box, view, &work), TK_NO_MEMORY);
        tk_scratch_release(&work.scratch);
        tk_features_free(f);
        free(image);
        free(out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_the_reference),
        cmocka_unit_test(threads_and_instruction_sets_give_the_same_bits),
        cmocka_unit_test(boxes_give_the_same_bits),
        cmocka_unit_test(alone_and_together_are_the_same),
        cmocka_unit_test(polynomials_have_their_derivatives),
        cmocka_unit_test(eigenvalues_are_as_good_as_float),
        cmocka_unit_test(a_nan_reaches_as_far_as_the_filter),
        cmocka_unit_test(what_is_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
