/* Atomic files: write beside, fsync, rename (POSIX rename(2) replaces in one step). */
#include "io/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void forget(tk_part *part) {
    free(part->part);
    free(part->file);
    *part = (tk_part){.fd = -1};
}

tk_status tk_part_open(const char *file, tk_part *part, tk_error *error) {
    *part = (tk_part){.file = strdup(file), .fd = -1};
    if (!part->file || asprintf(&part->part, "%s.part", file) < 0) {
        part->part = NULL;
        forget(part);
        return tk_fail_memory(error, "a file name");
    }
    part->fd = open(part->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (part->fd >= 0) return TK_OK;
    const tk_status status = tk_fail_errno(error, TK_UNWRITABLE, part->part, "cannot be created");
    forget(part);
    return status;
}

tk_status tk_part_write(tk_part *part, const void *data, size_t size, tk_error *error) {
    const unsigned char *from = data;
    while (size > 0) {
        const ssize_t done = write(part->fd, from, size);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return tk_fail_errno(error, TK_UNWRITABLE, part->part, "cannot be written");
        from += done;
        size -= (size_t)done;
    }
    return TK_OK;
}

tk_status tk_part_publish(tk_part *part, tk_error *error) {
    tk_status status = TK_OK;
    if (fsync(part->fd) != 0) status = tk_fail_errno(error, TK_UNWRITABLE, part->part, "cannot be written");
    if (close(part->fd) != 0 && status == TK_OK)
        status = tk_fail_errno(error, TK_UNWRITABLE, part->part, "cannot be written");
    part->fd = -1;
    if (status == TK_OK && rename(part->part, part->file) != 0)
        status = tk_fail_errno(error, TK_UNWRITABLE, part->file, "cannot be renamed to");
    if (status != TK_OK) {
        tk_part_discard(part);
        return status;
    }
    forget(part);
    return TK_OK;
}

void tk_part_discard(tk_part *part) {
    if (part->fd >= 0) close(part->fd);
    if (part->part) unlink(part->part);
    forget(part);
}

static tk_status read_all(int fd, const char *file, tk_bytes *bytes, tk_error *error) {
    enum { PIECE = 1 << 20 };
    bytes->size = 0;
    for (ssize_t done = 1; done > 0;) {
        const size_t at = bytes->size;
        if (tk_bytes_resize(bytes, at + PIECE) != TK_OK) return tk_fail_memory(error, file);
        do done = read(fd, bytes->data + at, PIECE);
        while (done < 0 && errno == EINTR);
        bytes->size = at + (size_t)(done > 0 ? done : 0);
        if (done < 0) return tk_fail_errno(error, TK_UNREADABLE, file, "cannot be read");
    }
    return TK_OK;
}

tk_status tk_file_read(const char *file, tk_bytes *bytes, tk_error *error) {
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tk_fail_errno(error, TK_UNREADABLE, file, "cannot be read");
    const tk_status status = read_all(fd, file, bytes, error);
    close(fd);
    return status;
}
