/* What ranks rely on when they talk to each other, checked under a real launcher: comm_check CHECK. Each check ends
 * with exit code 0, or says on standard error what went wrong and ends all ranks with 1. test_comm.py runs it. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/comm.h"

enum { CLAIMS = 20000, THREADS = 3, MESSAGES = 300, LARGE = 64 << 20 };

static tk_comm *comm;
static int rank, size;

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "rank %d, line %d: not so: %s\n", rank, __LINE__, #condition);                             \
            tk_comm_abort(1);                                                                                          \
        }                                                                                                              \
    } while (0)

static void sleep_ms(int ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL); }

/* --- claims: each number is given once, to several threads of each rank, while others send messages --------------- */

typedef struct {
    tk_bytes claimed;
} claimer;

static void *claim_all(void *user) {
    claimer *c = user;
    for (int64_t next; (next = tk_comm_claim(comm)) < CLAIMS;)
        EXPECT(tk_bytes_append(&c->claimed, &next, sizeof next) == TK_OK);
    return NULL;
}

static unsigned char given[CLAIMS];

static tk_status mark(void *user, const tk_bytes *claimed) {
    (void)user;
    for (size_t at = 0; at < claimed->size; at += sizeof(int64_t)) {
        int64_t number = -1;
        memcpy(&number, claimed->data + at, sizeof number);
        EXPECT(number >= 0 && number < CLAIMS);
        EXPECT(given[number] == 0);
        given[number] = 1;
    }
    return TK_OK;
}

static void claim_once(void) {
    pthread_t thread[THREADS];
    claimer claimers[THREADS] = {0};
    tk_bytes all = {0};
    tk_comm_barrier(comm);
    for (int i = 0; i < THREADS; i++) EXPECT(pthread_create(&thread[i], NULL, claim_all, &claimers[i]) == 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        if (claimers[i].claimed.size > 0)
            EXPECT(tk_bytes_append(&all, claimers[i].claimed.data, claimers[i].claimed.size) == TK_OK);
        tk_bytes_free(&claimers[i].claimed);
    }
    memset(given, 0, sizeof given);
    if (rank == 0) mark(NULL, &all);
    tk_comm_collect(comm, &all, mark, NULL);
    for (int i = 0; rank == 0 && i < CLAIMS; i++) EXPECT(given[i] == 1);
    tk_bytes_free(&all);
    tk_comm_claim_reset(comm);
}

static void check_claims(void) {
    double mean = -1, longest = -1;
    EXPECT(tk_comm_has_counter(comm));
    tk_comm_time_claims(comm, 100, &mean, &longest);
    EXPECT(mean > 0 && longest >= mean);
    claim_once();
    claim_once();
    tk_comm_barrier(comm);
    if (rank == size - 1) tk_comm_claim_stop(comm);
    tk_comm_barrier(comm);
    EXPECT(tk_comm_claim(comm) > 1000000000000);
    for (int i = 0; i < 3; i++) tk_comm_claim_stop(comm); /* by all, more than once: it must not wrap around */
    EXPECT(tk_comm_claim(comm) > 1000000000000);
    tk_comm_claim_reset(comm);
    if (rank == 0) EXPECT(tk_comm_claim(comm) == 0);
}

/* --- order: every rank posts to every other on each channel; each channel is polled by a thread of its own ---------
 */

typedef struct {
    int64_t number;
    int from, channel;
} numbered;

/* Some messages are far beyond what MPI sends at once, some of them sent with go_on and some without. */
static size_t padded_size(int64_t number) { return sizeof(numbered) + (number % 25 == 7 ? 300000 : 0); }

static void *poll_channel(void *user) {
    const tk_comm_channel channel = *(const tk_comm_channel *)user;
    int64_t *next = calloc((size_t)size, sizeof *next);
    tk_bytes message = {0};
    EXPECT(next);
    for (int left = MESSAGES * (size - 1); left > 0;) {
        int from = -1;
        bool got = false;
        EXPECT(tk_comm_poll(comm, channel, &message, &from, &got) == TK_OK);
        if (!got) {
            sleep_ms(0);
            continue;
        }
        numbered n;
        EXPECT(message.size >= sizeof n);
        memcpy(&n, message.data, sizeof n);
        EXPECT(n.from == from && n.channel == (int)channel && n.number == next[from]);
        EXPECT(message.size == padded_size(n.number));
        EXPECT(message.size == sizeof n || message.data[message.size - 1] == (unsigned char)n.number);
        next[from]++;
        left--;
    }
    tk_bytes_free(&message);
    free(next);
    return NULL;
}

static bool always(void *user) {
    (void)user;
    return true;
}

static void *post_channel(void *user) {
    const tk_comm_channel channel = *(const tk_comm_channel *)user;
    unsigned char *data = calloc(1, padded_size(7));
    EXPECT(data);
    for (int64_t i = 0; i < MESSAGES; i++)
        for (int to = 0; to < size; to++) {
            const numbered n = {.number = i, .from = rank, .channel = (int)channel};
            if (to == rank) continue;
            const size_t bytes = padded_size(i);
            memset(data, (int)(unsigned char)i, bytes);
            memcpy(data, &n, sizeof n);
            EXPECT(tk_comm_post(comm, to, channel, data, bytes, i % 2 ? always : NULL, NULL) == TK_OK);
            memset(data, 0xee, bytes); /* the memory may be used again */
        }
    free(data);
    return NULL;
}

static void check_order(void) {
    pthread_t thread[2 * TK_CHANNEL_COUNT];
    tk_comm_channel channel[TK_CHANNEL_COUNT];
    for (int i = 0; i < TK_CHANNEL_COUNT; i++) {
        channel[i] = (tk_comm_channel)i;
        EXPECT(pthread_create(&thread[2 * i], NULL, poll_channel, &channel[i]) == 0);
        EXPECT(pthread_create(&thread[2 * i + 1], NULL, post_channel, &channel[i]) == 0);
    }
    for (int i = 0; i < 2 * TK_CHANNEL_COUNT; i++) pthread_join(thread[i], NULL);
    bool got = true;
    int from = 0;
    tk_bytes message = {0};
    tk_comm_barrier(comm);
    for (int i = 0; i < TK_CHANNEL_COUNT; i++) {
        EXPECT(tk_comm_poll(comm, channel[i], &message, &from, &got) == TK_OK);
        EXPECT(!got);
    }
}

/* --- large: 64 MiB from each rank to rank 0, every byte ------------------------------------------------------------
 */

static unsigned char pattern(size_t at, int from) { return (unsigned char)(at * 131 + (at >> 12) + (size_t)from * 17); }

static void take_large(void) {
    tk_bytes message = {0};
    int from = 0;
    for (int left = size - 1; left > 0;) {
        bool got = false;
        EXPECT(tk_comm_poll(comm, TK_CHANNEL_DATA, &message, &from, &got) == TK_OK);
        if (!got) continue;
        EXPECT(message.size == LARGE);
        for (size_t at = 0; at < LARGE; at++) EXPECT(message.data[at] == pattern(at, from));
        left--;
    }
    tk_bytes_free(&message);
}

static void check_large(void) {
    if (rank == 0) {
        take_large();
        return;
    }
    unsigned char *data = malloc(LARGE);
    EXPECT(data);
    for (size_t at = 0; at < LARGE; at++) data[at] = pattern(at, rank);
    EXPECT(tk_comm_post(comm, 0, TK_CHANNEL_DATA, data, LARGE, rank % 2 ? always : NULL, NULL) == TK_OK);
    free(data);
}

/* --- giving up: rank 0 does not poll; the others stop waiting, free their memory, and all close in order ------------
 */

static bool a_while(void *user) {
    int *asked = user;
    return ++*asked < 20;
}

static void check_giving_up(void) {
    const size_t bytes = 8 << 20;
    if (rank != 0) {
        int asked = 0;
        unsigned char *data = malloc(bytes);
        EXPECT(data);
        memset(data, rank, bytes);
        EXPECT(tk_comm_post(comm, 0, TK_CHANNEL_DATA, data, bytes, a_while, &asked) == TK_STOPPED);
        EXPECT(asked == 20);
        memset(data, 0xee, bytes);
        free(data);
    }
    EXPECT(tk_comm_post(comm, 0, TK_CHANNEL_DATA, NULL, (size_t)1 << 31, NULL, NULL) == TK_FAILED);
    tk_comm_barrier(comm);
}

/* --- exchange: bytes of any size between all ranks, some of none, while channels are used too; and sums ------------
 */

/* How many bytes `from` sends `to` in this turn. */
static int64_t exchanged(int turn, int from, int to) {
    static const int64_t sizes[] = {0, 1, 37, 4096, 300001, 1 << 20};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    return turn == 0 ? 0 : sizes[(from * 7 + to * 3 + turn) % SIZES];
}

static void exchange_once(int turn) {
    enum { RANKS_MOST = 64 };
    int64_t out_bytes[RANKS_MOST], in_bytes[RANKS_MOST], out_all = 0, in_all = 0, at = 0;
    EXPECT(size <= RANKS_MOST);
    for (int r = 0; r < size; r++) {
        out_all += out_bytes[r] = exchanged(turn, rank, r);
        in_all += in_bytes[r] = exchanged(turn, r, rank);
    }
    unsigned char *out = malloc((size_t)out_all + 1), *in = malloc((size_t)in_all + 1);
    EXPECT(out && in);
    for (int r = 0; r < size; at += out_bytes[r], r++)
        for (int64_t i = 0; i < out_bytes[r]; i++) out[at + i] = pattern((size_t)(i + turn), rank * size + r);
    memset(in, 0xee, (size_t)in_all + 1);
    if (turn % 4 == 2) sleep_ms(20 * rank); /* some come late */
    tk_comm_exchange(comm, out, out_bytes, in, in_bytes);
    at = 0;
    for (int r = 0; r < size; at += in_bytes[r], r++)
        for (int64_t i = 0; i < in_bytes[r]; i++) EXPECT(in[at + i] == pattern((size_t)(i + turn), r * size + rank));
    EXPECT(in[in_all] == 0xee);
    free(out);
    free(in);
}

static void check_sum(void) {
    enum { VALUES = 1000 };
    double values[VALUES];
    for (int i = 0; i < VALUES; i++) values[i] = i % size == rank ? 0.1 * (i - 500) : -0.0;
    tk_comm_sum(comm, values, VALUES);
    for (int i = 0; i < VALUES; i++) {
        const double expected = 0.1 * (i - 500) + 0.0;
        EXPECT(memcmp(&values[i], &expected, sizeof expected) == 0);
    }
    double zero = -0.0;
    tk_comm_sum(comm, &zero, 1);
    EXPECT(size > 1 || !signbit(zero));
    tk_comm_sum(comm, NULL, 0);
}

static void check_exchange(void) {
    pthread_t poller, poster;
    tk_comm_channel channel = TK_CHANNEL_CONTROL;
    const bool beside = size <= 5; /* more would only take longer */
    if (beside) EXPECT(pthread_create(&poller, NULL, poll_channel, &channel) == 0);
    if (beside) EXPECT(pthread_create(&poster, NULL, post_channel, &channel) == 0);
    for (int turn = 0; turn < 8; turn++) {
        exchange_once(turn);
        check_sum();
    }
    if (beside) pthread_join(poller, NULL);
    if (beside) pthread_join(poster, NULL);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

static void *abort_from_thread(void *user) {
    (void)user;
    tk_comm_abort(75);
}

/* One rank ends all from a thread, while the others wait in MPI, or sleep, for it. */
static void abort_on(int aborting, void (*meanwhile)(void)) {
    pthread_t thread;
    if (rank == aborting) {
        sleep_ms(200);
        EXPECT(pthread_create(&thread, NULL, abort_from_thread, NULL) == 0);
        meanwhile();
        sleep_ms(60000);
    }
    if (rank == 1) sleep_ms(60000);
    tk_comm_barrier(comm);
    sleep_ms(60000);
}

static void sleep_on(void) { sleep_ms(60000); }

static void check_abort(void) { abort_on(size - 1, sleep_on); }

/* Rank 0 ends all while its own main thread keeps calling MPI together with the others. */
static void call_mpi(void) {
    for (;;) tk_comm_barrier(comm);
}

static void check_abort_in_mpi(void) { abort_on(0, call_mpi); }

/* Without a counter all else works. Run with a transport that refuses one. */
static void check_no_counter(void) {
    EXPECT(!tk_comm_has_counter(comm));
    check_order();
}

/* The MPI library crashes while it ends: what it calls MPI_Finalize is this, which does the same and then crashes. */
static bool crash;
int PMPI_Finalize(void);
int MPI_Finalize(void);
int MPI_Finalize(void) {
    const int status = PMPI_Finalize();
    if (crash) raise(SIGSEGV);
    return status;
}

static void check_crash_at_the_end(void) { crash = rank != 1; }

static const struct {
    const char *name;
    void (*run)(void);
} checks[] = {
    {"claims", check_claims},         {"order", check_order},       {"large", check_large},
    {"give-up", check_giving_up},     {"abort", check_abort},       {"abort-in-mpi", check_abort_in_mpi},
    {"no-counter", check_no_counter}, {"exchange", check_exchange}, {"crash-at-the-end", check_crash_at_the_end}};

int main(int argc, char **argv) {
    tk_error error = TK_ERROR_NONE;
    if (argc == 2 && tk_comm_open(&comm, &error) == TK_OK) {
        rank = tk_comm_rank(comm);
        size = tk_comm_size(comm);
        tk_fail(&error, TK_USAGE, "there is no check '%s'", argv[1]);
        for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
            if (!strcmp(argv[1], checks[i].name)) {
                checks[i].run();
                error = TK_ERROR_NONE;
            }
        if (!strcmp(argv[1], "error") && rank == size - 1) /* one rank's error, said once, on all */
            error = (tk_error){TK_GIVEN_UP, "the last rank's error"};
        if (!strcmp(argv[1], "error") && rank != size - 1) error = TK_ERROR_NONE;
        tk_comm_agree(comm, &error);
        tk_comm_close(comm);
    }
    tk_comm_end(error.text, tk_status_exit_code(error.status));
    return tk_status_exit_code(error.status);
}
