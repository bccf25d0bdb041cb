/* One slot between the reading thread and the rank: empty, being filled, or full. */
#include "engine/running/ahead.h"

#include <pthread.h>
#include <stdlib.h>

#include "engine/running/tile.h"

struct tk_ahead {
    tk_sweep *sweep;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool wanted, full, over, stop;
    const tk_task *task; /* being read, or read */
    tk_block block;      /* in run->ahead */
    tk_error failure;
};

/* The last tiles are not claimed ahead: a rank that computes would keep them from one that has nothing to do. */
static bool may_read_ahead(const tk_ahead *a, int64_t last) {
    return last + 1 + tk_comm_size(a->sweep->run->comm) <= a->sweep->tasks;
}

/* Waits until the slot is empty and the next tile may be claimed. False: it is over. */
static bool wait_for_turn(tk_ahead *a, bool ahead) {
    pthread_mutex_lock(&a->lock);
    while (!a->stop && (a->full || (!ahead && !a->wanted))) pthread_cond_wait(&a->changed, &a->lock);
    const bool go = !a->stop;
    pthread_mutex_unlock(&a->lock);
    return go;
}

/* A rank that waits for its block is watched as if it computed. */
static void begin(tk_ahead *a, const tk_task *task) {
    pthread_mutex_lock(&a->lock);
    a->task = task;
    if (a->wanted) tk_keeper_tile_begins(a->sweep->run->keeper, task->tile, 1e-9 * task->work);
    pthread_mutex_unlock(&a->lock);
}

static void fill(tk_ahead *a, const tk_task *task) {
    tk_run *run = a->sweep->run;
    tk_error failure = TK_ERROR_NONE;
    tk_block block = {0};
    const double start = tk_progress_now();
    begin(a, task);
    tk_tile_read(a->sweep, task, &run->ahead, &run->sides_ahead, &block, &failure);
    run->times.read += tk_progress_now() - start;
    pthread_mutex_lock(&a->lock);
    a->block = block;
    a->failure = failure;
    a->full = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static void *read_ahead(void *user) {
    tk_ahead *a = user;
    bool ahead = true;
    while (wait_for_turn(a, ahead)) {
        const int64_t place = tk_schedule_claim(&a->sweep->run->schedule);
        if (place >= a->sweep->tasks) break;
        fill(a, &a->sweep->task[place]);
        ahead = may_read_ahead(a, place);
    }
    pthread_mutex_lock(&a->lock);
    a->over = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static void free_ahead(tk_ahead *a) {
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    free(a);
}

tk_status tk_ahead_start(tk_sweep *sweep, tk_ahead **ahead, tk_error *error) {
    tk_ahead *a = calloc(1, sizeof *a);
    *ahead = NULL;
    if (!a) return tk_fail_memory(error, "reading ahead");
    a->sweep = sweep;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    if (pthread_create(&a->thread, NULL, read_ahead, a) != 0) {
        free_ahead(a);
        return tk_fail(error, TK_NO_MEMORY, "the thread that reads ahead could not be started");
    }
    *ahead = a;
    return TK_OK;
}

const tk_task *tk_ahead_next(tk_ahead *a, tk_block *block, tk_error *failure) {
    tk_run *run = a->sweep->run;
    const double start = tk_progress_now();
    const tk_task *task = NULL;
    pthread_mutex_lock(&a->lock);
    a->wanted = true;
    if (a->task && !a->full) tk_keeper_tile_begins(run->keeper, a->task->tile, 1e-9 * a->task->work);
    pthread_cond_broadcast(&a->changed);
    while (!a->full && !a->over) pthread_cond_wait(&a->changed, &a->lock);
    if (a->full && !tk_keeper_stopping(run->keeper)) {
        const tk_scratch arena = run->block[0];
        run->block[0] = run->ahead;
        run->ahead = arena;
        const tk_sides sides = run->sides;
        run->sides = run->sides_ahead;
        run->sides_ahead = sides;
        task = a->task;
        *block = a->block;
        *failure = a->failure;
        a->task = NULL;
        a->full = false;
    }
    a->wanted = false;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    run->times.read_waited += tk_progress_now() - start;
    return task;
}

void tk_ahead_stop(tk_ahead *a) {
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    free_ahead(a);
}
