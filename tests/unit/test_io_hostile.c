/* TIFF files that are damaged or lie: always an error or an image, never a crash, and the error comes before work. */
#include "test_io_fixture.h"

#include <tiffio.h>

#include "io/image.h"

enum { PAGES = 4, HEIGHT = 20, WIDTH = 30 };

/* A classic little-endian stack of u16 pages in strips of seven rows. */
static void write_stack(const char *name, uint16_t compression) {
    TIFF *tiff = TIFFOpen(name, "wl");
    uint16_t row[7 * WIDTH];
    for (int z = 0; z < PAGES; z++) {
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, WIDTH);
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, HEIGHT);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 16);
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 7);
        TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
        for (uint32_t strip = 0; strip < 3; strip++) {
            const int rows = strip < 2 ? 7 : HEIGHT - 14;
            for (int i = 0; i < rows * WIDTH; i++) row[i] = (uint16_t)random_bits();
            assert_true(TIFFWriteEncodedStrip(tiff, strip, row, rows * WIDTH * 2) > 0);
        }
        assert_true(TIFFWriteDirectory(tiff));
    }
    TIFFClose(tiff);
}

/* Opens the file and reads all of it, or a part if it claims to be large. Answers what came of it. */
static tk_status try_file(const char *name, bool *opened, tk_error *error) {
    tk_image *image;
    *error = TK_ERROR_NONE;
    *opened = false;
    TK_TRY(tk_image_open(name, NULL, &image, error));
    *opened = true;
    const tk_image_info *info = tk_image_info_of(image);
    tk_box box = tk_box_of_size(info->size);
    for (int axis = 0; axis < 3; axis++)
        if (box.hi[axis] > 64) box.hi[axis] = 64;
    float *voxels = malloc((size_t)tk_box_count(&box) * sizeof *voxels);
    const tk_status status = tk_image_read(image, 0, 0, &box, tk_dense_f32(voxels, box.hi), error);
    free(voxels);
    tk_image_close(image);
    return status;
}

static void truncated_files_are_refused_at_once(void **state) {
    (void)state;
    static const uint16_t compressions[] = {COMPRESSION_NONE, COMPRESSION_ADOBE_DEFLATE};
    for (int kind = 0; kind < 2; kind++) {
        size_t size;
        bool opened;
        tk_error error;
        write_stack("whole.tif", compressions[kind]);
        unsigned char *data = file_bytes("whole.tif", &size);
        assert_int_equal(try_file("whole.tif", &opened, &error), TK_OK);
        for (int i = 0; i < 60; i++) {
            write_bytes("cut.tif", data, (size_t)random_between(1, (int64_t)size));
            assert_int_equal(try_file("cut.tif", &opened, &error), TK_UNREADABLE);
            assert_false(opened);
            assert_non_null(strstr(error.text, "cut.tif: "));
        }
        free(data);
    }
}

/* Where the value of `tag` in the directory of page `page` lies; for a tag that is not there, where the offset of the
 * next directory does. */
static size_t find_value(const unsigned char *data, int page, unsigned tag) {
    uint32_t at;
    memcpy(&at, data + 4, 4);
    for (;; page--) {
        const unsigned entries = data[at] | data[at + 1] << 8;
        if (page == 0) {
            for (unsigned i = 0; i < entries; i++) {
                const size_t entry = at + 2 + 12 * i;
                if ((data[entry] | data[entry + 1] << 8u) == (int)tag) return entry + 8;
            }
            return at + 2 + 12 * entries; /* of the next directory */
        }
        memcpy(&at, data + at + 2 + 12 * entries, 4);
    }
}

static void lying_headers_are_refused_at_once(void **state) {
    (void)state;
    static const struct {
        int page;
        unsigned tag;
        uint32_t value;
        const char *says;
    } lies[] = {
        {0, TIFFTAG_IMAGELENGTH, 21, "page 0"},
        {0, TIFFTAG_IMAGELENGTH, 0, "page 0"},
        {0, TIFFTAG_IMAGEWIDTH, 0, "page 0"},
        {2, TIFFTAG_IMAGELENGTH, 40000, "page 2"},
        {2, TIFFTAG_IMAGELENGTH, 0xffffffff, "page 2"},
        {2, TIFFTAG_IMAGEWIDTH, 0x7fffffff, "page 2"},
        {2, TIFFTAG_IMAGEWIDTH, 0xffffffff, "page 2"},
        {1, TIFFTAG_IMAGELENGTH, 19, "page 1 (30 x 19 uint16) differs from page 0 (30 x 20 uint16)"},
        {1, TIFFTAG_BITSPERSAMPLE, 12, "page 1"},
        {1, TIFFTAG_SAMPLESPERPIXEL, 3, "colour"},
        {3, TIFFTAG_COMPRESSION, 34712, "page 3"},
        {3, TIFFTAG_STRIPOFFSETS, 0xfffffff0, "page 3"},
        {3, TIFFTAG_STRIPBYTECOUNTS, 0xfffffff0, "page 3"},
        {1, TIFFTAG_ROWSPERSTRIP, 0, "page 1"},
    };
    size_t size;
    bool opened;
    tk_error error;
    write_stack("whole.tif", COMPRESSION_NONE);
    unsigned char *data = file_bytes("whole.tif", &size);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        unsigned char kept[4];
        unsigned char *value = data + find_value(data, lies[i].page, lies[i].tag);
        memcpy(kept, value, 4);
        memcpy(value, &lies[i].value, 4);
        write_bytes("lie.tif", data, size);
        memcpy(value, kept, 4);
        if (try_file("lie.tif", &opened, &error) != TK_UNREADABLE) fail_msg("lie %zu is believed", i);
        assert_false(opened);
        if (!strstr(error.text, lies[i].says)) fail_msg("lie %zu: %s", i, error.text);
    }
    free(data);
}

/* Element `index` of the array of offsets or byte counts of a page, whichever of SHORT or LONG it is made of, set to
 * `value`. */
static void set_element(unsigned char *data, int page, unsigned tag, unsigned index, uint32_t value) {
    const size_t entry = find_value(data, page, tag) - 8;
    const size_t width = data[entry + 2] == TIFF_SHORT ? 2 : 4;
    uint32_t array;
    memcpy(&array, data + entry + 8, 4);
    memcpy(data + array + index * width, &value, width);
}

/* Strips that begin or end beyond the file (libtiff then estimates their lengths), are missing, or are shorter than
 * their rows. */
static void lying_strips_are_refused_at_once(void **state) {
    (void)state;
    static const struct {
        unsigned tag;
        uint32_t value;
        const char *says;
    } lies[] = {
        {TIFFTAG_STRIPOFFSETS, 0xfff0, "truncated"},
        {TIFFTAG_STRIPBYTECOUNTS, 0xfff0, "larger than its data"},
        {TIFFTAG_STRIPOFFSETS, 0, "lacks some of its strips"},
        {TIFFTAG_STRIPBYTECOUNTS, 0, "lacks some of its strips"},
        {TIFFTAG_STRIPBYTECOUNTS, 419, "larger than its data"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        size_t size;
        bool opened;
        tk_error error;
        write_stack("whole.tif", COMPRESSION_NONE);
        unsigned char *data = file_bytes("whole.tif", &size);
        set_element(data, 2, lies[i].tag, 1, lies[i].value);
        write_bytes("lie.tif", data, size);
        free(data);
        if (try_file("lie.tif", &opened, &error) != TK_UNREADABLE) fail_msg("lie %zu is believed", i);
        assert_false(opened);
        assert_non_null(strstr(error.text, "page 2 "));
        if (!strstr(error.text, lies[i].says)) fail_msg("lie %zu: %s", i, error.text);
    }
}

/* A few bytes of deflate that claim to be a page of many gigabytes. */
static void bombs_are_refused_at_once(void **state) {
    (void)state;
    size_t size;
    bool opened;
    tk_error error;
    const uint32_t side = 65500;
    write_stack("whole.tif", COMPRESSION_ADOBE_DEFLATE);
    unsigned char *data = file_bytes("whole.tif", &size);
    for (int page = 0; page < PAGES; page++) {
        memcpy(data + find_value(data, page, TIFFTAG_IMAGEWIDTH), &side, 4);
        memcpy(data + find_value(data, page, TIFFTAG_ROWSPERSTRIP), &side, 4);
    }
    for (int page = 0; page < PAGES; page++)
        for (unsigned strip = 0; strip < 3; strip++) set_element(data, page, TIFFTAG_STRIPBYTECOUNTS, strip, 100);
    write_bytes("bomb.tif", data, size);
    free(data);
    assert_int_equal(try_file("bomb.tif", &opened, &error), TK_UNREADABLE);
    assert_false(opened);
}

/* The last directory points to the first one, and one to itself. */
static void cyclic_directories_are_refused(void **state) {
    (void)state;
    size_t size;
    bool opened;
    tk_error error;
    write_stack("whole.tif", COMPRESSION_NONE);
    unsigned char *data = file_bytes("whole.tif", &size);
    uint32_t first;
    memcpy(&first, data + 4, 4);
    memcpy(data + find_value(data, PAGES - 1, 1), &first, 4);
    write_bytes("cycle.tif", data, size);
    assert_int_equal(try_file("cycle.tif", &opened, &error), TK_UNREADABLE);
    memcpy(data + find_value(data, 0, 1), &first, 4);
    write_bytes("cycle.tif", data, size);
    assert_int_equal(try_file("cycle.tif", &opened, &error), TK_UNREADABLE);
    free(data);
}

/* Strips that do not decode are found when they are read. */
static void damaged_strips_are_told_with_their_page(void **state) {
    (void)state;
    size_t size;
    bool opened;
    tk_error error;
    uint32_t offsets, strip;
    write_stack("whole.tif", COMPRESSION_ADOBE_DEFLATE);
    unsigned char *data = file_bytes("whole.tif", &size);
    memcpy(&offsets, data + find_value(data, 2, TIFFTAG_STRIPOFFSETS), 4);
    memcpy(&strip, data + offsets, 4);
    memset(data + strip, 0xa5, 20);
    write_bytes("damaged.tif", data, size);
    assert_int_equal(try_file("damaged.tif", &opened, &error), TK_UNREADABLE);
    assert_true(opened);
    assert_non_null(strstr(error.text, "damaged.tif: page 2 does not decode"));
    free(data);
}

/* Bytes changed at random, above all in the directories: anything but a crash. */
static void random_damage_never_crashes(void **state) {
    (void)state;
    static const uint16_t compressions[] = {COMPRESSION_NONE, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_LZW};
    int refused = 0;
    for (int kind = 0; kind < 3; kind++) {
        size_t size;
        write_stack("whole.tif", compressions[kind]);
        unsigned char *data = file_bytes("whole.tif", &size), *copy = malloc(size);
        uint32_t at;
        memcpy(&at, data + 4, 4);
        for (int i = 0; i < 700; i++) {
            bool opened;
            tk_error error;
            memcpy(copy, data, size);
            for (int64_t k = random_between(1, 6); k > 0; k--) {
                const int64_t place = k % 2 ? random_between(at, at + 150) : random_between(0, (int64_t)size);
                if (place < (int64_t)size) copy[place] = (unsigned char)random_bits();
            }
            write_bytes("damaged.tif", copy, size);
            refused += try_file("damaged.tif", &opened, &error) != TK_OK;
        }
        free(copy);
        free(data);
    }
    assert_true(refused > 500); /* the damage is real */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_files_are_refused_at_once),
        cmocka_unit_test(lying_headers_are_refused_at_once),
        cmocka_unit_test(lying_strips_are_refused_at_once),
        cmocka_unit_test(bombs_are_refused_at_once),
        cmocka_unit_test(cyclic_directories_are_refused),
        cmocka_unit_test(damaged_strips_are_told_with_their_page),
        cmocka_unit_test(random_damage_never_crashes),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
