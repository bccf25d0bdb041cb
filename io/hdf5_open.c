/* Opening HDF5 files for reading, and asking for their filters. */
#include "io/hdf5_open.h"

#include "io/hdf5_lock.h"

tk_status tk_hdf5_open(const char *file, hid_t *id, tk_error *error) {
    tk_status status = TK_OK;
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0) (void)H5Pset_file_locking(access, 1, 1);
    *id = H5Fopen(file, H5F_ACC_RDONLY, access);
    if (*id < 0) status = tk_hdf5_fail(error, TK_UNREADABLE, file, "cannot be opened");
    if (access >= 0) (void)H5Pclose(access);
    return status;
}

tk_status tk_hdf5_check_filters(const char *file, const char *path, hid_t properties, tk_error *error) {
    const int count = H5Pget_nfilters(properties);
    for (int i = 0; i < count; i++) {
        unsigned flags, configuration;
        size_t values = 0;
        char name[64] = "";
        const H5Z_filter_t filter =
            H5Pget_filter2(properties, (unsigned)i, &flags, &values, NULL, sizeof name, name, &configuration);
        name[sizeof name - 1] = '\0';
        if (filter >= 0 && H5Zfilter_avail(filter) > 0) continue;
        return tk_fail(error, TK_UNREADABLE,
                       "%s:%s: needs HDF5 filter %d (%s), which is not installed (set HDF5_PLUGIN_PATH, or rewrite "
                       "the file with h5repack -f GZIP=1)",
                       file, path, filter, name[0] ? name : "without a name");
    }
    return TK_OK;
}
