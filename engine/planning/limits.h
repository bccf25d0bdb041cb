/* What memory a rank may use when the user does not say: the default, lowered to what the batch system, the control
 * group, the shell or the machine gives it. */
#ifndef TK_ENGINE_LIMITS_H
#define TK_ENGINE_LIMITS_H

#include <stdint.h>

/* Bytes that each of `local_ranks` ranks on this machine may use: the least of TK_DEFAULT_MEMORY, Slurm's memory of the
 * job, the control group's limit, the limits on address space and data (ulimit -v, ulimit -d) and the machine's RAM.
 * Of limits at which a process is killed a few per cent are left free. *source (may be NULL) becomes a constant
 * text that says which it was: "Slurm's --mem-per-cpu". Ranks on machines that differ may be told different numbers:
 * all must plan with the least of them. */
int64_t tk_memory_limit(int local_ranks, const char **source);

/* The most memory that this process has had resident at a time, in bytes; unlike getrusage, it leaves out what the
 * process was that started it. */
int64_t tk_memory_peak(void);

/* The least memory limit on the way from a process's control group to the root, in bytes; INT64_MAX where there is
 * none. `membership` is a file like /proc/self/cgroup, `mount` the folder where the groups are mounted; version 1 and 2
 * of control groups. */
int64_t tk_cgroup_limit(const char *membership, const char *mount);

#endif
