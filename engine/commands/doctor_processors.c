/* The doctor looks at processors: which each rank may use, instruction sets, and variables that disturb threads. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/commands/doctor.h"
#include "engine/planning/limits.h"
#include "kernels/common/cpu.h"

/* "0-3,8" */
static void list_processors(const cpu_set_t *set, char *text, size_t room) {
    size_t at = 0;
    text[0] = '\0';
    for (int first = 0; first < CPU_SETSIZE && at + 24 < room; first++) {
        if (!CPU_ISSET(first, set)) continue;
        int last = first;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set)) last++;
        at += (size_t)snprintf(text + at, room - at, last > first ? "%s%d-%d" : "%s%d", at > 0 ? "," : "", first, last);
        first = last;
    }
}

json_t *tk_doctor_rank(const tk_comm *comm) {
    char host[256] = "", which[512] = "";
    const char *source = NULL;
    const int64_t memory = tk_memory_limit(tk_comm_local_size(comm), &source);
    cpu_set_t set;
    CPU_ZERO(&set);
    (void)gethostname(host, sizeof host - 1);
    (void)sched_getaffinity(0, sizeof set, &set);
    list_processors(&set, which, sizeof which);
    return json_pack("{s:s, s:s, s:i, s:I, s:i, s:i, s:I, s:s, s:s}", "host", host, "which", which, "processors",
                     CPU_COUNT(&set), "machine_processors", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "sharers",
                     tk_comm_sharers(comm), "ranks_here", tk_comm_local_size(comm), "memory_bytes", (json_int_t)memory,
                     "memory_source", source, "instruction_set", tk_isa_text(tk_isa_detect()));
}

static int64_t number_of(const json_t *rank, const char *key) { return json_integer_value(json_object_get(rank, key)); }

/* The least over all ranks of a number they have told. */
static int64_t least_of(const json_t *ranks, const char *key) {
    int64_t least = INT64_MAX;
    size_t i = 0;
    const json_t *rank = NULL;
    json_array_foreach(ranks, i, rank) {
        const int64_t number = number_of(rank, key);
        if (number < least) least = number;
    }
    return least;
}

/* Threads that the rank with the fewest gets. */
static int64_t least_threads(const json_t *ranks) {
    int64_t least = INT64_MAX;
    size_t i = 0;
    const json_t *rank = NULL;
    json_array_foreach(ranks, i, rank) {
        const int64_t sharers = number_of(rank, "sharers");
        const int64_t threads = sharers > 0 ? number_of(rank, "processors") / sharers : 0;
        if (threads < least) least = threads;
    }
    return least;
}

static int64_t most_sharers(const json_t *ranks) {
    int64_t most = 0;
    size_t i = 0;
    const json_t *rank = NULL;
    json_array_foreach(ranks, i, rank) if (number_of(rank, "sharers") > most) most = number_of(rank, "sharers");
    return most;
}

static void note_binding(tk_doctor *d) {
    const json_t *first = json_array_get(d->ranks, 0);
    const int64_t mine = number_of(first, "processors"), machine = number_of(first, "machine_processors");
    const int64_t sharers = most_sharers(d->ranks), threads = least_threads(d->ranks);
    json_t *facts =
        json_pack("{s:I, s:I, s:I, s:I}", "processors", (json_int_t)mine, "machine_processors", (json_int_t)machine,
                  "most_sharers", (json_int_t)sharers, "threads_per_rank", (json_int_t)(threads > 0 ? threads : 1));
    if (threads < 1)
        tk_doctor_note(d, "binding", TK_VERDICT_PROBLEM,
                       "start fewer ranks on a machine, or give them more processors (srun --cpus-per-task, mpirun "
                       "--map-by slot:PE=N)",
                       facts, "%lld ranks share %lld processor%s", (long long)sharers, (long long)mine,
                       mine == 1 ? "" : "s");
    else if (sharers > 1)
        tk_doctor_note(d, "binding", TK_VERDICT_NOTE,
                       "give each its own: mpirun --map-by slot:PE=N, or srun --cpus-per-task=N --cpu-bind=cores",
                       facts, "%lld ranks share %lld processors, %lld thread%s each; they may get in each other's way",
                       (long long)sharers, (long long)mine, (long long)threads, threads == 1 ? "" : "s");
    else if (mine * number_of(first, "ranks_here") < machine)
        tk_doctor_note(d, "binding", TK_VERDICT_NOTE,
                       "where the whole machine is yours: more ranks or more processors for each (mpirun --bind-to "
                       "none or --map-by slot:PE=N, srun --cpus-per-task=N)",
                       facts, "each rank has %lld of the machine's %lld processors; some stay unused", (long long)mine,
                       (long long)machine);
    else
        tk_doctor_note(d, "binding", TK_VERDICT_OK, NULL, facts,
                       "each rank has processors of its own: %lld of the machine's %lld", (long long)mine,
                       (long long)machine);
}

static void note_instruction_set(tk_doctor *d) {
    const char *forced = getenv("TARKKA_CPU");
    const tk_isa best = tk_isa_detect();
    tk_isa chosen = best;
    const char *compiled = TK_ISA_COMPILED;
    const bool known = !forced || tk_isa_from_text(forced, &chosen);
    size_t i = 0;
    const json_t *rank = NULL;
    bool same = true;
    json_array_foreach(d->ranks, i, rank) {
        const char *theirs = json_string_value(json_object_get(rank, "instruction_set"));
        same = same && theirs && !strcmp(theirs, tk_isa_text(best));
    }
    json_t *facts = json_pack("{s:s, s:s, s:s, s:b}", "compiled", compiled, "detected", tk_isa_text(best), "chosen",
                              tk_isa_text(chosen), "same_on_all", same);
    if (!known || chosen > best)
        tk_doctor_note(d, "instructions", TK_VERDICT_PROBLEM, "unset TARKKA_CPU, or name one that this machine has",
                       facts, "TARKKA_CPU=%s, but this machine has %s", forced, tk_isa_text(best));
    else if (!same)
        tk_doctor_note(d, "instructions", TK_VERDICT_PROBLEM,
                       "set TARKKA_CPU to one that all have, so that all ranks compute the same bits", facts,
                       "the machines of this job have different instruction sets");
    else
        tk_doctor_note(d, "instructions", TK_VERDICT_OK, NULL, facts, "%s chosen, %s detected, %s compiled",
                       tk_isa_text(chosen), tk_isa_text(best), compiled);
}

/* Threads that are pinned by OpenMP: all ranks pin to the first processors of what they may use. */
static const char *pinning_variable(void) {
    static const char *const names[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value && *value && strcasecmp(value, "false") != 0) return names[i];
    }
    return NULL;
}

static void note_threads(tk_doctor *d) {
    const char *pinning = pinning_variable(), *number = getenv("OMP_NUM_THREADS"), *limit = getenv("OMP_THREAD_LIMIT");
    const int64_t threads = least_threads(d->ranks);
    json_t *facts =
        json_pack("{s:s?, s:s?, s:s?}", "pinned_by", pinning, "OMP_NUM_THREADS", number, "OMP_THREAD_LIMIT", limit);
    if (pinning && most_sharers(d->ranks) > 1)
        tk_doctor_note(d, "threads", TK_VERDICT_PROBLEM,
                       "unset it, or bind each rank to processors of its own with mpirun or srun", facts,
                       "%s pins threads of ranks that share processors: onto the same ones", pinning);
    else if (limit && atoll(limit) > 0 && atoll(limit) < threads)
        tk_doctor_note(d, "threads", TK_VERDICT_PROBLEM, "unset OMP_THREAD_LIMIT", facts,
                       "OMP_THREAD_LIMIT=%s allows fewer threads than a rank's processors", limit);
    else if (pinning)
        tk_doctor_note(d, "threads", TK_VERDICT_NOTE,
                       "unset it: reading and writing threads are pinned with the first of the computing ones", facts,
                       "%s is set", pinning);
    else if (number && atoll(number) != threads)
        tk_doctor_note(d, "threads", TK_VERDICT_NOTE, "say it with --threads, where it is meant", facts,
                       "OMP_NUM_THREADS=%s is not used: a rank takes %lld thread%s, as many as its processors", number,
                       (long long)(threads > 0 ? threads : 1), threads > 1 ? "s" : "");
    else
        tk_doctor_note(d, "threads", TK_VERDICT_OK, NULL, facts, "no variable disturbs OpenMP's threads");
}

void tk_doctor_examine_processors(tk_doctor *doctor) {
    if (!doctor->checks) return;
    note_binding(doctor);
    note_instruction_set(doctor);
    note_threads(doctor);
}

/* --- The batch job ------------------------------------------------------------------------------------------------ */

static json_t *slurm_variables(void) {
    static const char *const names[] = {"SLURM_JOB_ID",       "SLURM_JOB_PARTITION", "SLURM_JOB_NUM_NODES",
                                        "SLURM_NTASKS",       "SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_CPU",
                                        "SLURM_MEM_PER_NODE", "SLURM_RESTART_COUNT", "SLURM_STEP_NUM_TASKS",
                                        "SLURM_STEP_ID",      "SLURM_ARRAY_TASK_ID", "SLURM_CPU_BIND"};
    json_t *facts = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value) json_object_set_new(facts, names[i], json_string(value));
    }
    return facts;
}

void tk_doctor_examine_batch_job(tk_doctor *doctor) {
    if (!doctor->checks) return;
    const char *job = getenv("SLURM_JOB_ID"), *wanted = getenv("SLURM_CPUS_PER_TASK");
    const char *partition = getenv("SLURM_JOB_PARTITION");
    const int64_t have = least_of(doctor->ranks, "processors");
    if (!job)
        tk_doctor_note(doctor, "slurm", TK_VERDICT_OK, NULL, NULL, "not in a Slurm job");
    else if (wanted && atoll(wanted) > have)
        tk_doctor_note(doctor, "slurm", TK_VERDICT_PROBLEM,
                       "srun does not take it from sbatch: srun --cpus-per-task=$SLURM_CPUS_PER_TASK, or export "
                       "SRUN_CPUS_PER_TASK",
                       slurm_variables(), "job %s gives %s processors a task, but a rank may use %lld", job, wanted,
                       (long long)have);
    else
        tk_doctor_note(doctor, "slurm", TK_VERDICT_OK, NULL, slurm_variables(), "job %s%s%s, %s processors a task", job,
                       partition ? " in partition " : "", partition ? partition : "", wanted ? wanted : "1");
}
