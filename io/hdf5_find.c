/* Looking through an HDF5 file for datasets that can be images: numeric, of two to five axes. */
#include "io/hdf5_find.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Datasets named in a message. */
enum { LISTED = 10 };

typedef struct listing {
    int64_t count;
    char first[256]; /* path of the first one; empty when it is longer */
    char text[640];  /* the first few, with their sizes */
} listing;

static bool integer_dtype(size_t size, bool is_signed, tk_dtype *dtype) {
    switch (size) {
    case 1:
        *dtype = is_signed ? TK_I8 : TK_U8;
        return true;
    case 2:
        *dtype = is_signed ? TK_I16 : TK_U16;
        return true;
    case 4:
        *dtype = is_signed ? TK_I32 : TK_U32;
        return true;
    case 8:
        *dtype = is_signed ? TK_I64 : TK_U64;
        return true;
    default:
        return false;
    }
}

bool tk_hdf5_dtype(hid_t type, tk_dtype *dtype) {
    const size_t size = H5Tget_size(type);
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        return integer_dtype(size, H5Tget_sign(type) == H5T_SGN_2, dtype);
    case H5T_ENUM: /* how h5py stores truth values */
        *dtype = TK_I8;
        return size == 1;
    case H5T_FLOAT: /* half precision is widened by HDF5 */
        *dtype = size <= 4 ? TK_F32 : TK_F64;
        return size == 2 || size == 4 || size == 8;
    default:
        return false;
    }
}

/* Appends "/path (64 x 512 x 512 uint16)" when the listing has room. */
static void append(listing *found, const char *path, const hsize_t *size, int rank, tk_dtype dtype) {
    if (found->count++ == 0 && strlen(path) + 1 < sizeof found->first)
        snprintf(found->first, sizeof found->first, "/%s", path);
    if (found->count > LISTED) return;
    const size_t used = strlen(found->text);
    char shape[128] = "";
    for (int i = 0; i < rank; i++) {
        const size_t at = strlen(shape);
        snprintf(shape + at, sizeof shape - at, "%s%llu", i ? " x " : "", (unsigned long long)size[i]);
    }
    snprintf(found->text + used, sizeof found->text - used, "%s/%s (%s %s)", used ? ", " : "", path, shape,
             tk_dtype_text(dtype));
}

static herr_t visit(hid_t root, const char *path, const H5O_info_t *about, void *data) {
    if (about->type != H5O_TYPE_DATASET) return 0;
    const hid_t dataset = H5Dopen2(root, path, H5P_DEFAULT);
    if (dataset < 0) return 0;
    const hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    hsize_t size[H5S_MAX_RANK];
    tk_dtype dtype;
    const int rank = space < 0 ? -1 : H5Sget_simple_extent_dims(space, size, NULL);
    if (type >= 0 && rank >= 2 && rank <= 5 && tk_hdf5_dtype(type, &dtype)) append(data, path, size, rank, dtype);
    if (space >= 0) (void)H5Sclose(space);
    if (type >= 0) (void)H5Tclose(type);
    (void)H5Dclose(dataset);
    return 0;
}

static void list_datasets(hid_t id, listing *found) {
    *found = (listing){0};
    (void)H5Ovisit2(id, H5_INDEX_NAME, H5_ITER_INC, visit, found, H5O_INFO_BASIC);
}

static const char *more(const listing *found) { return found->count > LISTED ? ", ..." : ""; }

tk_status tk_hdf5_only_dataset(const char *file, hid_t id, char *path, size_t room, tk_error *error) {
    listing found;
    list_datasets(id, &found);
    const size_t length = strlen(found.first);
    if (found.count == 1 && length > 0 && length < room) {
        memcpy(path, found.first, length + 1);
        return TK_OK;
    }
    if (found.count == 0)
        return tk_fail(error, TK_UNREADABLE, "%s: no dataset in this file can be an image (numeric, 2 to 5 axes)",
                       file);
    return tk_fail(error, TK_UNREADABLE, "%s: which of its %lld datasets? Write %s:/PATH with one of %s%s", file,
                   (long long)found.count, file, found.text, more(&found));
}

tk_status tk_hdf5_no_dataset(const char *file, hid_t id, const char *path, tk_error *error) {
    listing found;
    list_datasets(id, &found);
    if (found.count == 0) return tk_fail(error, TK_UNREADABLE, "%s: there is no dataset '%s'", file, path);
    return tk_fail(error, TK_UNREADABLE, "%s: there is no dataset '%s' (there is %s%s)", file, path, found.text,
                   more(&found));
}
