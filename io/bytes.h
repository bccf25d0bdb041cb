/* A growable run of bytes: partial results, decisions, and messages between ranks. */
#ifndef TK_IO_BYTES_H
#define TK_IO_BYTES_H

#include <stddef.h>

#include "kernels/common/status.h"

typedef struct tk_bytes {
    unsigned char *data; /* owned; NULL when empty; aligned for any type */
    size_t size, capacity;
} tk_bytes;

/* Makes the size exactly `size`; new bytes are zero. Errors: TK_NO_MEMORY (contents are then unchanged). */
tk_status tk_bytes_resize(tk_bytes *bytes, size_t size);

/* Appends `size` bytes from `data`. Errors: TK_NO_MEMORY. */
tk_status tk_bytes_append(tk_bytes *bytes, const void *data, size_t size);

/* Frees the contents; the run is empty and may be used again. */
void tk_bytes_free(tk_bytes *bytes);

#endif
