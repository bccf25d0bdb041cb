/* The result file: creation, images and their chunks, closing.
 *
 * The file keeps to what HDF5 1.8 reads (chunk index: B-tree version 1). Encoded chunks go past HDF5's filters and
 * cache with H5Dwrite_chunk. Times of creation are not tracked, so the same contents give the same bytes. */
#include "io/result.h"

#include <fcntl.h>
#include <hdf5_hl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/hdf5_lock.h"
#include "io/result_file.h"

static tk_status create_file(tk_result *result, tk_error *error) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    /* Metadata in blocks of 64 KiB: fewer, larger writes. */
    if (access < 0 || H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) < 0 ||
        H5Pset_meta_block_size(access, 1 << 16) < 0 || H5Pset_file_locking(access, 1, 1) < 0)
        return tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be created");
    result->id = H5Fcreate(result->file, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    int *descriptor = NULL;
    tk_status status = TK_OK;
    if (result->id < 0 || H5Fget_vfd_handle(result->id, access, (void **)&descriptor) < 0)
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be created");
    else
        result->fd = *descriptor;
    (void)H5Pclose(access);
    return status;
}

tk_status tk_result_create(const char *file, tk_result **result, tk_error *error) {
    *result = NULL;
    tk_result *made = calloc(1, sizeof *made);
    if (!made || !(made->file = strdup(file))) {
        free(made);
        return tk_fail_memory(error, "the result file");
    }
    made->id = -1;
    made->fd = -1;
    tk_hdf5_lock();
    const tk_status status = create_file(made, error);
    tk_hdf5_unlock();
    if (status == TK_OK)
        *result = made;
    else
        tk_result_abandon(made);
    return status;
}

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
static hid_t dataset_space(const tk_result_image *image) {
    hsize_t size[3], largest[3];
    for (int axis = 0; axis < 3; axis++) {
        size[axis] = (hsize_t)image->size[axis];
        largest[axis] = (hsize_t)(image->size[axis] > image->chunk[axis] ? image->size[axis] : image->chunk[axis]);
    }
    return H5Screate_simple(3, size, largest);
}

static tk_status create_dataset(tk_result *result, const tk_result_image *image, hid_t *id, tk_error *error) {
    tk_status status = TK_OK;
    const hid_t properties = dataset_properties(image->chunk), links = tk_result_link_properties();
    const hid_t space = dataset_space(image);
    *id = H5Dcreate2(result->id, image->path, tk_hdf5_file_type(image->type), space, links, properties, H5P_DEFAULT);
    if (*id < 0) status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, image->path);
    if (space >= 0) (void)H5Sclose(space);
    if (links >= 0) (void)H5Pclose(links);
    if (properties >= 0) (void)H5Pclose(properties);
    return status;
}

static tk_status describe_image(tk_result *result, hid_t id, const tk_result_image *image, tk_error *error) {
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

static tk_status add_image(tk_result *result, const tk_result_image *image, tk_error *error) {
    tk_result_dataset *grown = realloc(result->image, (size_t)(result->images + 1) * sizeof *grown);
    if (!grown) return tk_fail_memory(error, "the result file");
    result->image = grown;
    tk_result_dataset *added = &grown[result->images];
    *added = (tk_result_dataset){.id = -1, .type = image->type, .path = strdup(image->path)};
    if (!added->path) return tk_fail_memory(error, "the result file");
    memcpy(added->size, image->size, sizeof added->size);
    memcpy(added->chunk, image->chunk, sizeof added->chunk);
    result->images++;
    TK_TRY(create_dataset(result, image, &added->id, error));
    return describe_image(result, added->id, image, error);
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

tk_status tk_result_write_chunk(tk_result *result, int id, const int64_t origin[3], const void *encoded, size_t bytes,
                                tk_error *error) {
    if (id < 0 || id >= result->images) return tk_fail(error, TK_FAILED, "%s: no image %d", result->file, id);
    const tk_result_dataset *image = &result->image[id];
    hsize_t offset[3];
    for (int axis = 0; axis < 3; axis++) {
        if (origin[axis] < 0 || origin[axis] >= image->size[axis] || origin[axis] % image->chunk[axis] != 0)
            return tk_fail(error, TK_FAILED, "%s: %s: a chunk begins off the chunk grid", result->file, image->path);
        offset[axis] = (hsize_t)origin[axis];
    }
    tk_status status = TK_OK;
    tk_hdf5_lock();
    if (H5Dwrite_chunk(image->id, H5P_DEFAULT, 0, offset, bytes, encoded) < 0)
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be written");
    tk_hdf5_unlock();
    return status;
}

/* Closes what is open; the first failure counts. */
static tk_status close_all(tk_result *result, tk_error *error) {
    tk_status status = TK_OK;
    for (int i = 0; i < result->images; i++) {
        if (result->image[i].id >= 0 && H5Dclose(result->image[i].id) < 0 && status == TK_OK)
            status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be written");
        result->image[i].id = -1;
    }
    if (status == TK_OK && H5Fflush(result->id, H5F_SCOPE_GLOBAL) < 0)
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be written");
    if (status == TK_OK) {
        if (H5Fclose(result->id) < 0)
            status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be closed");
        else
            result->id = -1;
    }
    return status;
}

static tk_status make_durable(const char *file, tk_error *error) {
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tk_fail_errno(error, TK_UNWRITABLE, file, "cannot be written to the disk");
    tk_status status = TK_OK;
    if (fsync(fd) != 0) status = tk_fail_errno(error, TK_UNWRITABLE, file, "cannot be written to the disk");
    close(fd);
    return status;
}

static void free_result(tk_result *result) {
    for (int i = 0; i < result->images; i++) free(result->image[i].path);
    free(result->image);
    free(result->file);
    free(result);
}

tk_status tk_result_close(tk_result **result, tk_error *error) {
    tk_result *closing = *result;
    *result = NULL;
    tk_hdf5_lock();
    tk_status status = close_all(closing, error);
    tk_hdf5_unlock();
    if (status != TK_OK) {
        tk_result_abandon(closing);
        return status;
    }
    status = make_durable(closing->file, error);
    free_result(closing);
    return status;
}

/* HDF5 insists on flushing when a file is closed, and does not free what it could not flush. So its descriptor is
 * turned to a file in memory, where every write succeeds. */
static void turn_away_from_disk(int fd) {
    const int nowhere = memfd_create("tarkka-abandoned", MFD_CLOEXEC);
    if (nowhere < 0) return;
    (void)dup2(nowhere, fd);
    close(nowhere);
}

void tk_result_abandon(tk_result *result) {
    if (!result) return;
    tk_hdf5_lock();
    struct rlimit limit, lifted;
    const bool limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != limit.rlim_max;
    lifted = (struct rlimit){limit.rlim_max, limit.rlim_max};
    if (limited) (void)setrlimit(RLIMIT_FSIZE, &lifted); /* which holds for files in memory, too */
    if (result->fd >= 0 && result->id >= 0) turn_away_from_disk(result->fd);
    for (int i = 0; i < result->images; i++)
        if (result->image[i].id >= 0) (void)H5Dclose(result->image[i].id);
    if (result->id >= 0) (void)H5Fclose(result->id);
    if (limited) (void)setrlimit(RLIMIT_FSIZE, &limit);
    tk_hdf5_unlock();
    free_result(result);
}
