/* Filters by their registered numbers. */
#include "io/hdf5_filters.h"

#include <hdf5.h>
#include <stddef.h>

#include "io/hdf5_lock.h"

tk_hdf5_filter tk_hdf5_filter_at(int i) {
    static const struct {
        const char *name;
        H5Z_filter_t number;
        bool needed;
    } filters[] = {{"deflate", H5Z_FILTER_DEFLATE, true},
                   {"shuffle", H5Z_FILTER_SHUFFLE, true},
                   {"fletcher32", H5Z_FILTER_FLETCHER32, false},
                   {"szip", H5Z_FILTER_SZIP, false},
                   {"bzip2", 307, false},
                   {"blosc", 32001, false},
                   {"lz4", 32004, false},
                   {"bitshuffle", 32008, false},
                   {"zstd", 32015, false}};
    if (i < 0 || (size_t)i >= sizeof filters / sizeof filters[0]) return (tk_hdf5_filter){0};
    tk_hdf5_lock();
    const bool available = H5Zfilter_avail(filters[i].number) > 0;
    tk_hdf5_unlock();
    return (tk_hdf5_filter){filters[i].name, filters[i].needed, available};
}
