/* The result file: what is written comes back, what is missing is told, a full disk is an error and no more. */
#include "test_io_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io/checksum.h"
#include "io/image.h"
#include "io/result.h"

static const char *file = "result.h5";

/* Fills one chunk with the part of a dense u16 image that it covers, zeros beyond. */
static void cut_chunk(const uint16_t *image, const tk_result_image *about, const int64_t origin[3], uint16_t *chunk) {
    memset(chunk, 0, (size_t)(about->chunk[0] * about->chunk[1] * about->chunk[2]) * sizeof *chunk);
    for (int64_t z = 0; z < about->chunk[0] && origin[0] + z < about->size[0]; z++)
        for (int64_t y = 0; y < about->chunk[1] && origin[1] + y < about->size[1]; y++)
            for (int64_t x = 0; x < about->chunk[2] && origin[2] + x < about->size[2]; x++)
                chunk[(z * about->chunk[1] + y) * about->chunk[2] + x] =
                    image[((origin[0] + z) * about->size[1] + origin[1] + y) * about->size[2] + origin[2] + x];
}

static tk_status write_at(tk_result *result, int id, int64_t time, const uint16_t *image, const tk_result_image *about,
                          const int64_t origin[3], tk_error *error) {
    const size_t bytes = (size_t)(about->chunk[0] * about->chunk[1] * about->chunk[2]) * sizeof *image;
    const size_t room = tk_chunk_bound(bytes);
    uint16_t *chunk = malloc(bytes);
    void *work = malloc(tk_chunk_work(bytes)), *encoded = malloc(room);
    size_t size;
    cut_chunk(image, about, origin, chunk);
    assert_int_equal(tk_chunk_encode(chunk, bytes, sizeof *image, work, encoded, room, &size), TK_OK);
    const tk_status status = tk_result_write_chunk(result, id, time, origin, encoded, size, NULL, error);
    free(encoded);
    free(work);
    free(chunk);
    return status;
}

/* Writes all chunks but the one of number `skip`. */
static tk_status write_image(tk_result *result, int id, const uint16_t *image, const tk_result_image *about, int skip,
                             tk_error *error) {
    int number = 0;
    int64_t at[3];
    for (at[0] = 0; at[0] < about->size[0]; at[0] += about->chunk[0])
        for (at[1] = 0; at[1] < about->size[1]; at[1] += about->chunk[1])
            for (at[2] = 0; at[2] < about->size[2]; at[2] += about->chunk[2])
                if (number++ != skip) TK_TRY(write_at(result, id, 0, image, about, at, error));
    return TK_OK;
}

static uint16_t *random_image(const int64_t size[3]) {
    const int64_t count = size[0] * size[1] * size[2];
    uint16_t *image = malloc((size_t)count * sizeof *image);
    for (int64_t i = 0; i < count; i++) image[i] = (uint16_t)random_bits();
    return image;
}

static const tk_result_image model = {.path = "/images/sharp",
                                      .kind = "image",
                                      .description = "A test.",
                                      .type = TK_U16,
                                      .size = {11, 37, 53},
                                      .chunk = {4, 16, 64},
                                      .voxel_um = {0.3, 0.1, 0.2}};

static void an_image_comes_back_and_its_checksum_fits(void **state) {
    (void)state;
    tk_result *result;
    tk_error error = TK_ERROR_NONE;
    int id;
    char sealed[65], expected[65];
    uint16_t *image = random_image(model.size);
    const int64_t count = model.size[0] * model.size[1] * model.size[2];
    assert_done(tk_result_create(file, &result, &error), &error);
    assert_done(tk_result_add_image(result, &model, &id, &error), &error);
    assert_done(write_image(result, id, image, &model, -1, &error), &error);
    assert_done(tk_result_seal_image(result, id, 0, sealed, &error), &error);
    assert_done(tk_result_close(&result, &error), &error);
    assert_null(result);
    assert_done(tk_bytes_sha256(image, (size_t)count * sizeof *image, expected, &error), &error);
    assert_string_equal(sealed, expected);

    tk_image *opened;
    assert_done(tk_image_open("result.h5:/images/sharp", NULL, &opened, &error), &error);
    const tk_image_info *info = tk_image_info_of(opened);
    assert_int_equal(info->type, TK_U16);
    for (int axis = 0; axis < 3; axis++) assert_true(info->voxel_um[axis] == model.voxel_um[axis]);
    float *back = malloc((size_t)count * sizeof *back);
    const tk_box all = tk_box_of_size(info->size);
    assert_done(tk_image_read(opened, 0, 0, &all, tk_dense_f32(back, info->size), &error), &error);
    for (int64_t i = 0; i < count; i++) assert_true(back[i] == (float)image[i]);
    tk_image_close(opened);
    free(back);
    free(image);
}

/* More time points of two channels than are open at a time, begun in one order and ended in another. */
static void a_series_is_many_images(void **state) {
    (void)state;
    enum { SERIES_TIMES = 70 };
    tk_result_image about = {.path = "/images/s",
                             .kind = "image",
                             .description = "A test.",
                             .type = TK_U16,
                             .size = {1, 5, 9},
                             .chunk = {1, 5, 8},
                             .series = true};
    uint16_t *image = random_image(about.size);
    tk_result *result;
    tk_error error = TK_ERROR_NONE;
    int id[2];
    char sealed[65];
    assert_done(tk_result_create(file, &result, &error), &error);
    for (int c = 0; c < 2; c++) {
        about.channel = 3 * c;
        assert_done(tk_result_add_image(result, &about, &id[c], &error), &error);
    }
    for (int64_t t = 0; t < SERIES_TIMES; t++)
        for (int c = 0; c < 2; c++) {
            image[0] = (uint16_t)(2 * t + c);
            assert_done(write_at(result, id[c], t, image, &about, (int64_t[3]){0, 0, 0}, &error), &error);
        }
    for (int64_t t = SERIES_TIMES - 1; t >= 0; t--)
        for (int c = 0; c < 2; c++) {
            assert_done(write_at(result, id[c], t, image, &about, (int64_t[3]){0, 0, 8}, &error), &error);
            assert_done(tk_result_seal_image(result, id[c], t, sealed, &error), &error);
        }
    assert_int_equal(tk_result_seal_image(result, id[0], SERIES_TIMES, sealed, &error), TK_FAILED); /* never written */
    error = TK_ERROR_NONE;
    assert_done(tk_result_close(&result, &error), &error);
    for (int64_t t = 0; t < SERIES_TIMES; t += 23)
        for (int c = 0; c < 2; c++) {
            char spec[64];
            float back[45];
            tk_image *opened;
            snprintf(spec, sizeof spec, "result.h5:/images/s/t%04d/c%02d", (int)t, 3 * c);
            assert_done(tk_image_open(spec, NULL, &opened, &error), &error);
            const tk_box all = tk_box_of_size(about.size);
            assert_done(tk_image_read(opened, 0, 0, &all, tk_dense_f32(back, about.size), &error), &error);
            assert_true(back[0] == (float)(2 * t + c) && back[44] == (float)image[44]);
            tk_image_close(opened);
        }
    free(image);
}

static void a_missing_or_misplaced_chunk_is_told(void **state) {
    (void)state;
    tk_result *result;
    tk_error error = TK_ERROR_NONE;
    int id;
    char sealed[65];
    const int64_t off_grid[3] = {0, 3, 0}, outside[3] = {0, 48, 0};
    uint16_t *image = random_image(model.size);
    assert_done(tk_result_create(file, &result, &error), &error);
    assert_done(tk_result_add_image(result, &model, &id, &error), &error);
    assert_done(write_image(result, id, image, &model, 4, &error), &error);
    assert_int_equal(tk_result_write_chunk(result, id, 0, off_grid, image, 10, NULL, &error), TK_FAILED);
    error = TK_ERROR_NONE;
    assert_int_equal(tk_result_write_chunk(result, id, 0, outside, image, 10, NULL, &error), TK_FAILED);
    error = TK_ERROR_NONE;
    assert_int_equal(tk_result_seal_image(result, id, 0, sealed, &error), TK_FAILED);
    assert_non_null(strstr(error.text, "4 16 0"));
    tk_result_abandon(result);
    free(image);
}

static void a_chunk_that_does_not_decode_is_told(void **state) {
    (void)state;
    tk_result *result;
    tk_error error = TK_ERROR_NONE;
    int id;
    char sealed[65];
    const int64_t origin[3] = {4, 0, 0};
    uint16_t *image = random_image(model.size);
    assert_done(tk_result_create(file, &result, &error), &error);
    assert_done(tk_result_add_image(result, &model, &id, &error), &error);
    assert_done(write_image(result, id, image, &model, -1, &error), &error);
    assert_done(tk_result_write_chunk(result, id, 0, origin, "no zlib stream", 14, NULL, &error), &error);
    assert_int_equal(tk_result_seal_image(result, id, 0, sealed, &error), TK_FAILED);
    tk_result_abandon(result);
    free(image);
}

/* Every element size: a reader that undoes deflate and shuffle through HDF5 sees the voxels. */
static void chunks_of_every_type_decode(void **state) {
    (void)state;
    for (int type = 0; type < TK_DTYPE_COUNT; type++) {
        tk_result *result;
        tk_error error = TK_ERROR_NONE;
        int id;
        char sealed[65], expected[65];
        const int64_t origin[3] = {0, 0, 0};
        unsigned char raw[8 * 60], work[sizeof raw], encoded[4096];
        size_t size;
        tk_result_image about = {"/a/b/c", "image", "", (tk_dtype)type, {3, 4, 5}, {3, 4, 5}, {0, 0, 0}, false, 0};
        const size_t bytes = 60 * tk_dtype_size(about.type);
        for (size_t i = 0; i < bytes; i++) raw[i] = (unsigned char)random_bits();
        assert_true(tk_chunk_bound(bytes) <= sizeof encoded);
        assert_done(tk_result_create(file, &result, &error), &error);
        assert_done(tk_result_add_image(result, &about, &id, &error), &error);
        assert_int_equal(tk_chunk_encode(raw, bytes, tk_dtype_size(about.type), work, encoded, sizeof encoded, &size),
                         TK_OK);
        assert_done(tk_result_write_chunk(result, id, 0, origin, encoded, size, NULL, &error), &error);
        assert_done(tk_result_seal_image(result, id, 0, sealed, &error), &error);
        assert_done(tk_result_close(&result, &error), &error);
        assert_done(tk_bytes_sha256(raw, bytes, expected, &error), &error);
        assert_string_equal(sealed, expected);
    }
}

enum { MANY = 512, MOST = 3000 };

/* A chunk as it was last written: its bytes are those of a random sequence. */
typedef struct written {
    int64_t offset;
    size_t size;
    unsigned char bytes[MOST];
} written;

static void check_places(const written *chunk) {
    size_t size;
    unsigned char *data = file_bytes(file, &size);
    for (int i = 0; i < MANY; i++) {
        assert_true(chunk[i].offset > 0 && (size_t)chunk[i].offset + chunk[i].size <= size);
        assert_memory_equal(data + chunk[i].offset, chunk[i].bytes, chunk[i].size);
    }
    free(data);
}

/* Small and large chunks, new ones and ones written anew with another size: each lies where it is said to. */
static void chunks_lie_where_they_are_said_to(void **state) {
    (void)state;
    tk_result *result;
    tk_error error = TK_ERROR_NONE;
    int id[2];
    written *chunk = calloc(MANY, sizeof *chunk);
    assert_non_null(chunk);
    const tk_result_image about = {"/images/a", "image", "", TK_U16, {32, 32, 16}, {4, 4, 4}, {0, 0, 0}, false, 0};
    const tk_result_image other = {"/images/b", "image", "", TK_U16, {32, 32, 16}, {4, 4, 4}, {0, 0, 0}, false, 0};
    assert_done(tk_result_create(file, &result, &error), &error);
    assert_done(tk_result_add_image(result, &about, &id[0], &error), &error);
    assert_done(tk_result_add_image(result, &other, &id[1], &error), &error);
    for (int k = 0; k < 3 * MANY; k++) {
        const int i = k < MANY ? k : (int)random_between(0, MANY), place = i / 2;
        const int64_t origin[3] = {place / 32 * 4, place / 4 % 8 * 4, place % 4 * 4};
        written *c = &chunk[i];
        c->size = (size_t)random_between(1, k % 3 ? 100 : MOST);
        for (size_t b = 0; b < c->size; b++) c->bytes[b] = (unsigned char)random_bits();
        assert_done(tk_result_write_chunk(result, id[i % 2], 0, origin, c->bytes, c->size, &c->offset, &error), &error);
    }
    check_places(chunk);
    assert_done(tk_result_close(&result, &error), &error);
    check_places(chunk);
    free(chunk);
}

static tk_status write_everything(const char *name, uint16_t *image, tk_error *error) {
    static const tk_column columns[] = {{"label", "", "Number of the object.", TK_U32, NULL},
                                        {"area", "um^2", "Its area.", TK_F64, NULL}};
    tk_result *result;
    tk_table table, none;
    int id;
    char sum[65];
    TK_TRY(tk_result_create(name, &result, error));
    tk_status status = tk_result_add_image(result, &model, &id, error);
    assert_done(tk_table_make(10000, columns, 2, &table, error), error);
    assert_done(tk_table_make(0, columns, 2, &none, error), error);
    for (int64_t i = 0; i < table.rows; i++) {
        ((uint32_t *)table.column[0].data)[i] = (uint32_t)i + 1;
        ((double *)table.column[1].data)[i] = 0.25 * (double)i;
    }
    if (status == TK_OK) status = write_image(result, id, image, &model, -1, error);
    if (status == TK_OK) status = tk_result_seal_image(result, id, 0, sum, error);
    if (status == TK_OK) status = tk_result_write_table(result, "/tables/measure", &table, sum, error);
    if (status == TK_OK) status = tk_result_write_table(result, "/tables/none", &none, sum, error);
    if (status == TK_OK)
        status = tk_result_write_text(result, "/provenance/workflow", "tarkka: 1 # \302\265m\n", error);
    tk_table_free(&table);
    tk_table_free(&none);
    if (status == TK_OK) return tk_result_close(&result, error);
    tk_result_abandon(result);
    return status;
}

static void the_same_contents_give_the_same_bytes(void **state) {
    (void)state;
    tk_error error = TK_ERROR_NONE;
    char first[65], second[65];
    uint16_t *image = random_image(model.size);
    assert_done(write_everything("first.h5", image, &error), &error);
    sleep(1); /* times of creation would differ */
    assert_done(write_everything("second.h5", image, &error), &error);
    assert_done(tk_file_sha256("first.h5", first, NULL, &error), &error);
    assert_done(tk_file_sha256("second.h5", second, NULL, &error), &error);
    assert_string_equal(first, second);
    free(image);
}

/* Stops the growth of files at every size in steps: whatever write meets the limit, the outcome is an error, or the
 * file was finished. */
static void a_full_disk_is_never_a_success(void **state) {
    (void)state;
    struct rlimit before, small;
    int64_t whole;
    char sum[65];
    tk_error error = TK_ERROR_NONE;
    uint16_t *image = random_image(model.size);
    assert_done(write_everything(file, image, &error), &error);
    assert_done(tk_file_sha256(file, sum, &whole, &error), &error);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    signal(SIGXFSZ, SIG_IGN);
    for (int64_t limit = 0; limit < whole; limit += whole / 40) {
        error = TK_ERROR_NONE;
        small.rlim_cur = (rlim_t)limit;
        setrlimit(RLIMIT_FSIZE, &small);
        const tk_status status = write_everything("full.h5", image, &error);
        setrlimit(RLIMIT_FSIZE, &before);
        if (status != TK_UNWRITABLE) fail_msg("limit %lld: status %d: %s", (long long)limit, status, error.text);
        assert_non_null(strstr(error.text, "full.h5"));
    }
    free(image);
}

/* The same with a file system that really is full; needs the right to mount one. */
static void a_full_file_system_is_told_with_its_remedy(void **state) {
    (void)state;
    if (mkdir("small", 0700) != 0 || mount("none", "small", "tmpfs", 0, "size=64k") != 0) {
        print_message("SKIP: a full file system (this user may not mount one)\n");
        skip();
    }
    tk_error error = TK_ERROR_NONE;
    uint16_t *image = random_image(model.size);
    const tk_status status = write_everything("small/full.h5", image, &error);
    umount2("small", MNT_DETACH);
    free(image);
    assert_int_equal(status, TK_UNWRITABLE);
    assert_non_null(strstr(error.text, "No space left"));
    assert_non_null(strstr(error.text, "free some space"));
}

static void a_result_nowhere_is_told(void **state) {
    (void)state;
    tk_result *result;
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_result_create("nowhere/result.h5", &result, &error), TK_UNWRITABLE);
    assert_non_null(strstr(error.text, "No such file"));
    tk_result_abandon(NULL);
}

/* A reader in another thread, while the writer writes. */
static void *read_repeatedly(void *data) {
    tk_error *error = data;
    for (int i = 0; i < 200; i++) {
        tk_image *image;
        float voxels[60];
        const tk_box all = {{0, 0, 0}, {3, 4, 5}};
        if (tk_image_open("read.h5:/a", NULL, &image, error) != TK_OK) break;
        (void)tk_image_read(image, 0, 0, &all, tk_dense_f32(voxels, all.hi), error);
        tk_image_close(image);
    }
    return NULL;
}

static void reading_and_writing_may_go_on_at_once(void **state) {
    (void)state;
    tk_result *result;
    tk_error error = TK_ERROR_NONE, reader_error = TK_ERROR_NONE;
    int id;
    pthread_t reader;
    const int64_t small[3] = {3, 4, 5};
    const tk_result_image about = {"/a", "image", "", TK_U16, {3, 4, 5}, {3, 4, 5}, {0, 0, 0}, false, 0};
    uint16_t *image = random_image(small);
    assert_done(tk_result_create("read.h5", &result, &error), &error);
    assert_done(tk_result_add_image(result, &about, &id, &error), &error);
    assert_done(write_image(result, id, image, &about, -1, &error), &error);
    assert_done(tk_result_close(&result, &error), &error);
    free(image);
    assert_int_equal(pthread_create(&reader, NULL, read_repeatedly, &reader_error), 0);
    image = random_image(model.size);
    for (int i = 0; i < 5; i++) assert_done(write_everything(file, image, &error), &error);
    pthread_join(reader, NULL);
    assert_done(reader_error.status, &reader_error);
    free(image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_comes_back_and_its_checksum_fits),
        cmocka_unit_test(a_series_is_many_images),
        cmocka_unit_test(a_missing_or_misplaced_chunk_is_told),
        cmocka_unit_test(a_chunk_that_does_not_decode_is_told),
        cmocka_unit_test(chunks_of_every_type_decode),
        cmocka_unit_test(chunks_lie_where_they_are_said_to),
        cmocka_unit_test(the_same_contents_give_the_same_bytes),
        cmocka_unit_test(a_full_disk_is_never_a_success),
        cmocka_unit_test(a_full_file_system_is_told_with_its_remedy),
        cmocka_unit_test(a_result_nowhere_is_told),
        cmocka_unit_test(reading_and_writing_may_go_on_at_once),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
