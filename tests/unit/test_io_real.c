/* Published data, read by tarkka, against checksums of what tifffile and h5py read from the same files. */
#include "test_io_fixture.h"

#include "io/checksum.h"
#include "io/image.h"

static const struct {
    const char *spec;
    int64_t extent[5];  /* t c z y x */
    const char *sha256; /* of the voxels as float32, t c z y x */
} images[] = {
    {"deconvolution/compact.ome.tif",
     {1, 1, 64, 512, 512},
     "2656cf402aaa7a338e64cda550648309bd742833004c87c997818d499075fa78"},
    {"deconvolution/truth.ome.tif",
     {1, 1, 64, 512, 512},
     "1942814ebf7920edbaa8dac9aae399b8aabf33358d16ba2627884101603a85c9"},
    {"deconvolution/widefield_psf.ome.tif",
     {1, 1, 127, 181, 181},
     "8ef2d5158d80faa5e1571a17ac3f4364d4c43662098e72b5aa691c0b93a70f08"},
    {"formats/derived/hela_pyramid_bigtiff_subifd.ome.tif",
     {1, 3, 1, 512, 672},
     "8fe6d837e3f8cfd7ab6fd4406bd51dfb90421518005a0f954616aa2edc593713"},
    {"formats/derived/platynereis_labels_zyx.ome.tif",
     {1, 1, 103, 256, 256},
     "01c7a1a0fc17dc81a749a8bd7ed17f63aa606a9009a93780d758979530949103"},
    {"formats/ome-tiff/multi-channel-z-series.ome.tif",
     {1, 3, 5, 167, 439},
     "5cf1dabf9edfb4918575f920cf53c77fa635b2c1501d505ca700bb6b8e8c1877"},
    {"formats/tiff-3d/Bead_Image1_crop.tif",
     {1, 1, 41, 150, 150},
     "2e387112dd5403ce66f6f4db30387cd988911ffcdbc48ef7d338d2a71f88573a"},
    {"formats/tiff-3d/KidneyMalaria.tif",
     {1, 3, 32, 172, 111},
     "3c4ae344da22146736854f4ed4f24114da2812a82c7503ed08f5b19e113bea0c"},
    {"formats/tiff-3d/Platynereis_tp7_channel1_rescaled(256x256x103)_gt.tif",
     {1, 1, 103, 256, 256},
     "01c7a1a0fc17dc81a749a8bd7ed17f63aa606a9009a93780d758979530949103"},
    {"segmentation/stardist/stardist_data_images_img3d.tif",
     {1, 1, 31, 61, 57},
     "236ff1d6ac72d0dd48590c9b51bd23e57f4921e969e00d8510977379dfc87037"},
    {"superresolution/smlm_threeB/test_data.tif",
     {1, 1, 300, 60, 60},
     "2300680381ecd5c8965c4d7de4a925486eb26eaa9ae5abfe791d8717ece11a31"},
    {"segmentation/synthetic3d/nuclei3d_synth.h5:/raw",
     {1, 1, 96, 256, 256},
     "7f893bdd06524498e49f9f23fffd0ac13254ffd12fe3e37020a768172dac1343"},
    {"segmentation/plantseg_nuclei3d/1135_mini.h5:/raw",
     {1, 1, 100, 100, 100},
     "02857e6dff76b40f39f90bc9a61cd39d8cb5c9174b34edd37f4d0770801a87f9"},
    {"segmentation/fib25/fib25_sample2.h5:/label",
     {1, 1, 250, 250, 250},
     "d94463d56e5fabd649d82e069b23b4262c3bd47798724f036179ff40e203edcf"},
    {"formats/bdv-hdf5/kidney.h5:/t00000/s00/0/cells",
     {1, 1, 32, 172, 111},
     "df93e2254958980fae1405d82c5ac2e633a36189a46674239c3181c46cc0d15b"},
};

static void checksum_image(tk_image *image, char hex[65]) {
    tk_error error = TK_ERROR_NONE;
    const tk_image_info *info = tk_image_info_of(image);
    const tk_box all = tk_box_of_size(info->size);
    float *voxels = malloc((size_t)tk_box_count(&all) * sizeof *voxels);
    tk_sha256 *sum = NULL;
    assert_done(tk_sha256_start(&sum, &error), &error);
    for (int64_t time = 0; time < info->times; time++)
        for (int64_t channel = 0; channel < info->channels; channel++) {
            assert_done(tk_image_read(image, time, channel, &all, tk_dense_f32(voxels, info->size), &error), &error);
            assert_done(tk_sha256_feed(sum, voxels, (size_t)tk_box_count(&all) * sizeof *voxels, &error), &error);
        }
    assert_done(tk_sha256_finish(&sum, hex, &error), &error);
    free(voxels);
}

static void published_images_are_read_as_others_read_them(void **state) {
    (void)state;
    const char *data = getenv("TARKKA_TEST_DATA");
    if (!data) {
        print_message("SKIP: no test data (set TARKKA_TEST_DATA)\n");
        skip();
    }
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        char spec[4096], hex[65];
        tk_image *image;
        tk_error error = TK_ERROR_NONE;
        snprintf(spec, sizeof spec, "%s/%s", data, images[i].spec);
        assert_done(tk_image_open(spec, NULL, &image, &error), &error);
        const tk_image_info *info = tk_image_info_of(image);
        const int64_t extent[5] = {info->times, info->channels, info->size[0], info->size[1], info->size[2]};
        assert_memory_equal(extent, images[i].extent, sizeof extent);
        checksum_image(image, hex);
        if (strcmp(hex, images[i].sha256) != 0) fail_msg("%s differs", spec);
        tk_image_close(image);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_images_are_read_as_others_read_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
