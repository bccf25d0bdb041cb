/* The doctor looks at MPI: library, transports, one-sided claims, messages between the first rank and the last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/commands/doctor.h"
#include "engine/running/schedule.h"

enum { CLAIMS = 200, ROUND_TRIPS = 500, PIECES = 16, PIECE = 4 << 20 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void note_library(tk_doctor *d) {
    const int size = tk_comm_size(d->comm), machines = tk_comm_machines(d->comm);
    tk_doctor_note(d, "mpi", TK_VERDICT_OK, NULL,
                   json_pack("{s:s, s:s, s:i, s:i}", "library", tk_comm_library(), "threads", "multiple", "ranks", size,
                             "machines", machines),
                   "%s, callable from all threads; %d rank%s on %d machine%s", tk_comm_library(), size,
                   size == 1 ? "" : "s", machines, machines == 1 ? "" : "s");
}

/* Which transports MPI takes it tells nobody; what it was told to take is in the environment. */
static void note_transports(tk_doctor *d) {
    static const char *const names[] = {"OMPI_MCA_pml",
                                        "OMPI_MCA_btl",
                                        "OMPI_MCA_mtl",
                                        "OMPI_MCA_osc",
                                        "UCX_TLS",
                                        "UCX_NET_DEVICES",
                                        "FI_PROVIDER",
                                        "MPICH_CH4_NETMOD",
                                        "MPIR_CVAR_CH4_NETMOD",
                                        "OMPI_MCA_btl_tcp_if_include",
                                        "OMPI_MCA_mpi_yield_when_idle"};
    char text[384] = "";
    json_t *facts = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (!value) continue;
        const size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s=%s", at > 0 ? " " : "", names[i], value);
        json_object_set_new(facts, names[i], json_string(value));
    }
    tk_doctor_note(d, "transports", TK_VERDICT_OK, NULL, facts, "%s",
                   *text ? text : "the MPI library chooses (none is named in the environment)");
}

static void note_claims(tk_doctor *d) {
    double mean = 0, longest = 0;
    if (!tk_comm_has_counter(d->comm)) {
        tk_doctor_note(d, "claims", TK_VERDICT_NOTE,
                       "tiles are claimed from rank 0 instead, which works as well; where a one-sided transport is "
                       "there but switched off (Open MPI on Debian), try OMPI_MCA_osc=^ucx",
                       json_pack("{s:b, s:s}", "counter", 0, "scheduler", "server"),
                       "MPI has no one-sided window between these ranks: scheduler server");
        return;
    }
    tk_comm_time_claims(d->comm, CLAIMS, &mean, &longest);
    const tk_scheduler taken = tk_scheduler_for(mean, longest);
    const bool alone = tk_comm_size(d->comm) == 1, quick = taken == TK_SCHEDULER_RMA;
    const char *scheduler = tk_scheduler_text(alone ? TK_SCHEDULER_STATIC : taken);
    tk_doctor_note(
        d, "claims", quick ? TK_VERDICT_OK : TK_VERDICT_NOTE,
        quick ? NULL
              : "this transport only moves on while rank 0 calls MPI; tiles are claimed from rank 0's own "
                "thread instead, which works as well",
        json_pack("{s:b, s:f, s:f, s:s}", "counter", 1, "mean_s", mean, "longest_s", longest, "scheduler", scheduler),
        "a one-sided claim takes %.2f us, the longest %.1f us%s: scheduler %s", 1e6 * mean, 1e6 * longest,
        alone ? "" : ", while rank 0 computes", scheduler);
}

/* Waits for a message of the reply channel. False: no memory for it. */
static bool receive(tk_comm *comm, tk_bytes *message) {
    bool got = false;
    int from = 0;
    while (!got)
        if (tk_comm_poll(comm, TK_CHANNEL_REPLY, message, &from, &got) != TK_OK) return false;
    return true;
}

static bool send(tk_comm *comm, int to, const tk_bytes *message) {
    return tk_comm_post(comm, to, TK_CHANNEL_REPLY, message->data, message->size, NULL, NULL) == TK_OK;
}

/* Rank 0 and `other` throw a message of `message->size` bytes to and fro; rank 0 returns the seconds of a round trip.
 */
static double round_trip(tk_comm *comm, int other, int times, tk_bytes *message) {
    const bool first = tk_comm_rank(comm) == 0;
    bool well = true;
    const double start = seconds();
    for (int i = 0; i < times && well; i++)
        well = first ? send(comm, other, message) && receive(comm, message)
                     : receive(comm, message) && send(comm, 0, message);
    if (!well) tk_comm_abort(tk_status_exit_code(TK_NO_MEMORY)); /* the other one would wait for ever */
    return (seconds() - start) / times;
}

static void note_messages(tk_doctor *d) {
    const int other = tk_comm_size(d->comm) - 1, rank = tk_comm_rank(d->comm);
    tk_bytes small = {0}, large = {0};
    tk_error error = TK_ERROR_NONE;
    if (other == 0) return;
    if (tk_bytes_resize(&small, 8) != TK_OK || tk_bytes_resize(&large, PIECE) != TK_OK)
        tk_fail_memory(&error, "messages");
    if (tk_comm_agree(d->comm, &error) == TK_OK) {
        double latency = 0, rate = 0;
        if (rank == 0 || rank == other) {
            latency = round_trip(d->comm, other, ROUND_TRIPS, &small) / 2;
            rate = 2.0 * PIECE / round_trip(d->comm, other, PIECES, &large);
        }
        tk_comm_barrier(d->comm);
        tk_doctor_note(d, "messages", TK_VERDICT_OK, NULL,
                       json_pack("{s:f, s:f, s:[i, i]}", "latency_s", latency, "bytes_s", rate, "between", 0, other),
                       "ranks 0 and %d: %.1f us one way, %.2f GB/s", other, 1e6 * latency, 1e-9 * rate);
    }
    tk_bytes_free(&small);
    tk_bytes_free(&large);
}

void tk_doctor_examine_mpi(tk_doctor *doctor) {
    note_library(doctor);
    note_transports(doctor);
    note_claims(doctor);
    note_messages(doctor);
}
