/* The keeper's thread: signs of life, orders and requests between the ranks' keepers, and what rank 0's keeper
 * concludes from them. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/running/keeper_state.h"
#include "engine/running/progress.h"
#include "engine/running/stop.h"

enum { PAUSE_LEAST_NS = 100000, PAUSE_MOST_NS = 2000000 };

static const double BEAT_S = 1, LOOK_S = 1, STATUS_S = 2, LOCK_S = 10, ERROR_GRACE_S = 5, MARGIN_S = 3, OVERSLEPT_S = 2;
/* A tile counts as stuck after this many times the longest one so far or, when there is none, the expected time. */
static const double STUCK_LONGEST = 20, STUCK_EXPECTED = 50;

static bool wait_briefly(void *user) {
    int *asked = user;
    return ++*asked < 100;
}

/* A rank that takes no messages must not make this one wait: what does not go soon is left to go when it can. */
void tk_keeper_post(tk_keeper *k, int to, tk_comm_channel channel, const tk_note *n) {
    const bool text = n->kind == TK_NOTE_STOP || n->kind == TK_NOTE_FAILED;
    int asked = 0;
    (void)tk_comm_post(k->comm, to, channel, n, text ? sizeof *n : offsetof(tk_note, text), wait_briefly, &asked);
}

/* --- Saying where the run is -------------------------------------------------------------------------------------- */

void tk_keeper_sum_up(const tk_keeper *k, tk_status_now *now) {
    double work = k->work_before + k->mine.work;
    *now = (tk_status_now){.state = k->state,
                           .message = k->message,
                           .stage = (int)k->mine.stage,
                           .round = k->round,
                           .tiles_done = k->mine.tiles_done,
                           .tiles = k->tiles,
                           .solving = k->mine.solving != 0,
                           .seconds = tk_progress_now() - k->begun,
                           .seconds_left = -1,
                           .ranks = tk_comm_size(k->comm)};
    for (int r = 1; r < tk_comm_size(k->comm); r++) {
        work += k->rank[r].last.work;
        if (k->rank[r].last.stage == k->mine.stage && !k->mine.solving && !k->rank[r].last.solving)
            now->tiles_done += k->rank[r].last.tiles_done;
    }
    const double total = k->about.work > 0 ? k->about.work : 1, fresh = work - k->work_before;
    now->fraction = fmin(1, work / total);
    if (fresh > 0 && k->sweep_begun > 0)
        now->seconds_left = (tk_progress_now() - k->sweep_begun) * fmax(0, total - work) / fresh;
}

void tk_keeper_write_status(tk_keeper *k) {
    tk_status_now now;
    char message[sizeof k->message];
    pthread_mutex_lock(&k->files);
    pthread_mutex_lock(&k->lock);
    tk_keeper_sum_up(k, &now);
    memcpy(message, k->message, sizeof message);
    pthread_mutex_unlock(&k->lock);
    now.message = message;
    tk_status_write(&k->about, &now);
    pthread_mutex_unlock(&k->files);
}

/* Ends all ranks from here. With the lock held, which nobody needs any more. */
__attribute__((format(printf, 4, 5))) static _Noreturn void end_all(tk_keeper *k, tk_status status, const char *state,
                                                                    const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(k->message, sizeof k->message, format, arguments);
    va_end(arguments);
    fprintf(stderr, "tarkka: %s\n", k->message);
    if (tk_keeper_is_zero(k)) {
        tk_status_now now;
        k->state = state;
        tk_keeper_sum_up(k, &now);
        tk_status_write(&k->about, &now);
        tk_lock_remove(k->about.lock);
    }
    tk_comm_abort(tk_status_exit_code(status));
}

static double longest_tile(const tk_keeper *k) {
    double longest = k->mine.longest;
    for (int r = 1; r < tk_comm_size(k->comm); r++) longest = fmax(longest, k->rank[r].last.longest);
    return longest;
}

/* --- Stopping early ----------------------------------------------------------------------------------------------- */

void tk_keeper_tell_all(tk_keeper *k) {
    tk_note order = {.kind = TK_NOTE_STOP};
    snprintf(order.text, sizeof order.text, "%s", k->reason);
    for (int r = 1; r < tk_comm_size(k->comm); r++) tk_keeper_post(k, r, TK_CHANNEL_CONTROL, &order);
}

/* No rank begins another tile; what is in flight may take `seconds`. */
static void stop_early(tk_keeper *k, const char *reason, double seconds) {
    if (*k->reason) return;
    snprintf(k->reason, sizeof k->reason, "%s", reason);
    k->stopping = true;
    if (!tk_keeper_is_zero(k)) {
        tk_note wish = {.kind = TK_NOTE_STOP};
        snprintf(wish.text, sizeof wish.text, "%s", reason);
        tk_keeper_post(k, 0, TK_CHANNEL_CONTROL, &wish);
        return;
    }
    k->hard_deadline = tk_progress_now() + seconds;
    k->state = "stopping";
    snprintf(k->message, sizeof k->message, "%s", reason);
    fprintf(stderr, "tarkka: %s: no further %s is begun, what is in flight has %.0f s\n", reason,
            k->mine.solving ? "iteration" : "tile", seconds);
    tk_keeper_tell_all(k);
    k->status_at = 0;
}

/* Does somebody ask for an early end? Signals on any rank, the clock and the file `stop` on rank 0. */
static void look_for_wishes(tk_keeper *k, double now) {
    const char *signal = tk_stop_signal();
    char text[64];
    if (signal) {
        snprintf(text, sizeof text, "stopped by %s", signal);
        stop_early(k, text, k->request.grace);
    }
    if (!tk_keeper_is_zero(k) || *k->reason) return;
    if (k->request.max_time > 0) {
        const double all = k->request.max_time, end = k->begun + all - fmin(MARGIN_S, all / 10);
        const double lead = fmax(fmin(k->request.grace, all / 4), 1.2 * longest_tile(k));
        if (now >= end - lead) stop_early(k, "--max-time is over", fmax(0, end - now));
    }
}

/* --- Ranks that are lost ------------------------------------------------------------------------------------------ */

static void check_place(tk_keeper *k, int r, double silent, double limit) {
    const tk_note *n = r == 0 ? &k->mine : &k->rank[r].last;
    if (silent > k->request.watchdog)
        end_all(k, TK_STOPPED, "stopped",
                "rank %d on %s has given no sign of life for %.0f s (stage %lld, tile %lld); the run ends, resume it",
                r, n->host, silent, (long long)n->stage + 1, (long long)n->tile);
    const double most = limit > 0 ? limit : STUCK_EXPECTED * n->expected;
    if (n->tile >= 0 && n->tile_seconds > fmax(most, k->request.watchdog))
        end_all(k, TK_STOPPED, "stopped",
                "rank %d on %s has been at %s %lld of stage %lld for %.0f s, and the longest so far took %.3g s; the "
                "run ends, resume it",
                r, n->host, n->solving ? "iteration" : "tile", (long long)n->tile + n->solving, (long long)n->stage + 1,
                n->tile_seconds, limit / STUCK_LONGEST);
}

static void check_places(tk_keeper *k, double now) {
    const double limit = STUCK_LONGEST * longest_tile(k);
    k->mine.tile_seconds = k->tile_begun > 0 ? now - k->tile_begun : 0;
    check_place(k, 0, 0, limit);
    for (int r = 1; r < tk_comm_size(k->comm); r++)
        if (!k->rank[r].gone) check_place(k, r, now - k->rank[r].heard, limit);
}

/* --- Messages ----------------------------------------------------------------------------------------------------- */

static void take_on_zero(tk_keeper *k, int from, const tk_note *n, double now) {
    k->rank[from].heard = now;
    if (n->kind == TK_NOTE_BEAT) {
        const tk_note answer = {.kind = TK_NOTE_ANSWER};
        k->rank[from].last = *n;
        tk_keeper_post(k, from, TK_CHANNEL_CONTROL, &answer);
    } else if (n->kind == TK_NOTE_CLAIM) {
        const tk_note reply = {.kind = TK_NOTE_PLACE, .next = k->stopping ? TK_NO_PLACE : k->next++};
        tk_keeper_post(k, from, TK_CHANNEL_REPLY, &reply);
    } else if (n->kind == TK_NOTE_STOP && *n->text) {
        stop_early(k, n->text, k->request.grace);
    } else if (n->kind == TK_NOTE_STOP) {
        k->stopping = true;
        tk_keeper_tell_all(k);
    } else if (n->kind == TK_NOTE_FAILED && k->failed_at == 0) {
        k->failed_at = now;
        k->failure = *n;
    } else if (n->kind == TK_NOTE_BYE) {
        const tk_note bye = {.kind = TK_NOTE_BYE};
        k->rank[from].gone = true;
        k->left--;
        tk_keeper_post(k, from, TK_CHANNEL_CONTROL, &bye);
    }
}

static void take_on_others(tk_keeper *k, const tk_note *n, double now) {
    k->heard_zero = now;
    if (n->kind == TK_NOTE_STOP) {
        k->stopping = true;
        if (!*k->reason) snprintf(k->reason, sizeof k->reason, "%.255s", n->text);
    }
    if (n->kind == TK_NOTE_BYE) k->over = true;
}

/* False: there was none. */
static bool take_messages(tk_keeper *k, tk_bytes *message) {
    bool any = false;
    for (bool got = true; got;) {
        int from = 0;
        tk_note n = {0};
        if (tk_comm_poll(k->comm, TK_CHANNEL_CONTROL, message, &from, &got) != TK_OK || !got) break;
        any = true;
        memcpy(&n, message->data, message->size < sizeof n ? message->size : sizeof n);
        const double now = tk_progress_now();
        pthread_mutex_lock(&k->lock);
        if (tk_keeper_is_zero(k))
            take_on_zero(k, from, &n, now);
        else
            take_on_others(k, &n, now);
        pthread_mutex_unlock(&k->lock);
    }
    return any;
}

/* A keeper that was stopped itself (a machine that slept, SIGSTOP) has heard nobody meanwhile, and accuses nobody. */
static void forgive_own_sleep(tk_keeper *k, double now) {
    const double slept = now - k->looked_at;
    if (k->looked_at > 0 && slept > OVERSLEPT_S) {
        k->heard_zero += slept;
        for (int r = 1; r < tk_comm_size(k->comm); r++) k->rank[r].heard += slept;
        if (k->tile_begun > 0) k->tile_begun += slept;
    }
    k->looked_at = now;
}

/* --- The thread --------------------------------------------------------------------------------------------------- */

static void watch_on_zero(tk_keeper *k, double now) {
    if (k->hard_deadline > 0 && now > k->hard_deadline)
        end_all(k, TK_STOPPED, "stopped", "%s, and %s took too long: %s dropped; resume it", k->reason,
                k->mine.solving ? "an iteration" : "tiles in flight", k->mine.solving ? "it is" : "they are");
    if (k->failed_at > 0 && now - k->failed_at > ERROR_GRACE_S)
        end_all(k, (tk_status)k->failure.status, "failed", "%s", k->failure.text);
    if (now < k->look_at) return;
    k->look_at = now + LOOK_S;
    check_places(k, now);
}

/* Was `tarkka stop` called? */
static void look_for_stop_file(tk_keeper *k) {
    char *file = NULL;
    if (asprintf(&file, "%s/stop", k->about.folder) < 0) return;
    if (access(file, F_OK) == 0) {
        pthread_mutex_lock(&k->lock);
        stop_early(k, "stopped by tarkka stop", k->request.grace);
        pthread_mutex_unlock(&k->lock);
    }
    free(file);
}

static void beat_lock(tk_keeper *k) {
    if (tk_lock_beat(k->about.lock)) return;
    pthread_mutex_lock(&k->lock);
    end_all(k, TK_FAILED, "failed", "%s: another run has taken this result over; this one ends", k->about.folder);
}

/* What rank 0's keeper has to do with files, without the lock: a file system that does not answer for a while must not
 * keep those waiting who compute. */
static void touch_files(tk_keeper *k, double now) {
    if (now >= k->stop_at) look_for_stop_file(k);
    if (now >= k->status_at) tk_keeper_write_status(k);
    if (now >= k->lock_at) beat_lock(k);
    if (now >= k->stop_at) k->stop_at = now + LOOK_S;
    if (now >= k->status_at) k->status_at = now + STATUS_S;
    if (now >= k->lock_at) k->lock_at = now + LOCK_S;
}

/* How often a rank gives a sign of life: with many ranks less often, so that rank 0 is not swamped. */
static double beat_interval(const tk_keeper *k) {
    return fmin(fmax(BEAT_S, tk_comm_size(k->comm) / 500.0), k->request.watchdog / 4);
}

static void watch_on_others(tk_keeper *k, double now) {
    if (!k->ending && now >= k->beat_at) {
        k->beat_at = now + beat_interval(k);
        k->mine.kind = TK_NOTE_BEAT;
        k->mine.tile_seconds = k->tile_begun > 0 ? now - k->tile_begun : 0;
        tk_keeper_post(k, 0, TK_CHANNEL_CONTROL, &k->mine);
    }
    if (now - k->heard_zero > k->request.watchdog)
        end_all(k, TK_STOPPED, "stopped",
                "rank 0 has given no sign of life for %.0f s (said by rank %d on %s); resume it", now - k->heard_zero,
                tk_comm_rank(k->comm), k->mine.host);
}

void *tk_keeper_thread(void *user) {
    tk_keeper *k = user;
    tk_bytes message = {0};
    long pause = PAUSE_MOST_NS;
    for (bool over = false; !over;) {
        const bool asked = tk_comm_size(k->comm) > 1 && take_messages(k, &message);
        pthread_mutex_lock(&k->lock);
        const double now = tk_progress_now();
        forgive_own_sleep(k, now);
        if (!k->ending) look_for_wishes(k, now);
        if (tk_keeper_is_zero(k) && !(k->ending && k->left == 0))
            watch_on_zero(k, now);
        else if (!tk_keeper_is_zero(k))
            watch_on_others(k, now);
        over = k->ending && (tk_keeper_is_zero(k) ? k->left == 0 : k->over);
        /* Whoever has just asked for a place will do so again; otherwise the thread takes hardly any time. */
        pause = asked && k->serves ? PAUSE_LEAST_NS : pause < PAUSE_MOST_NS ? 2 * pause : PAUSE_MOST_NS;
        pthread_mutex_unlock(&k->lock);
        if (tk_keeper_is_zero(k) && !over) touch_files(k, now);
        if (!over) nanosleep(&(struct timespec){0, pause}, NULL);
    }
    tk_bytes_free(&message);
    return NULL;
}
