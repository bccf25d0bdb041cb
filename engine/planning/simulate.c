/* An event for each time that a rank is done with a tile, in a heap: the next to claim is the one that is free first.
 *
 * The counter serves claims one at a time in the order in which they come. Chunks go to the writer in the order in
 * which tiles are done; a rank whose chunks find the queue full waits, which is an event of its own. */
#include "engine/planning/simulate.h"

#include <math.h>
#include <stdlib.h>

#include "engine/planning/forecast.h"

typedef struct event {
    double time;
    double write_seconds; /* of the tile that is then done; negative: nothing, the rank just claims */
} event;

/* A binary heap, the earliest event first. All ranks begin with an event at time 0, so it never grows. */
typedef struct heap {
    event *event;
    int64_t count;
} heap;

/* Puts an event in place of the first. */
static void replace_first(heap *h, event next) {
    int64_t at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= h->count) break;
        if (child + 1 < h->count && h->event[child + 1].time < h->event[child].time) child++;
        if (next.time <= h->event[child].time) break;
        h->event[at] = h->event[child];
        at = child;
    }
    h->event[at] = next;
}

static void remove_first(heap *h) {
    const event last = h->event[--h->count];
    if (h->count > 0) replace_first(h, last);
}

/* Where a sweep has come to. */
typedef struct play {
    const tk_schedule *schedule;
    const tk_batch *batch;
    int64_t batches, at, left; /* the batch that is being claimed from, and what is left of it */
    double counter, writer;    /* when they are free again */
    tk_sweep *sweep;
} play;

/* The next tile, or NULL: there is none left. */
static const tk_batch *next_tile(play *p) {
    while (p->left == 0) {
        if (++p->at >= p->batches) return NULL;
        p->left = p->batch[p->at].tiles;
    }
    p->left--;
    return &p->batch[p->at];
}

/* Hands the chunks of a tile to the writer; the time at which its rank goes on. */
static double hand_over(play *p, const event *done) {
    if (!(done->write_seconds > 0)) return done->time;
    p->writer = fmax(p->writer, done->time) + done->write_seconds;
    p->sweep->write_seconds += done->write_seconds;
    return fmax(done->time, p->writer - p->schedule->queue_seconds);
}

static void claim(play *p, heap *h, double now) {
    p->counter = fmax(p->counter, now) + p->schedule->claim_seconds;
    const tk_batch *tile = next_tile(p);
    if (!tile) {
        p->sweep->seconds = fmax(p->sweep->seconds, p->counter);
        remove_first(h);
        return;
    }
    p->sweep->busy_seconds += tile->seconds;
    replace_first(h, (event){p->counter + tile->seconds, tile->write_seconds});
}

tk_status tk_simulate_sweep(const tk_batch *batch, int64_t batches, const tk_schedule *schedule, tk_sweep *sweep,
                            tk_error *error) {
    *sweep = (tk_sweep){0};
    heap h = {calloc((size_t)schedule->ranks, sizeof(event)), schedule->ranks};
    if (!h.event) return tk_fail_memory(error, "the simulation of the schedule");
    play p = {.schedule = schedule, .batch = batch, .batches = batches, .at = -1, .sweep = sweep};
    while (h.count > 0) {
        const event first = h.event[0];
        const double free_at = hand_over(&p, &first);
        if (free_at > first.time)
            replace_first(&h, (event){free_at, -1});
        else
            claim(&p, &h, first.time);
    }
    sweep->seconds = fmax(sweep->seconds, p.writer);
    free(h.event);
    return TK_OK;
}

tk_sweep tk_simulate_bound(const tk_batch *batch, int64_t batches, const tk_schedule *schedule) {
    tk_sweep sweep = {0};
    double rounds = 0;
    int64_t tiles = 0;
    for (int64_t i = 0; i < batches; i++) {
        sweep.busy_seconds += (double)batch[i].tiles * batch[i].seconds;
        sweep.write_seconds += (double)batch[i].tiles * batch[i].write_seconds;
        tiles += batch[i].tiles;
        /* Of the first k ranks + 1 tiles some rank does k + 1, none of them faster than the last. */
        const int64_t most = (tiles - 1) / schedule->ranks + 1;
        if (tiles > 0) rounds = fmax(rounds, (double)most * batch[i].seconds);
    }
    sweep.seconds = fmax(sweep.busy_seconds / (double)schedule->ranks, rounds);
    sweep.seconds = fmax(sweep.seconds, (double)tiles * schedule->claim_seconds);
    sweep.seconds = fmax(sweep.seconds, sweep.write_seconds);
    return sweep;
}

tk_status tk_simulate_schedule(const double *cost, int64_t tiles, int64_t ranks, double claim_seconds, double *seconds,
                               double *efficiency, tk_error *error) {
    const tk_schedule schedule = {ranks, claim_seconds, INFINITY};
    tk_sweep sweep = {0};
    tk_batch *batch = calloc((size_t)tiles + 1, sizeof *batch);
    if (!batch) return tk_fail_memory(error, "the simulation of the schedule");
    for (int64_t i = 0; i < tiles; i++) batch[i] = (tk_batch){1, cost[i], 0};
    const tk_status status = tk_simulate_sweep(batch, tiles, &schedule, &sweep, error);
    free(batch);
    TK_TRY(status);
    *seconds = sweep.seconds;
    *efficiency = sweep.seconds > 0 ? sweep.busy_seconds / (sweep.seconds * (double)ranks) : 1;
    return TK_OK;
}
