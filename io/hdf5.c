/* Images in HDF5 files: any numeric dataset of two to five axes, read by hyperslab through HDF5's own filters.
 *
 * The axes of a dataset are named by letters, slowest first; blocks are handed out in the order z y x whatever the
 * order in the file. Every entry into HDF5 is under the lock of io/hdf5_lock.h. */
#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/formats.h"
#include "io/hdf5_file.h"
#include "io/hdf5_find.h"
#include "io/hdf5_lock.h"
#include "io/result_file.h"

enum { T, C, Z, Y, X, AXES };

/* Decoded chunks that HDF5 keeps for the next block. */
enum { CHUNK_SLOTS = 12421 };

typedef struct source {
    char *file;
    hid_t id, dataset;
    tk_dtype type;
    int rank;
    int axis_of[AXES];  /* which of t c z y x the dataset's axes are, slowest first */
    int place_of[AXES]; /* the other way round; -1 = the dataset lacks the axis */
} source;

static bool hdf5_probe(const unsigned char *head, size_t size) {
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    /* A user block of 512 bytes may lie in front. */
    for (size_t at = 0; at + sizeof signature <= size; at += 512)
        if (memcmp(head + at, signature, sizeof signature) == 0) return true;
    return false;
}

static tk_status open_dataset(source *from, const char *path, tk_error *error) {
    char only[256];
    if (!path || !*path) {
        TK_TRY(tk_hdf5_only_dataset(from->file, from->id, only, sizeof only, error));
        path = only;
    }
    const hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    if (access >= 0) (void)H5Pset_chunk_cache(access, CHUNK_SLOTS, TK_IMAGE_CACHE, 0.75);
    from->dataset = H5Dopen2(from->id, path, access);
    if (access >= 0) (void)H5Pclose(access);
    if (from->dataset >= 0) return TK_OK;
    return tk_hdf5_no_dataset(from->file, from->id, path, error);
}

static tk_status read_type(source *from, const char *path, tk_error *error) {
    const hid_t type = H5Dget_type(from->dataset);
    const bool known = type >= 0 && tk_hdf5_dtype(type, &from->type);
    if (type >= 0) (void)H5Tclose(type);
    if (known) return TK_OK;
    return tk_fail(error, TK_UNREADABLE,
                   "%s:%s: its elements are neither integers nor floats of 1 to 8 bytes (name another dataset)",
                   from->file, path);
}

/* Fills axis_of and place_of from the letters. */
static tk_status name_axes(source *from, const char *path, const char *axes, tk_error *error) {
    static const char letters[] = "tczyx";
    if (!axes) axes = letters + AXES - from->rank;
    for (int i = 0; i < AXES; i++) from->place_of[i] = -1;
    bool good = strlen(axes) == (size_t)from->rank;
    for (int i = 0; good && i < from->rank; i++) {
        const char *letter = strchr(letters, axes[i]);
        good = letter && from->place_of[letter - letters] < 0;
        if (!good) break;
        from->axis_of[i] = (int)(letter - letters);
        from->place_of[letter - letters] = i;
    }
    if (good && from->place_of[Y] >= 0 && from->place_of[X] >= 0) return TK_OK;
    return tk_fail(error, TK_UNREADABLE,
                   "%s:%s: axes '%s' do not name the dataset's %d axes (one letter each from t c z y x, slowest first, "
                   "y and x among them)",
                   from->file, path, axes, from->rank);
}

static tk_status read_extent(source *from, const char *path, const char *axes, tk_image_info *info, tk_error *error) {
    hsize_t size[AXES] = {0};
    const hid_t space = H5Dget_space(from->dataset);
    from->rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    const bool fits = from->rank >= 2 && from->rank <= AXES && H5Sget_simple_extent_dims(space, size, NULL) >= 0;
    if (space >= 0) (void)H5Sclose(space);
    if (!fits)
        return tk_fail(error, TK_UNREADABLE, "%s:%s: the dataset has %d axes, an image has 2 to 5", from->file, path,
                       from->rank);
    TK_TRY(name_axes(from, path, axes, error));
    int64_t extent[AXES] = {1, 1, 1, 1, 1};
    for (int i = 0; i < from->rank; i++) {
        if (size[i] < 1 || size[i] > INT64_MAX)
            return tk_fail(error, TK_UNREADABLE, "%s:%s: the dataset is empty", from->file, path);
        extent[from->axis_of[i]] = (int64_t)size[i];
    }
    info->times = extent[T];
    info->channels = extent[C];
    memcpy(info->size, extent + Z, sizeof info->size);
    return TK_OK;
}

/* What is stored together: chunks, or planes. */
static void read_chunk(const source *from, tk_image_info *info, hid_t properties) {
    hsize_t chunk[AXES] = {0};
    info->chunk[TK_Z] = 1;
    info->chunk[TK_Y] = info->size[TK_Y];
    info->chunk[TK_X] = info->size[TK_X];
    if (H5Pget_layout(properties) != H5D_CHUNKED || H5Pget_chunk(properties, AXES, chunk) != from->rank) return;
    for (int axis = 0; axis < 3; axis++)
        if (from->place_of[Z + axis] >= 0) {
            const hsize_t extent = chunk[from->place_of[Z + axis]];
            info->chunk[axis] = extent < (hsize_t)info->size[axis] ? (int64_t)extent : info->size[axis];
        }
}

static tk_status read_storage(const source *from, const char *path, tk_image_info *info, tk_error *error) {
    const hid_t properties = H5Dget_create_plist(from->dataset);
    if (properties < 0) return tk_hdf5_fail(error, TK_UNREADABLE, from->file, path);
    read_chunk(from, info, properties);
    const tk_status status = tk_hdf5_check_filters(from->file, path, properties, error);
    (void)H5Pclose(properties);
    return status;
}

/* element_size_um: three numbers, z y x, micrometres; anything else is as good as none. */
static void read_voxel_size(const source *from, tk_image_info *info) {
    double value[3] = {0};
    const char *name = "element_size_um";
    if (H5Aexists(from->dataset, name) <= 0) return;
    const hid_t attribute = H5Aopen(from->dataset, name, H5P_DEFAULT);
    const hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    const bool read =
        space >= 0 && H5Sget_simple_extent_npoints(space) == 3 && H5Aread(attribute, H5T_NATIVE_DOUBLE, value) >= 0;
    if (space >= 0) (void)H5Sclose(space);
    if (attribute >= 0) (void)H5Aclose(attribute);
    for (int axis = 0; read && axis < 3; axis++)
        if (isfinite(value[axis]) && value[axis] > 0) info->voxel_um[axis] = value[axis];
}

static tk_status open_source(source *from, const char *path, const char *axes, tk_image_info *info, tk_error *error) {
    TK_TRY(tk_hdf5_open(from->file, &from->id, error));
    TK_TRY(open_dataset(from, path, error));
    const char *shown = path && *path ? path : "/";
    TK_TRY(read_type(from, shown, error));
    TK_TRY(read_extent(from, shown, axes, info, error));
    TK_TRY(read_storage(from, shown, info, error));
    read_voxel_size(from, info);
    info->format = "HDF5";
    info->type = from->type;
    return TK_OK;
}

static void hdf5_close(void *handle) {
    source *from = handle;
    tk_hdf5_lock();
    if (from->dataset >= 0) (void)H5Dclose(from->dataset);
    if (from->id >= 0) (void)H5Fclose(from->id);
    tk_hdf5_unlock();
    free(from->file);
    free(from);
}

static tk_status hdf5_open(const char *file, const char *dataset, const char *axes, tk_image_info *info, void **handle,
                           tk_error *error) {
    source *from = calloc(1, sizeof *from);
    if (!from || !(from->file = strdup(file))) {
        free(from);
        return tk_fail_memory(error, "opening an image");
    }
    from->id = -1;
    from->dataset = -1;
    tk_hdf5_lock();
    const tk_status status = open_source(from, dataset, axes, info, error);
    tk_hdf5_unlock();
    if (status == TK_OK)
        *handle = from;
    else
        hdf5_close(from);
    return status;
}

/* Reads the selection in the dataset's own order of axes. */
static tk_status read_selection(source *from, const hsize_t *start, const hsize_t *count, void *out, tk_error *error) {
    tk_status status = TK_OK;
    tk_hdf5_lock();
    const hid_t file_space = H5Dget_space(from->dataset), memory_space = H5Screate_simple(from->rank, count, NULL);
    if (file_space < 0 || memory_space < 0 ||
        H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
        H5Dread(from->dataset, tk_hdf5_memory_type(from->type), memory_space, file_space, H5P_DEFAULT, out) < 0)
        status = tk_hdf5_fail(error, TK_UNREADABLE, from->file, "cannot be read");
    if (memory_space >= 0) (void)H5Sclose(memory_space);
    if (file_space >= 0) (void)H5Sclose(file_space);
    tk_hdf5_unlock();
    return status;
}

/* Are z, y and x in this order in the file? */
static bool in_order(const source *from) {
    return from->place_of[Z] < from->place_of[Y] && from->place_of[Y] < from->place_of[X];
}

/* Copies a block from the file's order of axes to z y x. */
static void reorder(const source *from, const int64_t size[3], const unsigned char *block, unsigned char *out) {
    const int64_t element = (int64_t)tk_dtype_size(from->type);
    int64_t stride[AXES] = {0}, run = element;
    for (int i = from->rank - 1; i >= 0; i--) {
        const int axis = from->axis_of[i];
        stride[axis] = run;
        run *= axis >= Z ? size[axis - Z] : 1;
    }
    for (int64_t z = 0; z < size[0]; z++)
        for (int64_t y = 0; y < size[1]; y++)
            for (int64_t x = 0; x < size[2]; x++, out += element)
                memcpy(out, block + z * stride[Z] + y * stride[Y] + x * stride[X], (size_t)element);
}

static tk_status hdf5_read(void *handle, int64_t time, int64_t channel, const tk_box *box, void *out, tk_error *error) {
    source *from = handle;
    const int64_t lo[AXES] = {time, channel, box->lo[0], box->lo[1], box->lo[2]};
    const int64_t size[AXES] = {1, 1, tk_box_size(box, 0), tk_box_size(box, 1), tk_box_size(box, 2)};
    hsize_t start[AXES] = {0}, count[AXES] = {0};
    for (int i = 0; i < from->rank; i++) {
        start[i] = (hsize_t)lo[from->axis_of[i]];
        count[i] = (hsize_t)size[from->axis_of[i]];
    }
    if (in_order(from)) return read_selection(from, start, count, out, error);
    void *block = malloc((size_t)tk_box_count(box) * tk_dtype_size(from->type));
    if (!block) return tk_fail_memory(error, "reading an image");
    const tk_status status = read_selection(from, start, count, block, error);
    if (status == TK_OK) reorder(from, size + Z, block, out);
    free(block);
    return status;
}

const tk_image_format tk_format_hdf5 = {"HDF5", NULL, hdf5_probe, hdf5_open, hdf5_read, hdf5_close};
