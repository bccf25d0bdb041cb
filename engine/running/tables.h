/* The tables of several channels as one. */
#ifndef TK_ENGINE_TABLES_H
#define TK_ENGINE_TABLES_H

#include <stdint.h>

#include "io/table.h"

/* Puts `count` tables of the same columns one behind the other, with the column `c` before the others: table[i] is that
 * of channel[i]. The caller frees what is made. Errors: TK_FAILED when the columns differ, TK_NO_MEMORY. */
tk_status tk_tables_join(const tk_table *const table[], const int64_t channel[], int64_t count, tk_table *joined,
                         tk_error *error);

#endif
