/* A bounded queue for rank 0's own chunks, a polling receiver for those of the others, one thread that writes. */
#include "engine/writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUEUE = 32, IDLE_NS = 200000 };

struct tk_writer {
    tk_comm *comm;
    tk_result *result;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    tk_bytes queue[QUEUE]; /* a ring of messages */
    int head, waiting;
    bool closing;
    int senders; /* ranks that may still send */
    tk_error error;
};

static void note_error(tk_writer *w, const tk_error *error) {
    pthread_mutex_lock(&w->lock);
    if (w->error.status == TK_OK) w->error = *error;
    pthread_mutex_unlock(&w->lock);
}

static bool has_failed(tk_writer *w) {
    pthread_mutex_lock(&w->lock);
    const bool failed = w->error.status != TK_OK;
    pthread_mutex_unlock(&w->lock);
    return failed;
}

/* Writes one message; after a failure messages are only taken, so that nobody waits for ever. */
static void write_message(tk_writer *w, const tk_bytes *message) {
    tk_chunk_header header;
    tk_error error = TK_ERROR_NONE;
    memcpy(&header, message->data, sizeof header);
    if (has_failed(w)) return;
    if (tk_result_write_chunk(w->result, (int)header.image, header.origin, message->data + sizeof header,
                              message->size - sizeof header, &error) != TK_OK)
        note_error(w, &error);
}

/* Takes one message of the queue; when there is none and `wait`, waits for one up to IDLE_NS. False: none. */
static bool take_own(tk_writer *w, tk_bytes *message, bool wait) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += IDLE_NS;
    if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
    pthread_mutex_lock(&w->lock);
    if (wait && w->waiting == 0 && !w->closing) pthread_cond_timedwait(&w->changed, &w->lock, &until);
    const bool got = w->waiting > 0;
    if (got) {
        const tk_bytes spare = *message;
        *message = w->queue[w->head];
        w->queue[w->head] = spare;
        w->head = (w->head + 1) % QUEUE;
        w->waiting--;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return got;
}

/* Takes one message of another rank. False: none. */
static bool take_others(tk_writer *w, tk_bytes *message) {
    bool got = false;
    if (w->senders == 0) return false;
    tk_comm_receive(w->comm, message, &got);
    if (!got) return false;
    tk_chunk_header header;
    memcpy(&header, message->data, sizeof header);
    if (header.image < 0)
        w->senders--;
    else
        write_message(w, message);
    return true;
}

static bool is_over(tk_writer *w) {
    pthread_mutex_lock(&w->lock);
    const bool over = w->closing && w->waiting == 0 && w->senders == 0;
    pthread_mutex_unlock(&w->lock);
    return over;
}

static void *serve(void *user) {
    tk_writer *w = user;
    tk_bytes own = {0}, theirs = {0};
    while (!is_over(w)) {
        const bool busy = take_others(w, &theirs);
        if (take_own(w, &own, !busy))
            write_message(w, &own);
        else if (!busy && w->senders > 0)
            nanosleep(&(struct timespec){0, 200000}, NULL);
    }
    tk_bytes_free(&own);
    tk_bytes_free(&theirs);
    return NULL;
}

static tk_writer *make_writer(tk_comm *comm, tk_result *result, tk_error *error) {
    tk_writer *w = calloc(1, sizeof *w);
    if (!w) {
        tk_fail_memory(error, "the writer");
        return NULL;
    }
    w->comm = comm;
    w->result = result;
    w->senders = tk_comm_size(comm) - 1;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    return w;
}

static void free_writer(tk_writer *w) {
    if (!w) return;
    for (int i = 0; i < QUEUE; i++) tk_bytes_free(&w->queue[i]);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w);
}

tk_status tk_writer_start(tk_comm *comm, tk_result *result, tk_writer **writer, tk_error *error) {
    tk_writer *w = make_writer(comm, result, error);
    if (tk_comm_agree(comm, error) == TK_OK && tk_comm_rank(comm) == 0 &&
        pthread_create(&w->thread, NULL, serve, w) != 0)
        tk_fail(error, TK_FAILED, "the writer's thread could not be started");
    if (tk_comm_agree(comm, error) != TK_OK)
        free_writer(w);
    else
        *writer = w;
    return error->status;
}

tk_status tk_writer_check(tk_writer *w, tk_error *error) {
    pthread_mutex_lock(&w->lock);
    if (w->error.status != TK_OK) tk_fail(error, w->error.status, "%s", w->error.text);
    pthread_mutex_unlock(&w->lock);
    return error->status;
}

static tk_status put_own(tk_writer *w, const tk_chunk_header *message, size_t size, tk_error *error) {
    pthread_mutex_lock(&w->lock);
    while (w->waiting == QUEUE) pthread_cond_wait(&w->changed, &w->lock);
    tk_bytes *slot = &w->queue[(w->head + w->waiting) % QUEUE];
    slot->size = 0;
    const tk_status status = tk_bytes_append(slot, message, size);
    if (status == TK_OK) w->waiting++;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return status == TK_OK ? TK_OK : tk_fail_memory(error, "the writer's queue");
}

tk_status tk_writer_put(tk_writer *w, const tk_chunk_header *message, size_t bytes, tk_error *error) {
    const size_t size = sizeof *message + bytes;
    if (tk_comm_rank(w->comm) == 0) {
        TK_TRY(tk_writer_check(w, error));
        return put_own(w, message, size, error);
    }
    if (tk_comm_send(w->comm, message, size) == TK_OK) return TK_OK;
    return tk_fail(error, TK_FAILED, "a chunk of %zu bytes is too large to send; use a smaller tile", bytes);
}

tk_status tk_writer_finish(tk_writer *w, tk_error *error) {
    if (!w) return TK_OK;
    if (tk_comm_rank(w->comm) == 0) {
        pthread_mutex_lock(&w->lock);
        w->closing = true;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
        tk_writer_check(w, error);
    } else {
        const tk_chunk_header end = {.image = -1};
        tk_comm_send(w->comm, &end, sizeof end);
    }
    free_writer(w);
    return error->status;
}
