/* Small HDF5 files as lists of named arrays: trained classifiers, and what other programs keep theirs in.
 *
 * An array's name is its path below the group that was read ("trees/feature"). The attributes of groups are arrays as
 * well, named GROUP@ATTRIBUTE ("trees@depth", and "@version" for the group that was read). Whatever the width in the
 * file, whole numbers are int64_t in memory, and others double, so that readers need not care.
 *
 *   tk_arrays arrays;
 *   tk_status status = tk_arrays_load("nuclei.h5", NULL, 256 << 20, &arrays, error);
 *   if (status == TK_OK) status = tk_arrays_integer(&arrays, "@version", 1, 3, &version, error);
 *   …
 *   tk_arrays_free(&arrays); */
#ifndef TK_IO_ARRAYS_H
#define TK_IO_ARRAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/dtype.h"
#include "io/error.h"

typedef enum tk_array_type {
    TK_ARRAY_INT,
    TK_ARRAY_REAL,
    TK_ARRAY_TEXT, /* UTF-8, ended by 0 */
    TK_ARRAY_OTHER /* in the file, but not read: compounds, opaque bytes, links by name, more than four axes … */
} tk_array_type;

enum { TK_ARRAY_AXES_MOST = 4 };

typedef struct tk_array {
    char *name;
    tk_array_type type;
    tk_dtype stored; /* in the file: TK_I32 or TK_I64, TK_F32 or TK_F64; narrower integers count as TK_I32 */
    int rank;        /* 0: a scalar */
    int64_t size[TK_ARRAY_AXES_MOST], count;
    union { /* [count], the last axis the fastest */
        void *data;
        int64_t *ints;
        double *reals;
        char **texts;
    };
} tk_array;

/* Owns all of it. All zero: none, and of no file. */
typedef struct tk_arrays {
    char *file; /* for messages; NULL: made in memory */
    tk_array *array;
    int64_t count, room;
    int64_t bytes; /* that the data take */
} tk_arrays;

/* Reads all below the group `where` (NULL: all of the file), or the one dataset of that path, which is then named by
 * the last part of it; no array when there is neither. Links by name and to other files are not followed, nor data that
 * lie in other files. Nothing is left to free after an error. Errors: TK_UNREADABLE for a file that is damaged or lies
 * about sizes, groups that contain each other, integers above INT64_MAX, texts that are not UTF-8, a filter that is not
 * there, or more than `most_bytes` in memory; TK_NO_MEMORY.
 * HDF5 1.10 itself crashes over some files of others in which a compressed chunk or a text of variable length is
 * damaged; those that tk_arrays_save writes have checksums against that. */
tk_status tk_arrays_load(const char *file, const char *where, int64_t most_bytes, tk_arrays *arrays, tk_error *error);

/* Frees everything; the list is empty and may be used again. */
void tk_arrays_free(tk_arrays *arrays);

/* The array of this name, or NULL. Arrays are sorted by name (bytes). */
const tk_array *tk_arrays_find(const tk_arrays *arrays, const char *name);

/* Checked access: arrays as they are wanted, or TK_UNREADABLE with a message that names file and array. The arrays stay
 * the list's. */

/* An array of this type and number of axes; size[] has what each must be, −1 for any. A rank of −1: any, and no sizes.
 */
tk_status tk_arrays_get(const tk_arrays *arrays, const char *name, tk_array_type type, int rank, const int64_t size[],
                        const tk_array **array, tk_error *error);

/* One whole number from lo to hi: a scalar, or an array of one, also one that is stored as real. */
tk_status tk_arrays_integer(const tk_arrays *arrays, const char *name, int64_t lo, int64_t hi, int64_t *value,
                            tk_error *error);

/* One finite number. */
tk_status tk_arrays_number(const tk_arrays *arrays, const char *name, double *value, tk_error *error);

/* One text. */
tk_status tk_arrays_text(const tk_arrays *arrays, const char *name, const char **text, tk_error *error);

/* Copies in narrower types, which the caller frees: integers, all from lo to hi; reals, which stay finite. Errors as
 * above, and TK_NO_MEMORY. *copy is NULL after an error. */
tk_status tk_arrays_copy_i32(const tk_arrays *arrays, const char *name, int rank, const int64_t size[], int32_t lo,
                             int32_t hi, int32_t **copy, tk_error *error);
tk_status tk_arrays_copy_f32(const tk_arrays *arrays, const char *name, int rank, const int64_t size[], float **copy,
                             tk_error *error);

/* Adds a copy of an array of int32_t, int64_t, float or double, as `stored` says (TK_I32, TK_I64, TK_F32, TK_F64),
 * which is how it is saved. Errors: TK_FAILED when there is one of that name, TK_NO_MEMORY. */
tk_status tk_arrays_add(tk_arrays *arrays, const char *name, tk_dtype stored, int rank, const int64_t size[],
                        const void *data, tk_error *error);

/* Adds copies of `count` texts in a row; count −1: one, as a scalar. Errors as above. */
tk_status tk_arrays_add_texts(tk_arrays *arrays, const char *name, int64_t count, const char *const *texts,
                              tk_error *error);

/* Writes them to a file, which appears whole or not at all; the same arrays give the same bytes. It has checksums, so
 * that damage shows when it is read, and is for HDF5 1.10 or later. Arrays whose name has an '@' become attributes of
 * groups (at most 64 KiB). Those of type TK_ARRAY_OTHER are left out.
 * Errors: TK_UNWRITABLE, also when the file exists and `overwrite` does not say that it may be replaced;
 * TK_NO_MEMORY. */
tk_status tk_arrays_save(const char *file, const tk_arrays *arrays, bool overwrite, tk_error *error);

#endif
