/* What OME-XML and ImageJ say about a TIFF stack: sizes, order of planes, voxel size, optics; and what is refused. */
#include "test_io_fixture.h"

#include <tiffio.h>

#include "io/image.h"
#include "io/units.h"

enum { HEIGHT = 4, WIDTH = 6 };

/* Writes `pages` pages, each filled with 10 x its number + the pixel's number in its row. */
static void write_pages(const char *name, int pages, const char *description, float resolution) {
    TIFF *tiff = TIFFOpen(name, "wl");
    uint8_t data[HEIGHT * WIDTH];
    for (int page = 0; page < pages; page++) {
        for (int i = 0; i < HEIGHT * WIDTH; i++) data[i] = (uint8_t)(10 * page + i % WIDTH);
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, WIDTH);
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, HEIGHT);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
        if (page == 0 && description) TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, description);
        if (resolution > 0) TIFFSetField(tiff, TIFFTAG_XRESOLUTION, (double)resolution);
        if (resolution > 0) TIFFSetField(tiff, TIFFTAG_YRESOLUTION, (double)resolution / 2);
        assert_int_equal(TIFFWriteEncodedStrip(tiff, 0, data, sizeof data), sizeof data);
        assert_true(TIFFWriteDirectory(tiff));
    }
    TIFFClose(tiff);
}

/* The number of the page that holds a plane. */
static int page_of(tk_image *image, int64_t t, int64_t c, int64_t z) {
    float value;
    tk_error error = TK_ERROR_NONE;
    const int64_t one[3] = {1, 1, 1};
    const tk_box box = {{z, 2, 3}, {z + 1, 3, 4}};
    assert_done(tk_image_read(image, t, c, &box, tk_dense_f32(&value, one), &error), &error);
    return (int)(value - 3) / 10;
}

static tk_image *open_pages(int pages, const char *description, float resolution) {
    tk_image *image;
    tk_error error = TK_ERROR_NONE;
    write_pages("pages.tif", pages, description, resolution);
    assert_done(tk_image_open("pages.tif", NULL, &image, &error), &error);
    return image;
}

static void refused(int pages, const char *description, const char *says) {
    tk_image *image;
    tk_error error = TK_ERROR_NONE;
    write_pages("pages.tif", pages, description, 0);
    assert_int_equal(tk_image_open("pages.tif", NULL, &image, &error), TK_UNREADABLE);
    if (!strstr(error.text, says)) fail_msg("%s", error.text);
}

/* An OME-XML document around these attributes and children of Pixels. */
static const char *ome(const char *attributes, const char *children) {
    static char text[4096];
    snprintf(text, sizeof text,
             "<?xml version=\"1.0\"?><OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" "
             "UUID=\"urn:uuid:1234\"><Instrument ID=\"I\"><Objective ID=\"O\" LensNA=\"1.4\" Immersion=\"Oil\"/>"
             "</Instrument><Image ID=\"Image:0\"><ObjectiveSettings ID=\"O\"/><Pixels ID=\"P\" Type=\"uint8\" "
             "SizeX=\"6\" SizeY=\"4\" %s>%s</Pixels></Image></OME>",
             attributes, children);
    return text;
}

static void every_dimension_order_finds_its_planes(void **state) {
    (void)state;
    static const char *const orders[] = {"XYZCT", "XYZTC", "XYCZT", "XYCTZ", "XYTZC", "XYTCZ"};
    const int64_t size[3] = {3, 2, 4}; /* z c t */
    for (int i = 0; i < 6; i++) {
        char attributes[128];
        snprintf(attributes, sizeof attributes, "DimensionOrder=\"%s\" SizeZ=\"3\" SizeC=\"2\" SizeT=\"4\"", orders[i]);
        tk_image *image = open_pages(24, ome(attributes, i % 2 ? "<TiffData/>" : ""), 0);
        assert_string_equal(tk_image_info_of(image)->format, "OME-TIFF");
        assert_int_equal(tk_image_info_of(image)->size[0], 3);
        assert_int_equal(tk_image_info_of(image)->channels, 2);
        assert_int_equal(tk_image_info_of(image)->times, 4);
        for (int64_t t = 0; t < 4; t++)
            for (int64_t c = 0; c < 2; c++)
                for (int64_t z = 0; z < 3; z++) {
                    const int64_t at[3] = {z, c, t};
                    int64_t page = 0;
                    for (int k = 4; k >= 2; k--) {
                        const int axis = orders[i][k] == 'Z' ? 0 : orders[i][k] == 'C' ? 1 : 2;
                        page = page * size[axis] + at[axis];
                    }
                    assert_int_equal(page_of(image, t, c, z), page);
                }
        tk_image_close(image);
    }
}

static void planes_lie_where_tiffdata_says(void **state) {
    (void)state;
    tk_image *image = open_pages(5,
                                 ome("DimensionOrder=\"XYZCT\" SizeZ=\"4\" SizeC=\"1\" SizeT=\"1\"",
                                     "<TiffData IFD=\"4\" FirstZ=\"0\"><UUID FileName=\"renamed.tif\">urn:uuid:1234"
                                     "</UUID></TiffData><TiffData IFD=\"1\" FirstZ=\"2\" PlaneCount=\"2\"/>"
                                     "<TiffData IFD=\"0\" FirstZ=\"1\"/>"),
                                 0);
    assert_int_equal(page_of(image, 0, 0, 0), 4);
    assert_int_equal(page_of(image, 0, 0, 1), 0);
    assert_int_equal(page_of(image, 0, 0, 2), 1);
    assert_int_equal(page_of(image, 0, 0, 3), 2);
    tk_image_close(image);
}

static void optics_and_units_are_read(void **state) {
    (void)state;
    tk_image *image =
        open_pages(2,
                   ome("SizeZ=\"1\" SizeC=\"2\" SizeT=\"1\" PhysicalSizeX=\"65\" PhysicalSizeXUnit=\"nm\" "
                       "PhysicalSizeY=\"0.13\" PhysicalSizeZ=\"0.0003\" PhysicalSizeZUnit=\"mm\" "
                       "TimeIncrement=\"250\" TimeIncrementUnit=\"ms\"",
                       "<Channel ID=\"C0\" Name=\"DAPI &amp; more\" EmissionWavelength=\"0.461\" "
                       "EmissionWavelengthUnit=\"\302\265m\" ExcitationWavelength=\"405\"/><Channel ID=\"C1\"/>"),
                   0);
    const tk_image_info *info = tk_image_info_of(image);
    assert_true(info->voxel_um[0] > 0.2999999 && info->voxel_um[0] < 0.3000001);
    assert_true(info->voxel_um[1] == 0.13);
    assert_true(info->voxel_um[2] == 0.065);
    assert_true(info->time_step_s == 0.25);
    assert_true(info->na == 1.4);
    assert_true(info->refractive_index == 1.518);
    assert_string_equal(info->channel[0].name, "DAPI & more");
    assert_true(info->channel[0].emission_nm > 460.999 && info->channel[0].emission_nm < 461.001);
    assert_true(info->channel[0].excitation_nm > 404.999 && info->channel[0].excitation_nm < 405.001);
    assert_null(info->channel[1].name);
    assert_true(info->channel[1].emission_nm == 0);
    assert_non_null(strstr(info->metadata, "PhysicalSizeXUnit=\"nm\""));
    tk_image_close(image);
}

static void ome_xml_that_cannot_be_followed_is_refused(void **state) {
    (void)state;
    const char *stack = "DimensionOrder=\"XYZCT\" SizeZ=\"3\" SizeC=\"1\" SizeT=\"1\"";
    refused(2, ome(stack, ""), "planes are missing");
    refused(3, ome(stack, "<TiffData IFD=\"0\" PlaneCount=\"2\"/>"), "planes are missing: plane z c t = 2 0 0");
    refused(3, ome(stack, "<TiffData IFD=\"1\" PlaneCount=\"3\"/>"), "planes are missing");
    refused(3, ome(stack, "<TiffData PlaneCount=\"3\"/><TiffData IFD=\"2\" FirstZ=\"1\"/>"), "two pages");
    refused(3, ome(stack, "<TiffData FirstZ=\"3\"/>"), "not valid");
    refused(3, ome(stack, "<TiffData IFD=\"-1\"/>"), "not valid");
    refused(3, ome(stack, "<TiffData><UUID FileName=\"other.tif\">urn:uuid:99</UUID></TiffData>"), "multi-file");
    refused(3, ome(stack, "<Channel SamplesPerPixel=\"3\"/>"), "colour");
    refused(3, ome("DimensionOrder=\"XYZZT\" SizeZ=\"3\"", ""), "DimensionOrder");
    refused(3, ome("SizeZ=\"2147483647\" SizeC=\"2147483647\" SizeT=\"2147483647\"", ""), "planes are missing");
    refused(3, ome("SizeZ=\"0\"", ""), "no valid SizeX");
    refused(1, "<?xml version=\"1.0\"?><OME><Image><Pixels", "damaged");
    refused(1, "<?xml version=\"1.0\"?><OME><Image/></OME>", "no image");
    refused(1, "<?xml version=\"1.0\"?><OME><Image><Pixels SizeX=\"7\" SizeY=\"4\"/></Image></OME>", "7 x 4 pixels");
    refused(1, "<OME><BinaryOnly MetadataFile=\"set.companion.ome\"/></OME>", "set.companion.ome");
    refused(1,
            "<?xml version=\"1.0\"?><!DOCTYPE OME [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><OME><Image>&a;"
            "<Pixels SizeX=\"6\" SizeY=\"4\"/></Image></OME>",
            "damaged");
}

static void imagej_hyperstacks_are_read(void **state) {
    (void)state;
    tk_image *image = open_pages(12,
                                 "ImageJ=1.53c\nimages=12\nchannels=2\nslices=3\nframes=2\nhyperstack=true\n"
                                 "unit=\\u00B5m\nspacing=0.25\nfinterval=1.5\nloop=false\n",
                                 8);
    const tk_image_info *info = tk_image_info_of(image);
    assert_int_equal(info->channels, 2);
    assert_int_equal(info->size[0], 3);
    assert_int_equal(info->times, 2);
    assert_true(info->voxel_um[0] == 0.25 && info->voxel_um[1] == 0.25 && info->voxel_um[2] == 0.125);
    assert_true(info->time_step_s == 1.5);
    for (int t = 0; t < 2; t++)
        for (int c = 0; c < 2; c++)
            for (int z = 0; z < 3; z++) assert_int_equal(page_of(image, t, c, z), (t * 3 + z) * 2 + c);
    tk_image_close(image);
    image = open_pages(4, "ImageJ=1.53c\nimages=4\nslices=4\nunit=pixel\nspacing=3\n", 8);
    for (int axis = 0; axis < 3; axis++) assert_true(tk_image_info_of(image)->voxel_um[axis] == 0);
    tk_image_close(image);
    refused(5, "ImageJ=1.53c\nimages=6\nslices=6\n", "planes are missing");
}

/* One directory and all planes behind it, in both byte orders. */
static void imagej_runs_behind_one_page_are_read(void **state) {
    (void)state;
    for (int big = 0; big < 2; big++) {
        uint16_t data[5 * HEIGHT * WIDTH];
        for (int i = 0; i < 5 * HEIGHT * WIDTH; i++) data[i] = (uint16_t)random_bits();
        TIFF *tiff = TIFFOpen("run.tif", big ? "wb" : "wl");
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, WIDTH);
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, HEIGHT);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 16);
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
        TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, "ImageJ=1.53c\nimages=5\nslices=5\n");
        uint16_t plane[HEIGHT * WIDTH];
        memcpy(plane, data, sizeof plane);
        assert_true(TIFFWriteEncodedStrip(tiff, 0, plane, sizeof plane) > 0);
        TIFFClose(tiff);
        /* The directory first, then the run: the strip is moved to the end of the file and the rest put behind it. */
        size_t size;
        unsigned char *file = file_bytes("run.tif", &size);
        unsigned char *longer = malloc(size + sizeof data);
        memcpy(longer, file, size);
        for (size_t i = 0; i < sizeof data; i++) longer[size + i] = ((const unsigned char *)data)[big ? i ^ 1 : i];
        for (uint32_t at = 0; at + 12 <= size; at += 2) { /* the entry StripOffsets: tag 273, type LONG, one value */
            const unsigned char little[8] = {17, 1, 4, 0, 1, 0, 0, 0}, large[8] = {1, 17, 0, 4, 0, 0, 0, 1};
            if (memcmp(longer + at, big ? large : little, 8) != 0) continue;
            const uint32_t offset = (uint32_t)size, placed = big ? __builtin_bswap32(offset) : offset;
            memcpy(longer + at + 8, &placed, 4);
        }
        write_bytes("run.tif", longer, size + sizeof data);
        tk_image *image;
        tk_error error = TK_ERROR_NONE;
        assert_done(tk_image_open("run.tif", NULL, &image, &error), &error);
        const tk_image_info *info = tk_image_info_of(image);
        assert_int_equal(info->size[0], 5);
        for (int i = 0; i < 20; i++) {
            const tk_box box = random_box(info->size);
            const int64_t part[3] = {tk_box_size(&box, 0), tk_box_size(&box, 1), tk_box_size(&box, 2)};
            float voxels[5 * HEIGHT * WIDTH];
            assert_done(tk_image_read(image, 0, 0, &box, tk_dense_f32(voxels, part), &error), &error);
            for (int64_t k = 0; k < tk_box_count(&box); k++) {
                const int64_t z = box.lo[0] + k / part[2] / part[1], y = box.lo[1] + k / part[2] % part[1];
                assert_true(voxels[k] == (float)data[(z * HEIGHT + y) * WIDTH + box.lo[2] + k % part[2]]);
            }
        }
        tk_image_close(image);
        write_bytes("run.tif", longer, size + sizeof data - 1);
        assert_int_equal(tk_image_open("run.tif", NULL, &image, &error), TK_UNREADABLE);
        assert_non_null(strstr(error.text, "planes are missing"));
        free(longer);
        free(file);
    }
}

static void plain_pages_are_a_stack(void **state) {
    (void)state;
    tk_image *image = open_pages(7, NULL, 0);
    assert_string_equal(tk_image_info_of(image)->format, "TIFF");
    assert_int_equal(tk_image_info_of(image)->size[0], 7);
    for (int z = 6; z >= 0; z--) assert_int_equal(page_of(image, 0, 0, z), z);
    tk_image_close(image);
}

static void units_are_known(void **state) {
    (void)state;
    assert_true(tk_unit_um("\316\274m") == 1 && tk_unit_um("micron") == 1 && tk_unit_um("inch") == 25400);
    assert_true(tk_unit_um("pixel") == 0 && tk_unit_um("") == 0 && tk_unit_seconds("min") == 60);
    assert_true(tk_positive_number("1e400") == 0 && tk_positive_number("-1") == 0 && tk_positive_number("nan") == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dimension_order_finds_its_planes),
        cmocka_unit_test(planes_lie_where_tiffdata_says),
        cmocka_unit_test(optics_and_units_are_read),
        cmocka_unit_test(ome_xml_that_cannot_be_followed_is_refused),
        cmocka_unit_test(imagej_hyperstacks_are_read),
        cmocka_unit_test(imagej_runs_behind_one_page_are_read),
        cmocka_unit_test(plain_pages_are_a_stack),
        cmocka_unit_test(units_are_known),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
