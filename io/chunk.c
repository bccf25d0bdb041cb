/* Encoding of chunks as HDF5's filters "shuffle" and "deflate" store them, outside of HDF5 and so in any thread.
 *
 * Shuffle: byte k of every element, then byte k + 1 of every element, ... (HDF5 File Format Specification, filter 2);
 * deflate: one zlib stream (RFC 1950), level 1, from libdeflate, whose output depends on the input alone. */
#include <libdeflate.h>
#include <string.h>

#include "io/result.h"

enum { LEVEL = 1 };

size_t tk_chunk_bound(size_t bytes) { return libdeflate_zlib_compress_bound(NULL, bytes); }

size_t tk_chunk_work(size_t bytes) { return bytes; }

/* Called with constant `element`, so that the compiler unrolls the inner loop and vectorises the outer one. */
static inline void shuffle_of(const unsigned char *restrict raw, size_t count, size_t element,
                              unsigned char *restrict out) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < element; k++) out[k * count + i] = raw[i * element + k];
}

static void shuffle(const unsigned char *raw, size_t bytes, size_t element, unsigned char *out) {
    const size_t count = bytes / element;
    switch (element) {
    case 2:
        shuffle_of(raw, count, 2, out);
        break;
    case 4:
        shuffle_of(raw, count, 4, out);
        break;
    case 8:
        shuffle_of(raw, count, 8, out);
        break;
    default:
        shuffle_of(raw, count, element, out);
        break;
    }
    memcpy(out + count * element, raw + count * element, bytes - count * element);
}

tk_status tk_chunk_encode(const void *raw, size_t bytes, size_t element, void *work, void *out, size_t room,
                          size_t *encoded) {
    if (element == 0) return TK_FAILED;
    const void *source = raw;
    if (element > 1) {
        shuffle(raw, bytes, element, work);
        source = work;
    }
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(LEVEL);
    if (!compressor) return TK_NO_MEMORY;
    *encoded = libdeflate_zlib_compress(compressor, source, bytes, out, room);
    libdeflate_free_compressor(compressor);
    return *encoded > 0 ? TK_OK : TK_FAILED;
}
