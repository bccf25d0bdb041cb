/* The result: one HDF5 file with images, labels, tables and provenance, written while computing.
 *
 * One process writes it, chunk by chunk, with chunks that any thread or rank has encoded beforehand (tk_chunk_encode):
 * no two writers ever meet in a chunk. It is written under the name given here (the engine gives one in the run's
 * folder) and is complete only after tk_result_close. Everything is readable with any HDF5 1.8 reader.
 *
 * An image may be a series: of several channels or time points, each in a dataset of its own, PATH/t0000/c00, which is
 * made when its first chunk is written.
 *
 * Every image carries the attributes DIMENSION_LABELS ("z","y","x"), element_size_um (float64 z y x, where known),
 * unit ("um"), kind ("image", "mask" or "labels") and description. */
#ifndef TK_IO_RESULT_H
#define TK_IO_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/dtype.h"
#include "io/error.h"
#include "io/table.h"

typedef struct tk_result tk_result;

typedef struct tk_result_image {
    const char *path;        /* "/images/deconvolve", "/labels/label" */
    const char *kind;        /* "image", "mask" or "labels" */
    const char *description; /* one sentence */
    tk_dtype type;
    int64_t size[3], chunk[3]; /* z y x */
    double voxel_um[3];        /* 0 = unknown */
    bool series;               /* several time points of a channel, or of one of several */
    int64_t channel;           /* of a series */
} tk_result_image;

/* Creates the file; an existing one of that name is replaced. Errors: TK_UNWRITABLE. */
tk_status tk_result_create(const char *file, tk_result **result, tk_error *error);

/* Adds an image without voxels yet; *id names it in the calls below. */
tk_status tk_result_add_image(tk_result *result, const tk_result_image *image, int *id, tk_error *error);

/* The path of an image of a series, "PATH/t0000/c00", allocated; NULL: no memory. */
char *tk_result_series_path(const char *path, int64_t time, int64_t channel);

/* Writes one encoded chunk, of a series at a time point (else `time` is of no account); `origin` is its first voxel, a
 * multiple of the chunk size on every axis. *offset (may be NULL) is where its bytes lie in the file from now on: they
 * can be read there even when the file was never closed. */
tk_status tk_result_write_chunk(tk_result *result, int id, int64_t time, const int64_t origin[3], const void *encoded,
                                size_t bytes, int64_t *offset, tk_error *error);

/* Writes to the disk (fdatasync) the chunks written so far. Errors: TK_UNWRITABLE. */
tk_status tk_result_sync(tk_result *result, tk_error *error);

/* Reads the image (of a series: at a time point) back, checks that every chunk is there, and computes the SHA-256 of
 * its decoded voxels, densely packed z y x, little endian, as hexadecimal text: what
 * hashlib.sha256(dataset[...].tobytes()) gives. Also stored as the attribute sha256 of the dataset. Errors: TK_FAILED
 * when a chunk is missing or does not decode. */
tk_status tk_result_seal_image(tk_result *result, int id, int64_t time, char sha256[65], tk_error *error);

/* Writes a table as a group of one-dimensional datasets, one per column, each with the attributes unit and
 * description; the group has `columns` (the names in order) and `rows`; the table's SHA-256 over all
 * columns' bytes in order goes to the attribute sha256 and to `sha256`. */
tk_status tk_result_write_table(tk_result *result, const char *path, const tk_table *table, char sha256[65],
                                tk_error *error);

/* Writes a UTF-8 text as a scalar string dataset. Missing groups on the way are made. */
tk_status tk_result_write_text(tk_result *result, const char *path, const char *text, tk_error *error);

/* Flushes to the disk (fsync) and closes; *result becomes NULL. Errors: TK_UNWRITABLE, for instance a full disk. */
tk_status tk_result_close(tk_result **result, tk_error *error);

/* Closes without caring for the contents, after an error; NULL is allowed. */
void tk_result_abandon(tk_result *result);

/* Reads a text that tk_result_write_text wrote; the caller frees it. *text is NULL when the file is no HDF5 file, holds
 * no such text, or there is no memory for it. */
void tk_result_read_text(const char *file, const char *path, char **text);

/* Reads a table that tk_result_write_table wrote; the caller frees it. `path` NULL or "": the only one of the file.
 * Errors: TK_UNREADABLE (also when there is no such table, or several to choose from, with a list of them),
 * TK_NO_MEMORY. */
tk_status tk_result_read_table(const char *file, const char *path, tk_table *table, tk_error *error);

/* --- Chunks (no HDF5 call; safe in any thread) -------------------------------------------------------------------- */

/* Room that tk_chunk_encode needs for `bytes` of raw voxels. */
size_t tk_chunk_bound(size_t bytes);

/* Bytes of work memory that tk_chunk_encode needs for `bytes` of raw voxels. */
size_t tk_chunk_work(size_t bytes);

/* Encodes one whole chunk (`bytes` of densely packed voxels of `element` bytes each) as HDF5's shuffle and deflate
 * filters do. The same bytes on every machine. Errors: TK_NO_MEMORY, TK_FAILED. */
tk_status tk_chunk_encode(const void *raw, size_t bytes, size_t element, void *work, void *out, size_t room,
                          size_t *encoded);

#endif
