/* Projecting, stretching the contrast, drawing. */
#include "workflows/commands/picture_panels.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/png.h"
#include "kernels/render/panel.h"
#include "kernels/render/project.h"
#include "workflows/commands/source.h"

enum { SEPARATOR = 4, GOOD_WIDTH = 512 };
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
static tk_status load_panel(const tk_picture_request *request, int i, tk_work *work, projection *p, tk_error *error) {
    const tk_picture_source *from = &request->image[i], *objects = &request->labels;
    const bool labelled = i == request->images - 1 && objects->spec;
    tk_source image = {0}, labels = {0};
    TK_TRY(tk_source_open_at(from->spec, from->axes, from->time, from->channel, &image, error));
    tk_status status =
        labelled ? tk_source_open_at(objects->spec, objects->axes, objects->time, objects->channel, &labels, error)
                 : TK_OK;
    if (status == TK_OK && labelled) status = tk_source_same_size(&labels, &image, error);
    if (status == TK_OK) status = project(&image, labelled ? &labels : NULL, work, p, error);
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

/* The scale that makes the widest panel about 512 pixels wide. */
static int64_t good_scale(const projection *panels, int count) {
    int64_t widest = 1;
    for (int i = 0; i < count; i++)
        if (panels[i].size[TK_X] > widest) widest = panels[i].size[TK_X];
    const int64_t good = GOOD_WIDTH / widest;
    return good < 1 ? 1 : good > 16 ? 16 : good;
}

static tk_status render(const tk_picture_request *request, const projection *panels, tk_work *work, int64_t *width,
                        int64_t *height, tk_error *error) {
    const int64_t scale = request->scale > 0 ? request->scale : good_scale(panels, request->images);
    tk_picture picture = {0};
    TK_TRY(lay_out(panels, request->images, scale, &picture, error));
    tk_status status = draw(panels, request->images, scale, request->gamma, work, picture, error);
    if (status == TK_OK) status = tk_png_write(request->output, picture.width, picture.height, picture.rgb, error);
    free(picture.rgb);
    *width = picture.width;
    *height = picture.height;
    return status;
}

tk_status tk_picture_make(const tk_picture_request *request, int64_t *width, int64_t *height, tk_error *error) {
    projection panels[TK_PICTURE_PANELS] = {0};
    tk_work work = tk_work_here();
    tk_status status = tk_work_reserve(&work, tk_percentile_scratch(), error);
    for (int i = 0; i < request->images && status == TK_OK; i++)
        status = load_panel(request, i, &work, &panels[i], error);
    if (status == TK_OK) status = render(request, panels, &work, width, height, error);
    for (int i = 0; i < request->images; i++) {
        free(panels[i].voxels);
        free(panels[i].labels);
    }
    tk_scratch_release(&work.scratch);
    return status;
}
