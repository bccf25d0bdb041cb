/* Tables: named, typed columns of equal length. */
#include "io/table.h"

#include <stdlib.h>
#include <string.h>

tk_status tk_table_make(int64_t rows, const tk_column *columns, int count, tk_table *table, tk_error *error) {
    *table = (tk_table){0};
    if (rows < 0 || count < 0) return tk_fail(error, TK_FAILED, "a table cannot have a negative size");
    table->column = calloc(count > 0 ? (size_t)count : 1, sizeof *table->column);
    if (!table->column) return tk_fail_memory(error, "a table");
    table->rows = rows;
    for (int i = 0; i < count; i++) {
        table->column[i] = columns[i];
        /* One element at least, so that an empty column is not mistaken for a missing one. */
        table->column[i].data = calloc(rows > 0 ? (size_t)rows : 1, tk_dtype_size(columns[i].type));
        table->columns = i + 1;
        if (!table->column[i].data) {
            tk_table_free(table);
            return tk_fail_memory(error, "a table");
        }
    }
    return TK_OK;
}

tk_column *tk_table_column(const tk_table *table, const char *name) {
    for (int i = 0; i < table->columns; i++)
        if (strcmp(table->column[i].name, name) == 0) return &table->column[i];
    return NULL;
}

int64_t tk_table_integer(const tk_column *column, int64_t row) {
    switch (column->type) {
    case TK_U8:
        return ((const uint8_t *)column->data)[row];
    case TK_I8:
        return ((const int8_t *)column->data)[row];
    case TK_U16:
        return ((const uint16_t *)column->data)[row];
    case TK_I16:
        return ((const int16_t *)column->data)[row];
    case TK_U32:
        return ((const uint32_t *)column->data)[row];
    case TK_I32:
        return ((const int32_t *)column->data)[row];
    case TK_U64:
        return (int64_t)((const uint64_t *)column->data)[row];
    case TK_I64:
        return ((const int64_t *)column->data)[row];
    default:
        return 0;
    }
}

void tk_table_free(tk_table *table) {
    for (int i = 0; i < table->columns; i++) free(table->column[i].data);
    for (int i = 0; table->texts && i < 3 * table->columns; i++) free(table->texts[i]);
    free(table->texts);
    free(table->column);
    *table = (tk_table){0};
}
