/* tarkka picture: maximum-intensity projections of images side by side, with the outlines of objects, as PNG; of a
 * result by itself: its image, and its objects on it. */
#include <inttypes.h>
#include <stdio.h>

#include "workflows/commands/picture_panels.h"
#include "workflows/commands/picture_result.h"
#include "workflows/commands/source.h"

static tk_status read_images(const tk_arguments *arguments, tk_picture_request *request, tk_error *error) {
    int64_t time = 0, channel = 0;
    const char *spec = NULL;
    TK_TRY(tk_source_options(arguments, &time, &channel, error));
    for (; (spec = tk_option_repeated(arguments, "image", request->images)); request->images++) {
        if (request->images == TK_PICTURE_PANELS)
            return tk_fail(error, TK_USAGE, "picture: %d images at most", TK_PICTURE_PANELS);
        request->image[request->images] = (tk_picture_source){spec, NULL, time, channel};
    }
    request->labels = (tk_picture_source){tk_option_value(arguments, "labels"), NULL, time, channel};
    return TK_OK;
}

static tk_status read_look(const tk_arguments *arguments, tk_picture_request *request, tk_error *error) {
    TK_TRY(tk_option_number(arguments, "gamma", 0.1, 10, 1, &request->gamma, error));
    return tk_option_integer(arguments, "scale", 1, 64, 0, &request->scale, error);
}

static tk_status make(const tk_arguments *arguments, const tk_picture_request *request, tk_error *error) {
    int64_t width = 0, height = 0;
    TK_TRY(tk_may_write(arguments, request->output, error));
    TK_TRY(tk_picture_make(request, &width, &height, error));
    printf("%s: %" PRId64 " x %" PRId64 " pixels\n", request->output, height, width);
    return TK_OK;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    const char *name = tk_positional(arguments, 0);
    tk_picture_request request = {.output = name};
    TK_TRY(read_look(arguments, &request, error));
    TK_TRY(read_images(arguments, &request, error));
    if (request.images > 0) return make(arguments, &request, error);
    if (request.labels.spec || !tk_picture_is_result(name))
        return tk_fail(error, TK_USAGE, "picture: an image is missing: --image FILE, or a result in place of %s", name);
    tk_picture_result result;
    tk_status status = tk_picture_of_result(name, &result, error);
    request.image[0] = result.image;
    request.images = 1;
    request.labels = result.labels;
    request.output = result.output;
    if (status == TK_OK) status = make(arguments, &request, error);
    tk_picture_result_free(&result);
    return status;
}

static const tk_option options[] = {
    {"image", "FILE", "an image, or file.h5:/path/of/dataset; repeated: side by side"},
    {"labels", "FILE", "outline these objects on the last image"},
    {"scale", "N", "pixels along the edge of a voxel (default: panels about 512 pixels wide)"},
    {"overwrite", NULL, "replace an existing picture"},
    {"gamma", "G", "grey level = brightness^(1/G) (default 1; 2 shows faint structures)"},
    TK_SOURCE_OPTIONS,
    TK_OPTION_END,
};

const tk_command tk_command_picture = {
    .name = "picture",
    .summary = "Images side by side as a PNG, with the outlines of objects",
    .synopsis = "OUTPUT.png --image FILE [--image FILE]… [--labels FILE] [OPTION]…\n       tarkka picture RESULT.h5 "
                "[OPTION]…",
    .details =
        "Each image is projected along z to its brightest voxels, and its contrast is stretched between the\n"
        "percentiles 0.5 and 99.8 of the projection. An object is drawn where the first labelled voxel from the top\n"
        "is its own.\n"
        "\n"
        "Of a result alone: RESULT.png, with the image that it was made from (when that is no longer there, the last\n"
        "image that it keeps) and the outlines of its last labels. tarkka run --picture does the same.\n"
        "\n"
        "  tarkka picture nuclei.png --image first.ome.tif --image result.h5:/images/deconvolve \\\n"
        "      --labels result.h5:/labels/label",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
