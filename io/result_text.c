/* Texts read back from a result: scalar strings of fixed or variable length. */
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#include "io/hdf5_lock.h"
#include "io/result.h"

/* A variable-length string comes in memory of HDF5's, which is copied and given back. */
static char *read_variable(hid_t dataset, hid_t type) {
    char *theirs = NULL, *ours = NULL;
    const hid_t space = H5Dget_space(dataset);
    if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &theirs) >= 0 && theirs) {
        ours = strdup(theirs);
        (void)H5Dvlen_reclaim(type, space, H5P_DEFAULT, &theirs);
    }
    (void)H5Sclose(space);
    return ours;
}

static char *read_fixed(hid_t dataset, hid_t type) {
    enum { LARGEST = 1 << 28 };
    const size_t size = H5Tget_size(type);
    char *text = size > 0 && size < LARGEST ? calloc(size + 1, 1) : NULL;
    if (!text || H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0) return text;
    free(text);
    return NULL;
}

/* NULL when the dataset is not one string. */
static char *read_string(hid_t dataset) {
    char *text = NULL;
    const hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    if (H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_npoints(space) == 1)
        text = H5Tis_variable_str(type) > 0 ? read_variable(dataset, type) : read_fixed(dataset, type);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
    return text;
}

void tk_result_read_text(const char *file, const char *path, char **text) {
    *text = NULL;
    tk_hdf5_lock();
    const hid_t id = H5Fis_hdf5(file) > 0 ? H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT) : -1;
    if (id >= 0) {
        const hid_t dataset = H5Dopen2(id, path, H5P_DEFAULT);
        if (dataset >= 0) {
            *text = read_string(dataset);
            (void)H5Dclose(dataset);
        }
        (void)H5Fclose(id);
    }
    tk_hdf5_unlock();
}
