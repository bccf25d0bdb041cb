/* A table: named, typed columns with units, one row per object. */
#ifndef TK_IO_TABLE_H
#define TK_IO_TABLE_H

#include <stdint.h>

#include "io/dtype.h"
#include "io/error.h"

typedef struct tk_column {
    const char *name;        /* as scikit-image's regionprops names it, where that has a name … */
    const char *unit;        /* "um", "um^3", "voxel", "" … */
    const char *description; /* … texts that outlive the table */
    tk_dtype type;
    void *data; /* `rows` elements, owned by the table */
} tk_column;

typedef struct tk_table {
    int64_t rows;
    int columns;
    tk_column *column; /* owned */
    char **texts;      /* the columns' texts where the table owns them: 3 for each column; else NULL */
} tk_table;

/* Makes a table with zeroed columns like those of `columns` (their data is ignored). The caller frees it with
 * tk_table_free. Errors: TK_NO_MEMORY. */
tk_status tk_table_make(int64_t rows, const tk_column *columns, int count, tk_table *table, tk_error *error);

/* The column of that name, or NULL. */
tk_column *tk_table_column(const tk_table *table, const char *name);

/* An entry of a column of integers (0 of any other). */
int64_t tk_table_integer(const tk_column *column, int64_t row);

void tk_table_free(tk_table *table);

#endif
