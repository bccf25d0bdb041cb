/* What ImageJ writes about a stack in a TIFF file's ImageDescription: lines of key=value after "ImageJ=version". */
#ifndef TK_IO_IMAGEJ_H
#define TK_IO_IMAGEJ_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tk_imagej {
    int64_t images, channels, slices, frames; /* >= 1; images == channels * slices * frames; channels vary fastest */
    double unit_um;                           /* micrometres in the unit of length; 0 = unknown */
    double spacing;                           /* of slices, in that unit; 0 = unknown */
    double frame_interval_s;                  /* seconds; 0 = unknown */
} tk_imagej;

/* Parses a description; false when it is none of ImageJ's. Numbers that contradict each other are read as a plain stack
 * of `images` slices. */
bool tk_imagej_parse(const char *description, tk_imagej *stack);

#endif
