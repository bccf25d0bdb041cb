/* What the list of arrays and its reader share. */
#ifndef TK_IO_ARRAYS_LIST_H
#define TK_IO_ARRAYS_LIST_H

#include "io/arrays.h"

/* Puts an array into its place in the list, which owns its name and data from now on, also after an error. Errors:
 * TK_FAILED when there is one of that name, TK_NO_MEMORY. */
tk_status tk_arrays_insert(tk_arrays *arrays, tk_array *array, tk_error *error);

/* Frees the name and data of one. */
void tk_array_free(tk_array *array);

#endif
