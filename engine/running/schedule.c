/* Claims by a one-sided counter, by asking rank 0's keeper, or dealt beforehand. */
#include "engine/running/schedule.h"

#include <stdio.h>
#include <string.h>

/* A one-sided claim slower than this asks for a server instead: some transports only progress while the target calls
 * MPI. */
static const double SLOW_MEAN = 1e-3, SLOW_LONGEST = 50e-3;
enum { TEST_CLAIMS = 100 };

static const char *const names[TK_SCHEDULER_COUNT] = {"auto", "rma", "server", "static"};

const char *tk_scheduler_text(tk_scheduler scheduler) { return names[scheduler]; }

bool tk_scheduler_from_text(const char *text, tk_scheduler *scheduler) {
    for (int i = 0; i < TK_SCHEDULER_COUNT; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *scheduler = (tk_scheduler)i;
        return true;
    }
    return false;
}

tk_scheduler tk_scheduler_for(double mean, double longest) {
    return mean > SLOW_MEAN || longest > SLOW_LONGEST ? TK_SCHEDULER_SERVER : TK_SCHEDULER_RMA;
}

static tk_scheduler choose(tk_comm *comm, char *why, size_t room) {
    if (tk_comm_size(comm) == 1) return TK_SCHEDULER_STATIC;
    if (!tk_comm_has_counter(comm)) {
        snprintf(why, room, ", MPI has no one-sided counter here");
        return TK_SCHEDULER_SERVER;
    }
    double mean = 0, longest = 0;
    tk_comm_time_claims(comm, TEST_CLAIMS, &mean, &longest);
    snprintf(why, room, ", one-sided claims take %.1f us, at most %.1f us", 1e6 * mean, 1e6 * longest);
    return tk_scheduler_for(mean, longest);
}

tk_status tk_schedule_open(tk_scheduler wanted, tk_comm *comm, tk_keeper *keeper, tk_schedule *schedule,
                           tk_error *error) {
    *schedule = (tk_schedule){.kind = wanted, .comm = comm, .keeper = keeper};
    if (wanted == TK_SCHEDULER_AUTO) schedule->kind = choose(comm, schedule->why, sizeof schedule->why);
    if (wanted == TK_SCHEDULER_RMA && !tk_comm_has_counter(comm))
        return tk_fail(error, TK_USAGE, "--scheduler rma: MPI has no one-sided counter here; take auto or server");
    return TK_OK;
}

void tk_schedule_reset(tk_schedule *schedule) {
    schedule->next = tk_comm_rank(schedule->comm);
    if (schedule->kind == TK_SCHEDULER_RMA) tk_comm_claim_reset(schedule->comm);
    if (schedule->kind == TK_SCHEDULER_SERVER) tk_keeper_reset_claims(schedule->keeper);
}

int64_t tk_schedule_claim(tk_schedule *schedule) {
    if (tk_keeper_stopping(schedule->keeper)) return INT64_MAX / 2;
    if (schedule->kind == TK_SCHEDULER_RMA) return tk_comm_claim(schedule->comm);
    if (schedule->kind == TK_SCHEDULER_SERVER) return tk_keeper_claim(schedule->keeper);
    const int64_t next = schedule->next;
    schedule->next += tk_comm_size(schedule->comm);
    return next;
}

void tk_schedule_stop(tk_schedule *schedule) {
    if (schedule->kind == TK_SCHEDULER_RMA) tk_comm_claim_stop(schedule->comm);
    tk_keeper_order_stop(schedule->keeper);
}
