/* Reading HDF5: any numeric dataset, any order of axes, either byte order, by region. */
#include "test_io_fixture.h"

#include <hdf5.h>

#include "io/hdf5_lock.h"
#include "io/image.h"

/* Writes a dataset of int32 elements 0, 1, 2, ... in C order, stored as `type`. */
static void write_dataset(hid_t file, const char *path, int rank, const hsize_t *size, const hsize_t *chunk,
                          hid_t type) {
    size_t count = 1;
    for (int i = 0; i < rank; i++) count *= size[i];
    int32_t *data = malloc(count * sizeof *data);
    for (size_t i = 0; i < count; i++) data[i] = (int32_t)i % 120;
    const hid_t links = H5Pcreate(H5P_LINK_CREATE), properties = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    if (chunk) H5Pset_chunk(properties, rank, chunk);
    if (chunk) H5Pset_deflate(properties, 1);
    const hid_t space = H5Screate_simple(rank, size, NULL);
    const hid_t dataset = H5Dcreate2(file, path, type, space, links, properties, H5P_DEFAULT);
    assert_true(dataset >= 0);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(properties);
    H5Pclose(links);
    free(data);
}

static hid_t create_file(const char *name) {
    const hid_t file = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

/* Opens, or answers NULL and leaves the message in `error`. */
static tk_image *try_open(const char *spec, const char *axes, tk_error *error) {
    tk_image *image;
    *error = TK_ERROR_NONE;
    (void)tk_image_open(spec, axes, &image, error);
    return image;
}

/* Checks random boxes of an image whose axes are `axes`, of sizes size[], slowest first. */
static void check_boxes(tk_image *image, const char *axes, const hsize_t *size) {
    const tk_image_info *info = tk_image_info_of(image);
    for (int i = 0; i < 12; i++) {
        tk_error error = TK_ERROR_NONE;
        const tk_box box = random_box(info->size);
        const int64_t part[3] = {tk_box_size(&box, 0), tk_box_size(&box, 1), tk_box_size(&box, 2)};
        const int64_t time = random_between(0, info->times), channel = random_between(0, info->channels);
        float *voxels = malloc((size_t)tk_box_count(&box) * sizeof *voxels);
        assert_done(tk_image_read(image, time, channel, &box, tk_dense_f32(voxels, part), &error), &error);
        for (int64_t k = 0; k < tk_box_count(&box); k++) {
            const int64_t z = box.lo[0] + k / part[2] / part[1], y = box.lo[1] + k / part[2] % part[1];
            const int64_t x = box.lo[2] + k % part[2];
            int64_t index = 0;
            for (int axis = 0; axes[axis]; axis++) {
                const char letter = axes[axis];
                const int64_t at = letter == 't'   ? time
                                   : letter == 'c' ? channel
                                   : letter == 'z' ? z
                                   : letter == 'y' ? y
                                                   : x;
                index = index * (int64_t)size[axis] + at;
            }
            assert_true(voxels[k] == (float)(index % 120));
        }
        free(voxels);
    }
}

static void any_order_of_axes_is_read(void **state) {
    (void)state;
    static const struct {
        int rank;
        const char *given, *axes;
    } cases[] = {
        {2, NULL, "yx"},   {3, NULL, "zyx"},  {4, NULL, "czyx"},   {5, NULL, "tczyx"},    {3, "tyx", "tyx"},
        {3, "xyz", "xyz"}, {3, "yxc", "yxc"}, {4, "zyxc", "zyxc"}, {5, "xyczt", "xyczt"}, {5, "tzcyx", "tzcyx"},
    };
    const hsize_t size[5] = {5, 3, 7, 4, 6}, chunk[5] = {2, 2, 3, 4, 5};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const hid_t file = create_file("axes.h5");
        write_dataset(file, "/data", cases[i].rank, size, i % 2 ? chunk : NULL, H5T_STD_I16BE);
        H5Fclose(file);
        tk_error error;
        tk_image *image = try_open("axes.h5", cases[i].given, &error);
        assert_done(error.status, &error);
        check_boxes(image, cases[i].axes, size);
        tk_image_close(image);
    }
}

static void every_type_is_read(void **state) {
    (void)state;
    const struct {
        hid_t stored;
        tk_dtype type;
    } types[] = {
        {H5T_STD_U8LE, TK_U8},    {H5T_STD_I8BE, TK_I8},    {H5T_STD_U16BE, TK_U16}, {H5T_STD_I16LE, TK_I16},
        {H5T_STD_U32BE, TK_U32},  {H5T_STD_I32BE, TK_I32},  {H5T_STD_U64BE, TK_U64}, {H5T_STD_I64LE, TK_I64},
        {H5T_IEEE_F32BE, TK_F32}, {H5T_IEEE_F64BE, TK_F64},
    };
    const hsize_t size[3] = {4, 5, 6}, chunk[3] = {3, 2, 4};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const hid_t file = create_file("types.h5");
        write_dataset(file, "/a/b", 3, size, chunk, types[i].stored);
        H5Fclose(file);
        tk_error error;
        tk_image *image = try_open("types.h5:/a/b", NULL, &error);
        assert_done(error.status, &error);
        assert_int_equal(tk_image_info_of(image)->type, types[i].type);
        for (int axis = 0; axis < 3; axis++) assert_int_equal(tk_image_info_of(image)->chunk[axis], chunk[axis]);
        check_boxes(image, "zyx", size);
        tk_image_close(image);
    }
}

static void truth_values_are_read_as_numbers(void **state) {
    (void)state;
    const hsize_t size[2] = {1, 4};
    const int8_t data[4] = {0, 1, 1, 0};
    const hid_t file = create_file("bool.h5"), type = H5Tenum_create(H5T_NATIVE_INT8);
    const int8_t no = 0, yes = 1;
    H5Tenum_insert(type, "FALSE", &no);
    H5Tenum_insert(type, "TRUE", &yes);
    const hid_t space = H5Screate_simple(2, size, NULL);
    const hid_t dataset = H5Dcreate2(file, "mask", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(file);
    tk_error error;
    tk_image *image = try_open("bool.h5", NULL, &error);
    assert_done(error.status, &error);
    uint32_t labels[4];
    const tk_box all = {{0, 0, 0}, {1, 1, 4}};
    assert_done(tk_image_read_labels(image, 0, 0, &all, tk_dense_u32(labels, all.hi), &error), &error);
    for (int i = 0; i < 4; i++) assert_int_equal(labels[i], data[i]);
    tk_image_close(image);
}

static void voxel_sizes_are_read(void **state) {
    (void)state;
    const hsize_t size[3] = {2, 2, 2}, three = 3;
    const float voxel[3] = {0.5f, 0.25f, 0.125f};
    const hid_t file = create_file("voxel.h5");
    write_dataset(file, "data", 3, size, NULL, H5T_STD_U8LE);
    const hid_t dataset = H5Dopen2(file, "data", H5P_DEFAULT), space = H5Screate_simple(1, &three, NULL);
    const hid_t attribute = H5Acreate2(dataset, "element_size_um", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_FLOAT, voxel);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Dclose(dataset);
    H5Fclose(file);
    tk_error error;
    tk_image *image = try_open("voxel.h5", NULL, &error);
    for (int axis = 0; axis < 3; axis++) assert_true(tk_image_info_of(image)->voxel_um[axis] == (double)voxel[axis]);
    tk_image_close(image);
}

static void what_is_meant_must_be_clear(void **state) {
    (void)state;
    const hsize_t size[6] = {2, 3, 4, 2, 2, 2};
    hid_t file = create_file("several.h5");
    for (int i = 0; i < 12; i++) {
        char path[32];
        snprintf(path, sizeof path, "/group/image%02d", i);
        write_dataset(file, path, 3, size, NULL, H5T_STD_U16LE);
    }
    write_dataset(file, "/line", 1, size, NULL, H5T_STD_U16LE);
    write_dataset(file, "/six", 6, size, NULL, H5T_STD_U16LE);
    H5Fclose(file);
    static const struct {
        const char *spec, *axes, *says;
    } cases[] = {
        {"several.h5", NULL,
         "which of its 12 datasets? Write several.h5:/PATH with one of /group/image00 (2 x 3 x 4 "
         "uint16), /group/image01"},
        {"several.h5", NULL, "/group/image09 (2 x 3 x 4 uint16), ..."},
        {"several.h5:/none", NULL, "no dataset '/none' (there is /group/image00"},
        {"several.h5:/group", NULL, "no dataset '/group'"},
        {"several.h5:/line", NULL, "has 1 axes"},
        {"several.h5:/six", NULL, "has 6 axes"},
        {"several.h5:/group/image00", "yx", "do not name"},
        {"several.h5:/group/image00", "zyy", "do not name"},
        {"several.h5:/group/image00", "tcz", "do not name"},
        {"several.h5:/group/image00", "zya", "do not name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tk_error error;
        assert_null(try_open(cases[i].spec, cases[i].axes, &error));
        assert_int_equal(error.status, TK_UNREADABLE);
        if (!strstr(error.text, cases[i].says)) fail_msg("%s", error.text);
    }
}

/* A file cut short, or with its chunks overwritten, is an error at open or read; with its bytes changed at random, no
 * crash. */
static void damaged_files_are_refused(void **state) {
    (void)state;
    const hsize_t size[3] = {16, 32, 32}, chunk[3] = {4, 16, 16};
    const hid_t file = create_file("whole.h5");
    write_dataset(file, "data", 3, size, chunk, H5T_STD_U16LE);
    H5Fclose(file);
    size_t bytes;
    unsigned char *data = file_bytes("whole.h5", &bytes);
    for (int i = 0; i < 30; i++) {
        tk_error error;
        write_bytes("cut.h5", data, (size_t)random_between(1, (int64_t)bytes));
        assert_null(try_open("cut.h5:/data", NULL, &error));
        assert_int_equal(error.status, TK_UNREADABLE);
    }
    unsigned char *copy = malloc(bytes);
    memcpy(copy, data, bytes);
    for (size_t at = bytes / 2; at + 40 < bytes; at += 97) copy[at] ^= 0x55;
    write_bytes("damaged.h5", copy, bytes);
    tk_error error;
    tk_image *image = try_open("damaged.h5:/data", NULL, &error);
    if (image) {
        const tk_box all = {{0, 0, 0}, {16, 32, 32}};
        float *voxels = malloc(16 * 32 * 32 * sizeof *voxels);
        assert_int_equal(tk_image_read(image, 0, 0, &all, tk_dense_f32(voxels, all.hi), &error), TK_UNREADABLE);
        assert_non_null(strstr(error.text, "damaged.h5: cannot be read"));
        free(voxels);
        tk_image_close(image);
    }
    assert_int_equal(error.status, TK_UNREADABLE);
    free(copy);
    free(data);
}

/* HDF5 would print its errors, and close its files at exit; both are switched off before it starts. */
static int enter_hdf5(void **state) {
    tk_hdf5_lock();
    tk_hdf5_unlock();
    return enter_directory(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_of_axes_is_read),        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(truth_values_are_read_as_numbers), cmocka_unit_test(voxel_sizes_are_read),
        cmocka_unit_test(what_is_meant_must_be_clear),      cmocka_unit_test(damaged_files_are_refused),
    };
    return cmocka_run_group_tests(tests, enter_hdf5, leave_directory);
}
