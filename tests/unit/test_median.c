/* The median filter: against sorting, and what NaN and constant images become. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/filter/median.h"
#include "tests/reference/median.h"
#include "tests/unit/test_volume_fixture.h"

static const struct {
    int64_t size[3];
    tk_median median;
} cases[] = {
    {{9, 40, 70}, {{1, 1, 1}, false}},  {{9, 40, 70}, {{1, 1, 1}, true}}, {{1, 35, 300}, {{0, 1, 1}, false}},
    {{1, 35, 300}, {{0, 2, 2}, false}}, {{1, 20, 90}, {{0, 1, 1}, true}}, {{40, 5, 6}, {{1, 0, 0}, false}},
    {{5, 9, 21}, {{1, 2, 2}, false}},   {{6, 7, 20}, {{2, 2, 2}, true}},  {{6, 7, 20}, {{2, 2, 2}, false}},
    {{4, 9, 17}, {{1, 3, 2}, true}},    {{3, 2, 4}, {{4, 3, 6}, false}}, /* radius beyond the image */
    {{1, 1, 1}, {{2, 2, 2}, false}},    {{3, 4, 33}, {{0, 0, 0}, true}},
};
enum { CASES = sizeof cases / sizeof *cases };

/* A box of the image, from exactly the voxels that are needed. */
static float *filter(float *image, const int64_t size[3], const tk_median *median, const tk_box *box, int threads,
                     tk_isa isa) {
    int64_t in_size[3], out_size[3];
    const tk_box whole = tk_box_of_size(size), in_box = tk_box_grow(box, median->radius, &whole);
    for (int a = 0; a < 3; a++) in_size[a] = tk_box_size(&in_box, a), out_size[a] = tk_box_size(box, a);
    float *part = must_allocate(count_of(in_size), sizeof *part), *at = part;
    for (int64_t z = in_box.lo[0]; z < in_box.hi[0]; z++)
        for (int64_t y = in_box.lo[1]; y < in_box.hi[1]; y++, at += in_size[2])
            memcpy(at, image + (z * size[1] + y) * size[2] + in_box.lo[2], (size_t)in_size[2] * sizeof *at);
    float *out = must_allocate(count_of(out_size), sizeof *out);
    tk_work work = work_with(threads, isa, tk_median_scratch(median, threads));
    assert_int_equal(tk_median_apply(median, &whole, &in_box, tk_read_f32(tk_dense_f32(part, in_size)), box,
                                     tk_dense_f32(out, out_size), &work),
                     TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    free(part);
    return out;
}

/* Random voxels, some of them equal, infinite or NaN. */
static float *hard_image(const int64_t size[3], uint64_t seed) {
    float *image = random_image(size, seed);
    for (int64_t i = 0; i < count_of(size); i++) {
        if (i % 3 == 0) image[i] = floorf(2 * image[i]);
        if (i % 11 == 0) image[i] = INFINITY;
        if (i % 13 == 0) image[i] = -INFINITY;
        if (i % 17 < 2) image[i] = NAN;
    }
    return image;
}

static void equals_sorting_for_any_threads_and_instruction_set(void **state) {
    (void)state;
    for (int c = 0; c < CASES; c++) {
        const int64_t *size = cases[c].size, count = count_of(size);
        const tk_box whole = tk_box_of_size(size);
        float *image = hard_image(size, (uint64_t)c), *expected = must_allocate(count, sizeof *expected);
        ref_median(image, size, cases[c].median.radius, cases[c].median.ball, expected);
        float *first = filter(image, size, &cases[c].median, &whole, 1, TK_ISA_BASELINE);
        for (int64_t i = 0; i < count; i++)
            assert_true(first[i] == expected[i] || (isnan(first[i]) && isnan(expected[i])));
        for (tk_isa isa = TK_ISA_BASELINE; isa <= tk_isa_detect(); isa++)
            for (int threads = 1; threads <= 3; threads += 2) {
                float *out = filter(image, size, &cases[c].median, &whole, threads, isa);
                assert_memory_equal(out, first, (size_t)count * sizeof *out);
                free(out);
            }
        free(image);
        free(expected);
        free(first);
    }
}

static void boxes_give_the_same_bits(void **state) {
    (void)state;
    static const tk_box boxes[2] = {{{1, 3, 5}, {8, 36, 62}}, {{0, 39, 69}, {1, 40, 70}}};
    const int64_t *size = cases[0].size;
    const tk_box whole = tk_box_of_size(size);
    float *image = random_image(size, 3), *expected = filter(image, size, &cases[0].median, &whole, 1, tk_isa_detect());
    for (int b = 0; b < 2; b++) {
        const tk_box *box = &boxes[b];
        float *out = filter(image, size, &cases[0].median, box, 2, tk_isa_detect()), *at = out;
        for (int64_t z = box->lo[0]; z < box->hi[0]; z++)
            for (int64_t y = box->lo[1]; y < box->hi[1]; y++)
                for (int64_t x = box->lo[2]; x < box->hi[2]; x++)
                    assert_true(*at++ == expected[(z * size[1] + y) * size[2] + x]);
        free(out);
    }
    free(image);
    free(expected);
}

/* Neighbourhoods as they are counted by hand. */
static void neighbourhoods_have_their_sizes(void **state) {
    (void)state;
    static const struct {
        tk_median median;
        int64_t voxels;
    } known[] = {{{{1, 1, 1}, false}, 27},       {{{1, 1, 1}, true}, 7},  {{{2, 2, 2}, true}, 33},
                 {{{0, 1, 1}, true}, 5},         {{{0, 2, 2}, true}, 13}, {{{3, 3, 3}, true}, 123},
                 {{{32, 32, 32}, false}, 274625}};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        assert_int_equal(tk_median_voxels(&known[k].median), known[k].voxels);
}

static void what_is_missing_is_an_error(void **state) {
    (void)state;
    const int64_t size[3] = {4, 5, 6};
    const tk_box box = tk_box_of_size(size), larger = {{0, 0, 0}, {4, 5, 7}};
    const tk_median median = {{1, 1, 1}, false};
    float *image = random_image(size, 1), *out = must_allocate(count_of(size), sizeof *out);
    const tk_cview_f32 in = tk_read_f32(tk_dense_f32(image, size));
    tk_work work = work_with(1, TK_ISA_BASELINE, tk_median_scratch(&median, 1));
    assert_int_equal(tk_median_apply(&median, &larger, &box, in, &box, tk_dense_f32(out, size), &work), TK_FAILED);
    tk_scratch_release(&work.scratch);
    work = work_with(1, TK_ISA_BASELINE, tk_median_scratch(&median, 1) - 64);
    assert_int_equal(tk_median_apply(&median, &box, &box, in, &box, tk_dense_f32(out, size), &work), TK_NO_MEMORY);
    tk_scratch_release(&work.scratch);
    free(image);
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_sorting_for_any_threads_and_instruction_set),
        cmocka_unit_test(boxes_give_the_same_bits),
        cmocka_unit_test(neighbourhoods_have_their_sizes),
        cmocka_unit_test(what_is_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
