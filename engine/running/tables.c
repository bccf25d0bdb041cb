/* Joining tables, column by column. */
#include "engine/running/tables.h"

#include <stdlib.h>
#include <string.h>

static bool are_alike(const tk_table *a, const tk_table *b) {
    if (a->columns != b->columns) return false;
    for (int i = 0; i < a->columns; i++)
        if (strcmp(a->column[i].name, b->column[i].name) != 0 || a->column[i].type != b->column[i].type) return false;
    return true;
}

/* An empty table of all rows, with the columns of `like`. */
static tk_status make(const tk_table *like, int64_t rows, tk_table *made, tk_error *error) {
    tk_column *columns = calloc((size_t)like->columns + 1, sizeof *columns);
    if (!columns) return tk_fail_memory(error, "a table");
    columns[0] = (tk_column){"c", "", "channel, as the image numbers it", TK_I64, NULL};
    memcpy(columns + 1, like->column, (size_t)like->columns * sizeof *columns);
    const tk_status status = tk_table_make(rows, columns, like->columns + 1, made, error);
    free(columns);
    return status;
}

static void copy_rows(const tk_table *from, int64_t channel, int64_t first, tk_table *to) {
    for (int64_t row = 0; row < from->rows; row++) ((int64_t *)to->column[0].data)[first + row] = channel;
    for (int i = 0; i < from->columns; i++) {
        const size_t size = tk_dtype_size(from->column[i].type);
        memcpy((unsigned char *)to->column[i + 1].data + (size_t)first * size, from->column[i].data,
               (size_t)from->rows * size);
    }
}

tk_status tk_tables_join(const tk_table *const table[], const int64_t channel[], int64_t count, tk_table *joined,
                         tk_error *error) {
    int64_t rows = 0;
    *joined = (tk_table){0};
    for (int64_t i = 0; i < count; i++) {
        if (!are_alike(table[i], table[0]))
            return tk_fail(error, TK_FAILED, "the tables of two channels have different columns");
        rows += table[i]->rows;
    }
    TK_TRY(make(table[0], rows, joined, error));
    rows = 0;
    for (int64_t i = 0; i < count; i++) {
        copy_rows(table[i], channel[i], rows, joined);
        rows += table[i]->rows;
    }
    return TK_OK;
}
