/* An image in a file, read by region: the one interface in front of every input format.
 *
 * To add a format: write a tk_image_format (probe, open, read, close) in a file of its own and name it in
 * io/formats.def. Readers check everything that comes from the file. An open image may be read by one thread at a time.
 */
#ifndef TK_IO_IMAGE_H
#define TK_IO_IMAGE_H

#include <stdint.h>

#include "io/dtype.h"
#include "io/error.h"
#include "kernels/common/view.h"

typedef struct tk_channel {
    char *name;           /* owned by the image; NULL when the source names none */
    double emission_nm;   /* 0 = unknown */
    double excitation_nm; /* 0 = unknown */
} tk_channel;

/* What an image is. Everything the source does not say is 0 or NULL. */
typedef struct tk_image_info {
    const char *format;      /* "OME-TIFF", "TIFF", "HDF5", "null" */
    tk_dtype type;           /* element type in the file */
    int64_t times, channels; /* >= 1 */
    int64_t size[3];         /* z y x, >= 1 */
    int64_t chunk[3];        /* what the file stores together (plane, strip, tile, chunk), z y x */
    double voxel_um[3];      /* micrometres, z y x */
    double time_step_s;      /* seconds */
    double na;               /* numerical aperture */
    double refractive_index; /* of the immersion medium */
    tk_channel *channel;     /* `channels` of them, or NULL */
    char *metadata;          /* the source's own metadata, verbatim (OME-XML), UTF-8 */
} tk_image_info;

typedef struct tk_image tk_image;

/* Bytes of decoded strips, tiles or chunks that an open image keeps at most, for reads that share them. */
enum { TK_IMAGE_CACHE = 64 << 20 };

/* Opens an image: "file.tif", "file.ome.tif", "file.h5:/path/to/dataset", or "null:ZxYxX:TYPE" (io/null.c). `axes`
 * names the axes of an HDF5 dataset, slowest first, from the letters t c z y x, each once ("tyx"); NULL means the last
 * of "tczyx" that the dataset has
 * ("zyx" for three axes); for other formats it must be NULL. The caller closes the image.
 * Errors: TK_UNREADABLE with file and remedy. */
tk_status tk_image_open(const char *spec, const char *axes, tk_image **image, tk_error *error);

/* What the image is; valid until it is closed. */
const tk_image_info *tk_image_info_of(const tk_image *image);

/* Reads the box (z y x, inside the image) of one time point and channel into `out`, whose size is the box's,
 * converted to float32: integers to 24 bits and floats keep their values exactly, others are rounded to nearest.
 * Errors: TK_UNREADABLE (damaged file), TK_NO_MEMORY. */
tk_status tk_image_read(tk_image *image, int64_t time, int64_t channel, const tk_box *box, tk_view_f32 out,
                        tk_error *error);

/* The same for a label image: integers, or floats that hold integers, each in 0 .. 2^32-1.
 * Errors: TK_UNREADABLE also when a value is not such a number. */
tk_status tk_image_read_labels(tk_image *image, int64_t time, int64_t channel, const tk_box *box, tk_view_u32 out,
                               tk_error *error);

/* Closes the image and frees what it owns; NULL is allowed. */
void tk_image_close(tk_image *image);

/* The file part of a spec ("file.h5" of "file.h5:/path"), for checksums; the caller frees it. NULL: no memory. */
char *tk_image_file(const char *spec);

/* Is the image computed from its spec ("null:64x64x64")? Then no file stands behind it, and its spec says all of it. */
bool tk_image_is_computed(const char *spec);

/* --- For the formats themselves ---------------------------------------------------------------------------------- */

typedef struct tk_image_format {
    const char *name;
    /* What specs of images without a file begin with ("null:"); NULL: images are in files, and probe knows them. */
    const char *prefix;
    /* Does this file look like mine? `head` holds the file's first `size` bytes (up to 1024). */
    bool (*probe)(const unsigned char *head, size_t size);
    /* Opens file (and dataset, the part after ':', NULL when there is none; without a file: the spec after the prefix);
     * fills info, whose strings and arrays the caller frees with tk_image_info_clear; *handle is the format's own. */
    tk_status (*open)(const char *file, const char *dataset, const char *axes, tk_image_info *info, void **handle,
                      tk_error *error);
    /* Reads a box of one time point and channel, in the file's own type and native byte order, densely packed z y x. */
    tk_status (*read)(void *handle, int64_t time, int64_t channel, const tk_box *box, void *out, tk_error *error);
    void (*close)(void *handle);
} tk_image_format;

/* Frees what an info owns and zeroes it. */
void tk_image_info_clear(tk_image_info *info);

#endif
