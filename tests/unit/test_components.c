/* Connected components: against flood fill, for any number of threads; and joined over blocks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/segment/components.h"
#include "kernels/segment/reconcile.h"
#include "tests/reference/components.h"
#include "tests/unit/test_volume_fixture.h"

static const int64_t sizes[][3] = {{1, 1, 1}, {1, 1, 200}, {1, 40, 64}, {3, 5, 63},  {7, 11, 65},
                                   {5, 1, 9}, {9, 8, 1},   {2, 3, 128}, {12, 10, 70}};
enum { SIZES = sizeof sizes / sizeof *sizes };
static const int connectivities[] = {6, 18, 26};

static uint32_t *label(uint8_t *mask, const int64_t size[3], int connectivity, int threads, tk_isa isa,
                       int64_t *count) {
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels);
    tk_work work = work_with(threads, isa, tk_components_scratch(size));
    tk_components found;
    assert_int_equal(tk_components_find(tk_read_u8(tk_dense_u8(mask, size)), connectivity, &found, &work), TK_OK);
    tk_components_paint(&found, NULL, tk_dense_u32(labels, size), &work);
    *count = found.count;
    tk_scratch_rewind(&work.scratch, 0);
    tk_scratch_release(&work.scratch);
    return labels;
}

static void check_against_flood(mask_kind kind, const int64_t size[3], int connectivity) {
    uint8_t *mask = make_mask(kind, size, 3);
    uint32_t *expected = must_allocate(count_of(size), sizeof *expected);
    const int64_t objects = ref_components(mask, size, connectivity, expected);
    for (tk_isa isa = TK_ISA_BASELINE; isa <= tk_isa_detect(); isa++)
        for (int threads = 1; threads <= 5; threads += 2) {
            int64_t count = 0;
            uint32_t *labels = label(mask, size, connectivity, threads, isa, &count);
            assert_int_equal(count, objects);
            assert_memory_equal(labels, expected, (size_t)count_of(size) * sizeof *labels);
            free(labels);
        }
    free(mask);
    free(expected);
}

static void equal_flood_fill(void **state) {
    (void)state;
    for (int kind = 0; kind < MASK_KINDS; kind++)
        for (int s = 0; s < SIZES; s++)
            for (int c = 0; c < 3; c++) check_against_flood((mask_kind)kind, sizes[s], connectivities[c]);
}

static void check_labels_against_flood(label_kind kind, const int64_t size[3], int connectivity) {
    uint32_t *values = make_labels(kind, size, 5);
    uint32_t *expected = must_allocate(count_of(size), sizeof *expected);
    uint32_t *parts = must_allocate(count_of(size), sizeof *parts);
    const int64_t objects = ref_components_of_labels(values, size, connectivity, expected);
    for (tk_isa isa = TK_ISA_BASELINE; isa <= tk_isa_detect(); isa++)
        for (int threads = 1; threads <= 5; threads += 2) {
            tk_work work = work_with(threads, isa, tk_components_of_labels_scratch(size));
            tk_components found;
            const tk_cview_u32 view = tk_read_u32(tk_dense_u32(values, size));
            assert_int_equal(tk_components_of_labels(view, connectivity, &found, &work), TK_OK);
            tk_components_paint(&found, NULL, tk_dense_u32(parts, size), &work);
            assert_int_equal(found.count, objects);
            assert_memory_equal(parts, expected, (size_t)count_of(size) * sizeof *parts);
            const tk_box image = {{0, 0, 0}, {size[0] + 2, size[1] + 2, size[2] + 2}};
            const tk_box box = {{1, 1, 1}, {size[0] + 1, size[1] + 1, size[2] + 1}};
            tk_shell_run *run = must_allocate(tk_components_shell_most(&found), sizeof *run);
            assert_true(tk_components_shell(&found, &image, &box, run) <= tk_components_shell_most(&found));
            free(run);
            tk_scratch_release(&work.scratch);
        }
    free(values), free(expected), free(parts);
}

static void parts_of_labels_equal_flood_fill(void **state) {
    (void)state;
    for (int kind = 0; kind < LABEL_KINDS; kind++)
        for (int s = 0; s < SIZES; s++)
            for (int c = 0; c < 3; c++) check_labels_against_flood((label_kind)kind, sizes[s], connectivities[c]);
}

static void any_value_but_zero_is_object(void **state) {
    (void)state;
    const int64_t size[3] = {2, 5, 130};
    uint8_t *mask = make_mask(MASK_HALF, size, 8);
    int64_t count = 0, count_of_values = 0;
    uint32_t *ones = label(mask, size, 26, 1, tk_isa_detect(), &count);
    for (int64_t i = 0; i < count_of(size); i++)
        if (mask[i]) mask[i] = (uint8_t)(1 + i % 255);
    uint32_t *values = label(mask, size, 26, 1, tk_isa_detect(), &count_of_values);
    assert_int_equal(count, count_of_values);
    assert_memory_equal(ones, values, (size_t)count_of(size) * sizeof *ones);
    free(mask);
    free(ones);
    free(values);
}

/* Each shell voxel is an object voxel on a face that has another block behind it, and all of them are there. */
static void the_shell_holds_what_touches_other_blocks(void **state) {
    (void)state;
    const int64_t size[3] = {4, 5, 9};
    const tk_box image = {{0, 0, 0}, {9, 5, 30}}, box = {{5, 0, 20}, {9, 5, 29}};
    uint8_t *mask = make_mask(MASK_HALF, size, 4);
    tk_work work = work_with(2, tk_isa_detect(), tk_components_scratch(size));
    tk_components found;
    assert_int_equal(tk_components_find(tk_read_u8(tk_dense_u8(mask, size)), 6, &found, &work), TK_OK);
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels), *seen = calloc(180, sizeof *seen);
    tk_components_paint(&found, NULL, tk_dense_u32(labels, size), &work);
    tk_shell_run *run = must_allocate(tk_components_shell_most(&found), sizeof *run);
    const int64_t runs = tk_components_shell(&found, &image, &box, run);
    assert_non_null(seen);
    assert_true(runs <= tk_components_shell_most(&found));
    for (int64_t r = 0; r < runs; r++) {
        assert_true(r == 0 || run[r].index > run[r - 1].index);
        const int64_t z = run[r].index / 150 - 5, y = run[r].index / 30 % 5, x = run[r].index % 30 - 20;
        for (int64_t i = 0; i < run[r].length; i++) seen[(z * 5 + y) * 9 + x + i] += run[r].component;
    }
    for (int64_t i = 0; i < count_of(size); i++) {
        const int64_t z = i / 45, x = i % 9; /* y has no neighbours, nor has the last plane */
        assert_int_equal(seen[i], z == 0 || x == 0 || x == 8 ? labels[i] : 0);
    }
    free(mask);
    free(labels);
    free(seen);
    free(run);
    tk_scratch_rewind(&work.scratch, 0);
    tk_scratch_release(&work.scratch);
}

/* Two blocks whose only contact is a corner: one object for 26, two for 18. */
static void corners_join_by_connectivity(void **state) {
    (void)state;
    for (int c = 0; c < 3; c++) {
        int64_t first[2] = {(1 * 4 + 2) * 4 + 2, 0 * 16 + 1 * 4 + 1}, count = 0;
        tk_shell_run run[2] = {{first[0], 1, 1}, {first[1], 1, 2}};
        uint32_t number[2] = {0};
        const int64_t size[3] = {4, 4, 4};
        tk_scratch scratch;
        assert_int_equal(tk_scratch_reserve(&scratch, tk_reconcile_scratch(2, 2)), TK_OK);
        assert_int_equal(tk_reconcile(first, NULL, number, 2, run, 2, size, connectivities[c], &count, &scratch),
                         TK_OK);
        assert_int_equal(count, connectivities[c] == 26 ? 1 : 2);
        assert_true(first[0] < first[1] && number[0] == 1 && number[1] == (uint32_t)count);
        tk_scratch_release(&scratch);
    }
}

/* Two rows of two blocks side by side, whose labels cross: a b over b a. Faces join nothing, diagonals each label. */
static void equal_labels_join_across_blocks(void **state) {
    (void)state;
    for (int c = 0; c < 3; c++) {
        const int64_t size[3] = {1, 2, 8};
        int64_t first[4] = {0, 4, 8, 12}, count = 0;
        const uint32_t value[4] = {5, 9, 9, 5}, joined[4] = {1, 2, 2, 1}, apart[4] = {1, 2, 3, 4};
        tk_shell_run run[4] = {{0, 4, 1}, {4, 4, 2}, {8, 4, 3}, {12, 4, 4}};
        uint32_t number[4] = {0};
        tk_scratch scratch;
        assert_int_equal(tk_scratch_reserve(&scratch, tk_reconcile_scratch(4, 4)), TK_OK);
        assert_int_equal(tk_reconcile(first, value, number, 4, run, 4, size, connectivities[c], &count, &scratch),
                         TK_OK);
        assert_int_equal(count, connectivities[c] > 6 ? 2 : 4);
        assert_memory_equal(number, connectivities[c] > 6 ? joined : apart, sizeof number);
        tk_scratch_release(&scratch);
    }
}

/* Blocks whose runs 31 bits cannot number ask for more memory than there is, and are refused. */
static void too_large_a_block_is_refused(void **state) {
    (void)state;
    const int64_t fits[3] = {1, 65535, 65536}, most[3] = {1, 65537, 65536};
    const int64_t labels_fit[3] = {1, 65535, 32768}, labels_most[3] = {1, 65537, 32768};
    uint8_t voxel = 0;
    uint32_t label_voxel = 0;
    tk_work work = work_with(1, TK_ISA_BASELINE, 64);
    tk_components found;
    assert_true(tk_components_scratch(fits) < SIZE_MAX && tk_components_of_labels_scratch(labels_fit) < SIZE_MAX);
    assert_true(tk_components_scratch(most) == SIZE_MAX && tk_components_of_labels_scratch(labels_most) == SIZE_MAX);
    assert_int_equal(tk_components_find(tk_read_u8(tk_dense_u8(&voxel, most)), 6, &found, &work), TK_FAILED);
    assert_int_equal(tk_components_of_labels(tk_read_u32(tk_dense_u32(&label_voxel, labels_most)), 6, &found, &work),
                     TK_FAILED);
    tk_scratch_release(&work.scratch);
}

/* Sizes, borders and strong voxels of a block's components, against a count voxel by voxel. */
static void components_are_described(void **state) {
    (void)state;
    const int64_t size[3] = {4, 5, 9};
    const tk_box image = {{0, 0, 0}, {9, 5, 30}}, box = {{5, 0, 20}, {9, 5, 29}};
    uint8_t *mask = make_mask(MASK_HALF, size, 4);
    float *values = must_allocate(count_of(size), sizeof *values);
    for (int64_t i = 0; i < count_of(size); i++) values[i] = (float)(i * 37 % 101);
    values[0] = NAN;
    tk_work work = work_with(1, TK_ISA_BASELINE, tk_components_scratch(size));
    tk_components found;
    assert_int_equal(tk_components_find(tk_read_u8(tk_dense_u8(mask, size)), 6, &found, &work), TK_OK);
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels);
    tk_components_paint(&found, NULL, tk_dense_u32(labels, size), &work);
    tk_component *list = must_allocate(found.count, sizeof *list);
    tk_component *wanted = calloc((size_t)found.count, sizeof *wanted);
    assert_non_null(wanted);
    tk_components_describe(&found, &image, &box, false, list);
    tk_components_mark(&found, tk_read_f32(tk_dense_f32(values, size)), 90, list);
    for (int64_t i = 0; i < count_of(size); i++) {
        if (labels[i] == 0) continue;
        tk_component *of = &wanted[labels[i] - 1];
        const int64_t z = i / 45, y = i / 9 % 5;
        tk_component_set_voxels(of, of->voxels + 1);
        if (of->voxels == 1) of->first = ((z + 5) * 5 + y) * 30 + i % 9 + 20;
        if (z == 3 || y == 0 || y == 4) of->border = 1; /* x is inside the image */
        if (values[i] > 90) of->strong = 1;
    }
    assert_memory_equal(list, wanted, (size_t)found.count * sizeof *list);
    tk_scratch_release(&work.scratch);
    free(mask), free(values), free(labels), free(list), free(wanted);
}

/* What pairs join is added up, whatever their order; a pair of what is not there is an error. */
static void pairs_join_components(void **state) {
    (void)state;
    const tk_component given[5] = {{1, 10, 0, 0}, {4, 1, 1, 0}, {6, 2, 0, 1}, {9, 3, 0, 0}, {12, 5, 0, 0}};
    const tk_component_pair pairs[3] = {{6, 12}, {4, 9}, {6, 1}}, unknown = {4, 5};
    const uint32_t wanted[5] = {1, 2, 1, 2, 1};
    const tk_component sums[2] = {{1, 17, 0, 1}, {4, 4, 1, 0}};
    uint32_t number[5] = {0};
    tk_component list[5];
    int64_t count = 0;
    memcpy(list, given, sizeof list);
    assert_int_equal(tk_reconcile_pairs(list, 5, pairs, 3, number, &count), TK_OK);
    assert_int_equal(count, 2);
    assert_memory_equal(number, wanted, sizeof wanted);
    assert_memory_equal(list, sums, sizeof sums);
    memcpy(list, given, sizeof list);
    assert_int_equal(tk_reconcile_pairs(list, 5, &unknown, 1, number, &count), TK_FAILED);
}

/* 2^32 - 1 components have no numbers; one less would have, and asks for memory. */
static void too_many_components_are_refused(void **state) {
    (void)state;
    const int64_t size[3] = {1, 1, 1}, most = (int64_t)UINT32_MAX - 1;
    tk_component one = {0};
    tk_shell_run run = {0};
    int64_t first = 0, count = 1;
    uint32_t number = 0;
    tk_scratch scratch;
    assert_int_equal(tk_scratch_reserve(&scratch, 64), TK_OK);
    assert_int_equal(tk_reconcile_pairs(&one, most + 1, NULL, 0, &number, &count), TK_UNSOLVABLE);
    assert_int_equal(count, 0);
    assert_int_equal(tk_reconcile(&first, NULL, &number, most + 1, &run, 1, size, 6, &count, &scratch), TK_UNSOLVABLE);
    assert_int_equal(tk_reconcile(&first, NULL, &number, most, &run, 1, size, 6, &count, &scratch), TK_NO_MEMORY);
    tk_scratch_release(&scratch);
}

static void too_little_scratch_is_an_error(void **state) {
    (void)state;
    const int64_t size[3] = {2, 3, 70};
    uint8_t *mask = make_mask(MASK_HALF, size, 4);
    tk_work work = work_with(1, TK_ISA_BASELINE, tk_components_scratch(size) - 64);
    tk_components found;
    assert_int_equal(tk_components_find(tk_read_u8(tk_dense_u8(mask, size)), 6, &found, &work), TK_NO_MEMORY);
    tk_scratch_release(&work.scratch);
    free(mask);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_flood_fill),
        cmocka_unit_test(parts_of_labels_equal_flood_fill),
        cmocka_unit_test(any_value_but_zero_is_object),
        cmocka_unit_test(the_shell_holds_what_touches_other_blocks),
        cmocka_unit_test(corners_join_by_connectivity),
        cmocka_unit_test(equal_labels_join_across_blocks),
        cmocka_unit_test(too_large_a_block_is_refused),
        cmocka_unit_test(components_are_described),
        cmocka_unit_test(pairs_join_components),
        cmocka_unit_test(too_many_components_are_refused),
        cmocka_unit_test(too_little_scratch_is_an_error),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
