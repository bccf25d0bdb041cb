/* Local thresholds against boxes visited one by one, and the same bits for tiles, threads and instruction sets. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/segment/local_threshold.h"
#include "tests/reference/local_threshold.h"
#include "tests/unit/test_volume_fixture.h"

typedef struct scene {
    int64_t size[3];
    int64_t count;
    float *image;
    double *level; /* of each voxel by the reference: the threshold */
} scene;

static tk_local_threshold how_of(tk_local_method method, const int64_t radius[3]) {
    const bool of_one = method == TK_LOCAL_PHANSALKAR;
    return (tk_local_threshold){.method = method,
                                .factor = 1,
                                .floor = -INFINITY,
                                .radius = {radius[0], radius[1], radius[2]},
                                .k = 0.3,
                                .r = of_one ? 0.5 : 0.6,
                                .p = 2,
                                .q = 10,
                                .levels = {-0.25, 1.5 / 65535, 65535}};
}

static double threshold_of(const tk_local_threshold *how, double mean, double deviation) {
    const double m = how->levels.lo + mean * how->levels.quantum, s = deviation * how->levels.quantum;
    const double m1 = mean / how->levels.top, s1 = deviation / how->levels.top;
    switch (how->method) {
    case TK_LOCAL_MEAN:
        return m;
    case TK_LOCAL_NIBLACK:
        return m - how->k * s;
    case TK_LOCAL_SAUVOLA:
        return m * (1 + how->k * (s / how->r - 1));
    case TK_LOCAL_PHANSALKAR:
        break;
    }
    return how->levels.lo + 1.5 * m1 * (1 + how->p * exp(-how->q * m1) + how->k * (s1 / how->r - 1));
}

/* Voxels in -0.25 … 1.25. */
static scene make_scene(const int64_t size[3], const tk_local_threshold *how) {
    scene s = {{size[0], size[1], size[2]}, count_of(size), random_image(size, 4), NULL};
    int64_t *levels = must_allocate(s.count, sizeof *levels);
    double *mean = must_allocate(s.count, sizeof *mean), *deviation = must_allocate(s.count, sizeof *deviation);
    s.level = must_allocate(s.count, sizeof *s.level);
    for (int64_t i = 0; i < s.count; i++) {
        tk_rng rng = tk_rng_stream(4, 1, (uint64_t)i);
        s.image[i] = (float)(tk_rng_uniform(&rng) * 1.5 - 0.25);
        levels[i] = (int64_t)floor(((double)s.image[i] - how->levels.lo) / how->levels.quantum + 0.5);
    }
    ref_local_moments(levels, size, how->radius, mean, deviation);
    for (int64_t i = 0; i < s.count; i++) s.level[i] = threshold_of(how, mean[i], deviation[i]);
    free(levels), free(mean), free(deviation);
    return s;
}

/* The mask in tiles of a size, each given its halo and no more. */
static void run_tiles(const scene *s, const tk_local_threshold *how, int64_t tile, int threads, tk_isa isa,
                      uint8_t *mask) {
    const tk_box image = tk_box_of_size(s->size);
    tk_work work = work_with(threads, isa, tk_local_threshold_scratch(how, s->size, threads));
    for (int64_t z = 0; z < s->size[0]; z += tile)
        for (int64_t y = 0; y < s->size[1]; y += tile)
            for (int64_t x = 0; x < s->size[2]; x += tile) {
                const tk_box wanted = {{z, y, x}, {z + tile, y + tile, x + tile}};
                const tk_box out = tk_box_intersect(&wanted, &image), in = tk_box_grow(&out, how->radius, &image);
                const tk_cview_f32 whole = tk_read_f32(tk_dense_f32(s->image, s->size));
                assert_int_equal(tk_local_threshold_apply(how, &image, &in, tk_ccrop_f32(whole, &image, &in), &out,
                                                          tk_crop_u8(tk_dense_u8(mask, s->size), &image, &out), &work),
                                 TK_OK);
                assert_int_equal(work.scratch.used, 0);
            }
    tk_scratch_release(&work.scratch);
}

static void check_method(tk_local_method method, const int64_t size[3], const int64_t radius[3]) {
    const tk_local_threshold how = how_of(method, radius);
    const scene s = make_scene(size, &how);
    uint8_t *mask = must_allocate(s.count, 1), *other = must_allocate(s.count, 1);
    run_tiles(&s, &how, 1000, 1, TK_ISA_BASELINE, mask);
    for (int64_t i = 0; i < s.count; i++)
        if (fabs((double)s.image[i] - s.level[i]) > 1e-9) assert_int_equal(mask[i], (double)s.image[i] > s.level[i]);
    for (int isa = TK_ISA_BASELINE; isa <= (int)tk_isa_detect(); isa++)
        for (int threads = 1; threads <= 3; threads++) {
            run_tiles(&s, &how, threads == 1 ? 7 : 40 / threads, threads, (tk_isa)isa, other);
            assert_memory_equal(mask, other, (size_t)s.count);
        }
    free(mask), free(other), free(s.image), free(s.level);
}

static void masks_equal_the_definition_whatever_the_tiles(void **state) {
    (void)state;
    for (int method = TK_LOCAL_MEAN; method <= TK_LOCAL_PHANSALKAR; method++) {
        check_method((tk_local_method)method, (const int64_t[3]){7, 45, 38}, (const int64_t[3]){1, 3, 2});
        check_method((tk_local_method)method, (const int64_t[3]){1, 40, 33}, (const int64_t[3]){0, 4, 5});
        check_method((tk_local_method)method, (const int64_t[3]){3, 5, 9}, (const int64_t[3]){4, 11, 9}); /* beyond */
        check_method((tk_local_method)method, (const int64_t[3]){2, 1, 17}, (const int64_t[3]){0, 0, 0});
    }
}

static void a_nan_is_background_and_counts_as_the_smallest(void **state) {
    (void)state;
    float image[9] = {4, 0, 4, 0, NAN, 4, 8, 0, 4};
    uint8_t mask[9];
    const int64_t size[3] = {1, 1, 9};
    const tk_box all = tk_box_of_size(size);
    const tk_local_threshold how = {
        .method = TK_LOCAL_MEAN, .factor = 1, .floor = -INFINITY, .radius = {0, 0, 1}, .levels = {0, 1, 8}};
    tk_work work = work_with(1, tk_isa_detect(), tk_local_threshold_scratch(&how, size, 1));
    assert_int_equal(tk_local_threshold_apply(&how, &all, &all, tk_read_f32(tk_dense_f32(image, size)), &all,
                                              tk_dense_u8(mask, size), &work),
                     TK_OK);
    const uint8_t expected[9] = {1, 0, 1, 0, 0, 0, 1, 0, 1}; /* 4 beside 0 and 8 is the mean: not above it */
    assert_memory_equal(mask, expected, sizeof mask);
    tk_scratch_release(&work.scratch);
}

static void too_little_is_refused(void **state) {
    (void)state;
    const int64_t size[3] = {3, 8, 9}, radius[3] = {1, 1, 1};
    const tk_local_threshold how = how_of(TK_LOCAL_SAUVOLA, radius);
    float *image = random_image(size, 1);
    uint8_t mask[3 * 8 * 9];
    const tk_box all = tk_box_of_size(size), half = {{0, 0, 0}, {3, 8, 4}};
    const tk_cview_f32 in = tk_read_f32(tk_dense_f32(image, size));
    tk_work work = work_with(1, tk_isa_detect(), tk_local_threshold_scratch(&how, size, 1));
    assert_int_equal(tk_local_threshold_apply(&how, &all, &half, in, &half, tk_dense_u8(mask, size), &work), TK_FAILED);
    work.scratch.size /= 2;
    assert_int_equal(tk_local_threshold_apply(&how, &all, &all, in, &all, tk_dense_u8(mask, size), &work),
                     TK_NO_MEMORY);
    tk_scratch_release(&work.scratch);
    free(image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_equal_the_definition_whatever_the_tiles),
        cmocka_unit_test(a_nan_is_background_and_counts_as_the_smallest),
        cmocka_unit_test(too_little_is_refused),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
