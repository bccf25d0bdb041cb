/* Intermediate images that ranks share through the file system while a run lasts.
 *
 * One raw file holds the image tile by tile, one time point after the other: the tile of linear index i (z slowest) of
 * time point t starts at t times the tiles of one time point plus i, times the bytes of a full tile, and is densely
 * packed z y x, native byte order; tiles at the far border are smaller and leave the rest of
 * their place as a hole. Any rank or thread writes any tile at any time, without locks, because tiles never
 * overlap; a tile may be read once its writer has returned (and, between nodes, once the writer's data is visible:
 * tk_rawstore_sync). */
#ifndef TK_IO_RAWSTORE_H
#define TK_IO_RAWSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/error.h"
#include "kernels/common/view.h"

typedef struct tk_rawstore tk_rawstore;

/* Opens the store `file` of an image of this size (z y x) and tile, and that many time points; with `create` the file
 * is made when it is missing (an existing one keeps its tiles). The caller closes it. Errors: TK_UNWRITABLE (create),
 * TK_UNREADABLE, TK_NO_MEMORY, TK_FAILED for sizes that make no sense. */
tk_status tk_rawstore_open(const char *file, size_t element_bytes, const int64_t size[3], const int64_t tile[3],
                           int64_t times, bool create, tk_rawstore **store, tk_error *error);

/* Writes one tile of the grid at a time point, counted from 0; `core` must be exactly that tile's box. `stride` counts
 * elements, stride[TK_X] == 1. Errors: TK_UNWRITABLE (full disk), TK_NO_MEMORY, TK_FAILED when `core` is no tile of the
 * grid. */
tk_status tk_rawstore_write(tk_rawstore *store, int64_t time, const tk_box *core, const void *data,
                            const int64_t stride[3], tk_error *error);

/* Reads any box inside the image at a time point; `out` holds the box, `stride` counts elements, stride[TK_X] == 1.
 * Tiles never written read as zeros. Errors: TK_UNREADABLE, TK_NO_MEMORY, TK_FAILED. */
tk_status tk_rawstore_read(tk_rawstore *store, int64_t time, const tk_box *box, void *out, const int64_t stride[3],
                           tk_error *error);

/* Makes everything written through this store durable and visible to other nodes (fsync). Errors: TK_UNWRITABLE. */
tk_status tk_rawstore_sync(tk_rawstore *store, tk_error *error);

/* Closes the store, keeping the file; NULL is allowed. Errors: TK_UNWRITABLE (a network file system reports late). */
tk_status tk_rawstore_close(tk_rawstore *store, tk_error *error);

#endif
