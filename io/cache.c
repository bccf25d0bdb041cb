/* The cache of machine facts. An entry is 64 hexadecimal digits (SHA-256 of the rest), a newline, and the contents. */
#include "io/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/checksum.h"
#include "io/publish.h"

enum { HEADER = 65, LARGEST = 64 << 20 };

static bool name_is_plain(const char *name) {
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+";
    return name[0] != '\0' && name[0] != '.' && name[strspn(name, plain)] == '\0' && strlen(name) < 200;
}

char *tk_cache_folder(void) {
    const char *own = getenv("TARKKA_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int made = -1;
    if (own && *own)
        made = asprintf(&path, "%s", own);
    else if (xdg && *xdg)
        made = asprintf(&path, "%s/tarkka", xdg);
    else if (home && *home)
        made = asprintf(&path, "%s/.cache/tarkka", home);
    return made < 0 ? NULL : path;
}

/* The entry's file, or NULL; the caller frees it. */
static char *entry_path(const char *directory, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* Makes a directory and those above it; one that is there already is fine. */
static tk_status make_directories(char *path, tk_error *error) {
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        const char kept = *at;
        *at = '\0';
        const int made = mkdir(path, 0700);
        if (made != 0 && errno != EEXIST && kept == '\0')
            return tk_fail_errno(error, TK_UNWRITABLE, path, "cannot be created");
        *at = kept;
        if (kept == '\0') return TK_OK;
    }
}

static tk_status read_entry(int fd, tk_bytes *bytes, tk_error *error) {
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size < HEADER || about.st_size > LARGEST)
        return TK_OK;
    if (tk_bytes_resize(bytes, (size_t)about.st_size) != TK_OK) return tk_fail_memory(error, "a cache entry");
    size_t got = 0;
    while (got < bytes->size) {
        const ssize_t more = read(fd, bytes->data + got, bytes->size - got);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0) break;
        got += (size_t)more;
    }
    if (got < bytes->size) tk_bytes_free(bytes);
    return TK_OK;
}

/* Strips the header, or empties the bytes when the checksum does not match. */
static tk_status unwrap(tk_bytes *bytes, tk_error *error) {
    if (bytes->size < HEADER) return TK_OK;
    char hex[65];
    TK_TRY(tk_bytes_sha256(bytes->data + HEADER, bytes->size - HEADER, hex, error));
    if (memcmp(hex, bytes->data, HEADER - 1) != 0 || bytes->data[HEADER - 1] != '\n') {
        tk_bytes_free(bytes);
        return TK_OK;
    }
    memmove(bytes->data, bytes->data + HEADER, bytes->size - HEADER);
    bytes->size -= HEADER;
    return TK_OK;
}

tk_status tk_cache_load(const char *name, tk_bytes *bytes, tk_error *error) {
    *bytes = (tk_bytes){0};
    if (!name_is_plain(name)) return tk_fail(error, TK_FAILED, "'%s' is no name for a cache entry", name);
    char *directory = tk_cache_folder();
    char *path = directory ? entry_path(directory, name) : NULL;
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    free(path);
    free(directory);
    if (fd < 0) return TK_OK;
    tk_status status = read_entry(fd, bytes, error);
    close(fd);
    if (status == TK_OK) status = unwrap(bytes, error);
    if (status != TK_OK) tk_bytes_free(bytes);
    return status;
}

/* Writes header and contents under a name of this process's own, so that two writers never share a file. */
static tk_status write_entry(const char *path, const char *hex, const void *data, size_t size, tk_error *error) {
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.%ld", path, (long)getpid()) < 0) return tk_fail_memory(error, "a file name");
    tk_part part;
    tk_status status = tk_part_open(temporary, &part, error);
    if (status == TK_OK) {
        char header[HEADER + 1];
        snprintf(header, sizeof header, "%s\n", hex);
        status = tk_part_write(&part, header, HEADER, error);
        if (status == TK_OK) status = tk_part_write(&part, data, size, error);
        if (status == TK_OK)
            status = tk_part_publish(&part, error);
        else
            tk_part_discard(&part);
    }
    if (status == TK_OK && rename(temporary, path) != 0) {
        status = tk_fail_errno(error, TK_UNWRITABLE, path, "cannot be renamed to");
        unlink(temporary);
    }
    free(temporary);
    return status;
}

tk_status tk_cache_store(const char *name, const void *data, size_t size, tk_error *error) {
    if (!name_is_plain(name)) return tk_fail(error, TK_FAILED, "'%s' is no name for a cache entry", name);
    if (size > LARGEST - HEADER) return tk_fail(error, TK_FAILED, "cache entry '%s' is too large", name);
    char *directory = tk_cache_folder();
    if (!directory) return tk_fail(error, TK_UNWRITABLE, "no place for a cache (set TARKKA_CACHE or HOME)");
    char hex[65];
    char *path = entry_path(directory, name);
    tk_status status = path ? make_directories(directory, error) : tk_fail_memory(error, "a file name");
    if (status == TK_OK) status = tk_bytes_sha256(data, size, hex, error);
    if (status == TK_OK) status = write_entry(path, hex, data, size, error);
    free(path);
    free(directory);
    return status;
}

void tk_cache_list(void (*tell)(void *user, const char *name, int64_t bytes, int64_t written), void *user) {
    char *directory = tk_cache_folder();
    DIR *folder = directory ? opendir(directory) : NULL;
    free(directory);
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        struct stat about;
        if (!name_is_plain(entry->d_name) || fstatat(dirfd(folder), entry->d_name, &about, 0) != 0) continue;
        if (S_ISREG(about.st_mode)) tell(user, entry->d_name, about.st_size, about.st_mtim.tv_sec);
    }
    closedir(folder);
}
