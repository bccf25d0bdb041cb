/* A small cache of facts about this machine (FFTW wisdom), one file an entry, for one user.
 *
 * It lies in $TARKKA_CACHE, else $XDG_CACHE_HOME/tarkka, else ~/.cache/tarkka. Every entry carries the SHA-256 of its
 * contents; one that does not match counts as absent. Losing the cache loses time, never a result. */
#ifndef TK_IO_CACHE_H
#define TK_IO_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "io/bytes.h"
#include "io/error.h"

/* Loads the entry `name` (letters, digits, '.', '_', '-', '+') into `bytes`, which the caller frees with tk_bytes_free.
 * Absent, unreadable or damaged: empty bytes and TK_OK. Errors: TK_NO_MEMORY, TK_FAILED for a bad name. */
tk_status tk_cache_load(const char *name, tk_bytes *bytes, tk_error *error);

/* Stores an entry, replacing an older one in one step, also when several processes do so at once; makes
 * the directory when it is missing. Callers may ignore a failure. Errors: TK_UNWRITABLE, TK_NO_MEMORY, TK_FAILED. */
tk_status tk_cache_store(const char *name, const void *data, size_t size, tk_error *error);

/* The cache's folder, whether it is there or not, or NULL when there is no place for one; the caller frees it. */
char *tk_cache_folder(void);

/* Tells each entry's name, size and time of writing (seconds since 1970), in no order. Without a cache: none. */
void tk_cache_list(void (*tell)(void *user, const char *name, int64_t bytes, int64_t written), void *user);

#endif
