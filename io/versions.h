/* Versions of the libraries that read and write files. */
#ifndef TK_IO_VERSIONS_H
#define TK_IO_VERSIONS_H

#include <stddef.h>

/* The i-th library's name ("hdf5"), its version in `version`; NULL past the last. */
const char *tk_io_version(int i, char *version, size_t room);

#endif
