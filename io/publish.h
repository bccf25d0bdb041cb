/* Files that appear whole or not at all: written as NAME.part, made durable, then renamed to NAME. */
#ifndef TK_IO_PUBLISH_H
#define TK_IO_PUBLISH_H

#include <stddef.h>

#include "io/bytes.h"
#include "io/error.h"

typedef struct tk_part {
    char *part; /* the name it is written under; owned */
    char *file; /* the name it gets in the end; owned */
    int fd;     /* open for reading and writing; -1 when closed */
} tk_part;

/* Creates `file`.part, empty. Errors: TK_UNWRITABLE, TK_NO_MEMORY; the part then needs no tk_part_discard. */
tk_status tk_part_open(const char *file, tk_part *part, tk_error *error);

/* Writes all `size` bytes at the present position. Errors: TK_UNWRITABLE. */
tk_status tk_part_write(tk_part *part, const void *data, size_t size, tk_error *error);

/* Writes to the disk (fsync), closes and renames; frees the part in any case. After an error nothing of
 * the new file is left and an older file of that name is as it was. Errors: TK_UNWRITABLE. */
tk_status tk_part_publish(tk_part *part, tk_error *error);

/* Closes and removes the unfinished file. */
void tk_part_discard(tk_part *part);

/* Reads a whole file into `bytes`, which the caller frees. Errors: TK_UNREADABLE, TK_NO_MEMORY. */
tk_status tk_file_read(const char *file, tk_bytes *bytes, tk_error *error);

#endif
