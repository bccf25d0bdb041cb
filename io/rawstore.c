/* The raw store: pwrite of whole tiles, pread of the rows that a box needs. Axis order z y x. */
#include "io/rawstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 8 << 20 };

struct tk_rawstore {
    char *file;
    int fd;
    int64_t element;
    int64_t size[3], tile[3], grid[3], times;
    int64_t tile_bytes; /* of a full tile */
};

static tk_status check_geometry(tk_rawstore *store, tk_error *error) {
    int64_t bytes = store->element, tiles = store->times, all;
    for (int axis = 0; axis < 3; axis++) {
        const int64_t size = store->size[axis], tile = store->tile[axis];
        if (store->element < 1 || store->times < 1 || size < 1 || tile < 1 || tile > INT64_MAX - size)
            return tk_fail(error, TK_FAILED, "%s: sizes of the work store make no sense", store->file);
        store->grid[axis] = (size + tile - 1) / tile;
        if (__builtin_mul_overflow(bytes, tile, &bytes) || __builtin_mul_overflow(tiles, store->grid[axis], &tiles))
            return tk_fail(error, TK_FAILED, "%s: the work store is too large", store->file);
    }
    if (__builtin_mul_overflow(bytes, tiles, &all))
        return tk_fail(error, TK_FAILED, "%s: the work store is too large", store->file);
    store->tile_bytes = bytes;
    return TK_OK;
}

/* Gives the file its full length, as a hole: tiles that are never written read as zeros. */
static tk_status make_full_length(const tk_rawstore *store, tk_error *error) {
    const int64_t bytes = store->tile_bytes * store->times * store->grid[0] * store->grid[1] * store->grid[2];
    struct stat status;
    if (fstat(store->fd, &status) == 0 && (status.st_size >= bytes || ftruncate(store->fd, bytes) == 0)) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, store->file, "work store cannot be made");
}

tk_status tk_rawstore_open(const char *file, size_t element_bytes, const int64_t size[3], const int64_t tile[3],
                           int64_t times, bool create, tk_rawstore **store, tk_error *error) {
    *store = NULL;
    tk_rawstore *made = calloc(1, sizeof *made);
    if (!made || !(made->file = strdup(file))) {
        free(made);
        return tk_fail_memory(error, "a work store");
    }
    made->fd = -1;
    made->element = (int64_t)element_bytes;
    made->times = times;
    memcpy(made->size, size, sizeof made->size);
    memcpy(made->tile, tile, sizeof made->tile);
    tk_status status = check_geometry(made, error);
    if (status == TK_OK) {
        made->fd = open(file, create ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDWR | O_CLOEXEC, 0666);
        if (made->fd < 0)
            status = tk_fail_errno(error, create ? TK_UNWRITABLE : TK_UNREADABLE, file, "work store cannot be opened");
        else if (create)
            status = make_full_length(made, error);
    }
    if (status == TK_OK)
        *store = made;
    else
        (void)tk_rawstore_close(made, error);
    return status;
}

/* Where the tile of these grid coordinates begins in the file. */
static int64_t tile_offset(const tk_rawstore *store, int64_t time, const int64_t at[3]) {
    return (((time * store->grid[0] + at[0]) * store->grid[1] + at[1]) * store->grid[2] + at[2]) * store->tile_bytes;
}

/* The box of voxels of that tile, clipped to the image. */
static tk_box tile_box(const tk_rawstore *store, const int64_t at[3]) {
    tk_box box;
    for (int axis = 0; axis < 3; axis++) {
        box.lo[axis] = at[axis] * store->tile[axis];
        box.hi[axis] = box.lo[axis] + store->tile[axis];
        if (box.hi[axis] > store->size[axis]) box.hi[axis] = store->size[axis];
    }
    return box;
}

static tk_status write_fully(tk_rawstore *store, const unsigned char *data, int64_t bytes, int64_t offset,
                             tk_error *error) {
    while (bytes > 0) {
        const ssize_t done = pwrite(store->fd, data, (size_t)bytes, offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return tk_fail_errno(error, TK_UNWRITABLE, store->file, "work store cannot be written");
        data += done;
        bytes -= done;
        offset += done;
    }
    return TK_OK;
}

static tk_status read_fully(tk_rawstore *store, unsigned char *data, int64_t bytes, int64_t offset, tk_error *error) {
    while (bytes > 0) {
        const ssize_t done = pread(store->fd, data, (size_t)bytes, offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return tk_fail_errno(error, TK_UNREADABLE, store->file, "work store cannot be read");
        if (done == 0)
            return tk_fail(error, TK_UNREADABLE, "%s: the work store ends early: a tile was never written or was cut",
                           store->file);
        data += done;
        bytes -= done;
        offset += done;
    }
    return TK_OK;
}

/* Packs rows into a buffer and writes it whenever it is full, so that memory stays small. */
static tk_status write_packed(tk_rawstore *store, const tk_box *core, const unsigned char *data,
                              const int64_t stride[3], int64_t offset, tk_error *error) {
    const int64_t row = tk_box_size(core, TK_X) * store->element;
    const int64_t room = row > PIECE ? row : PIECE / row * row;
    unsigned char *buffer = malloc((size_t)room);
    if (!buffer) return tk_fail_memory(error, "a tile of the work store");
    int64_t used = 0;
    tk_status status = TK_OK;
    for (int64_t z = 0; z < tk_box_size(core, TK_Z) && status == TK_OK; z++)
        for (int64_t y = 0; y < tk_box_size(core, TK_Y) && status == TK_OK; y++) {
            memcpy(buffer + used, data + (z * stride[TK_Z] + y * stride[TK_Y]) * store->element, (size_t)row);
            used += row;
            if (used < room) continue;
            status = write_fully(store, buffer, used, offset, error);
            offset += used;
            used = 0;
        }
    if (status == TK_OK) status = write_fully(store, buffer, used, offset, error);
    free(buffer);
    return status;
}

tk_status tk_rawstore_write(tk_rawstore *store, int64_t time, const tk_box *core, const void *data,
                            const int64_t stride[3], tk_error *error) {
    int64_t at[3];
    if (time < 0 || time >= store->times)
        return tk_fail(error, TK_FAILED, "%s: not a time point of the work store", store->file);
    for (int axis = 0; axis < 3; axis++) {
        if (core->lo[axis] < 0 || core->lo[axis] >= store->size[axis])
            return tk_fail(error, TK_FAILED, "%s: not a tile of the work store", store->file);
        at[axis] = core->lo[axis] / store->tile[axis];
    }
    const tk_box box = tile_box(store, at);
    if (memcmp(&box, core, sizeof box) != 0)
        return tk_fail(error, TK_FAILED, "%s: not a tile of the work store", store->file);
    const int64_t width = tk_box_size(core, TK_X), plane = width * tk_box_size(core, TK_Y);
    const int64_t offset = tile_offset(store, time, at);
    if (stride[TK_Y] == width && stride[TK_Z] == plane)
        return write_fully(store, data, plane * tk_box_size(core, TK_Z) * store->element, offset, error);
    return write_packed(store, core, data, stride, offset, error);
}

/* Reads the part of `box` that lies in one tile: for each plane the contiguous rows y0 .. y1, then the x part of
 * them. */
static tk_status read_from_tile(tk_rawstore *store, int64_t time, const int64_t at[3], const tk_box *box,
                                unsigned char *out, const int64_t stride[3], unsigned char *buffer, tk_error *error) {
    const tk_box tile = tile_box(store, at);
    const tk_box part = tk_box_intersect(&tile, box);
    const int64_t width = tk_box_size(&tile, TK_X), height = tk_box_size(&tile, TK_Y);
    const int64_t rows = tk_box_size(&part, TK_Y), bytes = tk_box_size(&part, TK_X) * store->element;
    const int64_t skip = (part.lo[TK_X] - tile.lo[TK_X]) * store->element;
    for (int64_t z = part.lo[TK_Z]; z < part.hi[TK_Z]; z++) {
        const int64_t first = (z - tile.lo[TK_Z]) * height + part.lo[TK_Y] - tile.lo[TK_Y];
        /* From the first voxel wanted to the last one, not the whole of the first and last rows. */
        const int64_t span = ((rows - 1) * width) * store->element + bytes;
        TK_TRY(read_fully(store, buffer, span, tile_offset(store, time, at) + first * width * store->element + skip,
                          error));
        unsigned char *to = out + ((z - box->lo[TK_Z]) * stride[TK_Z] + (part.lo[TK_Y] - box->lo[TK_Y]) * stride[TK_Y] +
                                   part.lo[TK_X] - box->lo[TK_X]) *
                                      store->element;
        for (int64_t y = 0; y < rows; y++)
            memcpy(to + y * stride[TK_Y] * store->element, buffer + y * width * store->element, (size_t)bytes);
    }
    return TK_OK;
}

static tk_status read_tiles(tk_rawstore *store, int64_t time, const tk_box *box, unsigned char *out,
                            const int64_t stride[3], unsigned char *buffer, tk_error *error) {
    int64_t first[3], last[3], at[3];
    for (int axis = 0; axis < 3; axis++) {
        first[axis] = box->lo[axis] / store->tile[axis];
        last[axis] = (box->hi[axis] - 1) / store->tile[axis];
    }
    for (at[0] = first[0]; at[0] <= last[0]; at[0]++)
        for (at[1] = first[1]; at[1] <= last[1]; at[1]++)
            for (at[2] = first[2]; at[2] <= last[2]; at[2]++)
                TK_TRY(read_from_tile(store, time, at, box, out, stride, buffer, error));
    return TK_OK;
}

tk_status tk_rawstore_read(tk_rawstore *store, int64_t time, const tk_box *box, void *out, const int64_t stride[3],
                           tk_error *error) {
    const tk_box all = tk_box_of_size(store->size);
    if (time < 0 || time >= store->times || !tk_box_contains(&all, box))
        return tk_fail(error, TK_FAILED, "%s: a box outside the image was asked for", store->file);
    if (tk_box_count(box) == 0) return TK_OK;
    const int64_t width = store->tile[TK_X] < store->size[TK_X] ? store->tile[TK_X] : store->size[TK_X];
    int64_t rows = tk_box_size(box, TK_Y);
    if (rows > store->tile[TK_Y]) rows = store->tile[TK_Y];
    unsigned char *buffer = malloc((size_t)(rows * width * store->element));
    if (!buffer) return tk_fail_memory(error, "rows of the work store");
    const tk_status status = read_tiles(store, time, box, out, stride, buffer, error);
    free(buffer);
    return status;
}

tk_status tk_rawstore_sync(tk_rawstore *store, tk_error *error) {
    if (fsync(store->fd) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, store->file, "work store cannot be written");
}

tk_status tk_rawstore_close(tk_rawstore *store, tk_error *error) {
    if (!store) return TK_OK;
    tk_status status = TK_OK;
    if (store->fd >= 0 && close(store->fd) != 0)
        status = tk_fail_errno(error, TK_UNWRITABLE, store->file, "work store cannot be closed");
    free(store->file);
    free(store);
    return status;
}
