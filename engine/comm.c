/* MPI: agreement on errors, gathering and spreading of bytes, exchanges between all ranks, the tile counter
 * (one-sided), messages between threads.
 *
 * One rank that no launcher has started needs no MPI: starting it takes longer than many a run, leaves files behind
 * when the run is killed, and Open MPI 4.1 now and then crashes when such a rank ends.
 *
 * Each use has its own communicator, so that threads never take each other's messages: the collectives of the main
 * thread, those of ranks that compute together, the counter's window, and one for each channel. */
#include "engine/comm.h"

#include <limits.h>
#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TAG = 1, PIECE = 1 << 30, ABORT_SECONDS = 10, KILLED_SECONDS = 3, PARTNERS = 16 };
static const int64_t NO_MORE = (int64_t)1 << 40; /* more than any list has; every rank may add it, and more than once */
static const double COMPUTING_S = 0.3;           /* how long rank 0 stays outside MPI when claims are timed */
static const double SPIN_S = 0.0005;    /* a message that has not gone by then, and in the time that its bytes */
static const double SLOW_BYTES_S = 1e9; /* take at this rate, is waited for asleep */
static const double ASK_S = 0.001;      /* how often go_on is asked */
static const long SLEEP_NS = 100 * 1000;
static const long PASS_ON_NS = 200 * 1000 * 1000; /* for the launcher to pass on what an aborting rank has said */

/* A message that was given up: MPI may still read it. */
typedef struct orphan {
    MPI_Request request;
    struct orphan *next;
    unsigned char data[];
} orphan;

struct tk_comm {
    MPI_Comm world;    /* collectives of the main thread */
    MPI_Comm together; /* exchanges and sums */
    MPI_Comm counting; /* the window's */
    MPI_Comm channel[TK_CHANNEL_COUNT];
    MPI_Win window; /* the tile counter, on rank 0; MPI_WIN_NULL: there is none */
    int64_t *counter;
    bool alone;  /* without MPI: none of the above */
    int64_t own; /* the counter then */
    int rank, size, machines, local_size, sharers;
    pthread_mutex_t lock; /* of the orphans */
    orphan *orphans;
};

int tk_comm_launched_size(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = getenv(names[i]);
        if (text && *text) return atoi(text);
    }
    return 1;
}

/* Has any launcher started this process, also one that says its number of ranks in no way known here? */
static bool was_launched(void) {
    static const char *const prefixes[] = {
        "PMI_RANK=", "PMI_FD=", "PMI2_",     "PMIX_RANK=", "PMIX_NAMESPACE=", "OMPI_COMM_WORLD_",
        "PALS_",     "ALPS_",   "MPI_LOCAL", "MV2_COMM_",  "FLUX_TASK_"};
    for (char **variable = environ; *variable; variable++)
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            if (!strncmp(*variable, prefixes[i], strlen(prefixes[i]))) return true;
    return tk_comm_launched_size() > 1;
}

static double wall_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

const char *tk_comm_library(void) {
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, "\n,")] = 0;
    for (char *tab; (tab = strchr(text, '\t'));) *tab = ' ';
    return text;
}

/* A window may be refused, as by Open MPI between machines over TCP: then there is no counter, on any rank. */
static void open_window(tk_comm *comm) {
    const MPI_Aint bytes = comm->rank == 0 ? (MPI_Aint)sizeof(int64_t) : 0;
    MPI_Comm_set_errhandler(comm->counting, MPI_ERRORS_RETURN);
    int given = MPI_Win_allocate(bytes, sizeof(int64_t), MPI_INFO_NULL, comm->counting, &comm->counter,
                                 &comm->window) == MPI_SUCCESS;
    int all = 0;
    MPI_Allreduce(&given, &all, 1, MPI_INT, MPI_MIN, comm->world);
    if (!all) { /* one that some ranks have got cannot be freed: that needs them all */
        comm->window = MPI_WIN_NULL;
        return;
    }
    if (comm->rank == 0) *comm->counter = 0;
    MPI_Win_lock_all(MPI_MODE_NOCHECK, comm->window);
    MPI_Win_sync(comm->window);
    MPI_Barrier(comm->world);
}

/* A rank that cannot take part would hang the others, so all end here. */
_Noreturn static void abort_for_memory(const tk_comm *comm) {
    fprintf(stderr, "tarkka: rank %d has no memory left for a message\n", comm->rank);
    tk_comm_abort(tk_status_exit_code(TK_NO_MEMORY));
}

/* Where a rank is: names of machines alone may be the same ("localhost"), and so may what containers show. */
typedef struct place {
    char machine[128];
    cpu_set_t processors;
} place;

static void find_place(place *here) {
    char host[80] = "", boot[40] = "";
    memset(here, 0, sizeof *here);
    (void)gethostname(host, sizeof host - 1);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (file && !fgets(boot, sizeof boot, file)) boot[0] = '\0';
    if (file) (void)fclose(file);
    snprintf(here->machine, sizeof here->machine, "%s %s", host, boot);
    (void)sched_getaffinity(0, sizeof here->processors, &here->processors); /* on failure all look alike: they share */
}

/* Who else is on this machine, and who of them may use the same processors. MPI_Comm_split_type is not asked: there
 * are releases of Open MPI in which it hangs or puts each rank on a machine of its own. */
static void find_neighbours(tk_comm *comm) {
    place mine, *all = malloc((size_t)comm->size * sizeof *all);
    if (!all) abort_for_memory(comm);
    find_place(&mine);
    MPI_Allgather(&mine, (int)sizeof mine, MPI_BYTE, all, (int)sizeof mine, MPI_BYTE, comm->world);
    int first = 0;
    for (int rank = 0; rank < comm->size; rank++) {
        if (strcmp(all[rank].machine, mine.machine) != 0) continue;
        if (comm->local_size++ == 0) first = rank == comm->rank;
        comm->sharers += CPU_EQUAL(&mine.processors, &all[rank].processors) != 0;
    }
    free(all);
    MPI_Allreduce(&first, &comm->machines, 1, MPI_INT, MPI_SUM, comm->world);
}

static tk_status open_alone(tk_comm **comm, tk_error *error) {
    tk_comm *made = calloc(1, sizeof *made);
    if (!made) return tk_fail_memory(error, "MPI");
    made->alone = true;
    made->size = made->machines = made->local_size = made->sharers = 1;
    pthread_mutex_init(&made->lock, NULL);
    *comm = made;
    return TK_OK;
}

tk_status tk_comm_open(tk_comm **comm, tk_error *error) {
    return was_launched() ? tk_comm_open_mpi(comm, error) : open_alone(comm, error);
}

tk_status tk_comm_open_mpi(tk_comm **comm, tk_error *error) {
    int provided = MPI_THREAD_SINGLE;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
    if (provided < MPI_THREAD_MULTIPLE)
        return tk_fail(error, TK_FAILED,
                       "this MPI library (%s) was built without MPI_THREAD_MULTIPLE, which tarkka needs",
                       tk_comm_library());
    tk_comm *made = calloc(1, sizeof *made);
    if (!made) return tk_fail_memory(error, "MPI");
    MPI_Comm_dup(MPI_COMM_WORLD, &made->world);
    MPI_Comm_dup(MPI_COMM_WORLD, &made->together);
    MPI_Comm_dup(MPI_COMM_WORLD, &made->counting);
    for (int i = 0; i < TK_CHANNEL_COUNT; i++) MPI_Comm_dup(MPI_COMM_WORLD, &made->channel[i]);
    pthread_mutex_init(&made->lock, NULL);
    MPI_Comm_rank(made->world, &made->rank);
    MPI_Comm_size(made->world, &made->size);
    if (made->size == 1 && tk_comm_launched_size() > 1) {
        free(made);
        return tk_fail(
            error, TK_FAILED,
            "%d ranks were started, but MPI (%s) knows of one: use this library's own mpirun, or srun with the "
            "right --mpi",
            tk_comm_launched_size(), tk_comm_library());
    }
    find_neighbours(made);
    open_window(made);
    *comm = made;
    return TK_OK;
}

/* Takes what comes in and drops it. */
static void drop_messages(tk_comm *comm) {
    tk_bytes message = {0};
    for (int i = 0; i < TK_CHANNEL_COUNT; i++) {
        bool got = true;
        int from = 0;
        while (got && tk_comm_poll(comm, (tk_comm_channel)i, &message, &from, &got) == TK_OK) continue;
    }
    tk_bytes_free(&message);
}

/* Frees the orphans that have gone. True: all have. */
static bool free_orphans(tk_comm *comm) {
    orphan **link = &comm->orphans;
    while (*link) {
        orphan *o = *link;
        int gone = 0;
        MPI_Test(&o->request, &gone, MPI_STATUS_IGNORE);
        if (gone) {
            *link = o->next;
            free(o);
        } else {
            link = &o->next;
        }
    }
    return !comm->orphans;
}

/* Each rank drops what comes in until its own orphans have gone and those of all others too. */
static void drain(tk_comm *comm) {
    MPI_Request all_gone = MPI_REQUEST_NULL;
    while (!free_orphans(comm)) drop_messages(comm);
    MPI_Ibarrier(comm->world, &all_gone);
    for (int over = 0; !over;) {
        drop_messages(comm);
        MPI_Test(&all_gone, &over, MPI_STATUS_IGNORE);
    }
    drop_messages(comm);
}

static void close_mpi(tk_comm *comm) {
    drain(comm);
    if (comm->window != MPI_WIN_NULL) {
        MPI_Win_unlock_all(comm->window);
        MPI_Win_free(&comm->window);
    }
    for (int i = 0; i < TK_CHANNEL_COUNT; i++) MPI_Comm_free(&comm->channel[i]);
    MPI_Comm_free(&comm->counting);
    MPI_Comm_free(&comm->together);
    MPI_Comm_free(&comm->world);
}

void tk_comm_close(tk_comm *comm) {
    if (!comm->alone) close_mpi(comm);
    pthread_mutex_destroy(&comm->lock);
    free(comm);
}

/* Where the MPI library gets stuck or crashes: leaves as was meant. */
static int exit_code_meant;
static void leave(int signal_number) {
    (void)signal_number;
    _exit(exit_code_meant);
}

void tk_comm_end(const char *message, int exit_code) {
    int running = 0, rank = 0;
    MPI_Initialized(&running);
    if (!running && tk_comm_launched_size() > 1) running = MPI_Init(NULL, NULL) == MPI_SUCCESS;
    if (running) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (*message && rank == 0) fprintf(stderr, "tarkka: %s\n", message);
    if (!running) return;
    MPI_Barrier(MPI_COMM_WORLD);
    exit_code_meant = exit_code;
    signal(SIGSEGV, leave); /* Open MPI 4.1 does so once in some thousand runs: a race of its thread for PMIx */
    MPI_Finalize();
}

/* MPICH's MPI_Abort lets a lone rank simply exit, and then its launcher (Hydra 4.0) loses the exit code now and then:
 * it may reap the process before it has seen its output closed, and says 1. So the launcher is told what MPI_Abort
 * tells it when there are several ranks (PMI-1: abort); it then ends with that code and kills this process. */
static void tell_hydra(int exit_code) {
    const char *pmi = getenv("PMI_FD");
    char message[40];
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size != 1 || !pmi || !getenv("HYDI_CONTROL_FD")) return;
    const int length = snprintf(message, sizeof message, "cmd=abort exitcode=%d\n", exit_code);
    if (write(atoi(pmi), message, (size_t)length) == length) sleep(KILLED_SECONDS);
}

_Noreturn void tk_comm_abort(int exit_code) {
    int running = 0, over = 0;
    exit_code_meant = exit_code;
    signal(SIGALRM, leave); /* MPI_Abort has locks to take; the launcher sees this rank fail and ends the others */
    alarm(ABORT_SECONDS);
    fflush(stdout);
    fflush(stderr);
    MPI_Initialized(&running);
    MPI_Finalized(&over);
    if (running && !over) {
        nanosleep(&(struct timespec){0, PASS_ON_NS}, NULL); /* launchers that end drop what they have not passed on */
        tell_hydra(exit_code);
        MPI_Abort(MPI_COMM_WORLD, exit_code);
    }
    _exit(exit_code);
}

int tk_comm_rank(const tk_comm *comm) { return comm->rank; }
int tk_comm_size(const tk_comm *comm) { return comm->size; }
int tk_comm_machines(const tk_comm *comm) { return comm->machines; }
int tk_comm_local_size(const tk_comm *comm) { return comm->local_size; }
int tk_comm_sharers(const tk_comm *comm) { return comm->sharers; }

tk_status tk_comm_agree(tk_comm *comm, tk_error *error) {
    int mine = error->status == TK_OK ? comm->size : comm->rank, first = 0;
    if (comm->alone) return error->status;
    MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, comm->world);
    if (first < comm->size) MPI_Bcast(error, (int)sizeof *error, MPI_BYTE, first, comm->world);
    return error->status;
}

/* Calls MPI in pieces that fit in an int. */
static void broadcast_pieces(tk_comm *comm, unsigned char *data, size_t size) {
    for (size_t at = 0; at < size; at += PIECE) {
        const size_t piece = size - at < PIECE ? size - at : PIECE;
        MPI_Bcast(data + at, (int)piece, MPI_BYTE, 0, comm->world);
    }
}

tk_status tk_comm_broadcast(tk_comm *comm, tk_bytes *bytes) {
    uint64_t size = bytes->size;
    if (comm->alone) return TK_OK;
    MPI_Bcast(&size, 1, MPI_UINT64_T, 0, comm->world);
    int failed = comm->rank != 0 && tk_bytes_resize(bytes, size) != TK_OK, any = 0;
    MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, comm->world);
    if (any) return TK_NO_MEMORY;
    broadcast_pieces(comm, bytes->data, size);
    return TK_OK;
}

static void send_pieces(tk_comm *comm, const tk_bytes *bytes) {
    uint64_t size = bytes->size;
    MPI_Send(&size, 1, MPI_UINT64_T, 0, TAG, comm->world);
    for (size_t at = 0; at < size; at += PIECE) {
        const size_t piece = size - at < PIECE ? size - at : PIECE;
        MPI_Send(bytes->data + at, (int)piece, MPI_BYTE, 0, TAG, comm->world);
    }
}

/* Receives what send_pieces sent. */
static void receive_pieces(tk_comm *comm, int rank, tk_bytes *bytes) {
    uint64_t size = 0;
    MPI_Recv(&size, 1, MPI_UINT64_T, rank, TAG, comm->world, MPI_STATUS_IGNORE);
    if (tk_bytes_resize(bytes, size) != TK_OK) abort_for_memory(comm);
    for (size_t at = 0; at < size; at += PIECE) {
        const size_t piece = size - at < PIECE ? size - at : PIECE;
        MPI_Recv(bytes->data + at, (int)piece, MPI_BYTE, rank, TAG, comm->world, MPI_STATUS_IGNORE);
    }
}

tk_status tk_comm_collect(tk_comm *comm, const tk_bytes *mine, tk_status (*take)(void *user, const tk_bytes *bytes),
                          void *user) {
    if (comm->rank != 0) {
        send_pieces(comm, mine);
        return TK_OK;
    }
    tk_status status = TK_OK;
    tk_bytes theirs = {0};
    for (int rank = 1; rank < comm->size; rank++) {
        receive_pieces(comm, rank, &theirs);
        if (status == TK_OK) status = take(user, &theirs);
    }
    tk_bytes_free(&theirs);
    return status;
}

void tk_comm_barrier(tk_comm *comm) {
    if (!comm->alone) MPI_Barrier(comm->world);
}

/* --- Computing together ------------------------------------------------------------------------------------------- */

/* Waits asleep until all ranks are here: one may compute for long while the others have nothing to do. */
static void gather_asleep(tk_comm *comm) {
    MPI_Request all_here;
    const double start = wall_seconds();
    int here = 0;
    MPI_Ibarrier(comm->together, &all_here);
    for (MPI_Test(&all_here, &here, MPI_STATUS_IGNORE); !here; MPI_Test(&all_here, &here, MPI_STATUS_IGNORE)) {
        if (wall_seconds() - start < SPIN_S)
            sched_yield();
        else
            nanosleep(&(struct timespec){0, SLEEP_NS}, NULL);
    }
}

/* One exchange: where the bytes for and from each rank begin. */
typedef struct exchange {
    const tk_comm *comm;
    const unsigned char *out;
    unsigned char *in;
    const int64_t *out_bytes, *in_bytes;
} exchange;

static int64_t sum_before(const int64_t bytes[], int rank) {
    int64_t sum = 0;
    for (int r = 0; r < rank; r++) sum += bytes[r];
    return sum;
}

static int bytes_of_piece(int64_t bytes, int64_t at) {
    if (at >= bytes) return 0;
    return (int)(bytes - at < PIECE ? bytes - at : PIECE);
}

/* Starts the piece that begins at `at` with a group of partners: rank + step sends to, rank − step receives from. */
static int start_pieces(const exchange *e, int first_step, int last_step, int64_t at, MPI_Request *request) {
    const int rank = e->comm->rank, size = e->comm->size;
    int count = 0;
    for (int step = first_step; step < last_step; step++) {
        const int from = (rank + size - step) % size, bytes = bytes_of_piece(e->in_bytes[from], at);
        if (bytes > 0)
            MPI_Irecv(e->in + sum_before(e->in_bytes, from) + at, bytes, MPI_BYTE, from, TAG, e->comm->together,
                      &request[count++]);
    }
    for (int step = first_step; step < last_step; step++) {
        const int to = (rank + step) % size, bytes = bytes_of_piece(e->out_bytes[to], at);
        if (bytes > 0)
            MPI_Isend(e->out + sum_before(e->out_bytes, to) + at, bytes, MPI_BYTE, to, TAG, e->comm->together,
                      &request[count++]);
    }
    return count;
}

/* A group of partners, piece by piece, each of which fits in an int. */
static void exchange_group(const exchange *e, int first_step, int last_step) {
    MPI_Request request[2 * PARTNERS];
    MPI_Status status[2 * PARTNERS]; /* gcc warns of MPICH's MPI_STATUSES_IGNORE */
    int count = 0;
    for (int64_t at = 0; (count = start_pieces(e, first_step, last_step, at, request)) > 0; at += PIECE)
        MPI_Waitall(count, request, status);
}

void tk_comm_exchange(tk_comm *comm, const void *out, const int64_t out_bytes[], void *in, const int64_t in_bytes[]) {
    const exchange e = {comm, out, in, out_bytes, in_bytes};
    const int me = comm->rank;
    if (out_bytes[me] > 0)
        memcpy(e.in + sum_before(in_bytes, me), e.out + sum_before(out_bytes, me), (size_t)out_bytes[me]);
    if (comm->size == 1) return;
    gather_asleep(comm);
    for (int step = 1; step < comm->size; step += PARTNERS)
        exchange_group(&e, step, step + PARTNERS < comm->size ? step + PARTNERS : comm->size);
}

void tk_comm_sum(tk_comm *comm, double *values, int64_t count) {
    if (comm->size == 1) {
        for (int64_t i = 0; i < count; i++) values[i] += 0.0; /* −0 becomes 0, as in a sum */
        return;
    }
    gather_asleep(comm);
    for (int64_t at = 0; at < count; at += PIECE)
        MPI_Allreduce(MPI_IN_PLACE, values + at, bytes_of_piece(count, at), MPI_DOUBLE, MPI_SUM, comm->together);
}

/* --- The counter -------------------------------------------------------------------------------------------------- */

bool tk_comm_has_counter(const tk_comm *comm) { return comm->alone || comm->window != MPI_WIN_NULL; }

int64_t tk_comm_claim(tk_comm *comm) {
    const int64_t one = 1;
    int64_t claimed = 0;
    if (comm->alone) return __atomic_fetch_add(&comm->own, 1, __ATOMIC_RELAXED);
    MPI_Fetch_and_op(&one, &claimed, MPI_INT64_T, 0, 0, MPI_SUM, comm->window);
    MPI_Win_flush(0, comm->window);
    return claimed;
}

/* Others may claim meanwhile, and what meets in a window must be the same operation: so this adds too. */
void tk_comm_claim_stop(tk_comm *comm) {
    if (comm->alone) {
        (void)__atomic_fetch_add(&comm->own, NO_MORE, __ATOMIC_RELAXED);
        return;
    }
    MPI_Accumulate(&NO_MORE, 1, MPI_INT64_T, 0, 0, 1, MPI_INT64_T, MPI_SUM, comm->window);
    MPI_Win_flush(0, comm->window);
}

static void set_to_zero(tk_comm *comm) {
    const int64_t zero = 0;
    if (comm->alone) {
        __atomic_store_n(&comm->own, zero, __ATOMIC_RELAXED);
        return;
    }
    MPI_Accumulate(&zero, 1, MPI_INT64_T, 0, 0, 1, MPI_INT64_T, MPI_REPLACE, comm->window);
    MPI_Win_flush(0, comm->window);
}

void tk_comm_claim_reset(tk_comm *comm) {
    tk_comm_barrier(comm);
    if (comm->rank == 0) set_to_zero(comm);
    tk_comm_barrier(comm);
}

/* Computes outside MPI until the counter has come so far, or COMPUTING_S. */
static void compute_until(const tk_comm *comm, int64_t claims) {
    const double end = wall_seconds() + COMPUTING_S;
    while (__atomic_load_n(comm->counter, __ATOMIC_RELAXED) < claims && wall_seconds() < end) continue;
}

static void time_own_claims(tk_comm *comm, int claims, double took[2]) {
    took[0] = took[1] = 0;
    for (int i = 0; i < claims; i++) {
        const double start = wall_seconds();
        tk_comm_claim(comm);
        const double seconds = wall_seconds() - start;
        took[0] += seconds / claims;
        if (seconds > took[1]) took[1] = seconds;
    }
}

void tk_comm_time_claims(tk_comm *comm, int claims, double *mean, double *longest) {
    double mine[2], slowest[2];
    tk_comm_barrier(comm);
    if (comm->rank == 0 && comm->size > 1) compute_until(comm, (int64_t)claims * (comm->size - 1));
    time_own_claims(comm, claims, mine);
    memcpy(slowest, mine, sizeof slowest);
    if (!comm->alone) MPI_Allreduce(mine, slowest, 2, MPI_DOUBLE, MPI_MAX, comm->world);
    *mean = slowest[0];
    *longest = slowest[1];
    tk_comm_claim_reset(comm);
}

/* --- Messages ----------------------------------------------------------------------------------------------------- */

/* Waits until the message has gone. False: go_on gave it up. */
static bool wait_for(MPI_Request *request, size_t size, bool (*go_on)(void *user), void *user) {
    const double start = wall_seconds(), spin = SPIN_S + (double)size / SLOW_BYTES_S;
    double asked = start;
    for (;;) {
        int gone = 0;
        MPI_Test(request, &gone, MPI_STATUS_IGNORE);
        if (gone) return true;
        const double now = wall_seconds();
        if (go_on && now - asked > ASK_S) {
            if (!go_on(user)) return false;
            asked = now;
        }
        if (now - start < spin)
            sched_yield();
        else
            nanosleep(&(struct timespec){0, SLEEP_NS}, NULL);
    }
}

/* Sends a copy, which is kept when it is given up. */
static tk_status post_copy(tk_comm *comm, int to, tk_comm_channel channel, const void *data, size_t size,
                           bool (*go_on)(void *user), void *user) {
    orphan *copy = malloc(sizeof *copy + size);
    if (!copy) return TK_NO_MEMORY;
    if (size > 0) memcpy(copy->data, data, size);
    MPI_Isend(copy->data, (int)size, MPI_BYTE, to, TAG, comm->channel[channel], &copy->request);
    if (wait_for(&copy->request, size, go_on, user)) {
        free(copy);
        return TK_OK;
    }
    pthread_mutex_lock(&comm->lock);
    copy->next = comm->orphans;
    comm->orphans = copy;
    pthread_mutex_unlock(&comm->lock);
    return TK_STOPPED;
}

tk_status tk_comm_post(tk_comm *comm, int to, tk_comm_channel channel, const void *data, size_t size,
                       bool (*go_on)(void *user), void *user) {
    MPI_Request request;
    if (size > INT_MAX || comm->alone) return TK_FAILED;
    if (go_on) return post_copy(comm, to, channel, data, size, go_on, user);
    MPI_Isend(data, (int)size, MPI_BYTE, to, TAG, comm->channel[channel], &request);
    wait_for(&request, size, NULL, NULL);
    return TK_OK;
}

tk_status tk_comm_poll(tk_comm *comm, tk_comm_channel channel, tk_bytes *message, int *from, bool *got) {
    MPI_Status status;
    int waiting = 0, size = 0;
    *got = false;
    if (comm->alone) return TK_OK;
    MPI_Iprobe(MPI_ANY_SOURCE, TAG, comm->channel[channel], &waiting, &status);
    if (!waiting) return TK_OK;
    MPI_Get_count(&status, MPI_BYTE, &size);
    TK_TRY(tk_bytes_resize(message, (size_t)size));
    /* The very message that was probed: no other thread polls this channel. */
    MPI_Recv(message->data, size, MPI_BYTE, status.MPI_SOURCE, TAG, comm->channel[channel], MPI_STATUS_IGNORE);
    *from = status.MPI_SOURCE;
    *got = true;
    return TK_OK;
}
