/* libtarkka_faults.so: files that misbehave, for tests. Preloaded (LD_PRELOAD) into one program, it stands before the C
 * library's calls on files and does what the environment's TARKKA_FAULTS says: rules divided by ';', the first that
 * meets a call counts. A rule is words divided by spaces:
 *
 *   read|write|sync|make|remove|name TEXT [nth=N] [times=N] [from=BYTE] [to=BYTE] [slow=MS] [rate=BYTES] [errno=NAME]
 * [die=before|after]
 *
 *   read    read, pread            write   write, pwrite, ftruncate, fallocate
 *   sync    fsync, fdatasync       make    open to create, link, rename, mkdir
 *   remove  unlink, rmdir          name    make or remove
 *   TEXT    part of the file's name (link and rename: of the new one; unlinkat: of the folder)
 *   nth     from the N-th such call of the process on (1 = the first)
 *   times   so often, then never again; over all processes, where TARKKA_FAULTS_STATE names a folder to count in
 *   from,to only calls that touch these bytes of the file
 *   slow, rate   take so many milliseconds, or a second for so many bytes, more; TARKKA_FAULTS_STATE/slept-PROCESS has
 *           the sum in seconds
 *   errno   fail: EIO, ENOSPC, EDQUOT, EINTR
 *   die     the process is killed (SIGKILL) before the call or after it */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { RULES = 8 };
typedef enum kind { KIND_READ = 1, KIND_WRITE = 2, KIND_SYNC = 4, KIND_MAKE = 8, KIND_REMOVE = 16 } kind;
typedef enum death { DEATH_NONE, DEATH_BEFORE, DEATH_AFTER } death;

typedef struct rule {
    int kinds; /* one or more */
    char text[256];
    long nth, times, from, to, slow_ms, rate;
    int error;
    death death;
    long calls, used; /* so far */
} rule;

/* What a call is about to do. */
typedef struct call {
    kind kind;
    const char *name; /* of the file; NULL: look it up from fd */
    int fd;
    long offset, size; /* offset -1: where the file stands */
} call;

static rule rules[RULES];
static int rule_count;
static double slept; /* s */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void bad_rule(const char *word) {
    fprintf(stderr, "TARKKA_FAULTS: '%s' is not understood\n", word);
    _exit(99);
}

static int error_of(const char *name) {
    static const struct {
        const char *name;
        int error;
    } known[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EINTR", EINTR}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(name, known[i].name)) return known[i].error;
    bad_rule(name);
    return 0;
}

static void read_word(rule *r, char *word) {
    char *value = strchr(word, '=');
    if (!value) bad_rule(word);
    *value++ = 0;
    long *const places[] = {&r->nth, &r->times, &r->from, &r->to, &r->slow_ms, &r->rate};
    static const char *const names[] = {"nth", "times", "from", "to", "slow", "rate"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(word, names[i])) {
            *places[i] = strtol(value, NULL, 10);
            return;
        }
    if (!strcmp(word, "errno"))
        r->error = error_of(value);
    else if (!strcmp(word, "die"))
        r->death = !strcmp(value, "before") ? DEATH_BEFORE : DEATH_AFTER;
    else
        bad_rule(word);
}

static void read_rule(char *text) {
    static const struct {
        const char *name;
        int kinds;
    } known[] = {{"read", KIND_READ}, {"write", KIND_WRITE},   {"sync", KIND_SYNC},
                 {"make", KIND_MAKE}, {"remove", KIND_REMOVE}, {"name", KIND_MAKE | KIND_REMOVE}};
    char *rest = NULL, *word = strtok_r(text, " ", &rest);
    if (!word) return;
    if (rule_count == RULES) bad_rule("more than 8 rules");
    rule *r = &rules[rule_count++];
    *r = (rule){.nth = 1, .times = LONG_MAX, .to = LONG_MAX};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(word, known[i].name)) r->kinds = known[i].kinds;
    const char *name = strtok_r(NULL, " ", &rest);
    if (!r->kinds || !name) bad_rule(word);
    snprintf(r->text, sizeof r->text, "%s", name);
    while ((word = strtok_r(NULL, " ", &rest))) read_word(r, word);
}

static void read_rules(void) {
    char *text = getenv("TARKKA_FAULTS"), *rest = NULL;
    text = text ? strdup(text) : NULL;
    for (char *part = text ? strtok_r(text, ";", &rest) : NULL; part; part = strtok_r(NULL, ";", &rest))
        read_rule(part);
    free(text);
}

/* The C library's own function; the wrappers below stand before it. */
static void *next(const char *function) {
    void *found = dlsym(RTLD_NEXT, function);
    if (!found) bad_rule(function);
    return found;
}

/* The C library's function as a pointer of the wrapper's type, looked up once. */
#define REAL(function)                                                                                                 \
    static __typeof__(function) *real;                                                                                 \
    if (!real) *(void **)&real = next(#function)

/* Takes one of the rule's `times`: here, or as a file that only one process can make. */
static int take_turn(rule *r) {
    const char *folder = getenv("TARKKA_FAULTS_STATE");
    if (r->times == LONG_MAX) return 1;
    if (!folder) return r->used++ < r->times;
    for (long i = 0; i < r->times; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/fault-%d-%ld", folder, (int)(r - rules), i);
        const int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
        if (file < 0) continue;
        close(file);
        return 1;
    }
    return 0;
}

static int meets(const rule *r, const call *c, const char *name) {
    if (!(r->kinds & c->kind) || !strstr(name, r->text)) return 0;
    if (r->from == 0 && r->to == LONG_MAX) return 1;
    const long at = c->offset >= 0 ? c->offset : (long)lseek(c->fd, 0, SEEK_CUR);
    return at < r->to && at + c->size > r->from;
}

/* The rule whose turn it is, copied; 0: none. */
static int find_rule(const call *c, rule *found) {
    char link[64], path[PATH_MAX] = "";
    int interesting = 0;
    pthread_once(&once, read_rules);
    for (int i = 0; i < rule_count; i++) interesting |= rules[i].kinds & c->kind;
    if (!interesting) return 0;
    if (!c->name) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", c->fd);
        const ssize_t length = readlink(link, path, sizeof path - 1);
        if (length < 0) return 0;
        path[length] = 0;
    }
    int is = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < rule_count && !is; i++) {
        if (!meets(&rules[i], c, c->name ? c->name : path) || ++rules[i].calls < rules[i].nth) continue;
        is = take_turn(&rules[i]);
        *found = rules[i];
    }
    pthread_mutex_unlock(&lock);
    return is;
}

static void pass(double seconds) {
    const struct timespec pause = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    nanosleep(&pause, NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    pthread_mutex_lock(&lock);
    slept += (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    pthread_mutex_unlock(&lock);
}

/* For benchmarks: how much time was taken in all, in the file slept-PROCESS. */
__attribute__((destructor)) static void say_slept(void) {
    const char *folder = getenv("TARKKA_FAULTS_STATE");
    char path[PATH_MAX];
    if (slept <= 0 || !folder) return;
    snprintf(path, sizeof path, "%s/slept-%d", folder, (int)getpid());
    FILE *file = fopen(path, "w");
    if (!file) return;
    fprintf(file, "%.6f\n", slept);
    fclose(file);
}

/* What comes before the call; 1: it shall fail with errno. *after: it ends the process afterwards. */
static int before(const call *c, int *after) {
    rule r;
    *after = 0;
    if (!find_rule(c, &r)) return 0;
    if (r.slow_ms) pass((double)r.slow_ms / 1000);
    if (r.rate) pass((double)c->size / (double)r.rate);
    if (r.death == DEATH_BEFORE) kill(getpid(), SIGKILL);
    *after = r.death == DEATH_AFTER;
    errno = r.error;
    return r.error != 0;
}

#define CALL(kind_, name_, fd_, offset_, size_)                                                                        \
    const call c = {kind_, name_, fd_, offset_, (long)(size_)};                                                        \
    int dies;                                                                                                          \
    if (before(&c, &dies)) return -1

/* Made by a macro, since read and pread64, link and mkdir differ in nothing else. */
#define WRAP(T, function, declare, give, kind_, name_, fd_, offset_, size_)                                            \
    T function declare {                                                                                               \
        REAL(function);                                                                                                \
        CALL(kind_, name_, fd_, offset_, size_);                                                                       \
        const T result = real give;                                                                                    \
        if (dies) kill(getpid(), SIGKILL);                                                                             \
        return result;                                                                                                 \
    }

WRAP(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size), KIND_READ, NULL, fd, -1, size)
WRAP(ssize_t, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), KIND_READ, NULL, fd, at, size)
WRAP(ssize_t, pread64, (int fd, void *to, size_t size, off64_t at), (fd, to, size, at), KIND_READ, NULL, fd, at, size)
WRAP(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size), KIND_WRITE, NULL, fd, -1, size)
WRAP(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), KIND_WRITE, NULL, fd, at,
     size)
WRAP(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at), KIND_WRITE, NULL, fd,
     at, size)
WRAP(int, ftruncate, (int fd, off_t size), (fd, size), KIND_WRITE, NULL, fd, 0, 0)
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size), KIND_WRITE, NULL, fd, 0, 0)
WRAP(int, fsync, (int fd), (fd), KIND_SYNC, NULL, fd, 0, 0)
WRAP(int, fdatasync, (int fd), (fd), KIND_SYNC, NULL, fd, 0, 0)
WRAP(int, link, (const char *from, const char *to), (from, to), KIND_MAKE, to, -1, 0, 0)
WRAP(int, rename, (const char *from, const char *to), (from, to), KIND_MAKE, to, -1, 0, 0)
WRAP(int, unlink, (const char *path), (path), KIND_REMOVE, path, -1, 0, 0)
WRAP(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags), KIND_REMOVE, NULL, folder, 0, 0)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), KIND_MAKE, path, -1, 0, 0)
WRAP(int, rmdir, (const char *path), (path), KIND_REMOVE, path, -1, 0, 0)

/* posix_fallocate answers its error instead of setting errno. */
int posix_fallocate(int fd, off_t at, off_t size) {
    REAL(posix_fallocate);
    const call c = {KIND_WRITE, NULL, fd, at, size};
    int dies;
    if (before(&c, &dies)) return errno;
    const int result = real(fd, at, size);
    if (dies) kill(getpid(), SIGKILL);
    return result;
}

/* Opening counts only where it makes a file. */
#define WRAP_OPEN(function)                                                                                            \
    int function(const char *path, int flags, ...) {                                                                   \
        REAL(function);                                                                                                \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                  \
        va_end(rest);                                                                                                  \
        if (!(flags & O_CREAT)) return real(path, flags, mode);                                                        \
        CALL(KIND_MAKE, path, -1, 0, 0);                                                                               \
        const int result = real(path, flags, mode);                                                                    \
        if (dies) kill(getpid(), SIGKILL);                                                                             \
        return result;                                                                                                 \
    }
WRAP_OPEN(open)
WRAP_OPEN(open64)
