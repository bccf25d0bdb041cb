/* Opening HDF5 files that others wrote, and giving up those that cannot be written. Everything here is called with
 * HDF5's lock held. */
#ifndef TK_IO_HDF5_FILE_H
#define TK_IO_HDF5_FILE_H

#include <hdf5.h>

#include "io/error.h"

/* Opens a file to be read, also where it cannot be locked. Errors: TK_UNREADABLE. */
tk_status tk_hdf5_open(const char *file, hid_t *id, tk_error *error);

/* Is every filter there that decoding a dataset of these creation properties needs? Better asked at once than when a
 * run is half done. Errors: TK_UNREADABLE, with the filter's number and name. */
tk_status tk_hdf5_check_filters(const char *file, const char *path, hid_t properties, tk_error *error);

/* Closes a file that could not be written, on a full disk for instance, without another error and without leaving
 * anything behind in HDF5. `fd` is HDF5's own descriptor of it, −1: not known. close_rest(user), when not NULL, closes
 * what else is open of the file. */
void tk_hdf5_abandon(hid_t file, int fd, void (*close_rest)(void *user), void *user);

#endif
