/* The images of a workflow for many: what `inputs: {images: PATTERN}` matches, and where the result of each goes. */
#ifndef TK_ENGINE_IMAGES_H
#define TK_ENGINE_IMAGES_H

#include <stdint.h>

#include "io/error.h"

typedef struct tk_images {
    int64_t count;
    char **image, **output; /* owned */
} tk_images;

/* All files that match a pattern of the shell (*, ?, [a-z]), in the order of their bytes, each with its output:
 * `output` with {stem} replaced by the image's name without folder and extension. The caller frees them. Errors:
 * TK_UNREADABLE when none matches, TK_INVALID when two images would have the same output, TK_NO_MEMORY. */
tk_status tk_images_find(const char *pattern, const char *output, tk_images *images, tk_error *error);

/* The image of that number (from 0, as text) that matches the pattern, allocated; what *image pointed to is freed.
 * Errors: TK_USAGE when there is no such number, and as above. */
tk_status tk_images_choose(const char *pattern, const char *item, char **image, tk_error *error);

void tk_images_free(tk_images *images);

/* `output` with {stem} replaced, allocated; NULL: no memory. */
char *tk_images_output(const char *output, const char *image);

#endif
