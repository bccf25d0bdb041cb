/* Measurements of objects, against a pass over all voxels for each; sums in fixed point; parts in any order. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/measure/objects.h"
#include "tests/reference/measure.h"
#include "tests/unit/test_volume_fixture.h"

typedef struct list {
    tk_object *object;
    int64_t count;
} list;

static tk_status append(void *user, const tk_object *objects, int64_t count) {
    list *l = user;
    l->object = realloc(l->object, (size_t)(l->count + count) * sizeof *objects);
    assert_non_null(l->object);
    memcpy(l->object + l->count, objects, (size_t)count * sizeof *objects);
    l->count += count;
    return TK_OK;
}

/* All objects of an image, sorted. */
static list measure(uint32_t *labels, float *intensity, const int64_t size[3], int exponent, int threads) {
    list found = {NULL, 0};
    tk_work work = work_with(threads, tk_isa_detect(), tk_objects_scratch(size, threads));
    const tk_box box = tk_box_of_size(size);
    assert_int_equal(tk_objects_measure(tk_read_u32(tk_dense_u32(labels, size)),
                                        tk_read_f32(tk_dense_f32(intensity, size)), &box, exponent, append, &found,
                                        &work),
                     TK_OK);
    found.count = tk_objects_unite(found.object, found.count);
    tk_scratch_release(&work.scratch);
    return found;
}

/* Labels in runs of random length, 0 among them, spread over all 32 bits. */
static uint32_t *random_labels(const int64_t size[3], uint64_t seed, uint32_t kinds) {
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels);
    tk_rng rng = tk_rng_stream(seed, 3, 0);
    uint32_t label = 0;
    for (int64_t i = 0; i < count_of(size); i++) {
        if (tk_rng_word(&rng) % 4 == 0) label = tk_rng_word(&rng) % kinds * (UINT32_MAX / kinds);
        labels[i] = label;
    }
    return labels;
}

static int largest_exponent(uint32_t *labels, float *intensity, const int64_t size[3]) {
    tk_work work = work_with(2, tk_isa_detect(), 0);
    return tk_intensity_exponent(
        tk_objects_largest(tk_read_u32(tk_dense_u32(labels, size)), tk_read_f32(tk_dense_f32(intensity, size)), &work));
}

static void check_object(const tk_object *o, const ref_object *expected, int exponent) {
    assert_int_equal(o->count, expected->count);
    assert_memory_equal(o->lo, expected->lo, sizeof o->lo);
    assert_memory_equal(o->hi, expected->hi, sizeof o->hi);
    assert_true(o->intensity_min == expected->intensity_min && o->intensity_max == expected->intensity_max);
    assert_true(fabs(tk_intensity_sum(o, exponent) - expected->intensity_sum) < 1e-9);
    for (int a = 0; a < 3; a++)
        assert_true(fabs((double)o->coordinates[a] / (double)o->count - expected->centroid[a]) < 1e-9);
}

static void equals_the_reference(void **state) {
    (void)state;
    const int64_t size[3] = {6, 17, 83};
    uint32_t *labels = random_labels(size, 5, 40);
    float *intensity = random_image(size, 6);
    const int exponent = largest_exponent(labels, intensity, size);
    for (int threads = 1; threads <= 5; threads += 2) {
        list found = measure(labels, intensity, size, exponent, threads);
        assert_int_equal(found.count, 39);
        for (int64_t i = 0; i < found.count; i++) {
            const ref_object expected = ref_measure(labels, intensity, size, found.object[i].label);
            assert_true(i == 0 || found.object[i].label > found.object[i - 1].label);
            check_object(&found.object[i], &expected, exponent);
        }
        free(found.object);
    }
    free(labels);
    free(intensity);
}

/* More objects than one table holds: they come in several parts, and still add up. */
static void many_objects_come_in_parts(void **state) {
    (void)state;
    const int64_t size[3] = {8, 32, 96};
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels);
    float *intensity = random_image(size, 7);
    for (int64_t i = 0; i < count_of(size); i++) labels[i] = (uint32_t)(1 + i * 7919 % 10007);
    list one = measure(labels, intensity, size, 3, 1), four = measure(labels, intensity, size, 3, 4);
    assert_int_equal(one.count, 10007);
    assert_int_equal(four.count, 10007);
    assert_memory_equal(one.object, four.object, (size_t)one.count * sizeof *one.object);
    for (int64_t i = 0; i < one.count; i += 501) {
        const ref_object expected = ref_measure(labels, intensity, size, one.object[i].label);
        check_object(&one.object[i], &expected, 3);
    }
    free(one.object);
    free(four.object);
    free(labels);
    free(intensity);
}

/* Integers below 2^24 sum as integers, and what cancels leaves nothing. */
static void integers_sum_exactly(void **state) {
    (void)state;
    const int64_t size[3] = {2, 50, 100};
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels);
    float *intensity = must_allocate(count_of(size), sizeof *intensity);
    int64_t sum = 0;
    for (int64_t i = 0; i < count_of(size); i++) {
        tk_rng rng = tk_rng_stream(2, 3, (uint64_t)i);
        const int32_t value = (int32_t)(tk_rng_word(&rng) >> 7) - (1 << 24);
        labels[i] = i % 2 ? 9 : 4000000000u;
        intensity[i] = (float)value;
        if (i % 2) sum += (int64_t)intensity[i];
        if (i % 4 == 2) intensity[i] = -intensity[i - 2];
    }
    const int exponent = largest_exponent(labels, intensity, size);
    list found = measure(labels, intensity, size, exponent, 3);
    assert_int_equal(found.count, 2);
    assert_true(tk_intensity_sum(&found.object[0], exponent) == (double)sum);
    assert_true(found.object[1].intensity == 0);
    free(found.object);
    free(labels);
    free(intensity);
}

static void what_is_not_finite_is_counted_apart(void **state) {
    (void)state;
    const int64_t size[3] = {1, 1, 5};
    uint32_t labels[5] = {1, 1, 1, 0, 1};
    float intensity[5] = {2, NAN, -INFINITY, 100, 3};
    assert_int_equal(largest_exponent(labels, intensity, size), 2);
    list found = measure(labels, intensity, size, 2, 1);
    assert_int_equal(found.object[0].not_finite, 2);
    assert_true(found.object[0].intensity_min == -INFINITY && found.object[0].intensity_max == 3);
    assert_true(tk_intensity_sum(&found.object[0], 2) == 5);
    free(found.object);
}

/* Planes measured apart and merged in any order are the volume. */
static void parts_merge_in_any_order(void **state) {
    (void)state;
    const int64_t size[3] = {4, 20, 50}, plane[3] = {1, 20, 50};
    uint32_t *labels = random_labels(size, 15, 12);
    float *intensity = random_image(size, 16);
    list whole = measure(labels, intensity, size, 4, 2);
    for (int order = 0; order < 2; order++) {
        list sum = {NULL, 0};
        for (int64_t n = 0; n < size[0]; n++) {
            const int64_t z = order ? size[0] - 1 - n : n;
            list part = measure(labels + z * 1000, intensity + z * 1000, plane, 4, 1);
            for (int64_t i = 0; i < part.count; i++) {
                part.object[i].coordinates[0] += (tk_int128)z * part.object[i].count;
                part.object[i].lo[0] += z;
                part.object[i].hi[0] += z;
            }
            list merged = {must_allocate(sum.count + part.count, sizeof(tk_object)), 0};
            merged.count = tk_objects_merge(sum.object, sum.count, part.object, part.count, merged.object);
            free(sum.object);
            free(part.object);
            sum = merged;
        }
        assert_int_equal(sum.count, whole.count);
        assert_memory_equal(sum.object, whole.object, (size_t)sum.count * sizeof *sum.object);
        free(sum.object);
    }
    free(whole.object);
    free(labels);
    free(intensity);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),     cmocka_unit_test(many_objects_come_in_parts),
        cmocka_unit_test(integers_sum_exactly),     cmocka_unit_test(what_is_not_finite_is_counted_apart),
        cmocka_unit_test(parts_merge_in_any_order),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
