/* Named arrays written as HDF5. The file is made in memory, where HDF5 cannot fail half-way, and then published whole.
 * Times are not tracked and names are sorted, so the same arrays give the same bytes. */
#include <errno.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/arrays.h"
#include "io/hdf5_lock.h"
#include "io/publish.h"
#include "io/result_file.h"

/* Arrays from this many elements on are chunked and compressed. */
enum { COUNT_TO_COMPRESS = 4096, COUNT_A_CHUNK = 65536, IMAGE_GROWS = 1 << 16 };

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

/* Chunks are whole along all axes but the first. */
static bool compress(const tk_array *array, hid_t properties) {
    hsize_t chunk[TK_ARRAY_AXES_MOST];
    int64_t row = 1;
    for (int axis = 1; axis < array->rank; axis++) {
        chunk[axis] = (hsize_t)array->size[axis];
        row *= array->size[axis];
    }
    const int64_t rows = row < COUNT_A_CHUNK ? COUNT_A_CHUNK / row : 1;
    chunk[0] = (hsize_t)(rows < array->size[0] ? rows : array->size[0]);
    return H5Pset_chunk(properties, array->rank, chunk) >= 0 && H5Pset_shuffle(properties) >= 0 &&
           H5Pset_deflate(properties, 1) >= 0;
}

static hid_t properties_of(const tk_array *array) {
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (properties < 0) return properties;
    const bool plain = array->type == TK_ARRAY_TEXT || array->rank == 0 || array->count < COUNT_TO_COMPRESS;
    if (H5Pset_obj_track_times(properties, 0) >= 0 && (plain || compress(array, properties))) return properties;
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

/* The type in the file; the caller closes it. Texts are as wide as the longest of them, padded with zeros: damage to
 * such a file cannot lead HDF5 astray when it reads them, as it can with texts of variable length. */
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

static tk_status write_dataset(const writer *to, const tk_array *array, const pieces *of) {
    tk_status status = TK_OK;
    const hid_t links = tk_result_link_properties(), properties = properties_of(array);
    const hid_t id = H5Dcreate2(to->id, array->name, of->type, of->space, links, properties, H5P_DEFAULT);
    if (id < 0 || (array->count > 0 &&
                   H5Dwrite(id, memory_type_of(array, of->type), H5S_ALL, H5S_ALL, H5P_DEFAULT, of->data) < 0))
        status = cannot_write(to, array->name);
    if (id >= 0) (void)H5Dclose(id);
    if (properties >= 0) (void)H5Pclose(properties);
    if (links >= 0) (void)H5Pclose(links);
    return status;
}

/* Opens the group of an attribute's name, which ends before `at`; one that is not there is made. Negative on failure.
 */
static hid_t open_group(const writer *to, const char *name, const char *at) {
    if (at == name) return H5Gopen2(to->id, "/", H5P_DEFAULT);
    char *path = strndup(name, (size_t)(at - name));
    if (!path) return -1;
    const hid_t links = tk_result_link_properties();
    hid_t group = H5Gopen2(to->id, path, H5P_DEFAULT);
    if (group < 0) group = H5Gcreate2(to->id, path, links, H5P_DEFAULT, H5P_DEFAULT);
    if (links >= 0) (void)H5Pclose(links);
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

/* The bytes of the file as they would lie on a disk. */
static tk_status take_image(const writer *to, tk_bytes *image) {
    const ssize_t size = H5Fflush(to->id, H5F_SCOPE_GLOBAL) < 0 ? -1 : H5Fget_file_image(to->id, NULL, 0);
    if (size < 0) return cannot_write(to, "cannot be made");
    if (tk_bytes_resize(image, (size_t)size) != TK_OK) return tk_fail_memory(to->error, to->file);
    return H5Fget_file_image(to->id, image->data, image->size) == size ? TK_OK : cannot_write(to, "cannot be made");
}

static hid_t create(const char *file) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0) return -1;
    const bool set = H5Pset_fapl_core(access, IMAGE_GROWS, 0) >= 0 &&
                     H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) >= 0;
    const hid_t id = set ? H5Fcreate(file, H5F_ACC_TRUNC, H5P_DEFAULT, access) : -1;
    (void)H5Pclose(access);
    return id;
}

static tk_status make_image(const char *file, const tk_arrays *arrays, tk_bytes *image, tk_error *error) {
    const writer to = {file, create(file), error};
    if (to.id < 0) return cannot_write(&to, "cannot be made");
    tk_status status = TK_OK;
    for (int64_t i = 0; status == TK_OK && i < arrays->count; i++)
        if (arrays->array[i].type != TK_ARRAY_OTHER) status = write_array(&to, &arrays->array[i]);
    if (status == TK_OK) status = take_image(&to, image);
    (void)H5Fclose(to.id);
    return status;
}

static tk_status publish(const char *file, const tk_bytes *image, tk_error *error) {
    tk_part part;
    TK_TRY(tk_part_open(file, &part, error));
    const tk_status status = tk_part_write(&part, image->data, image->size, error);
    if (status == TK_OK) return tk_part_publish(&part, error);
    tk_part_discard(&part);
    return status;
}

tk_status tk_arrays_save(const char *file, const tk_arrays *arrays, bool overwrite, tk_error *error) {
    if (!overwrite && access(file, F_OK) == 0)
        return tk_fail(error, TK_UNWRITABLE, "%s: exists already; give --overwrite to replace it", file);
    tk_bytes image = {0};
    tk_hdf5_lock();
    tk_status status = make_image(file, arrays, &image, error);
    tk_hdf5_unlock();
    if (status == TK_OK) status = publish(file, &image, error);
    tk_bytes_free(&image);
    return status;
}
