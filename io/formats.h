/* The input formats of io/formats.def, each defined in a file of its own. */
#ifndef TK_IO_FORMATS_H
#define TK_IO_FORMATS_H

#include "io/image.h"

#define X(format) extern const tk_image_format format;
#include "io/formats.def"
#undef X

#endif
