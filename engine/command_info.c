/* tarkka info */
#include <jansson.h>
#include <stdio.h>

#include "engine/commands.h"
#include "io/image.h"

static const tk_option options[] = {{"axes", "AXES", "axes of an HDF5 dataset, slowest first, as in tyx"},
                                    {"json", NULL, "print as JSON"},
                                    TK_OPTION_END};

static json_t *to_json(const char *spec, const tk_image_info *info) {
    json_t *channels = json_array();
    for (int64_t i = 0; info->channel && i < info->channels; i++) {
        const tk_channel *c = &info->channel[i];
        json_array_append_new(channels, json_pack("{s:s?, s:f, s:f}", "name", c->name, "emission_nm", c->emission_nm,
                                                  "excitation_nm", c->excitation_nm));
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:[I, I, I], s:[I, I, I], s:[f, f, f], s:f, s:f, s:f, s:o}", "file",
                     spec, "format", info->format, "type", tk_dtype_text(info->type), "times", (json_int_t)info->times,
                     "channels", (json_int_t)info->channels, "size_zyx", (json_int_t)info->size[0],
                     (json_int_t)info->size[1], (json_int_t)info->size[2], "chunk_zyx", (json_int_t)info->chunk[0],
                     (json_int_t)info->chunk[1], (json_int_t)info->chunk[2], "voxel_um_zyx", info->voxel_um[0],
                     info->voxel_um[1], info->voxel_um[2], "time_step_s", info->time_step_s, "numerical_aperture",
                     info->na, "refractive_index", info->refractive_index, "channel", channels);
}

static void print_channels(const tk_image_info *info) {
    for (int64_t i = 0; info->channel && i < info->channels; i++) {
        const tk_channel *c = &info->channel[i];
        printf("channel %lld  %s", (long long)i, c->name ? c->name : "");
        if (c->excitation_nm > 0) printf("  excitation %g nm", c->excitation_nm);
        if (c->emission_nm > 0) printf("  emission %g nm", c->emission_nm);
        putchar('\n');
    }
}

static void print_image(const char *spec, const tk_image_info *info) {
    printf("%s\nformat   %s, %s\n", spec, info->format, tk_dtype_text(info->type));
    printf("size     %lld x %lld x %lld voxels (z y x), %lld channel%s, %lld time point%s\n", (long long)info->size[0],
           (long long)info->size[1], (long long)info->size[2], (long long)info->channels,
           info->channels == 1 ? "" : "s", (long long)info->times, info->times == 1 ? "" : "s");
    if (info->voxel_um[2] > 0)
        printf("voxel    %g x %g x %g um (z y x)\n", info->voxel_um[0], info->voxel_um[1], info->voxel_um[2]);
    else
        puts("voxel    size not known: give lengths in px");
    if (info->time_step_s > 0) printf("time     a frame every %g s\n", info->time_step_s);
    if (info->na > 0) printf("optics   NA %g, refractive index %g\n", info->na, info->refractive_index);
    print_channels(info);
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    const char *spec = tk_positional(arguments, 0);
    tk_image *image = NULL;
    TK_TRY(tk_image_open(spec, tk_option_value(arguments, "axes"), &image, error));
    const tk_image_info *info = tk_image_info_of(image);
    tk_status status = TK_OK;
    if (tk_option_value(arguments, "json"))
        status = tk_print_json(to_json(spec, info), error);
    else
        print_image(spec, info);
    tk_image_close(image);
    return status;
}

const tk_command tk_command_info = {
    .name = "info",
    .summary = "Shows what an image holds: size, type, voxel size, channels.",
    .synopsis = "IMAGE [OPTION]...",
    .details =
        "IMAGE is a TIFF or OME-TIFF file, or FILE.h5:/path/to/dataset. Of an HDF5 file without a path, the only\n"
        "dataset is taken, or all there are get listed.\n"
        "\n"
        "Exit codes: 0 done, 2 usage, 3 input unreadable.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
