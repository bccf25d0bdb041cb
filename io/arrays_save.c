/* Named arrays written as HDF5. Times are not tracked and names are sorted, so the same arrays give the same bytes.
 *
 * HDF5 itself does not survive all that can happen to a file, so damage must show before it is acted upon: this is
 * HDF5 1.10's format, which has checksums over all that describes data; small arrays lie within that, and large ones
 * are one chunk, whose compression has a checksum. */
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/arrays.h"
#include "io/hdf5_file.h"
#include "io/hdf5_lock.h"
#include "io/publish.h"
#include "io/result_file.h"

/* Arrays of up to so many bytes lie within their description, which has room for 64 KiB. */
enum { COMPACT_MOST = 32 << 10 };

typedef struct writer {
    const char *file;
    hid_t id;
    tk_error *error;
} writer;

/* What HDF5 wants to know of an array. */
typedef struct pieces {
    hid_t type, space; /* in the file */
    void *data;
} pieces;

static tk_status cannot_write(const writer *to, const char *name) {
    return tk_hdf5_fail(to->error, TK_UNWRITABLE, to->file, name);
}

/* Negative on failure. */
static hid_t space_of(const tk_array *array) {
    hsize_t size[TK_ARRAY_AXES_MOST];
    for (int axis = 0; axis < array->rank; axis++) size[axis] = (hsize_t)array->size[axis];
    return array->rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(array->rank, size, NULL);
}

/* One chunk for all: HDF5 notes where it is in the array's description. */
static bool compress(const tk_array *array, hid_t properties) {
    hsize_t chunk[TK_ARRAY_AXES_MOST];
    for (int axis = 0; axis < array->rank; axis++) chunk[axis] = (hsize_t)array->size[axis];
    return H5Pset_chunk(properties, array->rank, chunk) >= 0 && H5Pset_shuffle(properties) >= 0 &&
           H5Pset_deflate(properties, 1) >= 0;
}

static hid_t properties_of(const tk_array *array, hid_t type) {
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (properties < 0) return properties;
    const bool compact = (size_t)array->count <= COMPACT_MOST / H5Tget_size(type);
    if (H5Pset_obj_track_times(properties, 0) >= 0 &&
        (compact ? H5Pset_layout(properties, H5D_COMPACT) >= 0 : array->rank == 0 || compress(array, properties)))
        return properties;
    (void)H5Pclose(properties);
    return -1;
}

/* Bytes, at least 1. */
static size_t longest_text(const tk_array *array) {
    size_t longest = 1;
    for (int64_t i = 0; i < array->count; i++) {
        const size_t length = strlen(array->texts[i]);
        if (length > longest) longest = length;
    }
    return longest;
}

/* The type in the file; the caller closes it. Texts are as wide as the longest of them, padded with zeros: those of
 * variable length lie elsewhere, where nothing has a checksum. */
static hid_t file_type_of(const tk_array *array) {
    if (array->type != TK_ARRAY_TEXT) return H5Tcopy(tk_hdf5_file_type(array->stored));
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && H5Tset_size(type, longest_text(array)) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0 &&
        H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
        return type;
    if (type >= 0) (void)H5Tclose(type);
    return -1;
}

/* The data as HDF5 takes them: texts side by side, which the caller frees. NULL: no memory. */
static void *packed(const tk_array *array) {
    if (array->type != TK_ARRAY_TEXT) return array->data;
    const size_t width = longest_text(array);
    char *rows = calloc(array->count > 0 ? (size_t)array->count : 1, width);
    for (int64_t i = 0; rows && i < array->count; i++)
        memcpy(rows + (size_t)i * width, array->texts[i], strlen(array->texts[i]));
    return rows;
}

/* The type of what `packed` made. */
static hid_t memory_type_of(const tk_array *array, hid_t file_type) {
    if (array->type == TK_ARRAY_TEXT) return file_type;
    return array->type == TK_ARRAY_INT ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE;
}

/* Makes the group that ends before `end` in a name, unless it is there, and those it lies in. */
static bool make_group(const writer *to, const char *name, const char *end, hid_t properties) {
    char *path = strndup(name, (size_t)(end - name));
    bool made = path != NULL;
    for (char *slash = path; made && slash;) {
        slash = strchr(slash + 1, '/');
        if (slash) *slash = '\0';
        if (H5Lexists(to->id, path, H5P_DEFAULT) <= 0) {
            const hid_t group = H5Gcreate2(to->id, path, H5P_DEFAULT, properties, H5P_DEFAULT);
            made = group >= 0 && H5Gclose(group) >= 0;
        }
        if (slash) *slash = '/';
    }
    free(path);
    return made;
}

/* Makes the groups that an array lies in; `end`: where their names end in its. HDF5 would keep times of those that it
 * makes by itself. */
static bool make_groups(const writer *to, const char *name, const char *end) {
    if (!end || end == name) return true;
    const hid_t properties = H5Pcreate(H5P_GROUP_CREATE);
    if (properties < 0) return false;
    const bool made = H5Pset_obj_track_times(properties, 0) >= 0 && make_group(to, name, end, properties);
    (void)H5Pclose(properties);
    return made;
}

static tk_status write_dataset(const writer *to, const tk_array *array, const pieces *of) {
    if (!make_groups(to, array->name, strrchr(array->name, '/'))) return cannot_write(to, array->name);
    tk_status status = TK_OK;
    const hid_t properties = properties_of(array, of->type);
    const hid_t id = H5Dcreate2(to->id, array->name, of->type, of->space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (id < 0 || (array->count > 0 &&
                   H5Dwrite(id, memory_type_of(array, of->type), H5S_ALL, H5S_ALL, H5P_DEFAULT, of->data) < 0))
        status = cannot_write(to, array->name);
    if (id >= 0) (void)H5Dclose(id);
    if (properties >= 0) (void)H5Pclose(properties);
    return status;
}

/* Opens the group of an attribute's name, which ends before `at`. Negative on failure. */
static hid_t open_group(const writer *to, const char *name, const char *at) {
    char *path = at == name ? strdup("/") : strndup(name, (size_t)(at - name));
    const hid_t group = path && make_groups(to, name, at) ? H5Gopen2(to->id, path, H5P_DEFAULT) : -1;
    free(path);
    return group;
}

static tk_status write_attribute(const writer *to, const tk_array *array, const char *at, const pieces *of) {
    tk_status status = TK_OK;
    const hid_t group = open_group(to, array->name, at);
    const hid_t id = group < 0 ? -1 : H5Acreate2(group, at + 1, of->type, of->space, H5P_DEFAULT, H5P_DEFAULT);
    if (id < 0 || (array->count > 0 && H5Awrite(id, memory_type_of(array, of->type), of->data) < 0))
        status = cannot_write(to, array->name);
    if (id >= 0) (void)H5Aclose(id);
    if (group >= 0) (void)H5Gclose(group);
    return status;
}

static tk_status write_array(const writer *to, const tk_array *array) {
    const char *at = strchr(array->name, '@');
    const pieces of = {file_type_of(array), space_of(array), packed(array)};
    tk_status status;
    if (!of.data)
        status = tk_fail_memory(to->error, to->file);
    else if (of.type < 0 || of.space < 0)
        status = cannot_write(to, array->name);
    else if (at)
        status = write_attribute(to, array, at, &of);
    else
        status = write_dataset(to, array, &of);
    if (of.data != array->data) free(of.data);
    if (of.space >= 0) (void)H5Sclose(of.space);
    if (of.type >= 0) (void)H5Tclose(of.type);
    return status;
}

/* Creates the file, over one that is there, and tells HDF5's descriptor of it. Negative on failure. */
static hid_t create(const char *file, int *fd) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS), properties = H5Pcreate(H5P_FILE_CREATE);
    int *theirs = NULL;
    const bool set = access >= 0 && properties >= 0 && H5Pset_file_locking(access, 1, 1) >= 0 &&
                     H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 &&
                     H5Pset_obj_track_times(properties, 0) >= 0;
    const hid_t id = set ? H5Fcreate(file, H5F_ACC_TRUNC, properties, access) : -1;
    if (id >= 0 && H5Fget_vfd_handle(id, access, (void **)&theirs) >= 0) *fd = *theirs;
    if (properties >= 0) (void)H5Pclose(properties);
    if (access >= 0) (void)H5Pclose(access);
    return id;
}

/* Fills the part. */
static tk_status write_all(const tk_part *part, const tk_arrays *arrays, tk_error *error) {
    int fd = -1;
    const writer to = {part->file, create(part->part, &fd), error};
    if (to.id < 0) return tk_fail(error, TK_UNWRITABLE, "%s: cannot be created by HDF5", part->part);
    tk_status status = TK_OK;
    for (int64_t i = 0; status == TK_OK && i < arrays->count; i++)
        if (arrays->array[i].type != TK_ARRAY_OTHER) status = write_array(&to, &arrays->array[i]);
    if (status == TK_OK && H5Fflush(to.id, H5F_SCOPE_GLOBAL) < 0) status = cannot_write(&to, "cannot be written");
    if (status != TK_OK)
        tk_hdf5_abandon(to.id, fd, NULL, NULL);
    else if (H5Fclose(to.id) < 0)
        status = cannot_write(&to, "cannot be closed");
    return status;
}

tk_status tk_arrays_save(const char *file, const tk_arrays *arrays, bool overwrite, tk_error *error) {
    tk_part part;
    if (!overwrite && access(file, F_OK) == 0)
        return tk_fail(error, TK_UNWRITABLE, "%s: exists already; give --overwrite to replace it", file);
    TK_TRY(tk_part_open(file, &part, error));
    tk_hdf5_lock();
    const tk_status status = write_all(&part, arrays, error);
    tk_hdf5_unlock();
    if (status == TK_OK) return tk_part_publish(&part, error);
    tk_part_discard(&part);
    return status;
}
