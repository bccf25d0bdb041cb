/* Growable bytes, doubling. */
#include "io/bytes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static tk_status reserve(tk_bytes *bytes, size_t capacity) {
    if (capacity <= bytes->capacity) return TK_OK;
    size_t grown = bytes->capacity > SIZE_MAX / 2 ? capacity : bytes->capacity * 2;
    if (grown < capacity) grown = capacity;
    unsigned char *data = realloc(bytes->data, grown);
    if (!data) return TK_NO_MEMORY;
    bytes->data = data;
    bytes->capacity = grown;
    return TK_OK;
}

tk_status tk_bytes_resize(tk_bytes *bytes, size_t size) {
    TK_TRY(reserve(bytes, size));
    if (size > bytes->size) memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
    return TK_OK;
}

tk_status tk_bytes_append(tk_bytes *bytes, const void *data, size_t size) {
    if (size == 0) return TK_OK;
    if (size > SIZE_MAX - bytes->size) return TK_NO_MEMORY;
    TK_TRY(reserve(bytes, bytes->size + size));
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return TK_OK;
}

void tk_bytes_free(tk_bytes *bytes) {
    free(bytes->data);
    *bytes = (tk_bytes){0};
}
