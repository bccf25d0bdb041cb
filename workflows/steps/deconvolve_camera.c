/* Camera, background and dead pixels of the step deconvolve: numbers, and files that are broadcast along the axes on
 * which they have one voxel. */
#include "workflows/steps/deconvolve_camera.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/image.h"
#include "workflows/steps/deconvolve_room.h"

static const char background_file[] = "background_file", dead_file[] = "dead_pixels";

tk_status tk_deconvolve_camera_check(const tk_params *p, tk_error *error) {
    if (tk_params_get(p, "background")->given && tk_params_get(p, background_file)->set)
        return tk_params_fail(p, "background", error, "give background or background_file, not both");
    if (tk_params_number(p, "camera.gain") > 0) return TK_OK;
    return tk_params_fail(p, "camera.gain", error, "must be above 0: photons for each count");
}

/* --- Files -------------------------------------------------------------------------------------------------------- */

/* A map as it lies in memory: rows as wide as the image, as many rows and planes as the file has. */
typedef struct map_file {
    const tk_binding *binding;
    const char *name; /* of the parameter */
    tk_image *image;
    int64_t size[3]; /* of the file */
    float *row;      /* of the file */
} map_file;

static tk_status open_map(const tk_binding *binding, const char *name, map_file *file, tk_error *error) {
    const char *spec = tk_params_text(binding->params, name);
    *file = (map_file){.binding = binding, .name = name};
    TK_TRY(tk_image_open(spec, NULL, &file->image, error));
    const tk_image_info *info = tk_image_info_of(file->image);
    const int64_t *image = binding->input.size;
    memcpy(file->size, info->size, sizeof file->size);
    bool fits = info->times == 1 && info->channels == 1;
    for (int a = 0; a < 3; a++) fits = fits && (info->size[a] == 1 || info->size[a] == image[a]);
    if (!fits)
        return tk_params_fail(binding->params, name, error,
                              "%s: has %" PRId64 "x%" PRId64 "x%" PRId64 " voxels (z y x), the image %" PRId64
                              "x%" PRId64 "x%" PRId64
                              ": a map has the image's size, or 1, along each axis, and one time point and "
                              "channel",
                              spec, info->size[0], info->size[1], info->size[2], image[0], image[1], image[2]);
    file->row = malloc((size_t)info->size[TK_X] * sizeof *file->row);
    return file->row ? TK_OK : tk_fail_memory(error, spec);
}

static void close_map(map_file *file) {
    tk_image_close(file->image);
    free(file->row);
}

/* Reads row y of plane z into file->row. */
static tk_status read_row(const map_file *file, int64_t z, int64_t y, tk_error *error) {
    const tk_box box = {{z, y, 0}, {z + 1, y + 1, file->size[TK_X]}};
    const int64_t size[3] = {1, 1, file->size[TK_X]};
    return tk_image_read(file->image, 0, 0, &box, tk_dense_f32(file->row, size), error);
}

static float at(const map_file *file, int64_t x) { return file->row[file->size[TK_X] > 1 ? x : 0]; }

/* Memory for a map of `element` bytes a voxel. Errors: TK_INVALID, TK_NO_MEMORY. */
static tk_status allocate(const map_file *file, size_t element, void **map, tk_error *error) {
    const size_t voxels = (size_t)(file->size[TK_Z] * file->size[TK_Y] * file->binding->input.size[TK_X]);
    TK_TRY(tk_deconvolve_room(file->binding, file->name, voxels * element, error));
    *map = calloc(voxels, element);
    return *map ? TK_OK : tk_fail_memory(error, file->name);
}

/* Strides of a map in memory. */
static void strides(const map_file *file, int64_t stride[3]) {
    const int64_t width = file->binding->input.size[TK_X];
    stride[TK_Z] = file->size[TK_Z] > 1 ? file->size[TK_Y] * width : 0;
    stride[TK_Y] = file->size[TK_Y] > 1 ? width : 0;
    stride[TK_X] = 1;
}

static tk_status fill_background(const map_file *file, tk_deconvolve_camera *camera, tk_error *error) {
    const int64_t width = file->binding->input.size[TK_X];
    float *to = camera->map.data;
    double sum = 0;
    for (int64_t z = 0; z < file->size[TK_Z]; z++)
        for (int64_t y = 0; y < file->size[TK_Y]; y++, to += width) {
            TK_TRY(read_row(file, z, y, error));
            for (int64_t x = 0; x < width; x++) {
                to[x] = at(file, x);
                if (!(to[x] >= 0) || isinf(to[x]))
                    return tk_params_fail(file->binding->params, file->name, error,
                                          "%s: at z %" PRId64 ", y %" PRId64 ", x %" PRId64
                                          " is %g; light is 0 or more",
                                          tk_params_text(file->binding->params, file->name), z, y, x, (double)to[x]);
                sum += (double)to[x];
            }
        }
    camera->background = sum / (double)(file->size[TK_Z] * file->size[TK_Y] * width);
    return TK_OK;
}

static tk_status fill_dead(const map_file *file, tk_deconvolve_camera *camera, tk_error *error) {
    const int64_t width = file->binding->input.size[TK_X];
    uint8_t *to = camera->dead.data;
    for (int64_t z = 0; z < file->size[TK_Z]; z++)
        for (int64_t y = 0; y < file->size[TK_Y]; y++, to += width) {
            TK_TRY(read_row(file, z, y, error));
            for (int64_t x = 0; x < width; x++) camera->dead_voxels += to[x] = at(file, x) != 0;
        }
    for (int a = 0; a < 2; a++)
        if (file->size[a] == 1) camera->dead_voxels *= file->binding->input.size[a];
    return TK_OK;
}

static tk_status read_background(const tk_binding *binding, tk_deconvolve_camera *camera, tk_error *error) {
    map_file file;
    tk_status status = open_map(binding, background_file, &file, error);
    void *map = NULL;
    if (status == TK_OK) status = allocate(&file, sizeof(float), &map, error);
    if (status == TK_OK) {
        camera->map.data = map;
        memcpy(camera->map.size, binding->input.size, sizeof camera->map.size);
        strides(&file, camera->map.stride);
        status = fill_background(&file, camera, error);
    }
    close_map(&file);
    return status;
}

static tk_status read_dead(const tk_binding *binding, tk_deconvolve_camera *camera, tk_error *error) {
    map_file file;
    tk_status status = open_map(binding, dead_file, &file, error);
    void *map = NULL;
    if (status == TK_OK) status = allocate(&file, 1, &map, error);
    if (status == TK_OK) {
        camera->dead.data = map;
        memcpy(camera->dead.size, binding->input.size, sizeof camera->dead.size);
        strides(&file, camera->dead.stride);
        status = fill_dead(&file, camera, error);
    }
    close_map(&file);
    return status;
}

/* --- The camera --------------------------------------------------------------------------------------------------- */

tk_status tk_deconvolve_camera_make(const tk_binding *binding, tk_deconvolve_camera *camera, tk_error *error) {
    const tk_params *p = binding->params;
    *camera = (tk_deconvolve_camera){
        .offset = tk_params_number(p, "camera.offset"),
        .gain = tk_params_number(p, "camera.gain"),
        .saturation = tk_params_get(p, "camera.saturation")->set ? tk_params_number(p, "camera.saturation") : INFINITY,
        .read_noise = tk_params_number(p, "read_noise"),
        .background = tk_params_number(p, "background"),
    };
    tk_status status = TK_OK;
    if (tk_params_get(p, background_file)->set) status = read_background(binding, camera, error);
    if (status == TK_OK && tk_params_get(p, dead_file)->set) status = read_dead(binding, camera, error);
    if (status != TK_OK) tk_deconvolve_camera_free(camera);
    return status;
}

void tk_deconvolve_camera_free(tk_deconvolve_camera *camera) {
    free(camera->map.data);
    free(camera->dead.data);
    *camera = (tk_deconvolve_camera){0};
}

/* How many voxels of a map lie in memory. */
static size_t held(const int64_t size[3], const int64_t stride[3]) {
    return (size_t)(size[TK_X] * (stride[TK_Y] ? size[TK_Y] : 1) * (stride[TK_Z] ? size[TK_Z] : 1));
}

size_t tk_deconvolve_camera_bytes(const tk_deconvolve_camera *c) {
    return (c->map.data ? held(c->map.size, c->map.stride) * sizeof(float) : 0) +
           (c->dead.data ? held(c->dead.size, c->dead.stride) : 0);
}

tk_deconvolve_data tk_deconvolve_camera_data(const tk_deconvolve_camera *c, const tk_block *block) {
    tk_deconvolve_data data = tk_deconvolve_photons(tk_read_f32(block->f32));
    data.camera_offset = c->offset;
    data.camera_gain = c->gain;
    data.saturation = c->saturation;
    data.background = c->background;
    if (c->map.data) data.background_map = tk_ccrop_f32(tk_read_f32(c->map), &block->image, &block->box);
    if (c->dead.data) data.dead = tk_ccrop_u8(tk_read_u8(c->dead), &block->image, &block->box);
    return data;
}

tk_status tk_deconvolve_camera_note(const tk_deconvolve_camera *c, tk_facts *facts) {
    if (c->map.data) TK_TRY(tk_facts_number(facts, "background_mean", c->background, ""));
    return c->dead.data ? tk_facts_number(facts, "dead_voxels", (double)c->dead_voxels, "") : TK_OK;
}
