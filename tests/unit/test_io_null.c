/* Images without a file: specs, values independent of the region read, and the number of objects that is promised. */
#include "test_io_fixture.h"

#include "io/image.h"

static tk_image *open_image(const char *spec) {
    tk_error error = TK_ERROR_NONE;
    tk_image *image = NULL;
    assert_done(tk_image_open(spec, NULL, &image, &error), &error);
    return image;
}

static float *read_box(tk_image *image, const tk_box *box) {
    tk_error error = TK_ERROR_NONE;
    const int64_t size[3] = {tk_box_size(box, 0), tk_box_size(box, 1), tk_box_size(box, 2)};
    float *voxels = malloc((size_t)tk_box_count(box) * sizeof *voxels);
    assert_non_null(voxels);
    assert_done(tk_image_read(image, 0, 0, box, tk_dense_f32(voxels, size), &error), &error);
    return voxels;
}

static void test_regions_read_the_same(void **state) {
    (void)state;
    tk_image *image = open_image("null:40x50x61:f32");
    const int64_t size[3] = {40, 50, 61};
    const tk_box whole = tk_box_of_size(size);
    float *all = read_box(image, &whole);
    for (int i = 0; i < 50; i++) {
        const tk_box box = random_box(size);
        float *part = read_box(image, &box);
        const float *at = part;
        for (int64_t z = box.lo[0]; z < box.hi[0]; z++)
            for (int64_t y = box.lo[1]; y < box.hi[1]; y++)
                for (int64_t x = box.lo[2]; x < box.hi[2]; x++, at++)
                    assert_true(*at == all[(z * size[1] + y) * size[2] + x]);
        free(part);
    }
    free(all);
    tk_image_close(image);
}

static void test_types_hold_the_same_values(void **state) {
    (void)state;
    static const char *const names[] = {"u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"};
    const int64_t size[3] = {17, 33, 35};
    const tk_box whole = tk_box_of_size(size);
    tk_image *image = open_image("null:17x33x35");
    assert_int_equal(tk_image_info_of(image)->type, TK_U16);
    float *expected = read_box(image, &whole);
    tk_image_close(image);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char spec[64];
        snprintf(spec, sizeof spec, "null:17x33x35:%s", names[i]);
        tk_image *other = open_image(spec);
        float *voxels = read_box(other, &whole);
        assert_memory_equal(voxels, expected, (size_t)tk_box_count(&whole) * sizeof *voxels);
        free(voxels);
        tk_image_close(other);
    }
    free(expected);
}

/* Removes the object at (z, y, x) over faces, edges and corners: returns its voxels. */
static int64_t remove_object(float *voxels, const int64_t size[3], float level, int64_t z, int64_t y, int64_t x) {
    if (z < 0 || y < 0 || x < 0 || z >= size[0] || y >= size[1] || x >= size[2]) return 0;
    float *voxel = &voxels[(z * size[1] + y) * size[2] + x];
    if (*voxel <= level) return 0;
    *voxel = 0;
    int64_t count = 1;
    for (int i = 0; i < 27; i++)
        count += remove_object(voxels, size, level, z + i / 9 - 1, y + i / 3 % 3 - 1, x + i % 3 - 1);
    return count;
}

static void check_count(const char *spec, const int64_t size[3], float level) {
    tk_image *image = open_image(spec);
    const tk_box whole = tk_box_of_size(size);
    float *voxels = read_box(image, &whole);
    int64_t objects = 0;
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++) {
                const int64_t count = remove_object(voxels, size, level, z, y, x);
                if (count == 0) continue;
                objects++;
                assert_in_range(count, 100, 1000); /* balls of radius 3 to 6 voxels: 123 to 925 */
            }
    assert_int_equal(objects, (size[0] / 16) * (size[1] / 16) * (size[2] / 16));
    free(voxels);
    tk_image_close(image);
}

static void test_number_of_objects(void **state) {
    (void)state;
    check_count("null:48x64x80", (int64_t[3]){48, 64, 80}, 26);
    check_count("null:48x64x80", (int64_t[3]){48, 64, 80}, 59);
    check_count("null:31x47x40", (int64_t[3]){31, 47, 40}, 40); /* cells that are cut off have none */
    check_count("null:8x64x64", (int64_t[3]){8, 64, 64}, 40);
}

/* Specks and bars are where they are said to be, however little of a row is read. */
static void test_lattices(void **state) {
    (void)state;
    static const char *const specs[] = {"null:5x6x7:u8:specks", "null:5x6x7:f32:bars"};
    const tk_box boxes[] = {{{0, 0, 0}, {5, 6, 7}}, {{1, 2, 3}, {4, 5, 6}}, {{4, 4, 6}, {5, 5, 7}}};
    for (int bars = 0; bars < 2; bars++)
        for (size_t b = 0; b < sizeof boxes / sizeof boxes[0]; b++) {
            tk_image *image = open_image(specs[bars]);
            const tk_box *box = &boxes[b];
            float *voxels = read_box(image, box);
            const float *at = voxels;
            for (int64_t z = box->lo[0]; z < box->hi[0]; z++)
                for (int64_t y = box->lo[1]; y < box->hi[1]; y++)
                    for (int64_t x = box->lo[2]; x < box->hi[2]; x++)
                        assert_true(*at++ == ((bars || z % 2 == 0) && y % 2 == 0 && x % 2 == 0 ? 100 : 10));
            free(voxels);
            tk_image_close(image);
        }
}

/* Far from the origin of an image that no memory holds, too. */
static void test_large_images(void **state) {
    (void)state;
    tk_image *image = open_image("null:100000x200000x300000:u8");
    const tk_box box = {{99984, 199984, 299968}, {100000, 200000, 299984}};
    float *voxels = read_box(image, &box), largest = 0;
    for (int64_t i = 0; i < tk_box_count(&box); i++) largest = voxels[i] > largest ? voxels[i] : largest;
    assert_true(largest >= 60);
    free(voxels);
    tk_image_close(image);
}

static void test_wrong_specs_are_refused(void **state) {
    (void)state;
    static const char *const specs[] = {"null:",
                                        "null:8",
                                        "null:8x8",
                                        "null:8x8x",
                                        "null:8x8x8x8",
                                        "null:0x8x8",
                                        "null:-8x8x8",
                                        "null:8x8x8:",
                                        "null:8x8x8:u9",
                                        "null:8x8x8u8",
                                        "null:8x8x8:u8:",
                                        "null:8x8x8:u8:stars",
                                        "null:8x8x8:u8:specks:",
                                        "null:8x8x8:specks",
                                        "null: 8x8x8",
                                        "null:99999999999x8x8",
                                        "null:2000000000x2000000000x2000000000:f64",
                                        "null:99999999999999999999x1x1",
                                        "null:8x8x8.5"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        tk_error error = TK_ERROR_NONE;
        tk_image *image = NULL;
        assert_int_equal(tk_image_open(specs[i], NULL, &image, &error), TK_UNREADABLE);
        assert_null(image);
        assert_non_null(strstr(error.text, specs[i]));
    }
    tk_error error = TK_ERROR_NONE;
    tk_image *image = NULL;
    assert_int_equal(tk_image_open("null:8x8x8", "zyx", &image, &error), TK_UNREADABLE);
    assert_true(tk_image_is_computed("null:8x8x8"));
    assert_false(tk_image_is_computed("./null:8x8x8"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions_read_the_same), cmocka_unit_test(test_types_hold_the_same_values),
        cmocka_unit_test(test_number_of_objects),     cmocka_unit_test(test_lattices),
        cmocka_unit_test(test_large_images),          cmocka_unit_test(test_wrong_specs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
