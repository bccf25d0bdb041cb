/* The work store, the cache, checksums, tables, and files that appear whole or not at all. */
#include "test_io_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io/cache.h"
#include "io/checksum.h"
#include "io/png.h"
#include "io/rawstore.h"
#include "io/table.h"

/* FIPS 180-4's own examples. */
static void checksums_match_the_standard(void **state) {
    (void)state;
    char hex[65];
    int64_t bytes;
    tk_error error = TK_ERROR_NONE;
    assert_done(tk_bytes_sha256("abc", 3, hex, &error), &error);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    write_bytes("abc", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
    assert_done(tk_file_sha256("abc", hex, &bytes, &error), &error);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_int_equal(bytes, 56);
    assert_int_equal(tk_file_sha256("absent", hex, NULL, &error), TK_UNREADABLE);
    assert_non_null(strstr(error.text, "absent"));
}

enum { TIMES = 3 };

/* The value that voxel (z, y, x) of the test image holds at a time point. */
static uint16_t voxel(const int64_t size[3], int64_t time, int64_t z, int64_t y, int64_t x) {
    return (uint16_t)((((time * size[0] + z) * size[1] + y) * size[2] + x) * 40503u >> 3);
}

static void write_tile(tk_rawstore *store, const int64_t size[3], int64_t time, const tk_box *tile) {
    tk_error error = TK_ERROR_NONE;
    /* Rows with a gap behind them every other time, so that both ways of writing are used. */
    const int64_t gap = random_between(0, 2) * 3, width = tk_box_size(tile, 2) + gap;
    const int64_t stride[3] = {width * tk_box_size(tile, 1), width, 1};
    uint16_t *data = calloc((size_t)(stride[0] * tk_box_size(tile, 0)), sizeof *data);
    for (int64_t z = tile->lo[0]; z < tile->hi[0]; z++)
        for (int64_t y = tile->lo[1]; y < tile->hi[1]; y++)
            for (int64_t x = tile->lo[2]; x < tile->hi[2]; x++)
                data[(z - tile->lo[0]) * stride[0] + (y - tile->lo[1]) * width + x - tile->lo[2]] =
                    voxel(size, time, z, y, x);
    assert_done(tk_rawstore_write(store, time, tile, data, stride, &error), &error);
    free(data);
}

static void fill_store(tk_rawstore *store, const int64_t size[3], const int64_t tile[3]) {
    for (int64_t z = 0; z < size[0]; z += tile[0])
        for (int64_t y = 0; y < size[1]; y += tile[1])
            for (int64_t x = 0; x < size[2]; x += tile[2]) {
                const tk_box all = tk_box_of_size(size);
                const tk_box full = {{z, y, x}, {z + tile[0], y + tile[1], x + tile[2]}};
                const tk_box core = tk_box_intersect(&all, &full);
                for (int64_t time = 0; time < TIMES; time++) write_tile(store, size, time, &core);
            }
}

static void check_box(tk_rawstore *store, const int64_t size[3], int64_t time, const tk_box *box) {
    tk_error error = TK_ERROR_NONE;
    const int64_t stride[3] = {tk_box_size(box, 1) * (tk_box_size(box, 2) + 2), tk_box_size(box, 2) + 2, 1};
    uint16_t *data = calloc((size_t)(stride[0] * tk_box_size(box, 0)), sizeof *data);
    assert_done(tk_rawstore_read(store, time, box, data, stride, &error), &error);
    for (int64_t z = box->lo[0]; z < box->hi[0]; z++)
        for (int64_t y = box->lo[1]; y < box->hi[1]; y++) {
            const uint16_t *row = data + (z - box->lo[0]) * stride[0] + (y - box->lo[1]) * stride[1];
            for (int64_t x = box->lo[2]; x < box->hi[2]; x++)
                assert_int_equal(row[x - box->lo[2]], voxel(size, time, z, y, x));
            assert_int_equal(row[tk_box_size(box, 2)], 0); /* nothing beside the box is touched */
        }
    free(data);
}

static void boxes_of_the_store_are_what_was_written(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        tk_error error = TK_ERROR_NONE;
        tk_rawstore *store;
        int64_t size[3], tile[3];
        for (int axis = 0; axis < 3; axis++) {
            size[axis] = random_between(1, 24);
            tile[axis] = random_between(1, 30);
        }
        unlink("store.raw");
        assert_done(tk_rawstore_open("store.raw", 2, size, tile, TIMES, true, &store, &error), &error);
        fill_store(store, size, tile);
        assert_done(tk_rawstore_sync(store, &error), &error);
        assert_done(tk_rawstore_close(store, &error), &error);
        assert_done(tk_rawstore_open("store.raw", 2, size, tile, TIMES, false, &store, &error), &error);
        for (int i = 0; i < 20; i++) {
            const tk_box box = random_box(size);
            check_box(store, size, random_between(0, TIMES), &box);
        }
        assert_done(tk_rawstore_close(store, &error), &error);
    }
}

static void the_store_refuses_what_is_no_tile(void **state) {
    (void)state;
    const int64_t size[3] = {8, 8, 8}, tile[3] = {4, 4, 4}, stride[3] = {16, 4, 1};
    const tk_box shifted = {{0, 1, 0}, {4, 5, 4}}, outside = {{0, 0, 0}, {9, 8, 8}};
    uint8_t data[1024] = {0};
    tk_rawstore *store;
    tk_error error = TK_ERROR_NONE;
    unlink("store.raw");
    assert_int_equal(tk_rawstore_open("store.raw", 1, size, tile, 1, false, &store, &error), TK_UNREADABLE);
    error = TK_ERROR_NONE;
    assert_done(tk_rawstore_open("store.raw", 1, size, tile, 1, true, &store, &error), &error);
    assert_int_equal(tk_rawstore_write(store, 0, &shifted, data, stride, &error), TK_FAILED);
    error = TK_ERROR_NONE;
    assert_int_equal(tk_rawstore_read(store, 0, &outside, data, stride, &error), TK_FAILED);
    error = TK_ERROR_NONE;
    const tk_box first = {{0, 0, 0}, {4, 4, 4}};
    assert_int_equal(tk_rawstore_write(store, 1, &first, data, stride, &error), TK_FAILED);
    error = TK_ERROR_NONE;
    assert_int_equal(tk_rawstore_read(store, 1, &first, data, stride, &error), TK_FAILED);
    error = TK_ERROR_NONE;
    const tk_box never_written = {{0, 0, 0}, {1, 1, 1}};
    data[0] = 1;
    assert_done(tk_rawstore_read(store, 0, &never_written, data, stride, &error), &error);
    assert_int_equal(data[0], 0);
    assert_done(tk_rawstore_close(store, &error), &error);
    const int64_t huge[3] = {INT64_MAX / 2, 1 << 20, 1 << 20};
    assert_int_equal(tk_rawstore_open("store.raw", 1, huge, huge, 1, true, &store, &error), TK_FAILED);
}

/* A limit on file sizes stands for a full disk. */
static void a_full_disk_is_an_error_of_the_store(void **state) {
    (void)state;
    const int64_t size[3] = {16, 64, 64}, stride[3] = {4096, 64, 1};
    struct rlimit before, small;
    tk_rawstore *store;
    tk_error error = TK_ERROR_NONE;
    uint8_t *data = calloc(1, 1 << 16);
    unlink("store.raw");
    assert_done(tk_rawstore_open("store.raw", 1, size, size, 1, true, &store, &error), &error);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 10000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const tk_box all = tk_box_of_size(size);
    const tk_status status = tk_rawstore_write(store, 0, &all, data, stride, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, TK_UNWRITABLE);
    assert_non_null(strstr(error.text, "store.raw"));
    tk_error ignored = TK_ERROR_NONE;
    (void)tk_rawstore_close(store, &ignored);
    free(data);
}

static void the_cache_returns_what_was_stored(void **state) {
    (void)state;
    tk_bytes bytes;
    tk_error error = TK_ERROR_NONE;
    setenv("TARKKA_CACHE", "some/where/deep", 1);
    assert_done(tk_cache_load("plan-1.wisdom", &bytes, &error), &error);
    assert_int_equal(bytes.size, 0);
    for (size_t size = 0; size < 5000; size += 777) {
        unsigned char data[5000];
        for (size_t i = 0; i < size; i++) data[i] = (unsigned char)random_bits();
        assert_done(tk_cache_store("plan-1.wisdom", data, size, &error), &error);
        assert_done(tk_cache_load("plan-1.wisdom", &bytes, &error), &error);
        assert_int_equal(bytes.size, size);
        if (size > 0) assert_memory_equal(bytes.data, data, size);
        tk_bytes_free(&bytes);
    }
    assert_int_equal(tk_cache_store("../escape", "x", 1, &error), TK_FAILED);
}

static void a_damaged_cache_entry_counts_as_absent(void **state) {
    (void)state;
    tk_bytes bytes;
    tk_error error = TK_ERROR_NONE;
    setenv("TARKKA_CACHE", "cache", 1);
    assert_done(tk_cache_store("entry", "wisdom", 6, &error), &error);
    size_t size;
    unsigned char *data = file_bytes("cache/entry", &size);
    for (size_t at = 0; at < size; at++) {
        data[at] ^= 1;
        write_bytes("cache/entry", data, size);
        data[at] ^= 1;
        assert_done(tk_cache_load("entry", &bytes, &error), &error);
        assert_int_equal(bytes.size, 0);
        write_bytes("cache/entry", data, at);
        assert_done(tk_cache_load("entry", &bytes, &error), &error);
        assert_int_equal(bytes.size, 0);
    }
    free(data);
    /* A directory that cannot be made is told. */
    write_bytes("file", "x", 1);
    setenv("TARKKA_CACHE", "file/cache", 1);
    assert_int_equal(tk_cache_store("entry", "wisdom", 6, &error), TK_UNWRITABLE);
}

static void pictures_are_whole_or_absent(void **state) {
    (void)state;
    unsigned char rgb[5 * 7 * 3];
    tk_error error = TK_ERROR_NONE;
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (unsigned char)random_bits();
    assert_done(tk_png_write("picture.png", 7, 5, rgb, &error), &error);
    assert_int_equal(access("picture.png.part", F_OK), -1);
    size_t size;
    unsigned char *data = file_bytes("picture.png", &size);
    assert_memory_equal(data, "\211PNG\r\n\032\n", 8);
    assert_memory_equal(data + 16, "\0\0\0\007\0\0\0\005\010\002", 10); /* 7 x 5, 8 bits, RGB */
    free(data);
    assert_int_equal(tk_png_write("nowhere/picture.png", 7, 5, rgb, &error), TK_UNWRITABLE);
    error = TK_ERROR_NONE;
    assert_int_equal(tk_png_write("picture.png", 0, 5, rgb, &error), TK_FAILED);
    error = TK_ERROR_NONE;
    assert_int_equal(tk_png_write("picture.png", INT64_MAX / 2, 5, rgb, &error), TK_FAILED);
}

static void tables_start_as_zeros(void **state) {
    (void)state;
    const tk_column columns[] = {{"label", "", "", TK_U32, NULL}, {"area", "um^2", "", TK_F64, NULL}};
    tk_table table;
    tk_error error = TK_ERROR_NONE;
    assert_done(tk_table_make(3, columns, 2, &table, &error), &error);
    assert_string_equal(tk_table_column(&table, "area")->unit, "um^2");
    assert_null(tk_table_column(&table, "volume"));
    for (int i = 0; i < 3; i++) assert_true(((double *)table.column[1].data)[i] == 0);
    tk_table_free(&table);
    tk_table_free(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_match_the_standard),      cmocka_unit_test(boxes_of_the_store_are_what_was_written),
        cmocka_unit_test(the_store_refuses_what_is_no_tile), cmocka_unit_test(a_full_disk_is_an_error_of_the_store),
        cmocka_unit_test(the_cache_returns_what_was_stored), cmocka_unit_test(a_damaged_cache_entry_counts_as_absent),
        cmocka_unit_test(pictures_are_whole_or_absent),      cmocka_unit_test(tables_start_as_zeros),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
