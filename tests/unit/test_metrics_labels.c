/* Label metrics against hand-made cases and against their definitions on random labels. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/common/rng.h"
#include "kernels/metrics/labels.h"
#include "tests/reference/metrics.h"

enum { DEPTH = 4, HEIGHT = 6, WIDTH = 25, COUNT = DEPTH * HEIGHT * WIDTH, MOST = 14 };

static tk_label_metrics metrics_of(const uint32_t *result, const uint32_t *truth, const int64_t size[3]) {
    tk_contingency table = {0};
    tk_label_metrics m;
    const tk_cview_u32 r = {result, {size[0], size[1], size[2]}, {size[1] * size[2], size[2], 1}};
    const tk_cview_u32 t = {truth, {size[0], size[1], size[2]}, {size[1] * size[2], size[2], 1}};
    assert_int_equal(tk_contingency_add(&table, r, t), TK_OK);
    assert_int_equal(tk_label_metrics_of(&table, &m), TK_OK);
    tk_contingency_free(&table);
    return m;
}

static void near(double value, double expected) { assert_true(fabs(value - expected) < 1e-12); }

/* True object 1 is cut in two, 2 is found with a voxel too many, 3 is missed, exactly half of 4 is found, and 5 is
 * invented. */
static void a_small_case_by_hand(void **state) {
    (void)state;
    static const uint32_t truth[] = {1, 1, 1, 1, 0, 2, 2, 2, 0, 0, 3, 3, 4, 4};
    static const uint32_t result[] = {7, 7, 7, 4, 0, 9, 9, 9, 9, 5, 0, 0, 6, 0};
    const tk_label_metrics m = metrics_of(result, truth, (const int64_t[3]){1, 1, 14});
    assert_int_equal(m.voxels, 14);
    assert_int_equal(m.differing, 13);
    assert_int_equal(m.truth_objects, 4);
    assert_int_equal(m.result_objects, 5);
    assert_false(m.same_partition);
    near(m.seg, (3.0 / 4 + 3.0 / 4) / 4);
    near(m.ap[0], 2.0 / 7); /* two matches of IoU 3/4, two missed, three invented */
    near(m.ap[4], 2.0 / 7); /* 0.70 */
    near(m.ap[5], 0);       /* 0.75 is not above 0.75 */
    near(m.mean_ap, 1.0 / 7);
    near(m.precision, 2.0 / 5);
    near(m.recall, 2.0 / 4);
    near(m.f1, 4.0 / 9);
    near(m.sq, 3.0 / 4);
    near(m.pq, (3.0 / 4 + 3.0 / 4) / (2 + 2.0 / 2 + 3.0 / 2));
    near(m.det, 1 - (2 * 10 + 3 * 1) / 40.0); /* 7 and 9 detect, 4 covers a quarter, 6 half: not more */
    near(m.dice, 2 * 8.0 / (11 + 10));
    near(m.object_dice, (6.0 / 7 + 6.0 / 7 + 0 + 2.0 / 3) / 4);
    /* ordered pairs together in both 6+6+2, in the truth 12+6+2+2, in the result (over true objects) 6+6+6 */
    near(m.are_precision, 14.0 / 22);
    near(m.are_recall, 14.0 / 18);
    near(m.are, 1 - 2 * 14.0 / (22 + 18));
    /* H(result | truth): object 1 (4 voxels of 14) 3:1, background (3) 1:1:1, object 4 (2) 1:1 */
    near(m.voi_split, (3 * log2(4.0 / 3) + log2(4) + 3 * log2(3) + 2 * log2(2)) / 14);
    /* H(truth | result): 0 (4 voxels) 1:2:1, 9 (4) 3:1 */
    near(m.voi_merge, (2 * log2(4) + 2 * log2(2) + 3 * log2(4.0 / 3) + log2(4)) / 14);
}

/* Random walk labels: runs of a random label, and a result that keeps most of them. */
static void make_labels(uint64_t seed, uint32_t *result, uint32_t *truth) {
    tk_rng rng = tk_rng_stream(seed, 0, 0);
    uint32_t label = 0;
    for (int i = 0; i < COUNT; i++) {
        if (tk_rng_word(&rng) % 8 == 0) label = tk_rng_word(&rng) % (MOST + 1);
        truth[i] = label;
        result[i] =
            tk_rng_word(&rng) % 10 ? (label * 5 + 3) % (MOST + 1) * (label > 0) : tk_rng_word(&rng) % (MOST + 1);
    }
}

static void measures_equal_their_definitions(void **state) {
    (void)state;
    static uint32_t truth[COUNT], result[COUNT];
    for (uint64_t seed = 0; seed < 6; seed++) {
        make_labels(seed, result, truth);
        if (seed == 5) memset(result, 0, sizeof result);
        const tk_label_metrics m = metrics_of(result, truth, (const int64_t[3]){DEPTH, HEIGHT, WIDTH});
        double index, precision, recall;
        tk_ref_rand(result, truth, COUNT, &index, &precision, &recall);
        near(m.rand_index, index);
        near(m.are_precision, precision);
        near(m.are_recall, recall);
        near(m.are, 1 - 2 * precision * recall / (precision + recall));
        near(m.seg, tk_ref_seg(result, truth, COUNT, MOST));
        for (int k = 0; k < TK_AP_THRESHOLDS; k++)
            near(m.ap[k], tk_ref_average_precision(result, truth, COUNT, MOST, 0.5 + 0.05 * k));
        near(m.det, tk_ref_detection(result, truth, COUNT, MOST));
        near(m.pq, tk_ref_panoptic(result, truth, COUNT, MOST));
        near(m.object_dice, tk_ref_object_dice(result, truth, COUNT, MOST));
        near(m.voi_split, tk_ref_conditional_entropy(result, truth, COUNT, MOST));
        near(m.voi_merge, tk_ref_conditional_entropy(truth, result, COUNT, MOST));
    }
}

/* More pairs than the table starts with; the labels grow with the position. */
static void many_labels_fit_and_parts_add_up(void **state) {
    (void)state;
    enum { LABELS = 5000 };
    static uint32_t truth[LABELS], result[LABELS];
    for (uint32_t i = 0; i < LABELS; i++) truth[i] = i / 2, result[i] = UINT32_MAX - i / 3;
    tk_contingency table = {0};
    for (int64_t part = 0; part < 2; part++) {
        const int64_t half = LABELS / 2, stride[3] = {half, half, 1};
        const tk_cview_u32 r = {result + part * half, {1, 1, half}, {stride[0], stride[1], 1}};
        const tk_cview_u32 t = {truth + part * half, {1, 1, half}, {stride[0], stride[1], 1}};
        assert_int_equal(tk_contingency_add(&table, r, t), TK_OK);
    }
    tk_label_metrics parts;
    const tk_label_metrics whole = metrics_of(result, truth, (const int64_t[3]){1, 1, LABELS});
    assert_int_equal(tk_label_metrics_of(&table, &parts), TK_OK);
    tk_contingency_free(&table);
    assert_memory_equal(&parts, &whole, sizeof parts);
    assert_int_equal(whole.voxels, LABELS);
    assert_int_equal(whole.truth_objects, LABELS / 2 - 1); /* label 0 is background */
    assert_int_equal(whole.result_objects, (LABELS + 2) / 3);
}

/* One object that covers three of four true ones, which cost 10 each when missed. */
static void detections_may_be_shared(void **state) {
    (void)state;
    static const uint32_t truth[] = {1, 1, 2, 2, 3, 3, 4, 4}, result[] = {1, 1, 1, 1, 1, 1, 0, 1};
    static const uint32_t invented[] = {10, 11, 12, 13, 14, 15, 16, 17};
    near(metrics_of(result, truth, (const int64_t[3]){1, 1, 8}).det, 1 - (10 + 2 * 5) / 40.0);
    near(metrics_of(invented, truth, (const int64_t[3]){1, 1, 8}).det, 0);
}

static void renumbered_objects_are_the_same_partition(void **state) {
    (void)state;
    static uint32_t truth[COUNT], result[COUNT];
    make_labels(1, result, truth);
    for (int i = 0; i < COUNT; i++) result[i] = truth[i] ? 100 - truth[i] : 0;
    tk_label_metrics m = metrics_of(result, truth, (const int64_t[3]){DEPTH, HEIGHT, WIDTH});
    assert_true(m.same_partition);
    assert_true(m.differing > 0);
    near(m.seg, 1);
    near(m.mean_ap, 1);
    near(m.det, 1);
    near(m.pq, 1);
    near(m.dice, 1);
    near(m.object_dice, 1);
    near(m.f1, 1);
    near(m.are, 0);
    near(m.rand_index, 1);
    near(m.voi_split + m.voi_merge, 0);
    for (int i = 0; i < COUNT; i++) result[i] = truth[i] ? truth[i] : 77; /* background is not an object */
    m = metrics_of(result, truth, (const int64_t[3]){DEPTH, HEIGHT, WIDTH});
    assert_false(m.same_partition);
}

static void measures_without_objects_do_not_exist(void **state) {
    (void)state;
    static const uint32_t nothing[8] = {0}, something[8] = {0, 0, 1, 1};
    tk_label_metrics m = metrics_of(nothing, nothing, (const int64_t[3]){2, 2, 2});
    assert_true(m.same_partition && m.differing == 0);
    assert_true(isnan(m.seg) && isnan(m.ap[0]) && isnan(m.f1) && isnan(m.are));
    m = metrics_of(something, nothing, (const int64_t[3]){2, 2, 2});
    assert_true(isnan(m.seg) && m.ap[0] == 0 && m.f1 == 0 && isnan(m.det) && m.pq == 0 && isnan(m.sq) && m.dice == 0);
    m = metrics_of(nothing, something, (const int64_t[3]){2, 2, 2});
    assert_true(m.seg == 0 && m.ap[0] == 0 && m.f1 == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_case_by_hand),
        cmocka_unit_test(measures_equal_their_definitions),
        cmocka_unit_test(many_labels_fit_and_parts_add_up),
        cmocka_unit_test(detections_may_be_shared),
        cmocka_unit_test(renumbered_objects_are_the_same_partition),
        cmocka_unit_test(measures_without_objects_do_not_exist),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
