/* Morphology of masks: against looking at each voxel of each ball, for any threads, instruction set and box. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/morphology/mask.h"
#include "tests/reference/morphology.h"
#include "tests/unit/test_volume_fixture.h"

static const struct {
    int64_t size[3], radius[3];
} cases[] = {
    {{6, 20, 41}, {1, 2, 2}}, {{5, 7, 67}, {2, 2, 2}}, {{1, 21, 66}, {0, 5, 5}}, {{4, 12, 5}, {0, 4, 0}},
    {{3, 2, 4}, {4, 3, 6}}, /* radius beyond the image */
    {{1, 1, 1}, {2, 0, 1}},   {{4, 5, 33}, {0, 0, 0}}, {{2, 4, 13}, {3, 9, 13}}, {{4, 6, 9}, {3, 5, 7}},
};
enum { CASES = sizeof cases / sizeof *cases, OPERATIONS = 4 };

/* A box of the image, from exactly the voxels that are needed. */
static uint8_t *filter(const uint8_t *mask, const int64_t size[3], const tk_mask_morphology *how, const tk_box *box,
                       int threads, tk_isa isa) {
    int64_t in_size[3], out_size[3];
    const tk_box whole = tk_box_of_size(size), in_box = tk_box_grow(box, how->halo, &whole);
    for (int a = 0; a < 3; a++) in_size[a] = tk_box_size(&in_box, a), out_size[a] = tk_box_size(box, a);
    uint8_t *part = must_allocate(count_of(in_size), 1), *at = part, *out = must_allocate(count_of(out_size), 1);
    for (int64_t z = in_box.lo[0]; z < in_box.hi[0]; z++)
        for (int64_t y = in_box.lo[1]; y < in_box.hi[1]; y++, at += in_size[2])
            memcpy(at, mask + (z * size[1] + y) * size[2] + in_box.lo[2], (size_t)in_size[2]);
    tk_work work = work_with(threads, isa, tk_mask_morphology_scratch(how, in_size, threads));
    assert_int_equal(tk_mask_morphology_apply(how, &whole, &in_box, tk_read_u8(tk_dense_u8(part, in_size)), box,
                                              tk_dense_u8(out, out_size), &work),
                     TK_OK);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    free(part);
    return out;
}

/* By minima and maxima of what is 0 or 1; mirrored, which is the same as leaving out what is beyond the image. */
static void expect(const uint8_t *mask, const int64_t size[3], int operation, const int64_t radius[3],
                   uint8_t *expected) {
    const int64_t count = count_of(size);
    const double first = operation == TK_MASK_ERODE || operation == TK_MASK_OPEN ? 1 : -1;
    double *now = must_allocate(count, sizeof *now), *next = must_allocate(count, sizeof *next);
    for (int64_t i = 0; i < count; i++) now[i] = mask[i];
    ref_erode(now, size, REF_BALL, radius, 0, first, next);
    if (operation >= TK_MASK_OPEN) ref_erode(next, size, REF_BALL, radius, 0, -first, now);
    for (int64_t i = 0; i < count; i++) expected[i] = (operation >= TK_MASK_OPEN ? now[i] : next[i]) > 0.5;
    free(now);
    free(next);
}

static void check(const uint8_t *mask, const int64_t size[3], int operation, const int64_t radius[3]) {
    const tk_box whole = tk_box_of_size(size);
    const tk_mask_morphology how = tk_mask_morphology_of((tk_mask_operation)operation, radius, size);
    uint8_t *expected = must_allocate(count_of(size), 1);
    expect(mask, size, operation, radius, expected);
    for (int isa = 0; isa <= (int)tk_isa_detect(); isa++) {
        uint8_t *found = filter(mask, size, &how, &whole, 1 + isa, (tk_isa)isa);
        assert_memory_equal(found, expected, (size_t)count_of(size));
        free(found);
    }
    free(expected);
}

static void equals_looking_at_each_voxel(void **state) {
    (void)state;
    for (int c = 0; c < CASES; c++)
        for (int kind = 0; kind < MASK_KINDS; kind++) {
            uint8_t *mask = make_mask((mask_kind)kind, cases[c].size, (uint64_t)c);
            for (int o = 0; o < OPERATIONS; o++) check(mask, cases[c].size, o, cases[c].radius);
            free(mask);
        }
}

/* A ball that the search does not reach, but envelopes do: one voxel grows to it. */
static void large_balls_are_balls(void **state) {
    (void)state;
    const int64_t size[3] = {1, 131, 151}, radius[3] = {0, 60, 60};
    const tk_box whole = tk_box_of_size(size);
    const tk_mask_morphology how = tk_mask_morphology_of(TK_MASK_DILATE, radius, size);
    uint8_t mask[131 * 151] = {0};
    mask[65 * 151 + 70] = 1;
    uint8_t *found = filter(mask, size, &how, &whole, 2, tk_isa_detect());
    for (int64_t y = 0; y < 131; y++)
        for (int64_t x = 0; x < 151; x++)
            assert_int_equal(found[y * 151 + x], (y - 65) * (y - 65) + (x - 70) * (x - 70) <= 3600);
    free(found);
}

static void boxes_give_the_same(void **state) {
    (void)state;
    static const tk_box boxes[2] = {{{1, 3, 5}, {5, 16, 36}}, {{0, 19, 40}, {1, 20, 41}}};
    const int64_t *size = cases[0].size;
    const tk_box whole = tk_box_of_size(size);
    uint8_t *mask = make_mask(MASK_SPARSE, size, 4); /* for dilations; turned around for erosions */
    for (int o = 0; o < 2 * OPERATIONS; o++) {
        for (int64_t i = 0; i < count_of(size); i++) mask[i] = !mask[i];
        const int64_t radius[3] = {1, 2, o < OPERATIONS ? 2 : 3};
        const tk_mask_morphology how = tk_mask_morphology_of((tk_mask_operation)(o % OPERATIONS), radius, size);
        uint8_t *expected = filter(mask, size, &how, &whole, 1, tk_isa_detect());
        for (int b = 0; b < 2; b++) {
            uint8_t *found = filter(mask, size, &how, &boxes[b], 2, tk_isa_detect()), *at = found;
            for (int64_t z = boxes[b].lo[0]; z < boxes[b].hi[0]; z++)
                for (int64_t y = boxes[b].lo[1]; y < boxes[b].hi[1]; y++)
                    for (int64_t x = boxes[b].lo[2]; x < boxes[b].hi[2]; x++)
                        assert_int_equal(*at++, expected[(z * size[1] + y) * size[2] + x]);
            free(found);
        }
        free(expected);
    }
    free(mask);
}

static void what_is_missing_is_an_error(void **state) {
    (void)state;
    const int64_t size[3] = {4, 5, 6}, radius[3] = {1, 1, 1};
    const tk_box box = tk_box_of_size(size), larger = {{0, 0, 0}, {4, 5, 7}};
    const tk_mask_morphology how = tk_mask_morphology_of(TK_MASK_ERODE, radius, size);
    uint8_t *mask = make_mask(MASK_HALF, size, 1), *out = must_allocate(count_of(size), 1);
    const tk_cview_u8 in = tk_read_u8(tk_dense_u8(mask, size));
    tk_work work = work_with(1, TK_ISA_BASELINE, tk_mask_morphology_scratch(&how, size, 1));
    assert_int_equal(tk_mask_morphology_apply(&how, &larger, &box, in, &box, tk_dense_u8(out, size), &work), TK_FAILED);
    tk_scratch_release(&work.scratch);
    work = work_with(1, TK_ISA_BASELINE, tk_mask_morphology_scratch(&how, size, 1) - 64);
    assert_int_equal(tk_mask_morphology_apply(&how, &box, &box, in, &box, tk_dense_u8(out, size), &work), TK_NO_MEMORY);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    free(mask);
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_looking_at_each_voxel),
        cmocka_unit_test(large_balls_are_balls),
        cmocka_unit_test(boxes_give_the_same),
        cmocka_unit_test(what_is_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
