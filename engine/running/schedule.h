/* Who takes which tile next: ranks claim places in a list, 0, 1, 2 …, each given once. */
#ifndef TK_ENGINE_SCHEDULE_H
#define TK_ENGINE_SCHEDULE_H

#include <stdint.h>

#include "engine/comm.h"
#include "engine/running/keeper.h"

typedef enum tk_scheduler {
    TK_SCHEDULER_AUTO,   /* rma where a test at the start shows that it is quick, else server */
    TK_SCHEDULER_RMA,    /* a shared counter, one-sided: nobody needs to answer */
    TK_SCHEDULER_SERVER, /* rank 0's keeper answers requests */
    TK_SCHEDULER_STATIC, /* dealt round-robin beforehand */
    TK_SCHEDULER_COUNT
} tk_scheduler;

typedef struct tk_schedule {
    tk_scheduler kind;
    tk_comm *comm;
    tk_keeper *keeper;
    int64_t next; /* static: this rank's */
    char why[96]; /* for the log: what the test has shown */
} tk_schedule;

/* "auto", "rma", "server", "static". */
const char *tk_scheduler_text(tk_scheduler scheduler);
bool tk_scheduler_from_text(const char *text, tk_scheduler *scheduler);

/* What auto takes where one-sided claims take so many seconds, on average and at most. */
tk_scheduler tk_scheduler_for(double mean, double longest);

/* Settles on a way to claim; `auto` tests. Collective. Errors: TK_USAGE when one-sided claims are asked for and MPI has
 * none here; the same on all ranks. */
tk_status tk_schedule_open(tk_scheduler wanted, tk_comm *comm, tk_keeper *keeper, tk_schedule *schedule,
                           tk_error *error);

/* The list begins anew. Collective, and no rank may claim before all have come here. */
void tk_schedule_reset(tk_schedule *schedule);

/* The next place for this rank; a huge one when no rank gets another. From one thread of a rank at a time. */
int64_t tk_schedule_claim(tk_schedule *schedule);

/* No rank gets another place, as far as that can be brought about from here. From any thread. */
void tk_schedule_stop(tk_schedule *schedule);

#endif
