/* Opening HDF5 files that others wrote. Everything here is called with HDF5's lock held. */
#ifndef TK_IO_HDF5_OPEN_H
#define TK_IO_HDF5_OPEN_H

#include <hdf5.h>

#include "io/error.h"

/* Opens a file to be read, also where it cannot be locked. Errors: TK_UNREADABLE. */
tk_status tk_hdf5_open(const char *file, hid_t *id, tk_error *error);

/* Is every filter there that decoding a dataset of these creation properties needs? Better asked at once than when a
 * run is half done. Errors: TK_UNREADABLE, with the filter's number and name. */
tk_status tk_hdf5_check_filters(const char *file, const char *path, hid_t properties, tk_error *error);

#endif
