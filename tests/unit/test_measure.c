/* Measurements of objects, against passes over all voxels for each; sums in fixed point; parts in any order. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/measure/objects.h"
#include "kernels/measure/shape.h"
#include "tests/reference/measure.h"
#include "tests/unit/test_volume_fixture.h"

enum { ALL = 31 };

/* What one measurement finds, sorted. */
typedef struct list {
    tk_objects_spec spec;
    unsigned char *records;
    tk_object_pair *pair;
    int64_t count, pairs;
} list;

static tk_status append(void *user, const void *records, int64_t count) {
    list *l = user;
    const size_t size = l->spec.layout.size;
    l->records = realloc(l->records, (size_t)(l->count + count) * size);
    assert_non_null(l->records);
    memcpy(l->records + (size_t)l->count * size, records, (size_t)count * size);
    l->count += count;
    return TK_OK;
}

static tk_status append_pairs(void *user, const tk_object_pair *pairs, int64_t count) {
    list *l = user;
    l->pair = realloc(l->pair, (size_t)(l->pairs + count) * sizeof *pairs);
    assert_non_null(l->pair);
    memcpy(l->pair + l->pairs, pairs, (size_t)count * sizeof *pairs);
    l->pairs += count;
    return TK_OK;
}

static void free_list(list *l) {
    free(l->records);
    free(l->pair);
}

static const tk_object *object_at(const list *l, int64_t i) {
    return (const tk_object *)(const void *)(l->records + (size_t)i * l->spec.layout.size);
}

static tk_objects_spec spec_of(unsigned parts, int channels, int exponent) {
    const double voxel[3] = {1, 1, 1};
    tk_objects_spec spec = {.layout = tk_object_layout_of(parts, channels)};
    for (int c = 0; c < channels; c++) spec.exponent[c] = exponent;
    tk_extreme_directions(voxel, false, spec.direction);
    return spec;
}

/* The part of an image that a tile may see. */
static tk_objects_block block_of(uint32_t *labels, float *intensity, const int64_t size[3], const tk_box *core) {
    const int64_t halo[3] = {1, 1, 1};
    tk_objects_block block = {.image = tk_box_of_size(size), .core = *core};
    block.box = tk_box_grow(core, halo, &block.image);
    block.labels = tk_ccrop_u32(tk_read_u32(tk_dense_u32(labels, size)), &block.image, &block.box);
    for (int c = 0; c < TK_OBJECTS_CHANNELS; c++)
        block.intensity[c] = tk_ccrop_f32(tk_read_f32(tk_dense_f32(intensity, size)), &block.image, core);
    return block;
}

static list measure_box(const tk_objects_spec *spec, uint32_t *labels, float *intensity, const int64_t size[3],
                        const tk_box *core, int threads, tk_isa isa) {
    list found = {.spec = *spec};
    const tk_objects_block block = block_of(labels, intensity, size, core);
    const tk_object_sink sink = {append, append_pairs, &found};
    tk_work work = work_with(threads, isa, tk_objects_scratch(&spec->layout, size, threads));
    assert_int_equal(tk_objects_measure(spec, &block, &sink, &work), TK_OK);
    assert_int_equal(work.scratch.used, 0);
    found.count = tk_objects_unite(spec, found.records, found.count);
    found.pairs = tk_pairs_unite(found.pair, found.pairs);
    tk_scratch_release(&work.scratch);
    return found;
}

static list measure(const tk_objects_spec *spec, uint32_t *labels, float *intensity, const int64_t size[3],
                    int threads) {
    const tk_box all = tk_box_of_size(size);
    return measure_box(spec, labels, intensity, size, &all, threads, tk_isa_detect());
}

static void assert_same(const list *a, const list *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->pairs, b->pairs);
    assert_memory_equal(a->records, b->records, (size_t)a->count * a->spec.layout.size);
    if (a->pairs) assert_memory_equal(a->pair, b->pair, (size_t)a->pairs * sizeof *a->pair);
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

/* Boxes side by side with gaps here and there: objects that are compact, touch, and reach the border. */
static uint32_t *blocks_of_labels(const int64_t size[3]) {
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels);
    for (int64_t i = 0; i < count_of(size); i++) {
        const int64_t z = i / (size[1] * size[2]), y = i / size[2] % size[1], x = i % size[2];
        const uint32_t block = (uint32_t)(z / 3 * 64 + y / 5 * 8 + x / 7);
        labels[i] = block % 3 == 2 ? 0 : block + 1;
    }
    return labels;
}

static int largest_exponent(uint32_t *labels, float *intensity, const int64_t size[3]) {
    tk_work work = work_with(2, tk_isa_detect(), 0);
    return tk_intensity_exponent(
        tk_objects_largest(tk_read_u32(tk_dense_u32(labels, size)), tk_read_f32(tk_dense_f32(intensity, size)), &work));
}

static void check_basic(const list *l, const tk_object *o, const ref_object *expected) {
    assert_int_equal(o->count, expected->count);
    assert_memory_equal(o->lo, expected->lo, sizeof o->lo);
    assert_memory_equal(o->hi, expected->hi, sizeof o->hi);
    for (int a = 0; a < 3; a++) assert_true(fabs(tk_object_centroid(o, a) - expected->centroid[a]) < 1e-9);
    for (int c = 0; c < l->spec.layout.channels; c++) {
        const tk_object_intensity *i = tk_object_intensity_of(&l->spec.layout, o, c);
        assert_true(i->min == expected->intensity_min && i->max == expected->intensity_max);
        assert_true(fabs(tk_intensity_sum(i, l->spec.exponent[c]) - expected->intensity_sum) < 1e-9);
    }
}

static void check_spread(const list *l, const tk_object *o, const ref_object *expected) {
    const tk_object_intensity *i = tk_object_intensity_of(&l->spec.layout, o, 1);
    const tk_object_spread *s = tk_object_spread_of(&l->spec.layout, o, 1);
    assert_true(fabs(tk_intensity_deviation(o->count, s, l->spec.exponent[1]) - expected->intensity_std) < 1e-10);
    for (int a = 0; a < 3; a++)
        assert_true(fabs(tk_intensity_centre(i, s, a) - expected->weighted[a]) <
                    1e-9 * fabs(expected->weighted[a]) + 1e-9);
}

/* A matrix is known by the traces of its powers, of which the axes are made: sum of eigenvalues, sum of their squares,
 * and the longest axis is an eigenvector. */
static void check_axes(const list *l, const tk_object *o, const ref_object *expected) {
    const double voxel[3] = {1, 1, 1};
    const tk_object_axes axes = tk_object_axes_of(o, tk_object_moments_of(&l->spec.layout, o), voxel, false);
    double trace = 0, squares = 0, eigenvalue[3];
    for (int a = 0; a < 3; a++) eigenvalue[a] = axes.axis[a] * axes.axis[a] / 20;
    for (int a = 0; a < 3; a++) {
        double image = 0;
        trace += expected->covariance[a][a];
        for (int b = 0; b < 3; b++) {
            squares += expected->covariance[a][b] * expected->covariance[a][b];
            image += expected->covariance[a][b] * axes.direction[b];
        }
        assert_true(fabs(image - eigenvalue[0] * axes.direction[a]) < 1e-8 * (1 + eigenvalue[0]));
    }
    assert_true(axes.axis[0] >= axes.axis[1] && axes.axis[1] >= axes.axis[2]);
    assert_true(fabs(eigenvalue[0] + eigenvalue[1] + eigenvalue[2] - trace) < 1e-9 * (1 + trace));
    assert_true(fabs(eigenvalue[0] * eigenvalue[0] + eigenvalue[1] * eigenvalue[1] + eigenvalue[2] * eigenvalue[2] -
                     squares) < 1e-9 * (1 + squares));
    assert_true(fabs(axes.inertia[0] - eigenvalue[0] - eigenvalue[1]) < 1e-9 * (1 + trace));
}

static void check_cells(const list *l, const tk_object *o, const uint32_t *labels, const int64_t size[3]) {
    static const int cells[4] = {0, 4, 2, 1};
    const int64_t *surface = tk_object_surface_of(&l->spec.layout, o)->number;
    const int64_t *contact = tk_object_contact_of(&l->spec.layout, o)->number;
    int64_t neighbours = 0;
    for (int d = 0; d < TK_OBJECTS_DIRECTIONS; d++) {
        const int *step = tk_object_direction[d], times = cells[abs(step[0]) + abs(step[1]) + abs(step[2])];
        assert_int_equal(surface[d], times * ref_crossings(labels, size, o->label, step, false));
        assert_int_equal(contact[d], times * ref_crossings(labels, size, o->label, step, true));
    }
    assert_int_equal(surface[13], 8 * ref_euler(labels, size, o->label, false));
    assert_int_equal(surface[14], 8 * ref_euler(labels, size, o->label, true));
    for (int64_t i = 0; i < l->pairs; i++) neighbours += l->pair[i].a == o->label || l->pair[i].b == o->label;
    assert_int_equal(neighbours, ref_neighbours(labels, size, o->label));
}

static void check_all(const tk_objects_spec *spec, uint32_t *labels, float *intensity, const int64_t size[3],
                      int threads) {
    const double voxel[3] = {1, 1, 1};
    list found = measure(spec, labels, intensity, size, threads);
    for (int64_t i = 0; i < found.count; i++) {
        const tk_object *o = object_at(&found, i);
        const ref_object expected = ref_measure(labels, intensity, size, o->label);
        assert_true(i == 0 || o->label > object_at(&found, i - 1)->label);
        check_basic(&found, o, &expected);
        if (spec->layout.spread) check_spread(&found, o, &expected);
        if (spec->layout.moments) check_axes(&found, o, &expected);
        if (spec->layout.surface) check_cells(&found, o, labels, size);
        if (!spec->layout.extremes) continue;
        const double feret = tk_object_feret(tk_object_extremes_of(&spec->layout, o), voxel);
        const double longest = ref_feret(labels, size, o->label, voxel);
        assert_true(feret <= longest + 1e-9 && feret > 0.93 * longest);
    }
    free_list(&found);
}

static void equals_the_reference(void **state) {
    (void)state;
    const int64_t sizes[3][3] = {{6, 11, 43}, {1, 23, 31}, {9, 13, 25}};
    for (int s = 0; s < 3; s++) {
        uint32_t *labels = s == 2 ? blocks_of_labels(sizes[s]) : random_labels(sizes[s], 5, 9);
        float *intensity = random_image(sizes[s], 6);
        const int exponent = largest_exponent(labels, intensity, sizes[s]);
        const tk_objects_spec all = spec_of(ALL, 2, exponent), basic = spec_of(0, 1, exponent);
        check_all(&all, labels, intensity, sizes[s], 1 + s);
        check_all(&basic, labels, intensity, sizes[s], 3);
        free(labels);
        free(intensity);
    }
}

/* More objects than one table holds, and more pairs: they come in several parts, and still add up; for each instruction
 * set and number of threads. */
static void many_objects_come_in_parts(void **state) {
    (void)state;
    const int64_t size[3] = {8, 32, 96};
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels);
    float *intensity = random_image(size, 7);
    const tk_box box = tk_box_of_size(size);
    const tk_objects_spec spec = spec_of(ALL, 1, 3);
    for (int64_t i = 0; i < count_of(size); i++) labels[i] = (uint32_t)(1 + i * 7919 % 10007);
    list one = measure(&spec, labels, intensity, size, 1);
    assert_int_equal(one.count, 10007);
    for (tk_isa isa = 0; isa <= tk_isa_detect(); isa++)
        for (int threads = 1; threads <= 5; threads += 2) {
            list other = measure_box(&spec, labels, intensity, size, &box, threads, isa);
            assert_same(&one, &other);
            free_list(&other);
        }
    for (int64_t i = 0; i < one.count; i += 501) {
        const ref_object expected = ref_measure(labels, intensity, size, object_at(&one, i)->label);
        check_basic(&one, object_at(&one, i), &expected);
    }
    free_list(&one);
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
    const tk_objects_spec spec = spec_of(0, 1, exponent);
    list found = measure(&spec, labels, intensity, size, 3);
    assert_int_equal(found.count, 2);
    assert_true(tk_intensity_sum(tk_object_intensity_of(&spec.layout, object_at(&found, 0), 0), exponent) ==
                (double)sum);
    assert_true(tk_object_intensity_of(&spec.layout, object_at(&found, 1), 0)->sum == 0);
    free_list(&found);
    free(labels);
    free(intensity);
}

static void what_is_not_finite_is_counted_apart(void **state) {
    (void)state;
    const int64_t size[3] = {1, 1, 5};
    uint32_t labels[5] = {1, 1, 1, 0, 1};
    float intensity[5] = {2, NAN, -INFINITY, 100, 3};
    assert_int_equal(largest_exponent(labels, intensity, size), 2);
    const tk_objects_spec spec = spec_of(TK_OBJECT_SPREAD, 1, 2);
    list found = measure(&spec, labels, intensity, size, 1);
    const tk_object_intensity *i = tk_object_intensity_of(&spec.layout, object_at(&found, 0), 0);
    assert_int_equal(i->not_finite, 2);
    assert_true(i->min == -INFINITY && i->max == 3);
    assert_true(i->sum == (tk_int128)5 << 60);
    assert_true(isnan(tk_intensity_sum(i, 2)));
    assert_true(isnan(tk_intensity_centre(i, tk_object_spread_of(&spec.layout, object_at(&found, 0), 0), 2)));
    free_list(&found);
}

/* The n-th tile of an image. */
static tk_box tile_at(const int64_t size[3], const int64_t tile[3], int64_t n) {
    tk_box box;
    for (int a = 2; a >= 0; a--) {
        const int64_t grid = (size[a] + tile[a] - 1) / tile[a];
        box.lo[a] = n % grid * tile[a];
        box.hi[a] = box.lo[a] + tile[a] < size[a] ? box.lo[a] + tile[a] : size[a];
        n /= grid;
    }
    return box;
}

static list merge(const list *a, const list *b) {
    list out = {.spec = b->spec};
    out.records = must_allocate(a->count + b->count, b->spec.layout.size);
    out.pair = must_allocate(a->pairs + b->pairs, sizeof *out.pair);
    out.count = tk_objects_merge(&b->spec, a->records, a->count, b->records, b->count, out.records);
    out.pairs = tk_pairs_merge(a->pair, a->pairs, b->pair, b->pairs, out.pair);
    return out;
}

/* Tiles measured apart and merged in any order are the volume. */
static void tiles_merge_in_any_order(void **state) {
    (void)state;
    const int64_t size[3] = {7, 20, 50}, tiles[3][3] = {{1, 20, 50}, {3, 7, 17}, {7, 1, 50}};
    uint32_t *labels = random_labels(size, 15, 12);
    float *intensity = random_image(size, 16);
    const tk_objects_spec spec = spec_of(ALL, 2, 4);
    list whole = measure(&spec, labels, intensity, size, 2);
    for (int way = 0; way < 6; way++) {
        const int64_t *tile = tiles[way / 2];
        int64_t count = 1;
        for (int a = 0; a < 3; a++) count *= (size[a] + tile[a] - 1) / tile[a];
        list sum = {.spec = spec};
        for (int64_t n = 0; n < count; n++) {
            const tk_box core = tile_at(size, tile, way % 2 ? count - 1 - n : n);
            list part = measure_box(&spec, labels, intensity, size, &core, 1, tk_isa_detect());
            list merged = merge(&sum, &part);
            free_list(&sum);
            free_list(&part);
            sum = merged;
        }
        assert_same(&whole, &sum);
        free_list(&sum);
    }
    free_list(&whole);
    free(labels);
    free(intensity);
}

static void what_does_not_do_is_refused(void **state) {
    (void)state;
    const int64_t size[3] = {4, 4, 4};
    uint32_t *labels = random_labels(size, 3, 4);
    float *intensity = random_image(size, 3);
    const tk_objects_spec spec = spec_of(ALL, 1, 4);
    const tk_box all = tk_box_of_size(size);
    tk_box half = all;
    half.hi[0] = 2;
    list found = {.spec = spec};
    const tk_object_sink sink = {append, append_pairs, &found};
    tk_objects_block block = block_of(labels, intensity, size, &half);
    tk_work work = work_with(1, tk_isa_detect(), tk_objects_scratch(&spec.layout, size, 1));
    block.labels = tk_ccrop_u32(block.labels, &block.box, &half);
    block.box = half;
    assert_int_equal(tk_objects_measure(&spec, &block, &sink, &work), TK_INVALID);
    tk_scratch_release(&work.scratch);
    block = block_of(labels, intensity, size, &all);
    for (size_t less = 64; less < tk_objects_scratch(&spec.layout, size, 1); less += 40000) {
        work = work_with(1, tk_isa_detect(), less);
        assert_int_equal(tk_objects_measure(&spec, &block, &sink, &work), TK_NO_MEMORY);
        tk_scratch_release(&work.scratch);
    }
    assert_int_equal(found.count, 0);
    free(labels);
    free(intensity);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_reference),     cmocka_unit_test(many_objects_come_in_parts),
        cmocka_unit_test(integers_sum_exactly),     cmocka_unit_test(what_is_not_finite_is_counted_apart),
        cmocka_unit_test(tiles_merge_in_any_order), cmocka_unit_test(what_does_not_do_is_refused),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
