/* Pictures as PNG. */
#ifndef TK_IO_PNG_H
#define TK_IO_PNG_H

#include <stdint.h>

#include "io/error.h"

/* Writes width x height pixels of 8-bit red, green, blue (row by row, top first, densely packed) as a PNG file, which
 * appears only when it is whole. Errors: TK_UNWRITABLE, TK_NO_MEMORY, TK_FAILED for a size that PNG cannot hold. */
tk_status tk_png_write(const char *file, int64_t width, int64_t height, const unsigned char *rgb, tk_error *error);

#endif
