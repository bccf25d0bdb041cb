/* Which compressions this HDF5 library reads and writes, plugins included. */
#ifndef TK_IO_HDF5_FILTERS_H
#define TK_IO_HDF5_FILTERS_H

#include <stdbool.h>

typedef struct tk_hdf5_filter {
    const char *name;
    bool needed; /* tarkka's own results use it */
    bool available;
} tk_hdf5_filter;

/* The i-th filter that images come with; name is NULL past the last. */
tk_hdf5_filter tk_hdf5_filter_at(int i);

#endif
