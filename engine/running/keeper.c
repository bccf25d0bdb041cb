/* Starting and ending the keeper, and what the rank's own threads tell and ask it. */
#include "engine/running/keeper.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/running/keeper_state.h"
#include "engine/running/progress.h"

enum { NS_PER_MS = 1000000 };

/* --- Start and end ------------------------------------------------------------------------------------------------ */

static void free_keeper(tk_keeper *k) {
    if (!k) return;
    pthread_mutex_destroy(&k->files);
    pthread_mutex_destroy(&k->lock);
    free(k->rank);
    free(k);
}

static tk_keeper *make_keeper(tk_comm *comm, const tk_keeper_request *request, const tk_keeper_about *about,
                              tk_error *error) {
    tk_keeper *k = calloc(1, sizeof *k);
    if (!k || !(k->rank = calloc((size_t)tk_comm_size(comm), sizeof *k->rank))) {
        tk_fail_memory(error, "the keeper");
        free(k);
        return NULL;
    }
    k->comm = comm;
    k->request = *request;
    k->about = *about;
    k->state = "running";
    k->begun = about->begun;
    k->heard_zero = tk_progress_now();
    k->left = tk_comm_size(comm) - 1;
    k->mine.stage = k->mine.tile = -1;
    (void)gethostname(k->mine.host, sizeof k->mine.host - 1);
    for (int r = 0; r < tk_comm_size(comm); r++) {
        k->rank[r].heard = k->heard_zero;
        k->rank[r].last.stage = k->rank[r].last.tile = -1;
    }
    pthread_mutex_init(&k->files, NULL);
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

tk_status tk_keeper_start(tk_comm *comm, const tk_keeper_request *request, const tk_keeper_about *about,
                          tk_keeper **keeper, tk_error *error) {
    tk_keeper *k = make_keeper(comm, request, about, error);
    if (tk_comm_agree(comm, error) != TK_OK) {
        free_keeper(k);
        return error->status;
    }
    if (pthread_create(&k->thread, NULL, tk_keeper_thread, k) != 0) {
        fprintf(stderr, "tarkka: rank %d: the keeper's thread could not be started\n", tk_comm_rank(comm));
        tk_comm_abort(tk_status_exit_code(TK_NO_MEMORY)); /* the other keepers would wait for this one */
    }
    *keeper = k;
    return TK_OK;
}

void tk_keeper_finish(tk_keeper *k) {
    if (!k) return;
    pthread_mutex_lock(&k->lock);
    k->ending = true;
    if (!tk_keeper_is_zero(k)) {
        const tk_note bye = {.kind = TK_NOTE_BYE};
        tk_keeper_post(k, 0, TK_CHANNEL_CONTROL, &bye);
    }
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    free_keeper(k);
}

/* --- From the rank's own threads ---------------------------------------------------------------------------------- */

void tk_keeper_sweep(tk_keeper *k, int stage, int round, int64_t tiles) {
    pthread_mutex_lock(&k->lock);
    k->mine.stage = stage;
    k->mine.tile = -1;
    k->mine.tiles_done = 0;
    k->mine.longest = 0;
    k->tile_begun = 0;
    k->round = round;
    k->tiles = tiles;
    if (k->sweep_begun == 0) k->sweep_begun = tk_progress_now();
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_tile_begins(tk_keeper *k, int64_t tile, double expected) {
    pthread_mutex_lock(&k->lock);
    k->mine.tile = tile;
    k->mine.expected = expected;
    k->tile_begun = tk_progress_now();
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_tile_ends(tk_keeper *k, double work) {
    pthread_mutex_lock(&k->lock);
    k->mine.longest = fmax(k->mine.longest, tk_progress_now() - k->tile_begun);
    k->mine.tile = -1;
    k->mine.tiles_done++;
    k->mine.work += work;
    k->tile_begun = 0;
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_idle(tk_keeper *k) {
    pthread_mutex_lock(&k->lock);
    k->mine.tile = -1;
    k->tile_begun = 0;
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_solve(tk_keeper *k, int stage, int64_t all, double expected) {
    tk_keeper_sweep(k, stage, 0, all);
    pthread_mutex_lock(&k->lock);
    k->mine.solving = stage >= 0;
    k->mine.expected = expected;
    k->solved = 0;
    pthread_mutex_unlock(&k->lock);
    if (stage >= 0) tk_keeper_turn(k);
}

void tk_keeper_turn(tk_keeper *k) {
    pthread_mutex_lock(&k->lock);
    k->mine.tile = k->solved;
    k->tile_begun = tk_progress_now();
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_wait(tk_keeper *k) { tk_keeper_idle(k); }

void tk_keeper_iterated(tk_keeper *k, int64_t done, int64_t all, double seconds, double work) {
    pthread_mutex_lock(&k->lock);
    k->mine.longest = fmax(k->mine.longest, seconds);
    k->mine.work += work;
    k->solved = done;
    k->tiles = all;
    if (tk_keeper_is_zero(k)) k->mine.tiles_done = done; /* all ranks do each of them together */
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_done_before(tk_keeper *k, double work) {
    pthread_mutex_lock(&k->lock);
    k->work_before += work;
    pthread_mutex_unlock(&k->lock);
}

bool tk_keeper_stopping(tk_keeper *k) {
    pthread_mutex_lock(&k->lock);
    const bool stopping = k->stopping;
    pthread_mutex_unlock(&k->lock);
    return stopping;
}

void tk_keeper_stop_reason(tk_keeper *k, char *text, size_t room) {
    pthread_mutex_lock(&k->lock);
    snprintf(text, room, "%s", k->reason);
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_order_stop(tk_keeper *k) {
    pthread_mutex_lock(&k->lock);
    k->stopping = true;
    const tk_note order = {.kind = TK_NOTE_STOP};
    if (tk_keeper_is_zero(k))
        tk_keeper_tell_all(k);
    else
        tk_keeper_post(k, 0, TK_CHANNEL_CONTROL, &order);
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_failed(tk_keeper *k, const tk_error *error) {
    tk_note n = {.kind = TK_NOTE_FAILED, .status = error->status};
    snprintf(n.text, sizeof n.text, "%.511s", error->text);
    pthread_mutex_lock(&k->lock);
    if (tk_keeper_is_zero(k) && k->failed_at == 0) {
        k->failed_at = tk_progress_now();
        k->failure = n;
    } else if (!tk_keeper_is_zero(k)) {
        tk_keeper_post(k, 0, TK_CHANNEL_CONTROL, &n);
    }
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_agreed(tk_keeper *k) {
    pthread_mutex_lock(&k->lock);
    k->failed_at = INFINITY;
    k->hard_deadline = 0;
    pthread_mutex_unlock(&k->lock);
}

void tk_keeper_state(tk_keeper *k, const char *state, const char *message) {
    pthread_mutex_lock(&k->lock);
    k->state = state;
    snprintf(k->message, sizeof k->message, "%.511s", message);
    pthread_mutex_unlock(&k->lock);
    tk_keeper_write_status(k);
}

int64_t tk_keeper_claim(tk_keeper *k) {
    if (tk_keeper_is_zero(k)) {
        pthread_mutex_lock(&k->lock);
        const int64_t next = k->stopping ? TK_NO_PLACE : k->next++;
        pthread_mutex_unlock(&k->lock);
        return next;
    }
    const tk_note request = {.kind = TK_NOTE_CLAIM};
    tk_bytes message = {0};
    tk_note reply = {.next = TK_NO_PLACE};
    int from = 0;
    bool got = false;
    tk_keeper_post(k, 0, TK_CHANNEL_CONTROL, &request);
    while (!got) {
        if (tk_comm_poll(k->comm, TK_CHANNEL_REPLY, &message, &from, &got) != TK_OK) continue;
        if (!got) nanosleep(&(struct timespec){0, NS_PER_MS / 20}, NULL);
    }
    memcpy(&reply, message.data, message.size < sizeof reply ? message.size : sizeof reply);
    tk_bytes_free(&message);
    return reply.next;
}

void tk_keeper_reset_claims(tk_keeper *k) {
    tk_comm_barrier(k->comm);
    pthread_mutex_lock(&k->lock);
    k->next = 0;
    k->serves = true;
    pthread_mutex_unlock(&k->lock);
    tk_comm_barrier(k->comm);
}

double tk_keeper_left(tk_keeper *k, double *fraction) {
    tk_status_now now;
    pthread_mutex_lock(&k->lock);
    tk_keeper_sum_up(k, &now);
    pthread_mutex_unlock(&k->lock);
    *fraction = now.fraction;
    return now.seconds_left;
}

void tk_keeper_host(tk_keeper *k, int rank, char *text, size_t room) {
    pthread_mutex_lock(&k->lock);
    snprintf(text, room, "%s", rank == tk_comm_rank(k->comm) ? k->mine.host : k->rank[rank].last.host);
    pthread_mutex_unlock(&k->lock);
}
