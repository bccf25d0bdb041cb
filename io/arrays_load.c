/* Named arrays read from HDF5 files that may be damaged or mean harm: groups are walked by hard links alone, each once;
 * sizes are held against what the file stores, and against the caller's limit, before memory is asked for. */
#include <hdf5.h>
#include <libxml/xmlstring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/arrays_list.h"
#include "io/hdf5_file.h"
#include "io/hdf5_lock.h"

/* More than any file of ours has; and deflate makes nothing smaller than this part. */
enum { DEPTH_MOST = 32, NAME_MOST = 1024, ARRAYS_MOST = 1 << 18, GROUPS_MOST = 1 << 16, SMALLEST_PART = 1200 };

typedef struct loader {
    const char *file;
    int64_t most;
    hsize_t file_size;
    tk_arrays *arrays;
    haddr_t *seen; /* the groups that were entered; owned */
    int64_t seen_count, seen_room;
    int depth;
    char path[NAME_MOST]; /* below the group that is read */
    tk_status status;
    tk_error *error;
} loader;

/* A dataset or an attribute, open. */
typedef struct source {
    hid_t id, type, space;
    bool attribute;
    const char *name;
} source;

static tk_status refuse(const loader *load, const char *name, const char *what) {
    return tk_fail(load->error, TK_UNREADABLE, "%s: '%s' %s", load->file, name, what);
}

/* Reads all elements as `type`. For texts of any length, `plist` says how they get their memory. */
static bool read_all(const source *from, hid_t type, hid_t plist, void *out) {
    if (from->attribute) return H5Aread(from->id, type, out) >= 0;
    return H5Dread(from->id, type, H5S_ALL, H5S_ALL, plist, out) >= 0;
}

static tk_status cannot_read(const loader *load) {
    return tk_hdf5_fail(load->error, TK_UNREADABLE, load->file, "cannot be read");
}

/* --- what is it? ---------------------------------------------------------------------------------------------- */

static void describe_type(hid_t type, tk_array *array) {
    const size_t size = H5Tget_size(type);
    /* HDF5 knows numbers of 3 bytes; here they are the work of damage, which HDF5 itself would not survive. */
    const bool is_power = size == 1 || size == 2 || size == 4 || size == 8;
    array->type = TK_ARRAY_OTHER;
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
    case H5T_ENUM: /* how h5py stores truth values */
        if (!is_power) return;
        array->type = TK_ARRAY_INT;
        array->stored = size < 4 || (size == 4 && H5Tget_sign(type) == H5T_SGN_2) ? TK_I32 : TK_I64;
        return;
    case H5T_FLOAT:
        if (!is_power || size == 1) return;
        array->type = TK_ARRAY_REAL;
        array->stored = size <= 4 ? TK_F32 : TK_F64;
        return;
    case H5T_STRING:
        array->type = TK_ARRAY_TEXT;
        return;
    default:
        return;
    }
}

/* Do the data lie in other files? */
static bool lies_elsewhere(hid_t dataset) {
    const hid_t properties = H5Dget_create_plist(dataset);
    if (properties < 0) return true;
    const bool elsewhere = H5Pget_layout(properties) == H5D_VIRTUAL || H5Pget_external_count(properties) != 0;
    (void)H5Pclose(properties);
    return elsewhere;
}

/* Type and sizes. False: the number of elements is beyond all bounds. */
static bool describe(const source *from, tk_array *array) {
    hsize_t size[H5S_MAX_RANK] = {0};
    const int rank = H5Sget_simple_extent_dims(from->space, size, NULL);
    const H5S_class_t kind = H5Sget_simple_extent_type(from->space);
    describe_type(from->type, array);
    if (rank < 0 || rank > TK_ARRAY_AXES_MOST || (kind != H5S_SIMPLE && kind != H5S_SCALAR) ||
        (!from->attribute && lies_elsewhere(from->id)))
        array->type = TK_ARRAY_OTHER;
    if (array->type == TK_ARRAY_OTHER) return true;
    array->rank = rank;
    array->count = 1;
    for (int axis = 0; axis < rank; axis++) {
        if (size[axis] > INT32_MAX || (int64_t)size[axis] * array->count > INT64_MAX / INT32_MAX) return false;
        array->size[axis] = (int64_t)size[axis];
        array->count *= array->size[axis];
    }
    return true;
}

/* May chunks be smaller in the file than in memory? */
static bool is_compressed(hid_t dataset) {
    const hid_t properties = H5Dget_create_plist(dataset);
    if (properties < 0) return false;
    const bool compressed = H5Pget_layout(properties) == H5D_CHUNKED && H5Pget_nfilters(properties) > 0;
    (void)H5Pclose(properties);
    return compressed;
}

/* Can the file hold so many bytes of elements for this array? */
static bool is_stored(const loader *load, const source *from, int64_t claimed) {
    if (from->attribute) return (hsize_t)claimed <= H5Aget_storage_size(from->id);
    const hsize_t says = H5Dget_storage_size(from->id), stored = says < load->file_size ? says : load->file_size;
    return (hsize_t)claimed <= stored * (is_compressed(from->id) ? SMALLEST_PART : 1);
}

static tk_status check_claims(const loader *load, const source *from, const tk_array *array) {
    const int64_t element = (int64_t)H5Tget_size(from->type), left = load->most - load->arrays->bytes;
    /* In memory each takes 8 bytes, a text in place its length and 8 more. */
    if (array->count > left / (element + 2 * (int64_t)sizeof(void *)))
        return tk_fail(load->error, TK_UNREADABLE,
                       "%s: '%s' makes more than the %lld bytes that are read at most (is this the right file?)",
                       load->file, from->name, (long long)load->most);
    if (is_stored(load, from, array->count * element)) return TK_OK;
    return refuse(load, from->name, "claims more data than the file has (it is damaged, or was never filled)");
}

/* --- numbers -------------------------------------------------------------------------------------------------- */

static tk_status read_numbers(const loader *load, const source *from, tk_array *array) {
    const bool large =
        array->type == TK_ARRAY_INT && H5Tget_size(from->type) == 8 && H5Tget_sign(from->type) == H5T_SGN_NONE;
    const hid_t type = array->type == TK_ARRAY_REAL ? H5T_NATIVE_DOUBLE : large ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64;
    array->data = calloc(array->count > 0 ? (size_t)array->count : 1, sizeof(int64_t));
    if (!array->data) return tk_fail_memory(load->error, load->file);
    if (array->count > 0 && !read_all(from, type, H5P_DEFAULT, array->data)) return cannot_read(load);
    for (int64_t i = 0; large && i < array->count; i++)
        if (array->ints[i] < 0) return refuse(load, from->name, "has an integer above 2^63 - 1");
    return TK_OK;
}

/* --- texts ---------------------------------------------------------------------------------------------------- */

static tk_status keep_text(const loader *load, const source *from, const char *text, char **kept) {
    if (!xmlCheckUTF8((const unsigned char *)text)) return refuse(load, from->name, "has a text that is not UTF-8");
    *kept = strdup(text);
    return *kept ? TK_OK : tk_fail_memory(load->error, load->file);
}

/* The type in memory of texts stored as `type`: of any length, or `width` bytes with the 0 at the end. */
static hid_t text_type(hid_t type, size_t width) {
    const hid_t made = H5Tcopy(H5T_C_S1);
    if (made >= 0 && H5Tset_size(made, width) >= 0 && H5Tset_cset(made, H5Tget_cset(type)) >= 0) return made;
    if (made >= 0) (void)H5Tclose(made);
    return -1;
}

/* Lends memory to HDF5 for texts, within what is left of the limit. */
static void *lend(size_t size, void *left) {
    int64_t *bytes = left;
    if (size > INT64_MAX || (int64_t)size > *bytes) return NULL;
    *bytes -= (int64_t)size;
    return malloc(size);
}

static void take_back(void *memory, void *left) {
    (void)left;
    free(memory);
}

static tk_status read_long_texts(const loader *load, const source *from, tk_array *array) {
    int64_t left = load->most - load->arrays->bytes;
    const hid_t type = text_type(from->type, H5T_VARIABLE), plist = H5Pcreate(H5P_DATASET_XFER);
    char **theirs = calloc((size_t)array->count, sizeof *theirs);
    tk_status status = TK_OK;
    if (!theirs)
        status = tk_fail_memory(load->error, load->file);
    else if (type < 0 || plist < 0 || H5Pset_vlen_mem_manager(plist, lend, &left, take_back, &left) < 0 ||
             !read_all(from, type, plist, theirs))
        status = cannot_read(load);
    for (int64_t i = 0; status == TK_OK && i < array->count; i++)
        status = keep_text(load, from, theirs[i] ? theirs[i] : "", &array->texts[i]);
    if (theirs && type >= 0) (void)H5Dvlen_reclaim(type, from->space, from->attribute ? H5P_DEFAULT : plist, theirs);
    free(theirs);
    if (plist >= 0) (void)H5Pclose(plist);
    if (type >= 0) (void)H5Tclose(type);
    return status;
}

static tk_status read_short_texts(const loader *load, const source *from, tk_array *array) {
    const size_t width = H5Tget_size(from->type) + 1;
    const hid_t type = text_type(from->type, width);
    char *rows = calloc((size_t)array->count, width);
    tk_status status = TK_OK;
    if (!rows)
        status = tk_fail_memory(load->error, load->file);
    else if (type < 0 || !read_all(from, type, H5P_DEFAULT, rows))
        status = cannot_read(load);
    for (int64_t i = 0; status == TK_OK && i < array->count; i++)
        status = keep_text(load, from, rows + (size_t)i * width, &array->texts[i]);
    free(rows);
    if (type >= 0) (void)H5Tclose(type);
    return status;
}

static tk_status read_texts(const loader *load, const source *from, tk_array *array) {
    array->texts = calloc(array->count > 0 ? (size_t)array->count : 1, sizeof *array->texts);
    if (!array->texts) return tk_fail_memory(load->error, load->file);
    if (array->count == 0) return TK_OK;
    return H5Tis_variable_str(from->type) > 0 ? read_long_texts(load, from, array)
                                              : read_short_texts(load, from, array);
}

/* --- one array ------------------------------------------------------------------------------------------------ */

static tk_status read_data(const loader *load, const source *from, tk_array *array) {
    if (!describe(from, array)) return refuse(load, from->name, "claims more elements than there can be");
    if (array->type == TK_ARRAY_OTHER) return TK_OK;
    TK_TRY(check_claims(load, from, array));
    return array->type == TK_ARRAY_TEXT ? read_texts(load, from, array) : read_numbers(load, from, array);
}

static tk_status add(const loader *load, const char *name, tk_array *array) {
    if (load->arrays->count >= ARRAYS_MOST) {
        tk_array_free(array);
        return tk_fail(load->error, TK_UNREADABLE, "%s: has more than %d arrays (is this the right file?)", load->file,
                       ARRAYS_MOST);
    }
    if (tk_arrays_find(load->arrays, name)) {
        tk_array_free(array);
        return refuse(load, name, "is there twice (the file is damaged)");
    }
    if (!(array->name = strdup(name))) {
        tk_array_free(array);
        return tk_fail_memory(load->error, load->file);
    }
    return tk_arrays_insert(load->arrays, array, load->error);
}

/* An open dataset or attribute; closes nothing of the caller's. */
static tk_status read_source(const loader *load, hid_t id, bool attribute, const char *name) {
    tk_array array = {.type = TK_ARRAY_OTHER};
    const source from = {id, attribute ? H5Aget_type(id) : H5Dget_type(id),
                         attribute ? H5Aget_space(id) : H5Dget_space(id), attribute, name};
    tk_status status = from.type < 0 || from.space < 0 ? cannot_read(load) : read_data(load, &from, &array);
    if (from.space >= 0) (void)H5Sclose(from.space);
    if (from.type >= 0) (void)H5Tclose(from.type);
    if (status == TK_OK) return add(load, name, &array);
    tk_array_free(&array);
    return status;
}

static tk_status read_dataset(const loader *load, hid_t id, const char *name) {
    const hid_t properties = H5Dget_create_plist(id);
    if (properties < 0) return cannot_read(load);
    const tk_status status = tk_hdf5_check_filters(load->file, name, properties, load->error);
    (void)H5Pclose(properties);
    return status == TK_OK ? read_source(load, id, false, name) : status;
}

/* --- groups --------------------------------------------------------------------------------------------------- */

/* Appends to the path; answers its length before, or −1 when that is too long. */
static int extend(loader *load, const char *separator, const char *name) {
    const size_t used = strlen(load->path);
    const int more = snprintf(load->path + used, sizeof load->path - used, "%s%s", used > 0 ? separator : "", name);
    if (more >= 0 && (size_t)more < sizeof load->path - used && xmlCheckUTF8((const unsigned char *)name))
        return (int)used;
    load->path[used] = '\0';
    load->status = refuse(load, load->path, "has a name within that is too long, or not UTF-8");
    return -1;
}

static herr_t visit_attribute(hid_t group, const char *attribute, const H5A_info_t *about, void *data) {
    loader *load = data;
    (void)about;
    char name[2 * NAME_MOST];
    snprintf(name, sizeof name, "%s@%s", load->path, attribute);
    if (!xmlCheckUTF8((const unsigned char *)attribute) || strlen(attribute) >= NAME_MOST) return 0;
    const hid_t id = H5Aopen(group, attribute, H5P_DEFAULT);
    load->status = id < 0 ? cannot_read(load) : read_source(load, id, true, name);
    if (id >= 0) (void)H5Aclose(id);
    return load->status == TK_OK ? 0 : -1;
}

/* Notes that a group was entered; a group within itself, or linked twice, is refused. */
static tk_status enter(loader *load, hid_t group) {
    H5O_info_t about;
    if (H5Oget_info2(group, &about, H5O_INFO_BASIC) < 0) return cannot_read(load);
    for (int64_t i = 0; i < load->seen_count; i++)
        if (load->seen[i] == about.addr)
            return refuse(load, load->path, "is a group that the file has in two places, or within itself");
    if (load->seen_count >= GROUPS_MOST) return refuse(load, load->path, "is one group too many to be read");
    if (load->seen_count == load->seen_room) {
        const int64_t room = load->seen_room > 0 ? 2 * load->seen_room : 64;
        haddr_t *larger = realloc(load->seen, (size_t)room * sizeof *larger);
        if (!larger) return tk_fail_memory(load->error, load->file);
        load->seen = larger;
        load->seen_room = room;
    }
    load->seen[load->seen_count++] = about.addr;
    return TK_OK;
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *about, void *data);

static tk_status read_group(loader *load, hid_t group) {
    if (load->depth >= DEPTH_MOST) return refuse(load, load->path, "lies in too many groups within groups");
    TK_TRY(enter(load, group));
    load->depth++;
    if (H5Aiterate2(group, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_attribute, load) < 0 && load->status == TK_OK)
        load->status = cannot_read(load);
    if (load->status == TK_OK && H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_link, load) < 0 &&
        load->status == TK_OK)
        load->status = cannot_read(load);
    load->depth--;
    return load->status;
}

static tk_status read_object(loader *load, hid_t id) {
    switch (H5Iget_type(id)) {
    case H5I_GROUP:
        return read_group(load, id);
    case H5I_DATASET:
        return read_dataset(load, id, load->path);
    default:
        return add(load, load->path, &(tk_array){.type = TK_ARRAY_OTHER});
    }
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *about, void *data) {
    loader *load = data;
    const int before = extend(load, "/", name);
    if (before < 0) return -1;
    if (about->type == H5L_TYPE_HARD) {
        const hid_t id = H5Oopen(group, name, H5P_DEFAULT);
        load->status = id < 0 ? cannot_read(load) : read_object(load, id);
        if (id >= 0) (void)H5Oclose(id);
    } else
        load->status = add(load, load->path, &(tk_array){.type = TK_ARRAY_OTHER});
    load->path[before] = '\0';
    return load->status == TK_OK ? 0 : -1;
}

/* Goes from a group, which is closed, to what is linked in it by this name; −1: nothing that can be entered. */
static hid_t descend(loader *load, hid_t group, const char *name) {
    H5L_info_t about = {.type = H5L_TYPE_ERROR};
    hid_t next = -1;
    const htri_t there = H5Iget_type(group) == H5I_GROUP ? H5Lexists(group, name, H5P_DEFAULT) : 0;
    if (there < 0 || (there > 0 && H5Lget_info(group, name, &about, H5P_DEFAULT) < 0)) load->status = cannot_read(load);
    if (about.type == H5L_TYPE_HARD && (next = H5Oopen(group, name, H5P_DEFAULT)) < 0) load->status = cannot_read(load);
    (void)H5Oclose(group);
    return next;
}

/* Opens what lies at a path, by hard links alone; −1: there is no such thing, or an error. */
static hid_t open_place(loader *load, hid_t file, const char *where) {
    char *path = strdup(where ? where : ""), *rest = path, *name;
    hid_t at = path ? H5Oopen(file, "/", H5P_DEFAULT) : -1;
    if (!path)
        load->status = tk_fail_memory(load->error, load->file);
    else if (at < 0)
        load->status = cannot_read(load);
    while (at >= 0 && (name = strsep(&rest, "/")))
        if (*name) at = descend(load, at, name);
    free(path);
    return at;
}

static tk_status read_place(loader *load, const char *where) {
    hid_t file;
    TK_TRY(tk_hdf5_open(load->file, &file, load->error));
    if (H5Fget_filesize(file, &load->file_size) < 0) load->status = cannot_read(load);
    const hid_t id = load->status == TK_OK ? open_place(load, file, where) : -1;
    if (id >= 0 && H5Iget_type(id) == H5I_DATASET) {
        const char *last = strrchr(where, '/');
        (void)extend(load, "", last ? last + 1 : where);
    }
    if (id >= 0 && load->status == TK_OK) load->status = read_object(load, id);
    if (id >= 0) (void)H5Oclose(id);
    (void)H5Fclose(file);
    return load->status;
}

tk_status tk_arrays_load(const char *file, const char *where, int64_t most_bytes, tk_arrays *arrays, tk_error *error) {
    *arrays = (tk_arrays){.file = strdup(file)};
    if (!arrays->file) return tk_fail_memory(error, file);
    loader load = {.file = file, .most = most_bytes, .arrays = arrays, .error = error};
    tk_hdf5_lock();
    const tk_status status = read_place(&load, where);
    tk_hdf5_unlock();
    free(load.seen);
    if (status != TK_OK) tk_arrays_free(arrays);
    return status;
}
