/* Pictures of images: projections side by side, with the outlines of objects on the last one. */
#ifndef TK_WORKFLOWS_COMMANDS_PICTURE_PANELS_H
#define TK_WORKFLOWS_COMMANDS_PICTURE_PANELS_H

#include <stdint.h>

#include "io/error.h"

enum { TK_PICTURE_PANELS = 16 };

/* An image in a file: FILE or file.h5:/path, and which of its time points and channels. */
typedef struct tk_picture_source {
    const char *spec, *axes; /* axes of an HDF5 dataset; NULL: its own */
    int64_t time, channel;
} tk_picture_source;

typedef struct tk_picture_request {
    tk_picture_source image[TK_PICTURE_PANELS];
    int images;
    tk_picture_source labels; /* of the last image; spec NULL: none */
    int64_t scale;            /* pixels along the edge of a voxel; 0: panels about 512 pixels wide */
    double gamma;             /* grey level = brightness^(1/gamma) */
    const char *output;       /* the PNG; an existing one is replaced */
} tk_picture_request;

/* Draws it and tells its size in pixels. Errors: TK_UNREADABLE, TK_USAGE (no such channel; too large a picture),
 * TK_DIFFERENT (labels of another size), TK_UNWRITABLE, TK_NO_MEMORY. */
tk_status tk_picture_make(const tk_picture_request *request, int64_t *width, int64_t *height, tk_error *error);

#endif
