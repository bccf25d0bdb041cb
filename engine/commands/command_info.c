/* tarkka info */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/commands.h"
#include "engine/merge.h"
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
        if (!c->name && c->excitation_nm <= 0 && c->emission_nm <= 0) continue;
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

/* --- A result ----------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "?";
}

static void print_result(const char *file, const json_t *provenance) {
    const json_t *program = json_object_get(provenance, "program");
    json_t *outputs = json_object_get(provenance, "outputs"), *output = NULL;
    size_t i = 0;
    printf("%s\na result of tarkka %s (%s), finished %s\n", file, text_of(program, "version"),
           text_of(program, "commit"), text_of(provenance, "end"));
    json_array_foreach(outputs, i, output) {
        const json_t *rows = json_object_get(output, "rows");
        printf("%-7s %s:%s", text_of(output, "kind"), file, text_of(output, "path"));
        const json_t *times = json_object_get(output, "times");
        if (times) printf("  (the first of %lld time points)", (long long)json_integer_value(times));
        if (rows) printf("  (%lld rows)", (long long)json_integer_value(rows));
        putchar('\n');
    }
    puts("the whole record: --json");
}

/* Shows a whole result, when the file is one. *is says whether it was. */
static tk_status show_result(const char *file, bool json, bool *is, tk_error *error) {
    char *text = NULL;
    tk_result_read_text(file, TK_PROVENANCE_PATH, &text);
    json_t *provenance = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    *is = provenance != NULL;
    if (!*is) return TK_OK;
    if (json) return tk_print_json(provenance, error);
    print_result(file, provenance);
    json_decref(provenance);
    return TK_OK;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    const char *spec = tk_positional(arguments, 0);
    const bool json = tk_option_value(arguments, "json") != NULL;
    bool is_result = false;
    TK_TRY(show_result(spec, json, &is_result, error));
    if (is_result) return TK_OK;
    tk_image *image = NULL;
    TK_TRY(tk_image_open(spec, tk_option_value(arguments, "axes"), &image, error));
    const tk_image_info *info = tk_image_info_of(image);
    tk_status status = TK_OK;
    if (json)
        status = tk_print_json(to_json(spec, info), error);
    else
        print_image(spec, info);
    tk_image_close(image);
    return status;
}

const tk_command tk_command_info = {
    .name = "info",
    .summary = "Shows what an image or a result holds.",
    .synopsis = "FILE [OPTION]...",
    .details = "FILE is a TIFF or OME-TIFF file, a result, or FILE.h5:/path/to/dataset. Of an HDF5 file without a "
               "path, the only\n"
               "dataset is taken, or all there are get listed.\n"
               "\n"
               "Exit codes: 0 done, 2 usage, 3 input unreadable.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
