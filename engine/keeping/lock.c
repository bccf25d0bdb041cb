/* Taking, beating and taking over the lock of a run's folder. */
#include "engine/keeping/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The owner of a lock. */
typedef struct owner {
    char token[33], host[65], boot[64], space[64]; /* space: its namespace of process numbers */
    char job[33];                                  /* Slurm's job; "" = none */
    int64_t pid, restart;
    int64_t started; /* of the process, ticks since boot */
    time_t beat;     /* last sign of life, the file system's clock */
} owner;

static void read_line(const char *file, char *text, size_t room) {
    FILE *stream = fopen(file, "re");
    text[0] = 0;
    if (!stream) return;
    if (!fgets(text, (int)room, stream)) text[0] = 0;
    text[strcspn(text, "\n")] = 0;
    fclose(stream);
}

/* When a process of this machine started; 0: it is not there, or only waits to be buried. */
static int64_t start_of(int64_t pid) {
    char file[64], line[1024];
    snprintf(file, sizeof file, "/proc/%lld/stat", (long long)pid);
    read_line(file, line, sizeof line);
    const char *at = strrchr(line, ')'); /* the name of the program may hold anything */
    if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X') return 0;
    for (int field = 2; field < 22 && at; field++) at = strchr(at + 1, ' ');
    return at ? strtoll(at, NULL, 10) : 0;
}

static void copy_text(char *to, size_t room, const char *from) { snprintf(to, room, "%s", from ? from : ""); }

static owner myself(void) {
    owner me = {.pid = getpid()};
    unsigned char random[16] = {0};
    if (getrandom(random, sizeof random, 0) < 0) memcpy(random, &me.pid, sizeof me.pid);
    for (int i = 0; i < 16; i++) snprintf(me.token + 2 * i, 3, "%02x", random[i]);
    if (gethostname(me.host, sizeof me.host - 1) != 0) copy_text(me.host, sizeof me.host, "unknown");
    read_line("/proc/sys/kernel/random/boot_id", me.boot, sizeof me.boot);
    const ssize_t length = readlink("/proc/self/ns/pid", me.space, sizeof me.space - 1);
    me.space[length > 0 ? length : 0] = 0;
    me.started = start_of(me.pid);
    copy_text(me.job, sizeof me.job, getenv("SLURM_JOB_ID"));
    const char *restart = getenv("SLURM_RESTART_COUNT");
    me.restart = restart ? strtoll(restart, NULL, 10) : 0;
    return me;
}

static const char *member(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* Reads a lock; false: there is none. One that says nothing belongs to nobody, but its sign of life counts. */
static bool read_owner(const char *file, owner *o) {
    struct stat status;
    *o = (owner){0};
    if (stat(file, &status) != 0) return false;
    o->beat = status.st_mtime;
    json_t *object = json_load_file(file, 0, NULL);
    copy_text(o->token, sizeof o->token, member(object, "token"));
    copy_text(o->host, sizeof o->host, member(object, "host"));
    copy_text(o->boot, sizeof o->boot, member(object, "boot"));
    copy_text(o->space, sizeof o->space, member(object, "pid_namespace"));
    copy_text(o->job, sizeof o->job, member(object, "slurm_job"));
    o->pid = json_integer_value(json_object_get(object, "pid"));
    o->started = json_integer_value(json_object_get(object, "started"));
    o->restart = json_integer_value(json_object_get(object, "slurm_restart"));
    json_decref(object);
    return true;
}

typedef enum verdict { ALIVE, DEAD, SILENT } verdict;

/* Is the owner of a lock still at work? SILENT: on another machine, or somebody else's process that /proc hides, and so
 * far it may be. `now` by the file system's clock. */
static verdict judge(const owner *o, const owner *me, time_t now) {
    const bool here = *o->boot && !strcmp(o->boot, me->boot) && !strcmp(o->space, me->space);
    const bool hidden = here && kill((pid_t)o->pid, 0) != 0 && errno == EPERM && start_of(o->pid) == 0;
    if (here && !hidden) return o->started != 0 && start_of(o->pid) == o->started ? ALIVE : DEAD;
    if (*o->job && !strcmp(o->job, me->job) && o->restart < me->restart) return DEAD;
    return now - o->beat > TK_LOCK_STALE ? DEAD : SILENT;
}

/* Listens for a sign of life of an owner on another machine until it counts as dead; the job that held the lock may
 * have been killed a moment ago. */
static verdict listen_for_life(const char *lock, const owner *o, const owner *me, time_t now) {
    fprintf(stderr, "%s: held on %s; listening for a sign of life for up to %d s\n", lock, o->host, TK_LOCK_STALE);
    for (time_t waited = 0;; waited++) {
        owner again;
        if (!read_owner(lock, &again) || strcmp(again.token, o->token) != 0) return SILENT;
        if (again.beat != o->beat) return ALIVE;
        if (judge(o, me, now + waited) == DEAD) return DEAD;
        sleep(1);
    }
}

static tk_status write_owner(const char *file, const owner *me, tk_error *error) {
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:I}", "token", me->token, "host", me->host, "pid",
                  (json_int_t)me->pid, "started", (json_int_t)me->started, "boot", me->boot, "pid_namespace", me->space,
                  "slurm_job", me->job, "slurm_restart", (json_int_t)me->restart);
    if (!object) return tk_fail_memory(error, "the lock");
    const int failed = json_dump_file(object, file, JSON_INDENT(1));
    json_decref(object);
    if (!failed) return TK_OK;
    const tk_status status = tk_fail_errno(error, TK_UNWRITABLE, file, "cannot be written");
    (void)unlink(file);
    return status;
}

/* Gives the owner's file the name of the lock, unless it is taken. */
static bool appear(const char *mine, const char *lock) {
    if (link(mine, lock) == 0) return true;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK && errno != ENOSYS) return false;
    const int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); /* no hard links here */
    if (fd < 0) return false;
    close(fd);
    return rename(mine, lock) == 0;
}

/* Moves a lock that was left behind out of the way. Whoever moves it looks at what was moved: should it be that of a
 * run that was quicker, it is put back. */
static void bury(const char *lock, const owner *dead, const char *token) {
    char *grave = NULL;
    owner moved;
    if (asprintf(&grave, "%s.left-%s", lock, token) < 0) return;
    if (rename(lock, grave) == 0) {
        if (read_owner(grave, &moved) && strcmp(moved.token, dead->token) != 0) (void)link(grave, lock);
        (void)unlink(grave);
    }
    free(grave);
}

static void describe(const owner *o, char *text, size_t room) {
    snprintf(text, room, "%s, process %lld%s%s", *o->host ? o->host : "an unknown machine", (long long)o->pid,
             *o->job ? ", Slurm job " : "", o->job);
}

static tk_status refuse(const char *folder, const owner *o, time_t now, tk_error *error) {
    char who[256];
    describe(o, who, sizeof who);
    return tk_fail(error, TK_UNWRITABLE,
                   "%s: another run is writing this result (%s; last sign of life %lld s ago); wait for it, or end it",
                   folder, who, (long long)(now > o->beat ? now - o->beat : 0));
}

static tk_status take(const char *folder, const char *lock, const char *mine, const owner *me, tk_error *error) {
    enum { ATTEMPTS = 5 };
    struct stat status;
    int why = 0;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        owner other;
        if (appear(mine, lock)) return TK_OK;
        why = errno;
        if (!read_owner(lock, &other)) continue;
        if (!strcmp(other.token, me->token)) return TK_OK; /* NFS may link, and yet say that the name was taken */
        if (stat(mine, &status) != 0) return tk_fail_errno(error, TK_UNWRITABLE, mine, "cannot be looked at");
        verdict v = judge(&other, me, status.st_mtime);
        if (v == SILENT) v = listen_for_life(lock, &other, me, status.st_mtime);
        if (v == ALIVE) return refuse(folder, &other, status.st_mtime, error);
        if (v == DEAD) bury(lock, &other, me->token);
    }
    errno = why;
    return tk_fail_errno(error, TK_UNWRITABLE, lock, "the lock of this result cannot be taken");
}

tk_status tk_lock_take(const char *folder, tk_lock *lock, tk_error *error) {
    const owner me = myself();
    char *mine = NULL;
    *lock = (tk_lock){0};
    if (asprintf(&lock->file, "%s/lock", folder) < 0 || asprintf(&mine, "%s/lock.%s", folder, me.token) < 0) {
        free(lock->file);
        *lock = (tk_lock){0};
        return tk_fail_memory(error, "the lock");
    }
    tk_status status = write_owner(mine, &me, error);
    if (status == TK_OK) {
        status = take(folder, lock->file, mine, &me, error);
        (void)unlink(mine);
    }
    free(mine);
    copy_text(lock->token, sizeof lock->token, me.token);
    if (status == TK_OK) return TK_OK;
    free(lock->file);
    *lock = (tk_lock){0};
    return status;
}

bool tk_lock_beat(const tk_lock *lock) {
    owner now;
    if (!read_owner(lock->file, &now)) return errno != ENOENT; /* a file system that is ill for a moment says nothing */
    if (*now.token && strcmp(now.token, lock->token) != 0) return false;
    (void)utimensat(AT_FDCWD, lock->file, NULL, 0);
    return true;
}

void tk_lock_remove(const tk_lock *lock) {
    owner now;
    if (lock->file && read_owner(lock->file, &now) && !strcmp(now.token, lock->token)) (void)unlink(lock->file);
}

void tk_lock_release(tk_lock *lock) {
    tk_lock_remove(lock);
    free(lock->file);
    *lock = (tk_lock){0};
}

bool tk_lock_owner(const char *folder, bool *alive, char *text, size_t room) {
    char *file = NULL;
    owner o;
    if (asprintf(&file, "%s/lock", folder) < 0) return false;
    const bool held = read_owner(file, &o);
    free(file);
    if (!held) return false;
    const owner me = myself();
    *alive = judge(&o, &me, time(NULL)) != DEAD;
    describe(&o, text, room);
    return true;
}
