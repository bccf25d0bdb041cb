/* tarkka picture: maximum-intensity projections of images side by side, with the outlines of objects, as PNG. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/png.h"
#include "kernels/render/panel.h"
#include "kernels/render/project.h"
#include "workflows/commands/source.h"

enum { MOST_PANELS = 16, SEPARATOR = 4, GOOD_WIDTH = 512 };
static const double BLACK_PERCENT = 0.5, WHITE_PERCENT = 99.8;
static const int64_t MOST_PIXELS = (int64_t)1 << 28;
static const unsigned char PAPER[3] = {255, 255, 255}, OUTLINE[3] = {255, 178, 0};

/* The projection of one image; of the last one, perhaps with its labels. */
typedef struct projection {
    int64_t size[3];  /* 1, y, x */
    float *voxels;    /* owned */
    uint32_t *labels; /* owned; NULL: none */
} projection;

static tk_status allocate(int64_t count, size_t element, void **memory, tk_error *error) {
    *memory = count > 0 && (uint64_t)count < SIZE_MAX / element ? malloc((size_t)count * element) : NULL;
    if (*memory) return TK_OK;
    tk_fail_memory(error, "a slab of the image");
    return TK_NO_MEMORY;
}

/* Passes over the image once, and over its labels when there are some; `slab` holds one after the other. */
static tk_status project_slabs(const tk_source *image, const tk_source *labels, tk_work *work, void *slab,
                               projection *p, tk_error *error) {
    const int64_t *size = image->info->size, planes = tk_source_planes(size);
    for (int64_t z = 0; z < size[TK_Z]; z += planes) {
        const int64_t end = z + planes < size[TK_Z] ? z + planes : size[TK_Z];
        const int64_t extent[3] = {end - z, size[TK_Y], size[TK_X]};
        TK_TRY(tk_source_read(image, z, end, slab, error));
        tk_project_max(tk_read_f32(tk_dense_f32(slab, extent)), work, tk_dense_f32(p->voxels, p->size));
        if (!labels) continue;
        TK_TRY(tk_source_read_labels(labels, z, end, slab, error));
        tk_project_labels(tk_read_u32(tk_dense_u32(slab, extent)), work, tk_dense_u32(p->labels, p->size));
    }
    return TK_OK;
}

static tk_status project(const tk_source *image, const tk_source *labels, tk_work *work, projection *p,
                         tk_error *error) {
    const int64_t *size = image->info->size, area = size[TK_Y] * size[TK_X];
    void *slab = NULL, *voxels = NULL, *projected = NULL;
    *p = (projection){.size = {1, size[TK_Y], size[TK_X]}};
    tk_status status = allocate(tk_source_planes(size) * area, sizeof(float), &slab, error);
    if (status == TK_OK) status = allocate(area, sizeof(float), &voxels, error);
    if (status == TK_OK && labels) status = allocate(area, sizeof(uint32_t), &projected, error);
    p->voxels = voxels;
    p->labels = projected;
    if (status == TK_OK) {
        for (int64_t i = 0; i < area; i++) p->voxels[i] = -INFINITY;
        if (labels) memset(p->labels, 0, (size_t)area * sizeof *p->labels);
        status = project_slabs(image, labels, work, slab, p, error);
    }
    free(slab);
    return status;
}

/* Opens the i-th image, and for the last one the labels, and projects them. */
static tk_status load_panel(const tk_arguments *arguments, int i, bool last, tk_work *work, projection *p,
                            tk_error *error) {
    const char *labels_spec = last ? tk_option_value(arguments, "labels") : NULL;
    tk_source image = {0}, labels = {0};
    TK_TRY(tk_source_open(arguments, tk_option_repeated(arguments, "image", i), &image, error));
    tk_status status = labels_spec ? tk_source_open(arguments, labels_spec, &labels, error) : TK_OK;
    if (status == TK_OK && labels_spec) status = tk_source_same_size(&labels, &image, error);
    if (status == TK_OK) status = project(&image, labels_spec ? &labels : NULL, work, p, error);
    tk_source_close(&labels);
    tk_source_close(&image);
    return status;
}

/* The size of the picture: panels side by side, their tops aligned. */
static tk_status lay_out(const projection *panels, int count, int64_t scale, tk_picture *picture, tk_error *error) {
    *picture = (tk_picture){.width = -SEPARATOR, .height = 1};
    for (int i = 0; i < count; i++) {
        const int64_t width = panels[i].size[TK_X] * scale, height = panels[i].size[TK_Y] * scale;
        picture->width += width + SEPARATOR;
        if (height > picture->height) picture->height = height;
    }
    if (picture->width > INT32_MAX || picture->height > MOST_PIXELS / picture->width)
        return tk_fail(error, TK_USAGE, "the picture would have %" PRId64 " x %" PRId64 " pixels: a smaller --scale",
                       picture->height, picture->width);
    picture->rgb = malloc(3 * (size_t)(picture->width * picture->height));
    return picture->rgb ? TK_OK : tk_fail_memory(error, "the picture");
}

/* Stretches the contrast of a projection between its percentiles; one without any number is black. */
static tk_status stretch(const projection *p, tk_work *work, tk_panel *panel, tk_error *error) {
    const tk_cview_f32 view = tk_read_f32(tk_dense_f32(p->voxels, p->size));
    tk_status status = tk_percentile(view, BLACK_PERCENT, work, &panel->black);
    if (status == TK_OK) status = tk_percentile(view, WHITE_PERCENT, work, &panel->white);
    if (status == TK_UNSOLVABLE) return panel->black = INFINITY, panel->white = INFINITY, TK_OK;
    return status == TK_OK ? TK_OK : tk_fail_memory(error, "the percentiles");
}

static tk_status draw(const projection *panels, int count, int64_t scale, double gamma, tk_work *work,
                      tk_picture picture, tk_error *error) {
    tk_panel panel = {.scale = scale, .gamma = gamma};
    tk_picture_fill(picture, PAPER);
    for (int i = 0; i < count; i++) {
        const projection *p = &panels[i];
        TK_TRY(stretch(p, work, &panel, error));
        tk_panel_draw(&panel, tk_read_f32(tk_dense_f32(p->voxels, p->size)), picture);
        if (p->labels)
            tk_panel_outline(&panel, tk_read_u32(tk_dense_u32(p->labels, p->size)), (scale + 1) / 2, OUTLINE, picture);
        panel.left += p->size[TK_X] * scale + SEPARATOR;
    }
    return TK_OK;
}

/* The scale asked for, or the one that makes the widest panel about 512 pixels wide. */
static tk_status read_scale(const tk_arguments *arguments, const projection *panels, int count, int64_t *scale,
                            tk_error *error) {
    int64_t widest = 1;
    for (int i = 0; i < count; i++)
        if (panels[i].size[TK_X] > widest) widest = panels[i].size[TK_X];
    const int64_t good = GOOD_WIDTH / widest;
    return tk_option_integer(arguments, "scale", 1, 64, good < 1 ? 1 : good > 16 ? 16 : good, scale, error);
}

static tk_status render(const tk_arguments *arguments, const projection *panels, int count, tk_work *work,
                        tk_error *error) {
    const char *output = tk_positional(arguments, 0);
    tk_picture picture = {0};
    int64_t scale = 1;
    double gamma = 1;
    TK_TRY(tk_option_number(arguments, "gamma", 0.1, 10, 1, &gamma, error));
    TK_TRY(read_scale(arguments, panels, count, &scale, error));
    TK_TRY(lay_out(panels, count, scale, &picture, error));
    tk_status status = draw(panels, count, scale, gamma, work, picture, error);
    if (status == TK_OK) status = tk_png_write(output, picture.width, picture.height, picture.rgb, error);
    free(picture.rgb);
    if (status == TK_OK) printf("%s: %" PRId64 " x %" PRId64 " pixels\n", output, picture.width, picture.height);
    return status;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    projection panels[MOST_PANELS] = {0};
    int count = 0;
    while (count <= MOST_PANELS && tk_option_repeated(arguments, "image", count)) count++;
    if (count == 0) return tk_fail(error, TK_USAGE, "picture: an image is missing: --image FILE");
    const char *output = tk_positional(arguments, 0);
    if (!tk_option_value(arguments, "overwrite") && access(output, F_OK) == 0)
        return tk_fail(error, TK_UNWRITABLE, "%s: exists already; give --overwrite to replace it", output);
    if (count > MOST_PANELS) return tk_fail(error, TK_USAGE, "picture: %d images at most", MOST_PANELS);
    tk_work work = tk_work_here();
    tk_status status = tk_work_reserve(&work, tk_percentile_scratch(), error);
    for (int i = 0; i < count && status == TK_OK; i++)
        status = load_panel(arguments, i, i == count - 1, &work, &panels[i], error);
    if (status == TK_OK) status = render(arguments, panels, count, &work, error);
    for (int i = 0; i < count && i < MOST_PANELS; i++) {
        free(panels[i].voxels);
        free(panels[i].labels);
    }
    tk_scratch_release(&work.scratch);
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
    .synopsis = "OUTPUT.png --image FILE [--image FILE]… [--labels FILE] [OPTION]…",
    .details =
        "Each image is projected along z to its brightest voxels, and its contrast is stretched between the\n"
        "percentiles 0.5 and 99.8 of the projection. An object is drawn where the brightest labelled voxel is its\n"
        "own.\n\n"
        "  tarkka picture nuclei.png --image first.ome.tif --image result.h5:/images/deconvolve \\\n"
        "      --labels result.h5:/labels/label",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
