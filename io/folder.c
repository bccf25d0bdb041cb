/* File systems by their numbers in statfs(2), and a trial of what a lock and a result need. */
#include "io/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

static const struct {
    uint32_t number;
    const char *name;
    bool shared, memory;
} kinds[] = {
    {0x0bd00bd0, "lustre", true, false},    {0x47504653, "gpfs", true, false},  {0x19830326, "beegfs", true, false},
    {0x6969, "nfs", true, false},           {0x00c36400, "ceph", true, false},  {0xff534d42, "cifs", true, false},
    {0xfe534d42, "smb2", true, false},      {0x5346414f, "afs", true, false},   {0xaad7aaea, "panfs", true, false},
    {0x20030528, "orangefs", true, false},  {0x01021997, "9p", true, false},    {0x65735546, "fuse", false, false},
    {0xef53, "ext4", false, false},         {0x58465342, "xfs", false, false},  {0x9123683e, "btrfs", false, false},
    {0x2fc12fc1, "zfs", false, false},      {0xf2f52010, "f2fs", false, false}, {0x794c7630, "overlay", false, false},
    {0x01021994, "tmpfs", false, true},     {0x858458f6, "ramfs", false, true}, {0x9fa0, "proc", false, false},
    {0x73717368, "squashfs", false, false},
};

tk_status tk_folder_look(const char *folder, tk_folder_facts *facts, tk_error *error) {
    struct statfs about;
    struct stat entry;
    if (statfs(folder, &about) != 0 || stat(folder, &entry) != 0)
        return tk_fail_errno(error, TK_UNWRITABLE, folder, "cannot be looked at");
    if (!S_ISDIR(entry.st_mode)) return tk_fail(error, TK_UNWRITABLE, "%s: is not a folder", folder);
    const uint32_t number = (uint32_t)about.f_type;
    *facts = (tk_folder_facts){.free_bytes = (int64_t)about.f_bavail * (int64_t)about.f_bsize,
                               .free_files = about.f_files > 0 ? (int64_t)about.f_ffree : -1};
    snprintf(facts->kind, sizeof facts->kind, "0x%x", number);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].number == number) {
            snprintf(facts->kind, sizeof facts->kind, "%s", kinds[i].name);
            facts->shared = kinds[i].shared;
            facts->memory = kinds[i].memory;
        }
    return TK_OK;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Writes bytes that no file system can store in less: not zeros. */
static tk_status write_pieces(int fd, const char *file, int64_t size, tk_error *error) {
    unsigned char *piece = malloc(PIECE);
    if (!piece) return tk_fail_memory(error, "a trial of the folder");
    uint32_t bits = 1;
    for (int i = 0; i < PIECE; i++) {
        bits = bits * 1664525u + 1013904223u;
        piece[i] = (unsigned char)(bits >> 24);
    }
    tk_status status = TK_OK;
    for (int64_t left = size; left > 0 && status == TK_OK;) {
        const ssize_t wrote = write(fd, piece, left < PIECE ? (size_t)left : PIECE);
        if (wrote < 0 && errno != EINTR) status = tk_fail_errno(error, TK_UNWRITABLE, file, "cannot be written");
        if (wrote > 0) left -= wrote;
    }
    free(piece);
    if (status == TK_OK && fsync(fd) != 0) status = tk_fail_errno(error, TK_UNWRITABLE, file, "cannot be written");
    return status;
}

static tk_status write_file(tk_folder_trial *trial, int64_t size, tk_error *error) {
    const double start = seconds();
    const int fd = open(trial->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        const tk_status failed = tk_fail_errno(error, TK_UNWRITABLE, trial->file, "cannot be created");
        free(trial->file); /* it is not ours to remove */
        trial->file = NULL;
        return failed;
    }
    tk_status status = write_pieces(fd, trial->file, size, error);
    if (close(fd) != 0 && status == TK_OK)
        status = tk_fail_errno(error, TK_UNWRITABLE, trial->file, "cannot be written");
    if (size > 0) trial->write_bytes_s = (double)size / (seconds() - start);
    return status;
}

/* A second name for the file, by which it is known to be the same one, and that is then moved onto the first's copy. */
static tk_status try_names(tk_folder_trial *trial, tk_error *error) {
    char *second = NULL, *third = NULL;
    struct stat one, two;
    if (asprintf(&second, "%s.link", trial->file) < 0) second = NULL;
    if (asprintf(&third, "%s.other", trial->file) < 0) third = NULL;
    if (second && third) {
        trial->links = link(trial->file, second) == 0 && stat(trial->file, &one) == 0 && stat(second, &two) == 0 &&
                       one.st_ino == two.st_ino && link(trial->file, second) != 0 && errno == EEXIST;
        unlink(second);
        const int fd = open(second, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        const int other = open(third, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        trial->renames = fd >= 0 && other >= 0 && rename(second, third) == 0 && access(second, F_OK) != 0;
        if (fd >= 0) close(fd);
        if (other >= 0) close(other);
        unlink(second);
        unlink(third);
    } else {
        tk_fail_memory(error, "a file name");
    }
    free(second);
    free(third);
    return error->status;
}

tk_status tk_folder_try(const char *folder, int64_t size, tk_folder_trial *trial, tk_error *error) {
    static int count;
    char host[64] = "";
    *trial = (tk_folder_trial){0};
    (void)gethostname(host, sizeof host - 1);
    if (asprintf(&trial->file, "%s/.tarkka-trial-%s-%ld-%d", folder, host, (long)getpid(), count++) < 0) {
        trial->file = NULL;
        return tk_fail_memory(error, "a file name");
    }
    TK_TRY(write_file(trial, size, error));
    return try_names(trial, error);
}

void tk_folder_trial_end(tk_folder_trial *trial) {
    if (trial->file) unlink(trial->file);
    free(trial->file);
    *trial = (tk_folder_trial){0};
}
