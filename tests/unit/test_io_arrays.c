/* Named arrays in HDF5 files: what is saved is read again, the same bytes each time; files of others, of any types; and
 * files that are damaged or lie, which end in an error or in arrays, never in a crash or in much memory. */
#include "test_io_fixture.h"

#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "io/arrays.h"
#include "io/hdf5_lock.h"

enum { MOST = 64 << 20 };

static tk_status try_load(const char *file, const char *where, int64_t most, tk_arrays *arrays, tk_error *error) {
    *error = TK_ERROR_NONE;
    return tk_arrays_load(file, where, most, arrays, error);
}

static void expect_refused(const char *file, int64_t most, const char *says) {
    tk_arrays arrays;
    tk_error error;
    assert_int_equal(try_load(file, NULL, most, &arrays, &error), TK_UNREADABLE);
    if (!strstr(error.text, says) || !strstr(error.text, file)) fail_msg("'%s' lacks '%s'", error.text, says);
    assert_null(arrays.array);
}

/* --- written and read again ----------------------------------------------------------------------------------- */

enum { MANY = 20000 };

static void make_arrays(tk_arrays *arrays) {
    static const char *const names[] = {"nucleus", "Zelle \xc3\xa4", ""}, *const version[] = {"1.2"};
    static float reals[2][3] = {{1.5f, -2, 3}, {0.25f, 5e-30f, 6}};
    static const int64_t large[1] = {INT64_MIN + 5};
    static const double third = 1.0 / 3;
    tk_error error = TK_ERROR_NONE;
    int32_t *many = malloc(MANY * sizeof *many);
    for (int i = 0; i < MANY; i++) many[i] = i * 7 - 1000;
    *arrays = (tk_arrays){0};
    assert_done(tk_arrays_add(arrays, "trees/feature", TK_I32, 2, (int64_t[]){MANY / 4, 4}, many, &error), &error);
    assert_done(tk_arrays_add(arrays, "trees/probability", TK_F32, 2, (int64_t[]){2, 3}, reals, &error), &error);
    assert_done(tk_arrays_add(arrays, "large", TK_I64, 1, (int64_t[]){1}, large, &error), &error);
    assert_done(tk_arrays_add(arrays, "none", TK_F64, 2, (int64_t[]){0, 3}, NULL, &error), &error);
    assert_done(tk_arrays_add(arrays, "third", TK_F64, 0, NULL, &third, &error), &error);
    assert_done(tk_arrays_add(arrays, "@depth", TK_I32, 0, NULL, &(int32_t){12}, &error), &error);
    assert_done(tk_arrays_add(arrays, "only/attributes@here", TK_F64, 0, NULL, &third, &error), &error);
    assert_done(tk_arrays_add_texts(arrays, "classes", 3, names, &error), &error);
    assert_done(tk_arrays_add_texts(arrays, "trees@version", -1, version, &error), &error);
    assert_int_equal(tk_arrays_add_texts(arrays, "classes", 3, names, &error), TK_FAILED);
    free(many);
}

static void expect_same(const tk_arrays *a, const tk_arrays *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->bytes, b->bytes);
    for (int64_t i = 0; i < a->count; i++) {
        const tk_array *x = &a->array[i], *y = tk_arrays_find(b, x->name);
        assert_non_null(y);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->rank, y->rank);
        assert_int_equal(x->count, y->count);
        assert_memory_equal(x->size, y->size, sizeof x->size);
        if (x->type == TK_ARRAY_TEXT)
            for (int64_t k = 0; k < x->count; k++) assert_string_equal(x->texts[k], y->texts[k]);
        else {
            assert_int_equal(x->stored, y->stored);
            assert_memory_equal(x->data, y->data, (size_t)x->count * 8);
        }
    }
}

static void what_is_saved_is_read_again(void **state) {
    (void)state;
    tk_arrays made, read;
    tk_error error = TK_ERROR_NONE;
    make_arrays(&made);
    assert_done(tk_arrays_save("saved.h5", &made, false, &error), &error);
    assert_done(try_load("saved.h5", NULL, MOST, &read, &error), &error);
    expect_same(&made, &read);
    tk_arrays_free(&read);
    assert_done(try_load("saved.h5", "/trees", MOST, &read, &error), &error);
    assert_int_equal(read.count, 3);
    assert_non_null(tk_arrays_find(&read, "@version"));
    assert_non_null(tk_arrays_find(&read, "feature"));
    tk_arrays_free(&read);
    assert_done(try_load("saved.h5", "trees/feature", MOST, &read, &error), &error);
    assert_int_equal(read.count, 1);
    assert_string_equal(read.array[0].name, "feature");
    tk_arrays_free(&read);
    assert_done(try_load("saved.h5", "trees/absent", MOST, &read, &error), &error);
    assert_int_equal(read.count, 0);
    tk_arrays_free(&read);
    tk_arrays_free(&made);
}

static void the_same_arrays_give_the_same_bytes(void **state) {
    (void)state;
    tk_arrays made;
    tk_error error = TK_ERROR_NONE;
    size_t first_size, second_size;
    make_arrays(&made);
    assert_done(tk_arrays_save("first.h5", &made, false, &error), &error);
    nanosleep(&(struct timespec){1, 100000000}, NULL); /* times in HDF5 files are seconds */
    assert_done(tk_arrays_save("second.h5", &made, false, &error), &error);
    unsigned char *first = file_bytes("first.h5", &first_size), *second = file_bytes("second.h5", &second_size);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    free(first);
    free(second);
    tk_arrays_free(&made);
}

static void files_are_replaced_when_told_so_only(void **state) {
    (void)state;
    tk_arrays made;
    tk_error error = TK_ERROR_NONE;
    make_arrays(&made);
    write_bytes("there.h5", "x", 1);
    assert_int_equal(tk_arrays_save("there.h5", &made, false, &error), TK_UNWRITABLE);
    assert_non_null(strstr(error.text, "there.h5: exists already"));
    error = TK_ERROR_NONE;
    assert_done(tk_arrays_save("there.h5", &made, true, &error), &error);
    assert_int_equal(access("there.h5.part", F_OK), -1);
    assert_int_equal(tk_arrays_save("no/such/folder.h5", &made, true, &error), TK_UNWRITABLE);
    tk_arrays_free(&made);
}

static void a_full_disk_is_an_error_that_leaves_nothing(void **state) {
    (void)state;
    tk_arrays made;
    make_arrays(&made);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    write_bytes("full.h5", "x", 1);
    for (rlim_t size = 0; size < 2000; size += 500) {
        tk_error error = TK_ERROR_NONE;
        const struct rlimit limit = {size, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        const tk_status status = tk_arrays_save("full.h5", &made, true, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(status, TK_UNWRITABLE);
        assert_non_null(strstr(error.text, "full.h5"));
        assert_int_equal(access("full.h5.part", F_OK), -1);
    }
    size_t size;
    unsigned char *kept = file_bytes("full.h5", &size);
    assert_int_equal(size, 1);
    free(kept);
    tk_arrays_free(&made);
}

/* --- checked access ------------------------------------------------------------------------------------------- */

#define EXPECT_ERROR(call, says)                                                                                       \
    do {                                                                                                               \
        error = TK_ERROR_NONE;                                                                                         \
        assert_int_equal(call, TK_UNREADABLE);                                                                         \
        if (!strstr(error.text, says)) fail_msg("'%s' lacks '%s'", error.text, says);                                  \
    } while (0)

static void access_is_checked(void **state) {
    (void)state;
    tk_arrays made;
    tk_error error;
    const tk_array *array;
    const char *text;
    int32_t *ints;
    float *reals;
    int64_t whole;
    double number;
    make_arrays(&made);
    const int64_t any[2] = {-1, -1}, right[2] = {-1, 3}, wrong[2] = {2, 4};
    error = TK_ERROR_NONE;
    assert_done(tk_arrays_get(&made, "trees/probability", TK_ARRAY_REAL, 2, right, &array, &error), &error);
    assert_true(array->reals[3] == 0.25);
    assert_done(tk_arrays_copy_f32(&made, "trees/probability", 2, right, &reals, &error), &error);
    assert_true(reals[1] == -2);
    free(reals);
    assert_done(tk_arrays_copy_i32(&made, "trees/feature", 2, any, -1000, MANY * 7, &ints, &error), &error);
    assert_int_equal(ints[3], 3 * 7 - 1000);
    free(ints);
    assert_done(tk_arrays_integer(&made, "@depth", 0, 12, &whole, &error), &error);
    assert_int_equal(whole, 12);
    assert_done(tk_arrays_number(&made, "third", &number, &error), &error);
    assert_true(number == 1.0 / 3);
    assert_done(tk_arrays_text(&made, "trees@version", &text, &error), &error);
    assert_string_equal(text, "1.2");
    EXPECT_ERROR(tk_arrays_get(&made, "absent", TK_ARRAY_REAL, 2, any, &array, &error), "'absent' is missing");
    EXPECT_ERROR(tk_arrays_get(&made, "classes", TK_ARRAY_REAL, 1, any, &array, &error),
                 "'classes' has texts where real numbers are right");
    EXPECT_ERROR(tk_arrays_get(&made, "large", TK_ARRAY_INT, 2, any, &array, &error), "has 1 axes where 2");
    EXPECT_ERROR(tk_arrays_copy_f32(&made, "trees/probability", 2, wrong, &reals, &error),
                 "has 3 elements along axis 1 where 4");
    EXPECT_ERROR(tk_arrays_copy_i32(&made, "trees/feature", 2, any, -999, INT32_MAX, &ints, &error), "has -1000");
    EXPECT_ERROR(tk_arrays_copy_i32(&made, "large", 1, any, INT32_MIN, INT32_MAX, &ints, &error), "not from");
    EXPECT_ERROR(tk_arrays_integer(&made, "@depth", 13, 20, &whole, &error), "is 12, which is not from 13 to 20");
    EXPECT_ERROR(tk_arrays_integer(&made, "third", 0, 9, &whole, &error), "not a whole number");
    EXPECT_ERROR(tk_arrays_integer(&made, "none", 0, 9, &whole, &error), "is not one value");
    EXPECT_ERROR(tk_arrays_text(&made, "third", &text, &error), "is not a text");
    tk_arrays_free(&made);
}

/* --- files of others ------------------------------------------------------------------------------------------ */

static hid_t create(const char *file) {
    const hid_t id = H5Fcreate(file, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(id >= 0);
    return id;
}

/* A dataset of `count` elements; data NULL: none are written. */
static void put(hid_t group, const char *name, hid_t file_type, hid_t memory_type, hsize_t count, const void *data) {
    const hid_t space = H5Screate_simple(1, &count, NULL);
    const hid_t id = H5Dcreate2(group, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(id >= 0);
    if (data) assert_true(H5Dwrite(id, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(id);
    H5Sclose(space);
}

static void put_attribute(hid_t group, const char *name, int16_t value) {
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t id = H5Acreate2(group, name, H5T_STD_I16BE, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(id >= 0 && H5Awrite(id, H5T_NATIVE_INT16, &value) >= 0);
    H5Aclose(id);
    H5Sclose(space);
}

static hid_t truth_type(void) {
    const hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
    H5Tenum_insert(type, "FALSE", &(int8_t){0});
    H5Tenum_insert(type, "TRUE", &(int8_t){1});
    return type;
}

static void any_types_are_read(void **state) {
    (void)state;
    static const int32_t whole[3] = {1, 0, 200};
    static const double real[3] = {-0.5, 2, 1e30};
    static const char padded[2][4] = {{'a', 'b', ' ', ' '}, {(char)0xc3, (char)0xb6, ' ', ' '}};
    static const char *const points[2] = {"long text", "b"};
    static const uint64_t below[1] = {INT64_MAX};
    const hid_t file = create("types.h5"), truth = truth_type(), fixed = H5Tcopy(H5T_C_S1), any = H5Tcopy(H5T_C_S1);
    H5Tset_size(fixed, 4);
    H5Tset_strpad(fixed, H5T_STR_SPACEPAD);
    H5Tset_size(any, H5T_VARIABLE);
    put(file, "u8", H5T_STD_U8LE, H5T_NATIVE_INT32, 3, whole);
    put(file, "i16", H5T_STD_I16BE, H5T_NATIVE_INT32, 3, whole);
    put(file, "u32", H5T_STD_U32BE, H5T_NATIVE_INT32, 3, whole);
    put(file, "u64", H5T_STD_U64LE, H5T_NATIVE_UINT64, 1, below);
    put(file, "truth", truth, truth, 2, (int8_t[]){1, 0});
    put(file, "f32", H5T_IEEE_F32BE, H5T_NATIVE_DOUBLE, 3, real);
    put(file, "f64", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 3, real);
    put(file, "fixed", fixed, fixed, 2, padded);
    put(file, "any", any, any, 2, points);
    put_attribute(file, "of file", -7);
    H5Tclose(any);
    H5Tclose(fixed);
    H5Tclose(truth);
    H5Fclose(file);

    tk_arrays arrays;
    tk_error error;
    assert_done(try_load("types.h5", NULL, MOST, &arrays, &error), &error);
    assert_int_equal(arrays.count, 10);
    static const char *const wholes[] = {"u8", "i16", "u32"}, *const reals[] = {"f32", "f64"};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) assert_int_equal(tk_arrays_find(&arrays, wholes[i])->ints[k], whole[k]);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++) {
            const double wanted = i == 0 ? (float)real[k] : real[k];
            assert_true(tk_arrays_find(&arrays, reals[i])->reals[k] == wanted);
        }
    assert_true(tk_arrays_find(&arrays, "u64")->ints[0] == INT64_MAX);
    assert_int_equal(tk_arrays_find(&arrays, "truth")->ints[0], 1);
    assert_int_equal(tk_arrays_find(&arrays, "truth")->ints[1], 0);
    assert_string_equal(tk_arrays_find(&arrays, "fixed")->texts[0], "ab");
    assert_string_equal(tk_arrays_find(&arrays, "fixed")->texts[1], "\xc3\xb6");
    assert_string_equal(tk_arrays_find(&arrays, "any")->texts[0], "long text");
    assert_int_equal(tk_arrays_find(&arrays, "@of file")->ints[0], -7);
    tk_arrays_free(&arrays);
}

/* A file of its own with one dataset made by HDF5 out of `type`. */
static void write_one(const char *file, hid_t file_type, hid_t memory_type, hsize_t count, const void *data) {
    const hid_t id = create(file);
    put(id, "one", file_type, memory_type, count, data);
    H5Fclose(id);
}

static void what_is_not_read_is_listed(void **state) {
    (void)state;
    const hid_t file = create("other.h5"), opaque = H5Tcreate(H5T_OPAQUE, 5), pair = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(pair, "a", 0, H5T_NATIVE_INT32);
    H5Tinsert(pair, "b", 4, H5T_NATIVE_FLOAT);
    put(file, "opaque", opaque, opaque, 1, "abcde");
    put(file, "pair", pair, pair, 1, (int32_t[]){1, 2});
    put(file, "good", H5T_STD_I32LE, H5T_NATIVE_INT32, 1, &(int32_t){5});
    H5Lcreate_soft("/good", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/", file, "up", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("saved.h5", "/large", file, "external", H5P_DEFAULT, H5P_DEFAULT);
    H5Tcommit2(file, "type", pair, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Tclose(pair);
    H5Tclose(opaque);
    H5Fclose(file);
    tk_arrays arrays;
    tk_error error;
    const tk_array *array;
    assert_done(try_load("other.h5", NULL, MOST, &arrays, &error), &error);
    assert_int_equal(arrays.count, 7);
    for (int64_t i = 0; i < arrays.count; i++)
        assert_int_equal(arrays.array[i].type == TK_ARRAY_OTHER, strcmp(arrays.array[i].name, "good") != 0);
    EXPECT_ERROR(tk_arrays_get(&arrays, "soft", TK_ARRAY_INT, -1, NULL, &array, &error), "a type that is not read");
    tk_arrays_free(&arrays);
    assert_done(try_load("other.h5", "soft", MOST, &arrays, &error), &error);
    assert_int_equal(arrays.count, 0);
    tk_arrays_free(&arrays);
}

/* Elements that lie in another file are not fetched from there. */
static void data_of_other_files_are_not_read(void **state) {
    (void)state;
    const hsize_t count = 4;
    write_bytes("secret.bin", "0123456789abcdef", 16);
    const hid_t file = create("elsewhere.h5"), properties = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_external(properties, "secret.bin", 0, 16) >= 0);
    const hid_t space = H5Screate_simple(1, &count, NULL);
    const hid_t id = H5Dcreate2(file, "here", H5T_STD_I32LE, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    assert_true(id >= 0);
    H5Dclose(id);
    H5Sclose(space);
    H5Pclose(properties);
    H5Fclose(file);
    tk_arrays arrays;
    tk_error error;
    assert_done(try_load("elsewhere.h5", NULL, MOST, &arrays, &error), &error);
    assert_int_equal(tk_arrays_find(&arrays, "here")->type, TK_ARRAY_OTHER);
    tk_arrays_free(&arrays);
}

/* --- files that lie ------------------------------------------------------------------------------------------- */

static void groups_in_a_ring_are_refused(void **state) {
    (void)state;
    const hid_t file = create("ring.h5");
    const hid_t a = H5Gcreate2(file, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t b = H5Gcreate2(a, "b", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "a", b, "again", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(b);
    H5Gclose(a);
    H5Fclose(file);
    expect_refused("ring.h5", MOST, "'a/b/again' is a group that the file has in two places");
}

static void groups_too_deep_are_refused(void **state) {
    (void)state;
    const hid_t file = create("deep.h5");
    char path[200] = "";
    for (int i = 0; i < 60; i++) {
        memcpy(path + 2 * i, "/g", 3);
        H5Gclose(H5Gcreate2(file, path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    }
    H5Fclose(file);
    expect_refused("deep.h5", MOST, "too many groups within groups");
}

static void sizes_beyond_the_file_are_refused(void **state) {
    (void)state;
    write_one("unfilled.h5", H5T_STD_I32LE, H5T_NATIVE_INT32, 1000000, NULL);
    expect_refused("unfilled.h5", MOST, "'one' claims more data than the file has");
    write_one("huge.h5", H5T_STD_I64LE, H5T_NATIVE_INT64, (hsize_t)1 << 40, NULL);
    expect_refused("huge.h5", MOST, "'one' claims more elements");
    write_one("large.h5", H5T_STD_I64LE, H5T_NATIVE_INT64, 1 << 30, NULL);
    expect_refused("large.h5", MOST, "'one' makes more than the 67108864 bytes");
    tk_arrays made;
    tk_error error = TK_ERROR_NONE;
    make_arrays(&made);
    assert_done(tk_arrays_save("limit.h5", &made, true, &error), &error);
    tk_arrays_free(&made);
    expect_refused("limit.h5", MANY * 8, "'trees/feature' makes more than");
}

static void texts_count_towards_the_limit(void **state) {
    (void)state;
    tk_arrays arrays = {0};
    tk_error error = TK_ERROR_NONE;
    char *text = malloc(100001);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    const char *const texts[2] = {text, text};
    assert_done(tk_arrays_add_texts(&arrays, "long", 2, texts, &error), &error);
    assert_done(tk_arrays_save("fixed.h5", &arrays, true, &error), &error);
    tk_arrays_free(&arrays);
    const hid_t any = H5Tcopy(H5T_C_S1);
    H5Tset_size(any, H5T_VARIABLE);
    write_one("any.h5", any, any, 2, texts);
    H5Tclose(any);
    free(text);
    for (int i = 0; i < 2; i++) {
        const char *file = i ? "any.h5" : "fixed.h5";
        assert_done(try_load(file, NULL, 210000, &arrays, &error), &error);
        assert_int_equal(strlen(arrays.array[0].texts[1]), 100000);
        tk_arrays_free(&arrays);
        expect_refused(file, 190000, i ? "any.h5: cannot be read" : "makes more than the 190000 bytes");
    }
}

/* An attribute and a dataset can come to the same name. */
static void a_name_that_is_there_twice_is_refused(void **state) {
    (void)state;
    const hid_t file = create("twice.h5");
    put(file, "@n", H5T_STD_I32LE, H5T_NATIVE_INT32, 1, &(int32_t){5});
    put_attribute(file, "n", 5);
    H5Fclose(file);
    expect_refused("twice.h5", MOST, "'@n' is there twice");
}

static void values_out_of_range_are_refused(void **state) {
    (void)state;
    const hid_t fixed = H5Tcopy(H5T_C_S1);
    H5Tset_size(fixed, 4);
    write_one("above.h5", H5T_STD_U64BE, H5T_NATIVE_UINT64, 1, &(uint64_t){(uint64_t)INT64_MAX + 1});
    expect_refused("above.h5", MOST, "'one' has an integer above 2^63 - 1");
    write_one("latin.h5", fixed, fixed, 1, "M\xfcll");
    expect_refused("latin.h5", MOST, "'one' has a text that is not UTF-8");
    H5Tclose(fixed);
    write_bytes("text.h5", "no HDF5", 7);
    expect_refused("text.h5", MOST, "cannot be opened");
    expect_refused("absent.h5", MOST, "cannot be opened");
}

/* A compressed dataset whose filter is renumbered afterwards. */
static void a_missing_filter_is_named(void **state) {
    (void)state;
    size_t size;
    const hsize_t count = 1000;
    const hid_t file = create("filter.h5"), properties = H5Pcreate(H5P_DATASET_CREATE);
    const hid_t space = H5Screate_simple(1, &count, NULL);
    assert_true(H5Pset_chunk(properties, 1, &count) >= 0 && H5Pset_deflate(properties, 1) >= 0);
    H5Dclose(H5Dcreate2(file, "one", H5T_STD_I32LE, space, H5P_DEFAULT, properties, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(properties);
    H5Fclose(file);
    /* The message of the pipeline: the filter's number, the length of its name, flags, number of values, name. */
    unsigned char *data = file_bytes("filter.h5", &size);
    unsigned char *name = memmem(data, size, "deflate", 8);
    assert_non_null(name);
    assert_int_equal(name[-8], H5Z_FILTER_DEFLATE);
    name[-8] = 0xe7;
    name[-7] = 0x7d;
    name[-4] = 0; /* not optional */
    write_bytes("filter.h5", data, size);
    free(data);
    expect_refused("filter.h5", MOST, "needs HDF5 filter 32231");
}

static void truncated_files_are_refused(void **state) {
    (void)state;
    size_t size;
    tk_arrays made, read;
    tk_error error = TK_ERROR_NONE;
    make_arrays(&made);
    assert_done(tk_arrays_save("whole.h5", &made, true, &error), &error);
    tk_arrays_free(&made);
    unsigned char *data = file_bytes("whole.h5", &size);
    for (size_t length = 0; length < size; length += 1 + size / 300) {
        write_bytes("cut.h5", data, length);
        assert_int_equal(try_load("cut.h5", NULL, MOST, &read, &error), TK_UNREADABLE);
        assert_non_null(strstr(error.text, "cut.h5: "));
    }
    free(data);
}

/* Checksums cover all of a file of ours: what is read is what was saved. */
static void damage_is_noticed(void **state) {
    (void)state;
    size_t size;
    tk_arrays made;
    tk_error error = TK_ERROR_NONE;
    make_arrays(&made);
    assert_done(tk_arrays_save("whole.h5", &made, true, &error), &error);
    unsigned char *data = file_bytes("whole.h5", &size);
    int refused = 0;
    for (int i = 0; i < 600; i++) {
        const size_t at = (size_t)random_between(0, (int64_t)size);
        const unsigned char kept = data[at];
        data[at] ^= (unsigned char)(1 << random_between(0, 8));
        write_bytes("damaged.h5", data, size);
        tk_arrays read;
        const tk_status status = try_load("damaged.h5", NULL, MOST, &read, &error);
        refused += status != TK_OK;
        if (status == TK_OK) expect_same(&made, &read);
        if (status == TK_OK) tk_arrays_free(&read);
        data[at] = kept;
    }
    assert_in_range(refused, 300, 600);
    free(data);
    tk_arrays_free(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_read_again),
        cmocka_unit_test(the_same_arrays_give_the_same_bytes),
        cmocka_unit_test(files_are_replaced_when_told_so_only),
        cmocka_unit_test(a_full_disk_is_an_error_that_leaves_nothing),
        cmocka_unit_test(access_is_checked),
        cmocka_unit_test(any_types_are_read),
        cmocka_unit_test(what_is_not_read_is_listed),
        cmocka_unit_test(data_of_other_files_are_not_read),
        cmocka_unit_test(groups_in_a_ring_are_refused),
        cmocka_unit_test(groups_too_deep_are_refused),
        cmocka_unit_test(sizes_beyond_the_file_are_refused),
        cmocka_unit_test(texts_count_towards_the_limit),
        cmocka_unit_test(a_name_that_is_there_twice_is_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(a_missing_filter_is_named),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
