/* Images of the result file: making their datasets, and keeping some of those of a series open. Everything here is
 * called with HDF5's lock held, but for tk_result_add_image. */
#include <hdf5_hl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/hdf5_lock.h"
#include "io/result_file.h"

/* Shuffle and deflate, never filled (every chunk is written), stable bytes; negative on failure. */
static hid_t dataset_properties(const int64_t chunk[3]) {
    const hsize_t extent[3] = {(hsize_t)chunk[0], (hsize_t)chunk[1], (hsize_t)chunk[2]};
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (properties < 0) return properties;
    if (H5Pset_chunk(properties, 3, extent) >= 0 && H5Pset_shuffle(properties) >= 0 &&
        H5Pset_deflate(properties, 1) >= 0 && H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER) >= 0 &&
        H5Pset_obj_track_times(properties, 0) >= 0)
        return properties;
    (void)H5Pclose(properties);
    return -1;
}

/* HDF5 wants no chunk larger than the largest extent, so a small image may grow up to one chunk. */
static hid_t dataset_space(const tk_result_dataset *image) {
    hsize_t size[3], largest[3];
    for (int axis = 0; axis < 3; axis++) {
        size[axis] = (hsize_t)image->size[axis];
        largest[axis] = (hsize_t)(image->size[axis] > image->chunk[axis] ? image->size[axis] : image->chunk[axis]);
    }
    return H5Screate_simple(3, size, largest);
}

static tk_status create_dataset(tk_result *result, const tk_result_dataset *image, hid_t from, const char *name,
                                hid_t *id, tk_error *error) {
    tk_status status = TK_OK;
    const hid_t properties = dataset_properties(image->chunk), links = tk_result_link_properties();
    const hid_t space = dataset_space(image);
    *id = H5Dcreate2(from, name, tk_hdf5_file_type(image->type), space, links, properties, H5P_DEFAULT);
    if (*id < 0) status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, image->path);
    if (space >= 0) (void)H5Sclose(space);
    if (links >= 0) (void)H5Pclose(links);
    if (properties >= 0) (void)H5Pclose(properties);
    return status;
}

static tk_status describe_image(tk_result *result, hid_t id, const tk_result_dataset *image, tk_error *error) {
    static const char *const axes[3] = {"z", "y", "x"};
    for (unsigned axis = 0; axis < 3; axis++)
        if (H5DSset_label(id, axis, axes[axis]) < 0)
            return tk_hdf5_fail(error, TK_UNWRITABLE, result->file, image->path);
    if (image->voxel_um[0] > 0 && image->voxel_um[1] > 0 && image->voxel_um[2] > 0)
        TK_TRY(tk_result_attribute_numbers(result, id, "element_size_um", image->voxel_um, 3, error));
    TK_TRY(tk_result_attribute_text(result, id, "unit", "um", error));
    TK_TRY(tk_result_attribute_text(result, id, "kind", image->kind, error));
    return tk_result_attribute_text(result, id, "description", image->description, error);
}

/* Makes a dataset, described; *id is open afterwards. */
static tk_status make_dataset(tk_result *result, const tk_result_dataset *image, hid_t from, const char *name,
                              hid_t *id, tk_error *error) {
    TK_TRY(create_dataset(result, image, from, name, id, error));
    const tk_status status = describe_image(result, *id, image, error);
    if (status == TK_OK) return TK_OK;
    (void)H5Dclose(*id);
    *id = -1;
    return status;
}

/* --- Series ------------------------------------------------------------------------------------------------------- */

/* The group of a series, which several channels share; missing groups on the way are made. */
static tk_status open_group(tk_result *result, tk_result_dataset *added, tk_error *error) {
    bool made = false;
    for (const tk_result_dataset *other = result->image; other < added; other++)
        made = made || (other->series && !strcmp(other->path, added->path));
    const hid_t links = tk_result_link_properties();
    added->group = made ? H5Gopen2(result->id, added->path, H5P_DEFAULT)
                        : H5Gcreate2(result->id, added->path, links, H5P_DEFAULT, H5P_DEFAULT);
    tk_status status = TK_OK;
    if (added->group < 0) status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, added->path);
    if (links >= 0) (void)H5Pclose(links);
    return status;
}

char *tk_result_series_path(const char *path, int64_t time, int64_t channel) {
    char *made = NULL;
    return asprintf(&made, "%s/t%04lld/c%02lld", path, (long long)time, (long long)channel) < 0 ? NULL : made;
}

/* Opens a dataset of a series, or makes it. */
static tk_status open_or_make(tk_result *result, const tk_result_dataset *image, int64_t time, bool make, hid_t *id,
                              tk_error *error) {
    char name[64];
    const int group = snprintf(name, sizeof name, "t%04lld", (long long)time);
    const bool has_group = H5Lexists(image->group, name, H5P_DEFAULT) > 0;
    snprintf(name + group, sizeof name - (size_t)group, "/c%02lld", (long long)image->channel);
    if (has_group && H5Lexists(image->group, name, H5P_DEFAULT) > 0) {
        *id = H5Dopen2(image->group, name, H5P_DEFAULT);
        return *id >= 0 ? TK_OK : tk_hdf5_fail(error, TK_UNWRITABLE, result->file, image->path);
    }
    if (make) return make_dataset(result, image, image->group, name, id, error);
    return tk_fail(error, TK_FAILED, "%s: %s/%s: no chunk of it was ever written", result->file, image->path, name);
}

tk_status tk_result_dataset_open(tk_result *result, int id, int64_t time, bool make, hid_t *dataset, tk_error *error) {
    const tk_result_dataset *image = &result->image[id];
    if (!image->series) return *dataset = image->id, TK_OK;
    for (int i = 0; i < TK_RESULT_OPEN; i++) {
        const tk_result_open *o = &result->open[i];
        if (o->is && o->image == id && o->time == time) return *dataset = o->id, TK_OK;
    }
    TK_TRY(open_or_make(result, image, time, make, dataset, error));
    tk_result_open *o = &result->open[result->oldest];
    const bool closed = !o->is || H5Dclose(o->id) >= 0;
    *o = (tk_result_open){true, id, time, *dataset};
    result->oldest = (result->oldest + 1) % TK_RESULT_OPEN;
    return closed ? TK_OK : tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be written");
}

bool tk_result_dataset_close(tk_result *result, int id, int64_t time) {
    for (int i = 0; i < TK_RESULT_OPEN; i++) {
        tk_result_open *o = &result->open[i];
        if (!o->is || o->image != id || o->time != time) continue;
        o->is = false;
        return H5Dclose(o->id) >= 0;
    }
    return true;
}

bool tk_result_datasets_close(tk_result *result) {
    bool closed = true;
    for (int i = 0; i < TK_RESULT_OPEN; i++) {
        if (result->open[i].is && H5Dclose(result->open[i].id) < 0) closed = false;
        result->open[i].is = false;
    }
    for (int i = 0; i < result->images; i++) {
        tk_result_dataset *image = &result->image[i];
        if (image->id >= 0 && H5Dclose(image->id) < 0) closed = false;
        if (image->group >= 0 && H5Gclose(image->group) < 0) closed = false;
        image->id = image->group = -1;
    }
    return closed;
}

/* --- Adding ------------------------------------------------------------------------------------------------------- */

void tk_result_dataset_free(tk_result_dataset *image) {
    free(image->path);
    free(image->kind);
    free(image->description);
}

static tk_status add_image(tk_result *result, const tk_result_image *image, tk_error *error) {
    tk_result_dataset *grown = realloc(result->image, (size_t)(result->images + 1) * sizeof *grown);
    if (!grown) return tk_fail_memory(error, "the result file");
    result->image = grown;
    tk_result_dataset *added = &grown[result->images++];
    *added = (tk_result_dataset){.id = -1,
                                 .group = -1,
                                 .type = image->type,
                                 .path = strdup(image->path),
                                 .kind = strdup(image->kind),
                                 .description = strdup(image->description),
                                 .series = image->series,
                                 .channel = image->channel};
    if (!added->path || !added->kind || !added->description) return tk_fail_memory(error, "the result file");
    memcpy(added->size, image->size, sizeof added->size);
    memcpy(added->chunk, image->chunk, sizeof added->chunk);
    memcpy(added->voxel_um, image->voxel_um, sizeof added->voxel_um);
    if (added->series) return open_group(result, added, error);
    return make_dataset(result, added, result->id, added->path, &added->id, error);
}

tk_status tk_result_add_image(tk_result *result, const tk_result_image *image, int *id, tk_error *error) {
    int64_t bytes = (int64_t)tk_dtype_size(image->type);
    for (int axis = 0; axis < 3; axis++)
        if (image->size[axis] < 1 || image->chunk[axis] < 1 ||
            __builtin_mul_overflow(bytes, image->chunk[axis], &bytes) || bytes > UINT32_MAX)
            return tk_fail(error, TK_FAILED, "%s: %s: size or chunk size is not possible (a chunk holds up to 4 GiB)",
                           result->file, image->path);
    tk_hdf5_lock();
    const tk_status status = add_image(result, image, error);
    tk_hdf5_unlock();
    *id = result->images - 1;
    return status;
}
