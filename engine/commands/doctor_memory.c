/* The doctor looks at memory: what a run would use, and the limits it comes from. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/commands/doctor.h"
#include "engine/plan.h"
#include "engine/planning/limits.h"

static const double MIB = 1 << 20, GIB = 1 << 30;

/* Limits as JSON: null where there is none. */
static json_t *bytes_or_null(int64_t bytes) { return bytes < INT64_MAX ? json_integer(bytes) : json_null(); }

static int64_t address_space(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > INT64_MAX)
        return INT64_MAX;
    return (int64_t)limit.rlim_cur;
}

/* The rank that may use least decides, for all plan alike. */
static const json_t *poorest(const json_t *ranks) {
    const json_t *least = json_array_get(ranks, 0), *rank = NULL;
    size_t i = 0;
    json_array_foreach(ranks, i, rank) if (json_integer_value(json_object_get(rank, "memory_bytes")) <
                                           json_integer_value(json_object_get(least, "memory_bytes"))) least = rank;
    return least;
}

static void note_memory(tk_doctor *d) {
    const json_t *rank = poorest(d->ranks);
    const int64_t planned = json_integer_value(json_object_get(rank, "memory_bytes"));
    const char *source = json_string_value(json_object_get(rank, "memory_source"));
    const int64_t group = tk_cgroup_limit("/proc/self/cgroup", "/sys/fs/cgroup");
    const int64_t machine = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    json_t *facts = json_pack("{s:I, s:s?, s:I, s:o, s:o}", "planned_bytes_per_rank", (json_int_t)planned, "source",
                              source, "machine_bytes", (json_int_t)machine, "cgroup_bytes", bytes_or_null(group),
                              "address_space_bytes", bytes_or_null(address_space()));
    const bool lowered = planned < TK_DEFAULT_MEMORY;
    tk_doctor_note(d, "memory", lowered ? TK_VERDICT_NOTE : TK_VERDICT_OK,
                   lowered ? "tiles become smaller, and halos dearer; ask for more memory or start fewer ranks" : NULL,
                   facts, "a run plans with %.0f MiB a rank (%s); the machine has %.1f GiB", (double)planned / MIB,
                   source ? source : "?", (double)machine / GIB);
}

/* The word in brackets of "always [madvise] never". */
static void note_huge_pages(tk_doctor *d) {
    char line[128] = "", *word = NULL;
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (file && !fgets(line, sizeof line, file)) line[0] = '\0';
    if (file) (void)fclose(file);
    if ((word = strchr(line, '['))) word++;
    if (word) word[strcspn(word, "]")] = '\0';
    const bool never = !word || !strcmp(word, "never");
    tk_doctor_note(d, "huge pages", never ? TK_VERDICT_NOTE : TK_VERDICT_OK,
                   never ? "large transforms run some per cent slower; only an administrator can change it" : NULL,
                   json_pack("{s:s?}", "transparent_hugepage", word), "transparent huge pages: %s",
                   word ? word : "the kernel has none");
}

void tk_doctor_examine_memory(tk_doctor *doctor) {
    if (!doctor->checks) return;
    note_memory(doctor);
    note_huge_pages(doctor);
}
