/* Reading an image back from the result, whole and in order, for its checksum. */
#include <stdlib.h>

#include "io/checksum.h"
#include "io/hdf5_lock.h"
#include "io/result_file.h"

/* Bytes decoded at a time. */
enum { PIECE = 32 << 20 };

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Is there a chunk for every place of the grid? */
static tk_status check_chunks(tk_result *result, const tk_result_dataset *image, hid_t id, tk_error *error) {
    for (int64_t z = 0; z < image->size[0]; z += image->chunk[0])
        for (int64_t y = 0; y < image->size[1]; y += image->chunk[1])
            for (int64_t x = 0; x < image->size[2]; x += image->chunk[2]) {
                const hsize_t origin[3] = {(hsize_t)z, (hsize_t)y, (hsize_t)x};
                hsize_t bytes = 0;
                if (H5Dget_chunk_storage_size(id, origin, &bytes) < 0 || bytes == 0)
                    return tk_fail(error, TK_FAILED, "%s: %s: the chunk at z y x = %lld %lld %lld was never written",
                                   result->file, image->path, (long long)z, (long long)y, (long long)x);
            }
    return TK_OK;
}

/* Reads planes z0 .. z1 and rows y0 .. y1 as little-endian bytes. */
static tk_status read_piece(tk_result *result, const tk_result_dataset *image, hid_t id, const int64_t lo[2],
                            const int64_t hi[2], void *piece, tk_error *error) {
    const hsize_t start[3] = {(hsize_t)lo[0], (hsize_t)lo[1], 0};
    const hsize_t count[3] = {(hsize_t)(hi[0] - lo[0]), (hsize_t)(hi[1] - lo[1]), (hsize_t)image->size[2]};
    tk_status status = TK_OK;
    const hid_t file_space = H5Dget_space(id), memory_space = H5Screate_simple(3, count, NULL);
    if (file_space < 0 || memory_space < 0 ||
        H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        H5Dread(id, tk_hdf5_file_type(image->type), memory_space, file_space, H5P_DEFAULT, piece) < 0)
        status = tk_hdf5_fail(error, TK_FAILED, result->file, "a chunk does not decode");
    if (memory_space >= 0) (void)H5Sclose(memory_space);
    if (file_space >= 0) (void)H5Sclose(file_space);
    return status;
}

/* Voxels in order z y x need whole planes. A row of chunks at a time where that fits in PIECE bytes; otherwise fewer
 * planes, and chunks are decoded more than once. */
static tk_status feed_image(tk_result *result, const tk_result_dataset *image, hid_t id, int64_t planes, int64_t rows,
                            void *piece, tk_sha256 *sum, tk_error *error) {
    const int64_t row = image->size[2] * (int64_t)tk_dtype_size(image->type);
    int64_t lo[2], hi[2];
    for (lo[0] = 0; lo[0] < image->size[0]; lo[0] = hi[0]) {
        const int64_t end = smaller(image->size[0], (lo[0] / image->chunk[0] + 1) * image->chunk[0]);
        hi[0] = smaller(lo[0] + planes, end);
        for (lo[1] = 0; lo[1] < image->size[1]; lo[1] = hi[1]) {
            hi[1] = smaller(lo[1] + rows, image->size[1]);
            tk_hdf5_lock();
            const tk_status status = read_piece(result, image, id, lo, hi, piece, error);
            tk_hdf5_unlock();
            if (status != TK_OK) return status;
            TK_TRY(tk_sha256_feed(sum, piece, (size_t)((hi[0] - lo[0]) * (hi[1] - lo[1]) * row), error));
        }
    }
    return TK_OK;
}

static tk_status checksum_image(tk_result *result, const tk_result_dataset *image, hid_t id, char sha256[65],
                                tk_error *error) {
    const int64_t row = image->size[2] * (int64_t)tk_dtype_size(image->type), plane = row * image->size[1];
    int64_t planes = smaller(image->chunk[0], PIECE / plane), rows = image->size[1];
    if (planes < 1) {
        planes = 1;
        rows = smaller(image->size[1], (PIECE / row / image->chunk[1] + 1) * image->chunk[1]);
    }
    void *piece = malloc((size_t)(planes * rows * row));
    if (!piece) return tk_fail_memory(error, "checking the result");
    tk_sha256 *sum = NULL;
    tk_status status = tk_sha256_start(&sum, error);
    if (status == TK_OK) status = feed_image(result, image, id, planes, rows, piece, sum, error);
    const tk_status finished = tk_sha256_finish(&sum, status == TK_OK ? sha256 : NULL, error);
    free(piece);
    return status != TK_OK ? status : finished;
}

tk_status tk_result_seal_image(tk_result *result, int id, int64_t time, char sha256[65], tk_error *error) {
    if (id < 0 || id >= result->images) return tk_fail(error, TK_FAILED, "%s: no image %d", result->file, id);
    const tk_result_dataset *image = &result->image[id];
    hid_t dataset = -1;
    tk_hdf5_lock();
    tk_status status = tk_result_dataset_open(result, id, time, false, &dataset, error);
    if (status == TK_OK) status = check_chunks(result, image, dataset, error);
    tk_hdf5_unlock();
    if (status != TK_OK) return status;
    TK_TRY(checksum_image(result, image, dataset, sha256, error));
    tk_hdf5_lock();
    status = tk_result_attribute_text(result, dataset, "sha256", sha256, error);
    if (!tk_result_dataset_close(result, id, time) && status == TK_OK)
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "cannot be written");
    tk_hdf5_unlock();
    return status;
}
