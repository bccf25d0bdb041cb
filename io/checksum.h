/* SHA-256 (FIPS 180-4) of bytes and of files, as 64 lower-case hexadecimal digits; CRC-32 for what is checked often. */
#ifndef TK_IO_CHECKSUM_H
#define TK_IO_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

/* A SHA-256 that is fed piece by piece. */
typedef struct tk_sha256 tk_sha256;

/* Starts one. Errors: TK_NO_MEMORY. */
tk_status tk_sha256_start(tk_sha256 **sum, tk_error *error);

/* Feeds `size` bytes. Errors: TK_FAILED. */
tk_status tk_sha256_feed(tk_sha256 *sum, const void *data, size_t size, tk_error *error);

/* Writes the digest and frees the sum; *sum becomes NULL. With hex == NULL it only frees; *sum may be NULL then. */
tk_status tk_sha256_finish(tk_sha256 **sum, char hex[65], tk_error *error);

/* The SHA-256 of `size` bytes. Errors: TK_NO_MEMORY, TK_FAILED. */
tk_status tk_bytes_sha256(const void *data, size_t size, char hex[65], tk_error *error);

/* The SHA-256 of a file, read once from start to end in small pieces; *bytes (may be NULL) is its length.
 * Errors: TK_UNREADABLE, TK_NO_MEMORY. */
tk_status tk_file_sha256(const char *path, char hex[65], int64_t *bytes, tk_error *error);

/* The CRC-32 (that of zlib and PNG) of `size` more bytes; `crc` is that of the bytes before, 0 at the start. */
uint32_t tk_crc32(uint32_t crc, const void *data, size_t size);

#endif
