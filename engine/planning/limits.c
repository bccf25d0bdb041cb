/* Limits of memory, from wherever this process may be told one. What cannot be read limits nothing. */
#include "engine/planning/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/plan.h"

/* Of a limit at which a process is killed, one part in this many stays free. */
enum { FREE_PART = 25 };

/* Address space that is mapped and not used: libraries, the stacks and arenas of threads. */
static const int64_t MAPS = (int64_t)768 << 20;

static const int64_t MIB = 1 << 20;

typedef struct limit {
    int64_t bytes;
    const char *source;
} limit;

static void lower(limit *least, int64_t bytes, const char *source) {
    if (bytes < least->bytes) *least = (limit){bytes > 0 ? bytes : 1, source};
}

/* The same for a limit that kills. */
static void lower_hard(limit *least, int64_t bytes, const char *source) {
    if (bytes < INT64_MAX) lower(least, bytes - bytes / FREE_PART, source);
}

/* A whole number without unit, as Slurm and the kernel write them; -1: it is none (as "max"). */
static int64_t whole_number(const char *text) {
    char *end = NULL;
    if (!text || *text < '0' || *text > '9') return -1;
    errno = 0;
    const int64_t number = strtoll(text, &end, 10);
    return errno == 0 && (*end == '\0' || *end == '\n') ? number : -1;
}

/* --- Slurm -------------------------------------------------------------------------------------------------------- */

/* A variable that counts MiB, in bytes; 0: not set, or "all of the node". */
static int64_t slurm_mib(const char *name) {
    const int64_t mib = whole_number(getenv(name));
    return mib > 0 && mib < INT64_MAX / MIB ? mib * MIB : 0;
}

static void lower_to_slurm(limit *least, int local_ranks) {
    const int64_t per_cpu = slurm_mib("SLURM_MEM_PER_CPU"), per_node = slurm_mib("SLURM_MEM_PER_NODE");
    const int64_t given = whole_number(getenv("SLURM_CPUS_PER_TASK")), cpus = given > 0 && given < 65536 ? given : 1;
    if (per_cpu > 0 && per_cpu < INT64_MAX / cpus) lower_hard(least, per_cpu * cpus, "Slurm's --mem-per-cpu");
    if (per_node > 0) lower_hard(least, per_node / local_ranks, "Slurm's --mem");
}

/* --- Control groups ----------------------------------------------------------------------------------------------- */

/* The number in mount/path/file; INT64_MAX: none. Version 1 says "no limit" with a number larger than any machine. */
static int64_t read_limit(const char *mount, const char *path, const char *file) {
    char name[PATH_MAX], text[64] = "";
    const int length = snprintf(name, sizeof name, "%s%s/%s", mount, path, file);
    FILE *from = length > 0 && (size_t)length < sizeof name ? fopen(name, "r") : NULL;
    if (!from) return INT64_MAX;
    const bool got = fgets(text, sizeof text, from) != NULL;
    (void)fclose(from);
    const int64_t number = got ? whole_number(text) : -1;
    return number >= 0 && number < INT64_MAX / 2 ? number : INT64_MAX;
}

/* The least of a group and all groups above it. Groups that this process cannot see are passed over: in a container the
 * path may be that of the host. */
static int64_t walk_up(const char *mount, char *path, const char *file) {
    int64_t least = INT64_MAX;
    for (;;) {
        const int64_t here = read_limit(mount, path, file);
        if (here < least) least = here;
        char *slash = strrchr(path, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

/* Is `name` in a list like "cpu,memory"? */
static bool is_listed(const char *list, const char *name) {
    const size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0')) return true;
    return false;
}

/* One line "NUMBER:CONTROLLERS:PATH"; without controllers it is that of version 2. */
static int64_t limit_of_line(char *line, const char *mount) {
    char memory[PATH_MAX];
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) return INT64_MAX;
    *path++ = '\0';
    controllers++;
    if (*controllers == '\0') return walk_up(mount, path, "memory.max");
    if (!is_listed(controllers, "memory")) return INT64_MAX;
    const int length = snprintf(memory, sizeof memory, "%s/memory", mount);
    return length > 0 && (size_t)length < sizeof memory ? walk_up(memory, path, "memory.limit_in_bytes") : INT64_MAX;
}

int64_t tk_cgroup_limit(const char *membership, const char *mount) {
    char line[PATH_MAX];
    int64_t least = INT64_MAX;
    FILE *from = fopen(membership, "r");
    while (from && fgets(line, sizeof line, from)) {
        const int64_t bytes = limit_of_line(line, mount);
        if (bytes < least) least = bytes;
    }
    if (from) (void)fclose(from);
    return least;
}

/* --- What was used ------------------------------------------------------------------------------------------------ */

int64_t tk_memory_peak(void) {
    char line[128];
    long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && kib == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtoll(line + 6, NULL, 10);
    if (file) (void)fclose(file);
    if (kib > 0) return kib * 1024;
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss * 1024;
}

/* --- All together ------------------------------------------------------------------------------------------------- */

static int64_t shell_limit(__rlimit_resource_t resource) {
    struct rlimit shell;
    if (getrlimit(resource, &shell) != 0 || shell.rlim_cur == RLIM_INFINITY || shell.rlim_cur > INT64_MAX / 2)
        return INT64_MAX;
    const int64_t left = (int64_t)shell.rlim_cur - MAPS;
    return left > 0 ? left : 1;
}

static int64_t machine_memory(void) {
    const int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 && pages < INT64_MAX / page ? pages * page : INT64_MAX;
}

int64_t tk_memory_limit(int local_ranks, const char **source) {
    limit least = {TK_DEFAULT_MEMORY, "the default"};
    if (local_ranks < 1) local_ranks = 1;
    lower_to_slurm(&least, local_ranks);
    const int64_t group = tk_cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup");
    if (group < INT64_MAX) lower_hard(&least, group / local_ranks, "the control group's limit");
    lower_hard(&least, shell_limit(RLIMIT_AS), "ulimit -v");
    lower_hard(&least, shell_limit(RLIMIT_DATA), "ulimit -d");
    lower_hard(&least, machine_memory() / local_ranks, "the machine's memory");
    if (source) *source = least.source;
    return least.bytes;
}
