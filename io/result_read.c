/* Tables read back from a result. What the file says is checked: a damaged table is an error, not a crash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/hdf5_find.h"
#include "io/hdf5_lock.h"
#include "io/result_file.h"

/* More than any table has; and deflate makes nothing smaller than this part. */
enum { COLUMNS_MOST = 4096, SMALLEST_PART = 1200, NAME_MOST = 1024 };

static tk_status damaged(const char *file, const char *path, tk_error *error) {
    return tk_fail(error, TK_UNREADABLE, "%s:%s: is not a table of tarkka, or it is damaged", file, path);
}

/* The texts of an attribute, each and all of them allocated; NULL: it is not there, or not texts. */
static char **read_texts(hid_t object, const char *name, int *count) {
    char **texts = NULL, **theirs = NULL;
    const hid_t attribute = H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : -1;
    if (attribute < 0) return NULL;
    const hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    const hssize_t points = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    if (type >= 0 && H5Tis_variable_str(type) > 0 && points > 0 && points <= COLUMNS_MOST) {
        *count = (int)points;
        texts = calloc((size_t)points, sizeof *texts);
        theirs = calloc((size_t)points, sizeof *theirs);
    }
    const bool read = texts && theirs && H5Aread(attribute, type, theirs) >= 0;
    for (int i = 0; read && i < *count; i++) texts[i] = strdup(theirs[i] ? theirs[i] : "");
    if (read) (void)H5Dvlen_reclaim(type, space, H5P_DEFAULT, theirs);
    if (!read) {
        free(texts);
        texts = NULL;
    }
    free(theirs);
    if (space >= 0) (void)H5Sclose(space);
    if (type >= 0) (void)H5Tclose(type);
    (void)H5Aclose(attribute);
    return texts;
}

/* One text of an attribute, allocated; "" when it is not there. */
static char *read_text(hid_t object, const char *name) {
    int count = 0;
    char **texts = read_texts(object, name, &count), *text = texts ? texts[0] : strdup("");
    for (int i = 1; texts && i < count; i++) free(texts[i]);
    free(texts);
    return text;
}

/* Type and length of a column; false: it is none, or claims more than there can be. */
static bool describe_column(hid_t dataset, tk_dtype *type, int64_t *rows) {
    hsize_t extent = 0;
    const hid_t kind = H5Dget_type(dataset), space = H5Dget_space(dataset);
    const bool good = kind >= 0 && tk_hdf5_dtype(kind, type) && space >= 0 && H5Sget_simple_extent_ndims(space) == 1 &&
                      H5Sget_simple_extent_dims(space, &extent, NULL) >= 0;
    if (space >= 0) (void)H5Sclose(space);
    if (kind >= 0) (void)H5Tclose(kind);
    if (!good || extent > INT64_MAX / SMALLEST_PART) return false;
    *rows = (int64_t)extent;
    return extent * tk_dtype_size(*type) <= H5Dget_storage_size(dataset) * SMALLEST_PART;
}

/* Reads one column into its place. `texts`: its name, and room for the two others. */
static tk_status read_column(hid_t group, char *texts[3], int64_t *rows, tk_column *column) {
    int64_t its_rows = -1;
    tk_status status = TK_UNREADABLE;
    const hid_t dataset = H5Lexists(group, texts[0], H5P_DEFAULT) > 0 ? H5Dopen2(group, texts[0], H5P_DEFAULT) : -1;
    if (dataset < 0) return TK_UNREADABLE;
    if (describe_column(dataset, &column->type, &its_rows) && (*rows < 0 || *rows == its_rows)) {
        *rows = its_rows;
        texts[1] = read_text(dataset, "unit");
        texts[2] = read_text(dataset, "description");
        column->data = calloc(its_rows > 0 ? (size_t)its_rows : 1, tk_dtype_size(column->type));
        column->name = texts[0];
        column->unit = texts[1];
        column->description = texts[2];
        status = column->data && texts[1] && texts[2] ? TK_OK : TK_NO_MEMORY;
    }
    if (status == TK_OK && its_rows > 0 &&
        H5Dread(dataset, tk_hdf5_memory_type(column->type), H5S_ALL, H5S_ALL, H5P_DEFAULT, column->data) < 0)
        status = TK_UNREADABLE;
    (void)H5Dclose(dataset);
    return status;
}

static tk_status read_columns(hid_t group, char **names, int count, tk_table *table) {
    tk_status status = TK_OK;
    table->rows = -1;
    table->column = calloc((size_t)count, sizeof *table->column);
    table->texts = calloc(3 * (size_t)count, sizeof *table->texts);
    if (!table->column || !table->texts) return TK_NO_MEMORY;
    table->columns = count;
    for (int i = 0; i < count; i++) {
        table->texts[3 * (size_t)i] = names[i];
        names[i] = NULL;
    }
    for (int i = 0; i < count && status == TK_OK; i++) {
        char **texts = table->texts + 3 * (size_t)i;
        status = texts[0] ? read_column(group, texts, &table->rows, &table->column[i]) : TK_NO_MEMORY;
    }
    return status;
}

static tk_status read_group(const char *file, const char *path, hid_t group, tk_table *table, tk_error *error) {
    int count = 0;
    char **names = read_texts(group, "columns", &count);
    if (!names) return damaged(file, path, error);
    const tk_status status = read_columns(group, names, count, table);
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
    if (status != TK_OK) tk_table_free(table);
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "a table");
    return status == TK_OK ? TK_OK : damaged(file, path, error);
}

/* The names of the groups under /tables. */
typedef struct listing {
    int count;
    char first[NAME_MOST]; /* "/tables/NAME" */
    char text[NAME_MOST];
} listing;

static herr_t list_one(hid_t group, const char *name, const H5L_info_t *about, void *data) {
    (void)group, (void)about;
    listing *found = data;
    const size_t used = strlen(found->text);
    if (found->count++ == 0) snprintf(found->first, sizeof found->first, "/tables/%s", name);
    snprintf(found->text + used, sizeof found->text - used, "%s/tables/%s", used ? ", " : "", name);
    return 0;
}

static listing list_tables(hid_t id) {
    listing found = {0};
    const hid_t group = H5Lexists(id, "tables", H5P_DEFAULT) > 0 ? H5Gopen2(id, "tables", H5P_DEFAULT) : -1;
    if (group >= 0) {
        (void)H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, list_one, &found);
        (void)H5Gclose(group);
    }
    return found;
}

static tk_status read_from(const char *file, hid_t id, const char *path, tk_table *table, tk_error *error) {
    const listing found = list_tables(id);
    const bool any = !path || !*path;
    if (found.count == 0) return tk_fail(error, TK_UNREADABLE, "%s: holds no tables", file);
    if (any && found.count > 1)
        return tk_fail(error, TK_UNREADABLE, "%s: which table? Name one, as in %s:%s: it has %s", file, file,
                       found.first, found.text);
    if (any) path = found.first;
    const hid_t group = H5Gopen2(id, path, H5P_DEFAULT);
    if (group < 0) return tk_fail(error, TK_UNREADABLE, "%s: has no table %s; it has %s", file, path, found.text);
    const tk_status status = read_group(file, path, group, table, error);
    (void)H5Gclose(group);
    return status;
}

tk_status tk_result_read_table(const char *file, const char *path, tk_table *table, tk_error *error) {
    *table = (tk_table){0};
    tk_hdf5_lock();
    const hid_t id = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT);
    const tk_status status =
        id < 0 ? tk_hdf5_fail(error, TK_UNREADABLE, file, "cannot be opened") : read_from(file, id, path, table, error);
    if (id >= 0) (void)H5Fclose(id);
    tk_hdf5_unlock();
    return status;
}
