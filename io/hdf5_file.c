/* Opening HDF5 files for reading, asking for their filters, and giving up files. */
#include "io/hdf5_file.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* HDF5 insists on flushing when a file is closed, and does not free what it could not flush. So its descriptor is
 * turned to a file in memory, where every write succeeds. */
static void turn_away_from_disk(int fd) {
    const int nowhere = memfd_create("tarkka-abandoned", MFD_CLOEXEC);
    if (nowhere < 0) return;
    (void)dup2(nowhere, fd);
    close(nowhere);
}

void tk_hdf5_abandon(hid_t file, int fd, void (*close_rest)(void *user), void *user) {
    struct rlimit limit, lifted;
    const bool limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != limit.rlim_max;
    lifted = (struct rlimit){limit.rlim_max, limit.rlim_max};
    if (limited) (void)setrlimit(RLIMIT_FSIZE, &lifted); /* which holds for files in memory, too */
    if (fd >= 0 && file >= 0) turn_away_from_disk(fd);
    if (close_rest) close_rest(user);
    if (file >= 0) (void)H5Fclose(file);
    if (limited) (void)setrlimit(RLIMIT_FSIZE, &limit);
}
