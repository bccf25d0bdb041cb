/* What the parts of the result writer share: the open file, attributes, HDF5's element types. Everything here is called
 * with HDF5's lock held. */
#ifndef TK_IO_RESULT_FILE_H
#define TK_IO_RESULT_FILE_H

#include <hdf5.h>
#include <stdbool.h>

#include "io/result.h"

typedef struct tk_result_dataset {
    hid_t id;    /* of a series: −1, its datasets are opened when they are needed */
    hid_t group; /* of a series */
    tk_dtype type;
    char *path, *kind, *description; /* owned */
    bool series;
    int64_t channel, size[3], chunk[3];
    double voxel_um[3];
} tk_result_dataset;

/* A dataset of a series that is open. */
typedef struct tk_result_open {
    bool is;
    int image;
    int64_t time;
    hid_t id;
} tk_result_open;

/* So many of them are open at a time. */
enum { TK_RESULT_OPEN = 64 };

struct tk_result {
    char *file;
    hid_t id;
    int fd; /* HDF5's own descriptor */
    int images;
    tk_result_dataset *image;
    tk_result_open open[TK_RESULT_OPEN];
    int oldest; /* of the open ones: the next to be closed */
};

/* The dataset of an image, of a series at a time point (which is made when it is not there and `make` says so). It
 * stays the result's. Errors: TK_UNWRITABLE; TK_FAILED when it is not there. */
tk_status tk_result_dataset_open(tk_result *result, int id, int64_t time, bool make, hid_t *dataset, tk_error *error);

/* Closes the dataset of a series at a time point, with what HDF5 keeps of it in memory, when it is open. False: HDF5
 * could not. */
bool tk_result_dataset_close(tk_result *result, int id, int64_t time);

/* Closes all datasets and groups; false: HDF5 could not close one of them. */
bool tk_result_datasets_close(tk_result *result);

void tk_result_dataset_free(tk_result_dataset *image);

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
