/* Tables and texts of the result file. */
#include <stdlib.h>
#include <string.h>

#include "io/checksum.h"
#include "io/hdf5_lock.h"
#include "io/result_file.h"

/* Columns from this many rows on are chunked and compressed. */
enum { ROWS_TO_COMPRESS = 4096, ROWS_A_CHUNK = 65536 };

static hid_t column_properties(int64_t rows) {
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (properties < 0) return properties;
    const hsize_t chunk = rows < ROWS_A_CHUNK ? (hsize_t)rows : ROWS_A_CHUNK;
    herr_t done = H5Pset_obj_track_times(properties, 0);
    if (rows >= ROWS_TO_COMPRESS && done >= 0 && (done = H5Pset_chunk(properties, 1, &chunk)) >= 0 &&
        (done = H5Pset_shuffle(properties)) >= 0)
        done = H5Pset_deflate(properties, 1);
    if (done >= 0) return properties;
    (void)H5Pclose(properties);
    return -1;
}

static tk_status write_column(tk_result *result, hid_t group, const tk_column *column, int64_t rows, tk_error *error) {
    tk_status status = TK_OK;
    const hsize_t extent = (hsize_t)rows;
    const hid_t space = H5Screate_simple(1, &extent, NULL), properties = column_properties(rows);
    const hid_t id =
        H5Dcreate2(group, column->name, tk_hdf5_file_type(column->type), space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (id < 0 ||
        (rows > 0 && H5Dwrite(id, tk_hdf5_memory_type(column->type), H5S_ALL, H5S_ALL, H5P_DEFAULT, column->data) < 0))
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, "table cannot be written");
    if (status == TK_OK) status = tk_result_attribute_text(result, id, "unit", column->unit, error);
    if (status == TK_OK) status = tk_result_attribute_text(result, id, "description", column->description, error);
    if (id >= 0) (void)H5Dclose(id);
    if (properties >= 0) (void)H5Pclose(properties);
    if (space >= 0) (void)H5Sclose(space);
    return status;
}

static tk_status list_columns(tk_result *result, hid_t group, const tk_table *table, tk_error *error) {
    const char **names = calloc((size_t)table->columns + 1, sizeof *names);
    if (!names) return tk_fail_memory(error, "a table");
    for (int i = 0; i < table->columns; i++) names[i] = table->column[i].name;
    const tk_status status = tk_result_attribute_texts(result, group, "columns", names, table->columns, error);
    free(names);
    return status;
}

static tk_status checksum_table(const tk_table *table, char sha256[65], tk_error *error) {
    tk_sha256 *sum = NULL;
    tk_status status = tk_sha256_start(&sum, error);
    for (int i = 0; i < table->columns && status == TK_OK; i++) {
        const tk_column *column = &table->column[i];
        status = tk_sha256_feed(sum, column->data, (size_t)table->rows * tk_dtype_size(column->type), error);
    }
    const tk_status finished = tk_sha256_finish(&sum, status == TK_OK ? sha256 : NULL, error);
    return status != TK_OK ? status : finished;
}

static tk_status fill_group(tk_result *result, hid_t group, const tk_table *table, const char *sha256,
                            tk_error *error) {
    for (int i = 0; i < table->columns; i++) TK_TRY(write_column(result, group, &table->column[i], table->rows, error));
    TK_TRY(list_columns(result, group, table, error));
    TK_TRY(tk_result_attribute_integer(result, group, "rows", table->rows, error));
    return tk_result_attribute_text(result, group, "sha256", sha256, error);
}

static tk_status write_group(tk_result *result, const char *path, const tk_table *table, const char *sha256,
                             tk_error *error) {
    const hid_t links = tk_result_link_properties();
    const hid_t group = H5Gcreate2(result->id, path, links, H5P_DEFAULT, H5P_DEFAULT);
    tk_status status = group < 0 ? tk_hdf5_fail(error, TK_UNWRITABLE, result->file, path)
                                 : fill_group(result, group, table, sha256, error);
    if (group >= 0) (void)H5Gclose(group);
    if (links >= 0) (void)H5Pclose(links);
    return status;
}

tk_status tk_result_write_table(tk_result *result, const char *path, const tk_table *table, char sha256[65],
                                tk_error *error) {
    TK_TRY(checksum_table(table, sha256, error));
    tk_hdf5_lock();
    const tk_status status = write_group(result, path, table, sha256, error);
    tk_hdf5_unlock();
    return status;
}

static tk_status write_text(tk_result *result, const char *path, const char *text, tk_error *error) {
    tk_status status = TK_OK;
    const hid_t links = tk_result_link_properties(), space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1);
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (type >= 0) (void)H5Tset_size(type, H5T_VARIABLE);
    if (type >= 0) (void)H5Tset_cset(type, H5T_CSET_UTF8);
    if (properties >= 0) (void)H5Pset_obj_track_times(properties, 0);
    const hid_t id = H5Dcreate2(result->id, path, type, space, links, properties, H5P_DEFAULT);
    if (id < 0 || H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text) < 0)
        status = tk_hdf5_fail(error, TK_UNWRITABLE, result->file, path);
    if (id >= 0) (void)H5Dclose(id);
    if (properties >= 0) (void)H5Pclose(properties);
    if (type >= 0) (void)H5Tclose(type);
    if (space >= 0) (void)H5Sclose(space);
    if (links >= 0) (void)H5Pclose(links);
    return status;
}

tk_status tk_result_write_text(tk_result *result, const char *path, const char *text, tk_error *error) {
    tk_hdf5_lock();
    const tk_status status = write_text(result, path, text, error);
    tk_hdf5_unlock();
    return status;
}
