/* Lines with checksums, appended by whole write(2) calls. */
#include "engine/keeping/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/checksum.h"

enum { CRC = 8 }; /* hexadecimal digits */

struct tk_journal {
    char *file, *unpublished;
    int fd;
    pthread_mutex_t lock;
};

tk_status tk_journal_create(const char *file, tk_journal **journal, tk_error *error) {
    tk_journal *made = calloc(1, sizeof *made);
    *journal = NULL;
    if (!made) return tk_fail_memory(error, "the journal");
    made->fd = -1;
    pthread_mutex_init(&made->lock, NULL);
    made->file = strdup(file);
    if (!made->file || asprintf(&made->unpublished, "%s.new", file) < 0) {
        tk_journal_close(made);
        return tk_fail_memory(error, "the journal");
    }
    made->fd = open(made->unpublished, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (made->fd < 0) {
        const tk_status status = tk_fail_errno(error, TK_UNWRITABLE, made->unpublished, "cannot be created");
        tk_journal_close(made);
        return status;
    }
    *journal = made;
    return TK_OK;
}

static tk_status append(tk_journal *journal, const char *line, size_t size, tk_error *error) {
    while (size > 0) {
        const ssize_t done = write(journal->fd, line, size);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return tk_fail_errno(error, TK_UNWRITABLE, journal->file, "cannot be written");
        line += done;
        size -= (size_t)done;
    }
    return TK_OK;
}

tk_status tk_journal_add(tk_journal *journal, json_t *record, tk_error *error) {
    char *text = record ? json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS) : NULL, *line = NULL;
    json_decref(record);
    const int length = text ? asprintf(&line, "%08x %s\n", tk_crc32(0, text, strlen(text)), text) : -1;
    free(text);
    if (length < 0) return tk_fail_memory(error, "the journal");
    pthread_mutex_lock(&journal->lock);
    const tk_status status = append(journal, line, (size_t)length, error);
    pthread_mutex_unlock(&journal->lock);
    free(line);
    return status;
}

tk_status tk_journal_sync(tk_journal *journal, tk_error *error) {
    if (fdatasync(journal->fd) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, journal->file, "cannot be written to the disk");
}

tk_status tk_journal_publish(tk_journal *journal, tk_error *error) {
    TK_TRY(tk_journal_sync(journal, error));
    if (rename(journal->unpublished, journal->file) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, journal->file, "cannot be written");
}

void tk_journal_close(tk_journal *journal) {
    if (!journal) return;
    if (journal->fd >= 0) close(journal->fd);
    pthread_mutex_destroy(&journal->lock);
    free(journal->file);
    free(journal->unpublished);
    free(journal);
}

/* The record of a line of `length` characters without its newline; NULL: the line is not sound. */
static json_t *parse(const char *line, size_t length) {
    char digits[CRC + 1] = {0};
    if (length <= CRC + 1 || line[CRC] != ' ') return NULL;
    memcpy(digits, line, CRC);
    char *end = NULL;
    const unsigned long crc = strtoul(digits, &end, 16);
    if (end != digits + CRC || crc != tk_crc32(0, line + CRC + 1, length - CRC - 1)) return NULL;
    return json_loadb(line + CRC + 1, length - CRC - 1, 0, NULL);
}

static tk_status read_lines(FILE *stream, tk_status (*take)(void *user, const json_t *record), void *user,
                            int64_t *damaged) {
    char *line = NULL;
    size_t room = 0;
    tk_status status = TK_OK;
    for (ssize_t length; status == TK_OK && (length = getline(&line, &room, stream)) > 0;) {
        json_t *record = line[length - 1] == '\n' ? parse(line, (size_t)length - 1) : NULL;
        if (record)
            status = take(user, record);
        else if (damaged)
            ++*damaged;
        json_decref(record);
    }
    free(line);
    return status;
}

tk_status tk_journal_read(const char *file, tk_status (*take)(void *user, const json_t *record), void *user,
                          int64_t *damaged, tk_error *error) {
    if (damaged) *damaged = 0;
    FILE *stream = fopen(file, "re");
    if (!stream && errno == ENOENT) return TK_OK;
    if (!stream) return tk_fail_errno(error, TK_UNREADABLE, file, "cannot be read");
    tk_status status = read_lines(stream, take, user, damaged);
    if (status == TK_OK && ferror(stream)) status = tk_fail_errno(error, TK_UNREADABLE, file, "cannot be read");
    fclose(stream);
    return status;
}
