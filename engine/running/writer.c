/* A ring of bytes between those who compute and the writer's thread; on rank 0 the thread also takes what the other
 * ranks send. */
#include "engine/running/writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/keeping/resume.h"
#include "engine/running/progress.h"
#include "io/checksum.h"

/* Pauses of a thread on rank 0 that nobody sends to: longer and longer, so that it takes no time from those who
 * compute.
 */
enum { PAUSE_LEAST_NS = 100000, PAUSE_MOST_NS = 5000000 };
enum { CHUNK, TILE_DONE, TILE_FAILED, SETTLE, END };

struct tk_writer {
    tk_comm *comm;
    tk_result *result;
    tk_journal *journal;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned char *ring; /* messages, each with its size before it */
    size_t head, used;
    bool over;        /* the thread has seen the last message */
    int senders;      /* rank 0: ranks that may still send, itself included */
    int64_t settled;  /* rank 0: SETTLE messages seen */
    int64_t settles;  /* how often this rank has settled */
    int64_t noted;    /* rank 0: tiles in the journal */
    tk_bytes *chunks; /* rank 0, per rank: tk_chunk_record of the tile under way */
    double waited;
    tk_error error;
};

/* --- What happened ------------------------------------------------------------------------------------------------ */

static void note_error(tk_writer *w, const tk_error *error) {
    pthread_mutex_lock(&w->lock);
    if (w->error.status == TK_OK) w->error = *error;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static bool has_failed(tk_writer *w) {
    pthread_mutex_lock(&w->lock);
    const bool failed = w->error.status != TK_OK;
    pthread_mutex_unlock(&w->lock);
    return failed;
}

tk_status tk_writer_check(tk_writer *w, tk_error *error) {
    pthread_mutex_lock(&w->lock);
    if (w->error.status != TK_OK) tk_fail(error, w->error.status, "%s", w->error.text);
    pthread_mutex_unlock(&w->lock);
    return error->status;
}

int64_t tk_writer_noted(tk_writer *w) {
    pthread_mutex_lock(&w->lock);
    const int64_t noted = w->noted;
    pthread_mutex_unlock(&w->lock);
    return noted;
}

double tk_writer_waited(const tk_writer *w) { return w->waited; }

/* --- The ring ----------------------------------------------------------------------------------------------------- */

static void copy_in(tk_writer *w, const void *data, size_t size) {
    const size_t at = (w->head + w->used) % TK_QUEUE_BYTES;
    const size_t first = size < TK_QUEUE_BYTES - at ? size : TK_QUEUE_BYTES - at;
    memcpy(w->ring + at, data, first);
    memcpy(w->ring, (const unsigned char *)data + first, size - first);
    w->used += size;
}

static void copy_out(tk_writer *w, void *data, size_t size) {
    const size_t first = size < TK_QUEUE_BYTES - w->head ? size : TK_QUEUE_BYTES - w->head;
    memcpy(data, w->ring + w->head, first);
    memcpy((unsigned char *)data + first, w->ring, size - first);
    w->head = (w->head + size) % TK_QUEUE_BYTES;
    w->used -= size;
}

static tk_status push(tk_writer *w, const void *message, size_t size, tk_error *error) {
    if (size > TK_QUEUE_BYTES - sizeof size)
        return tk_fail(error, TK_FAILED,
                       "a chunk of %zu bytes does not fit into the writer's buffer; use a smaller tile", size);
    const double start = tk_progress_now();
    pthread_mutex_lock(&w->lock);
    while (TK_QUEUE_BYTES - w->used < size + sizeof size) pthread_cond_wait(&w->changed, &w->lock);
    copy_in(w, &size, sizeof size);
    copy_in(w, message, size);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    w->waited += tk_progress_now() - start;
    return TK_OK;
}

static void wait_a_little(tk_writer *w, long pause_ns) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += pause_ns;
    if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
    (void)pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

/* Takes a message of this rank; waits for one, at most pause_ns (0: not at all; negative: for ever). False: none. */
static bool pop(tk_writer *w, tk_bytes *message, long pause_ns, tk_error *error) {
    size_t size = 0;
    pthread_mutex_lock(&w->lock);
    if (pause_ns > 0 && w->used == 0) wait_a_little(w, pause_ns);
    while (pause_ns < 0 && w->used == 0) pthread_cond_wait(&w->changed, &w->lock);
    const bool got = w->used > 0;
    if (got) {
        copy_out(w, &size, sizeof size);
        if (tk_bytes_resize(message, size) == TK_OK) {
            copy_out(w, message->data, size);
        } else {
            w->head = (w->head + size) % TK_QUEUE_BYTES;
            w->used -= size;
            message->size = 0;
            tk_fail_memory(error, "the writer");
        }
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return got;
}

/* --- Rank 0: writing ---------------------------------------------------------------------------------------------- */

static tk_status write_chunk(tk_writer *w, int rank, const tk_message *m, const unsigned char *encoded, size_t bytes,
                             tk_error *error) {
    tk_chunk_record record = {.image = m->image, .bytes = (int64_t)bytes, .crc = tk_crc32(0, encoded, bytes)};
    memcpy(record.origin, m->origin, sizeof record.origin);
    TK_TRY(tk_result_write_chunk(w->result, (int)m->image, m->time, m->origin, encoded, bytes, &record.offset, error));
    if (tk_bytes_append(&w->chunks[rank], &record, sizeof record) == TK_OK) return TK_OK;
    return tk_fail_memory(error, "the writer");
}

static tk_status note_tile(tk_writer *w, int rank, const tk_message *m, const unsigned char *behind, size_t bytes,
                           tk_error *error) {
    tk_bytes *chunks = &w->chunks[rank];
    tk_stored stored[TK_STORED_MOST];
    const int count = (int)(bytes / sizeof *stored);
    memcpy(stored, behind, bytes);
    TK_TRY(tk_journal_add(w->journal,
                          tk_tile_record((int)m->stage, m->tile, (const tk_chunk_record *)(const void *)chunks->data,
                                         (int64_t)(chunks->size / sizeof(tk_chunk_record)), stored, count),
                          error));
    chunks->size = 0;
    pthread_mutex_lock(&w->lock);
    w->noted++;
    pthread_mutex_unlock(&w->lock);
    return TK_OK;
}

/* Works on one message of a rank; after a failure messages are only taken, so that nobody waits for ever. */
static void work_on(tk_writer *w, int rank, const tk_bytes *message) {
    tk_message m;
    tk_error error = TK_ERROR_NONE;
    memcpy(&m, message->data, sizeof m);
    const unsigned char *behind = message->data + sizeof m;
    const size_t bytes = message->size - sizeof m;
    const bool failed = has_failed(w);
    if (m.kind == CHUNK && !failed) write_chunk(w, rank, &m, behind, bytes, &error);
    if (m.kind == TILE_DONE && !failed) note_tile(w, rank, &m, behind, bytes, &error);
    if (m.kind == TILE_FAILED) w->chunks[rank].size = 0;
    if (error.status != TK_OK) note_error(w, &error);
    pthread_mutex_lock(&w->lock);
    if (m.kind == SETTLE) w->settled++;
    if (m.kind == END) w->over = --w->senders == 0;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void *write_all(void *user) {
    tk_writer *w = user;
    const bool alone = tk_comm_size(w->comm) == 1;
    long pause = PAUSE_LEAST_NS;
    tk_bytes message = {0};
    while (!w->over) {
        tk_error error = TK_ERROR_NONE;
        int from = 0;
        bool theirs = false;
        if (!alone) tk_comm_poll(w->comm, TK_CHANNEL_DATA, &message, &from, &theirs);
        if (theirs) work_on(w, from, &message);
        const bool ours = pop(w, &message, alone ? -1 : theirs ? 0 : pause, &error);
        if (ours && message.size > 0) work_on(w, 0, &message);
        pause = theirs || ours ? PAUSE_LEAST_NS : pause < PAUSE_MOST_NS ? 2 * pause : PAUSE_MOST_NS;
        if (error.status != TK_OK) note_error(w, &error);
    }
    tk_bytes_free(&message);
    return NULL;
}

/* --- The other ranks: sending ------------------------------------------------------------------------------------- */

static void *send_all(void *user) {
    tk_writer *w = user;
    tk_bytes message = {0};
    for (bool over = false; !over;) {
        tk_error error = TK_ERROR_NONE;
        tk_message m;
        if (!pop(w, &message, -1, &error) || message.size == 0) {
            note_error(w, &error);
            continue;
        }
        memcpy(&m, message.data, sizeof m);
        over = m.kind == END;
        if (tk_comm_post(w->comm, 0, TK_CHANNEL_DATA, message.data, message.size, NULL, NULL) != TK_OK) {
            tk_fail(&error, TK_FAILED, "a message of %zu bytes could not be sent to rank 0", message.size);
            note_error(w, &error);
        }
    }
    tk_bytes_free(&message);
    return NULL;
}

/* --- Starting, handing over, ending ------------------------------------------------------------------------------- */

static void free_writer(tk_writer *w) {
    if (!w) return;
    for (int rank = 0; w->chunks && rank < tk_comm_size(w->comm); rank++) tk_bytes_free(&w->chunks[rank]);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w->chunks);
    free(w->ring);
    free(w);
}

static tk_writer *make_writer(tk_comm *comm, tk_result *result, tk_journal *journal, tk_error *error) {
    tk_writer *w = calloc(1, sizeof *w);
    if (!w) {
        tk_fail_memory(error, "the writer");
        return NULL;
    }
    w->comm = comm;
    w->result = result;
    w->journal = journal;
    w->senders = tk_comm_size(comm);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->ring = malloc(TK_QUEUE_BYTES);
    w->chunks = calloc((size_t)tk_comm_size(comm), sizeof *w->chunks);
    if (!w->ring || !w->chunks) tk_fail_memory(error, "the writer");
    return w;
}

tk_status tk_writer_start(tk_comm *comm, tk_result *result, tk_journal *journal, tk_writer **writer, tk_error *error) {
    tk_writer *w = make_writer(comm, result, journal, error);
    if (tk_comm_agree(comm, error) == TK_OK &&
        pthread_create(&w->thread, NULL, tk_comm_rank(comm) == 0 ? write_all : send_all, w) != 0) {
        fprintf(stderr, "tarkka: rank %d: the writer's thread could not be started\n", tk_comm_rank(comm));
        tk_comm_abort(tk_status_exit_code(TK_NO_MEMORY)); /* the other ranks' threads wait for this one's messages */
    }
    if (error->status != TK_OK)
        free_writer(w);
    else
        *writer = w;
    return error->status;
}

tk_status tk_writer_put(tk_writer *w, tk_message *message, size_t bytes, tk_error *error) {
    TK_TRY(tk_writer_check(w, error));
    message->kind = CHUNK;
    return push(w, message, sizeof *message + bytes, error);
}

tk_status tk_writer_tile_done(tk_writer *w, int stage, int64_t tile, const tk_stored *stored, int count,
                              tk_error *error) {
    struct {
        tk_message head;
        tk_stored stored[TK_STORED_MOST];
    } message = {.head = {.kind = TILE_DONE, .stage = stage, .tile = tile}};
    TK_TRY(tk_writer_check(w, error));
    if (count > TK_STORED_MOST) return tk_fail(error, TK_FAILED, "more intermediate images than a stage can store");
    if (count > 0) memcpy(message.stored, stored, (size_t)count * sizeof *stored);
    return push(w, &message, sizeof message.head + (size_t)count * sizeof *stored, error);
}

static tk_status push_kind(tk_writer *w, int kind, tk_error *error) {
    const tk_message message = {.kind = kind};
    return push(w, &message, sizeof message, error);
}

tk_status tk_writer_tile_failed(tk_writer *w, tk_error *error) { return push_kind(w, TILE_FAILED, error); }

tk_status tk_writer_settle(tk_writer *w, tk_error *error) {
    (void)push_kind(w, SETTLE, error);
    w->settles++;
    if (tk_comm_rank(w->comm) == 0) {
        pthread_mutex_lock(&w->lock);
        while (w->settled < w->settles * tk_comm_size(w->comm)) pthread_cond_wait(&w->changed, &w->lock);
        pthread_mutex_unlock(&w->lock);
    }
    return tk_writer_check(w, error);
}

tk_status tk_writer_finish(tk_writer *w, tk_error *error) {
    if (!w) return TK_OK;
    tk_error ignored = TK_ERROR_NONE;
    (void)push_kind(w, END, &ignored);
    pthread_join(w->thread, NULL);
    tk_writer_check(w, error);
    free_writer(w);
    return error->status;
}
