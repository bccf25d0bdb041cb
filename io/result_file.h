/* What the parts of the result writer share: the open file, attributes, HDF5's element types. Everything here is called
 * with HDF5's lock held. */
#ifndef TK_IO_RESULT_FILE_H
#define TK_IO_RESULT_FILE_H

#include <hdf5.h>
#include <stdbool.h>

#include "io/result.h"

typedef struct tk_result_dataset {
    hid_t id;
    tk_dtype type;
    char *path;
    int64_t size[3], chunk[3];
} tk_result_dataset;

struct tk_result {
    char *file;
    hid_t id;
    int fd; /* HDF5's own descriptor */
    int images;
    tk_result_dataset *image;
};

/* The type of elements in the file: little endian. */
hid_t tk_hdf5_file_type(tk_dtype type);

/* The type of elements in memory. */
hid_t tk_hdf5_memory_type(tk_dtype type);

/* Sets an attribute: UTF-8 text, a list of texts, a list of numbers, one integer. Errors: TK_UNWRITABLE. */
tk_status tk_result_attribute_text(tk_result *result, hid_t object, const char *name, const char *text,
                                   tk_error *error);
tk_status tk_result_attribute_texts(tk_result *result, hid_t object, const char *name, const char *const *texts,
                                    int count, tk_error *error);
tk_status tk_result_attribute_numbers(tk_result *result, hid_t object, const char *name, const double *numbers,
                                      int count, tk_error *error);
tk_status tk_result_attribute_integer(tk_result *result, hid_t object, const char *name, int64_t number,
                                      tk_error *error);

/* Property list for links that makes missing groups on the way; the caller closes it. Negative on failure. */
hid_t tk_result_link_properties(void);

#endif
