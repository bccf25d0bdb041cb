/* The ranks' times, put together. */
#include "engine/running/times.h"

#include <stdlib.h>
#include <string.h>

/* All ranks' times: their sum, and each rank's speed. */
typedef struct tally {
    double sum[sizeof(tk_times) / sizeof(double)];
    double *speed; /* per rank: work over computing time; 0 = it has done nothing */
    int ranks;
} tally;

static tk_status add_times(void *user, const tk_bytes *bytes) {
    tally *t = user;
    tk_times theirs;
    double value[sizeof(tk_times) / sizeof(double)];
    if (!bytes->data || bytes->size != sizeof theirs) return TK_FAILED;
    memcpy(&theirs, bytes->data, sizeof theirs);
    memcpy(value, bytes->data, sizeof value);
    for (size_t i = 0; i < sizeof value / sizeof value[0]; i++) t->sum[i] += value[i];
    t->speed[t->ranks++] = theirs.compute > 0 ? theirs.work / theirs.compute : 0;
    return TK_OK;
}

static int by_value(const void *a, const void *b) {
    const double *p = a, *q = b;
    return *p < *q ? -1 : *p > *q;
}

/* Names the rank that was the slowest by far: a machine that is throttled, or shared with somebody. */
static void say_slow_rank(tk_run *run, const tally *t) {
    double *sorted = malloc((size_t)t->ranks * sizeof *sorted);
    int slowest = 0;
    char host[64];
    if (!sorted) return;
    memcpy(sorted, t->speed, (size_t)t->ranks * sizeof *sorted);
    qsort(sorted, (size_t)t->ranks, sizeof *sorted, by_value);
    const double middle = sorted[t->ranks / 2];
    free(sorted);
    for (int r = 1; r < t->ranks; r++)
        if (t->speed[r] > 0 && (t->speed[slowest] == 0 || t->speed[r] < t->speed[slowest])) slowest = r;
    if (t->ranks < 3 || t->speed[slowest] == 0 || middle < 2 * t->speed[slowest]) return;
    tk_keeper_host(run->keeper, slowest, host, sizeof host);
    tk_progress_say(&run->progress, "rank %d on %s computed %.1f times slower than most", slowest, host,
                    middle / t->speed[slowest]);
    json_object_set_new(
        run->timings, "slow_rank",
        json_pack("{s:i, s:s, s:f}", "rank", slowest, "host", host, "slower", middle / t->speed[slowest]));
}

static void note_times(tk_run *run, const tally *t) {
    static const char *const names[] = {"work",     "compute", "read",         "read_waited", "store",
                                        "exchange", "encode",  "write_waited", "sweeps"};
    for (size_t i = 1; i < sizeof names / sizeof names[0]; i++)
        json_object_set_new(run->timings, names[i], json_real(t->sum[i]));
    say_slow_rank(run, t);
}

tk_status tk_times_sum(tk_run *run, tk_error *error) {
    tk_bytes mine = {0};
    tally t = {.speed = calloc((size_t)tk_comm_size(run->comm), sizeof *t.speed)};
    run->noted = tk_writer_noted(run->writer);
    run->times.write_waited = tk_writer_waited(run->writer);
    if (!t.speed || tk_bytes_append(&mine, &run->times, sizeof run->times) != TK_OK) tk_fail_memory(error, "timings");
    if (tk_comm_agree(run->comm, error) == TK_OK) {
        (void)add_times(&t, &mine);
        (void)tk_comm_collect(run->comm, &mine, add_times, &t);
        if (tk_comm_rank(run->comm) == 0) note_times(run, &t);
    }
    tk_bytes_free(&mine);
    free(t.speed);
    return error->status;
}
