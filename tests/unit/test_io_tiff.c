/* Reading TIFF: every type, byte order, layout and compression gives the voxels that were written, whole or by region;
 * what tarkka writes as OME-TIFF comes back. */
#include "test_io_fixture.h"

#include <tiffio.h>

#include "io/convert.h"
#include "io/image.h"
#include "io/tiff_write.h"

typedef struct layout {
    const char *mode; /* of TIFFOpen: "wl", "wb" byte order, "8" BigTIFF */
    int bits, format;
    tk_dtype type;
    uint16_t compression, predictor;
    uint32_t rows;    /* a strip */
    uint32_t tile[2]; /* height, width; 0 = strips */
} layout;

static const int64_t stack_size[3] = {3, 45, 61};

/* The elements of page z, native order; small numbers, so that every type holds them. */
static void fill_page(const layout *how, int64_t z, void *page) {
    const int64_t count = stack_size[1] * stack_size[2];
    for (int64_t i = 0; i < count; i++) {
        const int64_t value = (z * count + i) * 31 % 127;
        switch (how->type) {
        case TK_U8:
            ((uint8_t *)page)[i] = (uint8_t)value;
            break;
        case TK_I8:
            ((int8_t *)page)[i] = (int8_t)-value;
            break;
        case TK_U16:
            ((uint16_t *)page)[i] = (uint16_t)(value * 501);
            break;
        case TK_I16:
            ((int16_t *)page)[i] = (int16_t)(-value * 251);
            break;
        case TK_U32:
            ((uint32_t *)page)[i] = (uint32_t)value * 33000000u;
            break;
        case TK_I32:
            ((int32_t *)page)[i] = (int32_t)value * -16000000;
            break;
        case TK_U64:
            ((uint64_t *)page)[i] = (uint64_t)value << 40;
            break;
        case TK_I64:
            ((int64_t *)page)[i] = -(value << 40);
            break;
        case TK_F32:
            ((float *)page)[i] = (float)value * -0.37f;
            break;
        default:
            ((double *)page)[i] = (double)value / 3;
            break;
        }
    }
}

static void write_tiles(TIFF *tiff, const layout *how, const unsigned char *page) {
    const size_t element = tk_dtype_size(how->type);
    unsigned char *tile = calloc((size_t)how->tile[0] * how->tile[1], element);
    for (uint32_t top = 0; top < stack_size[1]; top += how->tile[0])
        for (uint32_t left = 0; left < stack_size[2]; left += how->tile[1]) {
            for (uint32_t y = 0; y < how->tile[0] && top + y < stack_size[1]; y++) {
                const int64_t rest = stack_size[2] - left;
                const size_t width = (size_t)(rest < how->tile[1] ? rest : how->tile[1]);
                memcpy(tile + y * how->tile[1] * element, page + ((top + y) * stack_size[2] + left) * (int64_t)element,
                       width * element);
            }
            assert_true(TIFFWriteTile(tiff, tile, left, top, 0, 0) > 0);
        }
    free(tile);
}

static void write_strips(TIFF *tiff, const layout *how, unsigned char *page) {
    const int64_t row = stack_size[2] * (int64_t)tk_dtype_size(how->type);
    for (int64_t y = 0, strip = 0; y < stack_size[1]; y += how->rows, strip++) {
        const int64_t rows = stack_size[1] - y < how->rows ? stack_size[1] - y : how->rows;
        assert_true(TIFFWriteEncodedStrip(tiff, (uint32_t)strip, page + y * row, rows * row) > 0);
    }
}

static void write_stack(const char *name, const layout *how) {
    TIFF *tiff = TIFFOpen(name, how->mode);
    assert_non_null(tiff);
    unsigned char *page = malloc((size_t)(stack_size[1] * stack_size[2]) * 8);
    for (int64_t z = 0; z < stack_size[0]; z++) {
        fill_page(how, z, page);
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)stack_size[2]);
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)stack_size[1]);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, how->bits);
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
        TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, how->format);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
        TIFFSetField(tiff, TIFFTAG_COMPRESSION, how->compression);
        if (how->predictor) TIFFSetField(tiff, TIFFTAG_PREDICTOR, how->predictor);
        if (how->tile[0]) {
            TIFFSetField(tiff, TIFFTAG_TILELENGTH, how->tile[0]);
            TIFFSetField(tiff, TIFFTAG_TILEWIDTH, how->tile[1]);
            write_tiles(tiff, how, page);
        } else {
            TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, how->rows);
            write_strips(tiff, how, page);
        }
        assert_true(TIFFWriteDirectory(tiff));
    }
    free(page);
    TIFFClose(tiff);
}

/* What the stack holds, as float32. */
static float *expected_voxels(const layout *how) {
    const int64_t count = stack_size[1] * stack_size[2], size[3] = {1, stack_size[1], stack_size[2]};
    float *voxels = malloc((size_t)(count * stack_size[0]) * sizeof *voxels);
    void *page = malloc((size_t)count * 8);
    for (int64_t z = 0; z < stack_size[0]; z++) {
        fill_page(how, z, page);
        tk_convert_f32(how->type, page, tk_dense_f32(voxels + z * count, size));
    }
    free(page);
    return voxels;
}

static void check_regions(const char *name, const float *voxels, tk_dtype type) {
    tk_image *image;
    tk_error error = TK_ERROR_NONE;
    assert_done(tk_image_open(name, NULL, &image, &error), &error);
    const tk_image_info *info = tk_image_info_of(image);
    assert_int_equal(info->type, type);
    assert_memory_equal(info->size, stack_size, sizeof stack_size);
    for (int i = 0; i < 12; i++) {
        const tk_box all = tk_box_of_size(stack_size), box = i == 0 ? all : random_box(stack_size);
        const int64_t size[3] = {tk_box_size(&box, 0), tk_box_size(&box, 1), tk_box_size(&box, 2)};
        float *part = malloc((size_t)tk_box_count(&box) * sizeof *part);
        assert_done(tk_image_read(image, 0, 0, &box, tk_dense_f32(part, size), &error), &error);
        for (int64_t z = 0; z < size[0]; z++)
            for (int64_t y = 0; y < size[1]; y++)
                assert_memory_equal(part + (z * size[1] + y) * size[2],
                                    voxels + ((z + box.lo[0]) * stack_size[1] + y + box.lo[1]) * stack_size[2] +
                                        box.lo[2],
                                    (size_t)size[2] * sizeof *part);
        free(part);
    }
    tk_image_close(image);
}

static const struct {
    int bits, format;
    tk_dtype type;
} types[] = {
    {8, SAMPLEFORMAT_UINT, TK_U8},     {8, SAMPLEFORMAT_INT, TK_I8},    {16, SAMPLEFORMAT_UINT, TK_U16},
    {16, SAMPLEFORMAT_INT, TK_I16},    {32, SAMPLEFORMAT_UINT, TK_U32}, {32, SAMPLEFORMAT_INT, TK_I32},
    {64, SAMPLEFORMAT_UINT, TK_U64},   {64, SAMPLEFORMAT_INT, TK_I64},  {32, SAMPLEFORMAT_IEEEFP, TK_F32},
    {64, SAMPLEFORMAT_IEEEFP, TK_F64},
};

static void every_layout_gives_its_voxels(void **state) {
    (void)state;
    static const char *const modes[] = {"wl", "wb", "wl8", "wb8"};
    static const uint16_t compressions[] = {COMPRESSION_NONE, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_LZW,
                                            COMPRESSION_PACKBITS};
    for (size_t type = 0; type < sizeof types / sizeof *types; type++)
        for (int mode = 0; mode < 4; mode++)
            for (int kind = 0; kind < 4; kind++)
                for (int tiled = 0; tiled < 2; tiled++) {
                    layout how = {modes[mode],
                                  types[type].bits,
                                  types[type].format,
                                  types[type].type,
                                  compressions[kind],
                                  0,
                                  (uint32_t)random_between(1, 60),
                                  {0, 0}};
                    /* libtiff writes floats of foreign byte order wrongly with a predictor; it reads them well. */
                    const bool is_float = how.format == SAMPLEFORMAT_IEEEFP, foreign = how.mode[1] == 'b';
                    if ((kind == 1 || kind == 2) && !(is_float && foreign))
                        how.predictor = is_float ? PREDICTOR_FLOATINGPOINT : PREDICTOR_HORIZONTAL;
                    if (tiled) how.tile[0] = 16 * (uint32_t)random_between(1, 4);
                    if (tiled) how.tile[1] = 16 * (uint32_t)random_between(1, 6);
                    write_stack("stack.tif", &how);
                    float *voxels = expected_voxels(&how);
                    check_regions("stack.tif", voxels, how.type);
                    free(voxels);
                }
}

/* Labels: integers as they are; what is none is refused with its place. */
static void labels_are_whole_numbers(void **state) {
    (void)state;
    const tk_box all = tk_box_of_size(stack_size);
    uint32_t *labels = malloc((size_t)tk_box_count(&all) * sizeof *labels);
    for (size_t type = 0; type < sizeof types / sizeof *types; type++) {
        const layout how = {"wl", types[type].bits, types[type].format, types[type].type, COMPRESSION_NONE, 0, 7, {0}};
        tk_image *image;
        tk_error error = TK_ERROR_NONE;
        write_stack("labels.tif", &how);
        assert_done(tk_image_open("labels.tif", NULL, &image, &error), &error);
        const tk_status status = tk_image_read_labels(image, 0, 0, &all, tk_dense_u32(labels, stack_size), &error);
        tk_image_close(image);
        const bool whole = how.type == TK_U8 || how.type == TK_U16 || how.type == TK_U32;
        assert_int_equal(status, whole ? TK_OK : TK_UNREADABLE);
        if (!whole) assert_non_null(strstr(error.text, "z y x = 0 0 1 "));
        for (int64_t i = 0; whole && i < tk_box_count(&all); i++) {
            const uint32_t value = (uint32_t)(i * 31 % 127);
            assert_int_equal(labels[i], how.type == TK_U8    ? value
                                        : how.type == TK_U16 ? value * 501
                                                             : value * 33000000);
        }
    }
    free(labels);
}

static void conversion_keeps_24_bits_and_rounds_beyond(void **state) {
    (void)state;
    const int64_t size[3] = {1, 1, 4};
    const uint32_t whole[4] = {0, 16777215, 16777217, 4294967295u};
    const double fractions[4] = {0.1, -16777217.0, 1e-50, 65504.5};
    float out[4];
    tk_convert_f32(TK_U32, whole, tk_dense_f32(out, size));
    assert_true(out[1] == 16777215.0f && out[2] == 16777216.0f && out[3] == 4294967296.0f);
    tk_convert_f32(TK_F64, fractions, tk_dense_f32(out, size));
    assert_true(out[0] == 0.1f && out[1] == -16777216.0f && out[2] == 0.0f && out[3] == 65504.5f);
    const double labels[4] = {4294967295.0, 0, 7, 4294967296.0};
    uint32_t label[4];
    double value;
    assert_int_equal(tk_convert_labels(TK_F64, labels, tk_dense_u32(label, size), &value), 3);
    assert_int_equal(label[0], 4294967295u);
}

static void what_is_written_comes_back(void **state) {
    (void)state;
    static const tk_dtype written[] = {TK_U8, TK_U16, TK_U32, TK_F32};
    const double voxel[3] = {0.3, 0.1, 0.123456789012345678};
    for (int i = 0; i < 4; i++) {
        const layout how = {.type = written[i]};
        tk_error error = TK_ERROR_NONE;
        tk_image *image;
        const int64_t count = stack_size[1] * stack_size[2];
        unsigned char *stack = malloc((size_t)(stack_size[0] * count) * 8);
        for (int64_t z = 0; z < stack_size[0]; z++)
            fill_page(&how, z, stack + z * count * (int64_t)tk_dtype_size(how.type));
        assert_done(tk_ome_tiff_write("out.ome.tif", how.type, stack_size, stack, voxel, "a <b> & \"c\"", &error),
                    &error);
        float *voxels = expected_voxels(&how);
        check_regions("out.ome.tif", voxels, how.type);
        assert_done(tk_image_open("out.ome.tif", NULL, &image, &error), &error);
        assert_string_equal(tk_image_info_of(image)->format, "OME-TIFF");
        assert_memory_equal(tk_image_info_of(image)->voxel_um, voxel, sizeof voxel);
        assert_non_null(strstr(tk_image_info_of(image)->metadata, "a &lt;b&gt; &amp;"));
        tk_image_close(image);
        free(voxels);
        free(stack);
    }
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_ome_tiff_write("nowhere/x.tif", TK_U8, stack_size, "", voxel, "x", &error), TK_UNWRITABLE);
}

/* Planes larger than what is converted at a time: read in strips of rows, and nothing is lost between them. */
static void large_images_are_read_in_pieces(void **state) {
    (void)state;
    const int64_t size[3] = {2, 2300, 2000}, count = size[0] * size[1] * size[2];
    const double voxel[3] = {0};
    uint32_t *stack = malloc((size_t)count * sizeof *stack), *labels = calloc((size_t)count, sizeof *labels);
    for (int64_t i = 0; i < count; i++) stack[i] = (uint32_t)i * 3;
    tk_error error = TK_ERROR_NONE;
    tk_image *image;
    assert_done(tk_ome_tiff_write("large.ome.tif", TK_U32, size, stack, voxel, "large", &error), &error);
    assert_done(tk_image_open("large.ome.tif", NULL, &image, &error), &error);
    const tk_box all = tk_box_of_size(size);
    assert_done(tk_image_read_labels(image, 0, 0, &all, tk_dense_u32(labels, size), &error), &error);
    assert_memory_equal(labels, stack, (size_t)count * sizeof *stack);
    tk_image_close(image);
    free(labels);
    free(stack);
}

/* Wrong requests and things that are no image. */
static void mistakes_are_told(void **state) {
    (void)state;
    static const struct {
        const char *spec, *axes, *says;
    } cases[] = {
        {"absent.tif", NULL, "No such file"},
        {".", NULL, "directory"},
        {"empty.tif", NULL, "empty"},
        {"text.tif", NULL, "unknown"},
        {"stack.tif:/data", NULL, "TIFF"},
        {"stack.tif", "zyx", "axes"},
        {"absent.h5:/data", NULL, "absent.h5: "},
    };
    const layout how = {"wl", 8, SAMPLEFORMAT_UINT, TK_U8, COMPRESSION_NONE, 0, 7, {0}};
    write_stack("stack.tif", &how);
    write_bytes("empty.tif", "", 0);
    write_bytes("text.tif", "not an image", 12);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tk_image *image;
        tk_error error = TK_ERROR_NONE;
        assert_int_equal(tk_image_open(cases[i].spec, cases[i].axes, &image, &error), TK_UNREADABLE);
        assert_null(image);
        if (!strstr(error.text, cases[i].says)) fail_msg("%s: %s", cases[i].spec, error.text);
    }
    tk_image *image;
    tk_error error = TK_ERROR_NONE;
    float voxels[8];
    const int64_t size[3] = {1, 1, 8};
    const tk_box outside = {{0, 0, 60}, {1, 1, 68}}, inside = {{0, 0, 0}, {1, 1, 8}};
    assert_done(tk_image_open("stack.tif", NULL, &image, &error), &error);
    assert_int_equal(tk_image_read(image, 0, 0, &outside, tk_dense_f32(voxels, size), &error), TK_UNREADABLE);
    error = TK_ERROR_NONE;
    assert_int_equal(tk_image_read(image, 1, 0, &inside, tk_dense_f32(voxels, size), &error), TK_UNREADABLE);
    tk_image_close(image);
}

/* A path that exists wins over splitting it at a colon. */
static void a_colon_may_be_part_of_a_name(void **state) {
    (void)state;
    const layout how = {"wl", 8, SAMPLEFORMAT_UINT, TK_U8, COMPRESSION_NONE, 0, 7, {0}};
    write_stack("a:b.tif", &how);
    tk_image *image;
    tk_error error = TK_ERROR_NONE;
    assert_done(tk_image_open("a:b.tif", NULL, &image, &error), &error);
    tk_image_close(image);
    char *file = tk_image_file("a:b.tif:/x:y");
    assert_string_equal(file, "a:b.tif");
    free(file);
    file = tk_image_file("none.h5:/x:/y");
    assert_string_equal(file, "none.h5");
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_gives_its_voxels),
        cmocka_unit_test(labels_are_whole_numbers),
        cmocka_unit_test(conversion_keeps_24_bits_and_rounds_beyond),
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(large_images_are_read_in_pieces),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(a_colon_may_be_part_of_a_name),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
