/* The result file: creation, chunks, closing.
 *
 * The file keeps to what HDF5 1.8 reads (chunk index: B-tree version 1). Encoded chunks go past HDF5's filters and
 * cache with H5Dwrite_chunk. Times of creation are not tracked, so the same contents give the same bytes. */
#include "io/result.h"

#include <fcntl.h>
#include <hdf5_hl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/hdf5_file.h"
#include "io/hdf5_lock.h"
#include "io/result_file.h"

/* HDF5 keeps nodes of its indices of chunks in memory, up to so many bytes of the file, which take six times as much
 * there. By itself it would take 32 MiB. */
enum { INDEX_BYTES = 4 << 20 };

static bool limit_memory(hid_t access) {
    H5AC_cache_config_t config = {.version = H5AC__CURR_CACHE_CONFIG_VERSION};
    if (H5Pget_mdc_config(access, &config) < 0) return false;
    config.max_size = INDEX_BYTES;
    return H5Pset_mdc_config(access, &config) >= 0;
}

static tk_status create_file(tk_result *result, tk_error *error) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    /* Metadata in blocks of 64 KiB: fewer, larger writes. Data in none: each chunk goes to the end of the file. */
    if (access < 0 || H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) < 0 ||
        H5Pset_meta_block_size(access, 1 << 16) < 0 || H5Pset_small_data_block_size(access, 0) < 0 ||
        H5Pset_file_locking(access, 1, 1) < 0 || !limit_memory(access))
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

/* Checks that an image and a place on its chunk grid exist. */
static tk_status find_place(const tk_result *result, int id, const int64_t origin[3], hsize_t place[3],
                            tk_error *error) {
    if (id < 0 || id >= result->images) return tk_fail(error, TK_FAILED, "%s: no image %d", result->file, id);
    const tk_result_dataset *image = &result->image[id];
    for (int axis = 0; axis < 3; axis++) {
        if (origin[axis] < 0 || origin[axis] >= image->size[axis] || origin[axis] % image->chunk[axis] != 0)
            return tk_fail(error, TK_FAILED, "%s: %s: a chunk begins off the chunk grid", result->file, image->path);
        place[axis] = (hsize_t)origin[axis];
    }
    return TK_OK;
}

/* Do these bytes stand in the file at this place? */
static bool stands_at(const tk_result *result, haddr_t address, const unsigned char *bytes, size_t size) {
    unsigned char piece[1 << 16];
    for (size_t done = 0; done < size;) {
        const size_t most = size - done < sizeof piece ? size - done : sizeof piece;
        const ssize_t got = pread(result->fd, piece, most, (off_t)(address + done));
        if (got <= 0 || memcmp(piece, bytes + done, (size_t)got) != 0) return false;
        done += (size_t)got;
    }
    return true;
}

/* Writes a chunk and says where it lies: at what was the end of the file, as a rule. HDF5's own answer is only asked
 * for where it is not, since that goes over all chunks. */
static herr_t write_and_find(const tk_result *result, hid_t dataset, const hsize_t place[3], const void *encoded,
                             size_t bytes, haddr_t *address) {
    hsize_t stored = 0;
    unsigned mask = 0;
    if (H5Fget_eoa(result->id, address) < 0 || H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, place, bytes, encoded) < 0)
        return -1;
    if (stands_at(result, *address, encoded, bytes)) return 0;
    return H5Dget_chunk_info_by_coord(dataset, place, &mask, address, &stored);
}

tk_status tk_result_write_chunk(tk_result *result, int id, int64_t time, const int64_t origin[3], const void *encoded,
                                size_t bytes, int64_t *offset, tk_error *error) {
    hsize_t place[3];
    haddr_t address = HADDR_UNDEF;
    hid_t dataset = -1;
    TK_TRY(find_place(result, id, origin, place, error));
    tk_hdf5_lock();
    tk_status status = tk_result_dataset_open(result, id, time, true, &dataset, error);
    if (status == TK_OK && write_and_find(result, dataset, place, encoded, bytes, &address) < 0)
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be written");
    tk_hdf5_unlock();
    if (offset) *offset = (int64_t)address;
    return status;
}

tk_status tk_result_sync(tk_result *result, tk_error *error) {
    if (fdatasync(result->fd) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, result->file, "cannot be written to the disk");
}

/* Closes what is open; the first failure counts. */
static tk_status close_all(tk_result *result, tk_error *error) {
    tk_status status = TK_OK;
    if (!tk_result_datasets_close(result))
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be written");
    if (status == TK_OK && H5Fflush(result->id, H5F_SCOPE_GLOBAL) < 0)
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be written");
    if (status == TK_OK) {
        if (H5Fclose(result->id) < 0) status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be closed");
        result->id = -1; /* half closed it is of no use to HDF5, which crashes when it tries again */
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
    for (int i = 0; i < result->images; i++) tk_result_dataset_free(&result->image[i]);
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

static void close_datasets(void *result) { (void)tk_result_datasets_close(result); }

void tk_result_abandon(tk_result *result) {
    if (!result) return;
    tk_hdf5_lock();
    tk_hdf5_abandon(result->id, result->fd, close_datasets, result);
    tk_hdf5_unlock();
    free_result(result);
}
