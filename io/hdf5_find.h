/* Which datasets of an HDF5 file can be images. Everything here is called with HDF5's lock held. */
#ifndef TK_IO_HDF5_FIND_H
#define TK_IO_HDF5_FIND_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>

#include "io/dtype.h"
#include "io/error.h"

/* The element type that a dataset of this HDF5 type is read as; false when it is neither integer nor float. */
bool tk_hdf5_dtype(hid_t type, tk_dtype *dtype);

/* Writes the path of the one dataset that can be an image into `path`.
 * Errors: TK_UNREADABLE when there are none, or several, with a list of them. */
tk_status tk_hdf5_only_dataset(const char *file, hid_t id, char *path, size_t room, tk_error *error);

/* Notes that `path` is no dataset of the file, and lists those there are. Returns TK_UNREADABLE. */
tk_status tk_hdf5_no_dataset(const char *file, hid_t id, const char *path, tk_error *error);

#endif
