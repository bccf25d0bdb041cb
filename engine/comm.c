/* MPI: agreement on errors, gathering and spreading of bytes, the tile counter (one-sided), messages to the writer. */
#include "engine/comm.h"

#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_COLLECT = 1, TAG_WRITER = 2, PIECE = 1 << 30 };
static const int64_t NO_MORE = INT64_MAX / 2;

struct tk_comm {
    MPI_Comm world;  /* collectives of the main thread */
    MPI_Comm writer; /* messages to rank 0's writer thread */
    MPI_Win window;  /* the tile counter, on rank 0 */
    int64_t *counter;
    int rank, size, local_size, sharers;
};

int tk_comm_launched_size(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = getenv(names[i]);
        if (text && *text) return atoi(text);
    }
    return 1;
}

const char *tk_comm_library(void) {
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, "\n,")] = 0;
    return text;
}

static tk_status open_window(tk_comm *comm, tk_error *error) {
    const MPI_Aint bytes = comm->rank == 0 ? (MPI_Aint)sizeof(int64_t) : 0;
    if (MPI_Win_allocate(bytes, sizeof(int64_t), MPI_INFO_NULL, comm->world, &comm->counter, &comm->window) !=
        MPI_SUCCESS)
        return tk_fail(error, TK_FAILED, "MPI gives no one-sided window for the tile counter");
    if (comm->rank == 0) *comm->counter = 0;
    MPI_Win_lock_all(MPI_MODE_NOCHECK, comm->window);
    MPI_Win_sync(comm->window);
    MPI_Barrier(comm->world);
    return TK_OK;
}

/* Who else is on this machine, and who of them may use the same processors. */
static void find_neighbours(tk_comm *comm) {
    MPI_Comm local;
    MPI_Comm_split_type(comm->world, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &local);
    MPI_Comm_size(local, &comm->local_size);
    cpu_set_t mine;
    CPU_ZERO(&mine);
    (void)sched_getaffinity(0, sizeof mine, &mine); /* on failure all ranks look alike: they share */
    comm->sharers = 0;
    for (int rank = 0; rank < comm->local_size; rank++) {
        cpu_set_t theirs = mine;
        MPI_Bcast(&theirs, (int)sizeof theirs, MPI_BYTE, rank, local);
        comm->sharers += CPU_EQUAL(&mine, &theirs) != 0;
    }
    MPI_Comm_free(&local);
}

tk_status tk_comm_open(tk_comm **comm, tk_error *error) {
    int provided = MPI_THREAD_SINGLE;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
    if (provided < MPI_THREAD_MULTIPLE)
        return tk_fail(error, TK_FAILED,
                       "this MPI library (%s) was built without MPI_THREAD_MULTIPLE, which tarkka needs",
                       tk_comm_library());
    tk_comm *made = calloc(1, sizeof *made);
    if (!made) return tk_fail_memory(error, "MPI");
    MPI_Comm_dup(MPI_COMM_WORLD, &made->world);
    MPI_Comm_dup(MPI_COMM_WORLD, &made->writer);
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
    const tk_status status = open_window(made, error);
    if (status != TK_OK) {
        free(made);
        return status;
    }
    *comm = made;
    return TK_OK;
}

void tk_comm_close(tk_comm *comm) {
    MPI_Win_unlock_all(comm->window);
    MPI_Win_free(&comm->window);
    MPI_Comm_free(&comm->writer);
    MPI_Comm_free(&comm->world);
    free(comm);
}

void tk_comm_end(const char *message) {
    int running = 0, rank = 0;
    MPI_Initialized(&running);
    if (!running && tk_comm_launched_size() > 1) running = MPI_Init(NULL, NULL) == MPI_SUCCESS;
    if (running) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (*message && rank == 0) fprintf(stderr, "tarkka: %s\n", message);
    if (!running) return;
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
}

int tk_comm_rank(const tk_comm *comm) { return comm->rank; }
int tk_comm_size(const tk_comm *comm) { return comm->size; }
int tk_comm_local_size(const tk_comm *comm) { return comm->local_size; }
int tk_comm_sharers(const tk_comm *comm) { return comm->sharers; }

tk_status tk_comm_agree(tk_comm *comm, tk_error *error) {
    int mine = error->status == TK_OK ? comm->size : comm->rank, first = 0;
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
    MPI_Bcast(&size, 1, MPI_UINT64_T, 0, comm->world);
    int failed = comm->rank != 0 && tk_bytes_resize(bytes, size) != TK_OK, any = 0;
    MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, comm->world);
    if (any) return TK_NO_MEMORY;
    broadcast_pieces(comm, bytes->data, size);
    return TK_OK;
}

/* A message that nobody can take would hang its sender, so all ranks end here. */
static void abort_for_memory(const tk_comm *comm) {
    fprintf(stderr, "tarkka: rank %d has no memory left for a message\n", comm->rank);
    MPI_Abort(comm->world, tk_status_exit_code(TK_NO_MEMORY));
}

static void send_pieces(tk_comm *comm, const tk_bytes *bytes) {
    uint64_t size = bytes->size;
    MPI_Send(&size, 1, MPI_UINT64_T, 0, TAG_COLLECT, comm->world);
    for (size_t at = 0; at < size; at += PIECE) {
        const size_t piece = size - at < PIECE ? size - at : PIECE;
        MPI_Send(bytes->data + at, (int)piece, MPI_BYTE, 0, TAG_COLLECT, comm->world);
    }
}

/* Receives what send_pieces sent. */
static void receive_pieces(tk_comm *comm, int rank, tk_bytes *bytes) {
    uint64_t size = 0;
    MPI_Recv(&size, 1, MPI_UINT64_T, rank, TAG_COLLECT, comm->world, MPI_STATUS_IGNORE);
    if (tk_bytes_resize(bytes, size) != TK_OK) abort_for_memory(comm);
    for (size_t at = 0; at < size; at += PIECE) {
        const size_t piece = size - at < PIECE ? size - at : PIECE;
        MPI_Recv(bytes->data + at, (int)piece, MPI_BYTE, rank, TAG_COLLECT, comm->world, MPI_STATUS_IGNORE);
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

void tk_comm_barrier(tk_comm *comm) { MPI_Barrier(comm->world); }

int64_t tk_comm_claim(tk_comm *comm) {
    const int64_t one = 1;
    int64_t claimed = 0;
    MPI_Fetch_and_op(&one, &claimed, MPI_INT64_T, 0, 0, MPI_SUM, comm->window);
    MPI_Win_flush(0, comm->window);
    return claimed;
}

void tk_comm_claim_stop(tk_comm *comm) {
    MPI_Accumulate(&NO_MORE, 1, MPI_INT64_T, 0, 0, 1, MPI_INT64_T, MPI_REPLACE, comm->window);
    MPI_Win_flush(0, comm->window);
}

void tk_comm_claim_reset(tk_comm *comm) {
    const int64_t zero = 0;
    MPI_Barrier(comm->world);
    if (comm->rank == 0) {
        MPI_Accumulate(&zero, 1, MPI_INT64_T, 0, 0, 1, MPI_INT64_T, MPI_REPLACE, comm->window);
        MPI_Win_flush(0, comm->window);
    }
    MPI_Barrier(comm->world);
}

tk_status tk_comm_send(tk_comm *comm, const void *data, size_t size) {
    if (size > INT_MAX) return TK_FAILED;
    MPI_Send(data, (int)size, MPI_BYTE, 0, TAG_WRITER, comm->writer);
    return TK_OK;
}

tk_status tk_comm_receive(tk_comm *comm, tk_bytes *message, bool *got) {
    MPI_Message handle;
    MPI_Status status;
    int waiting = 0, size = 0;
    MPI_Improbe(MPI_ANY_SOURCE, TAG_WRITER, comm->writer, &waiting, &handle, &status);
    *got = waiting != 0;
    if (!waiting) return TK_OK;
    MPI_Get_count(&status, MPI_BYTE, &size);
    if (tk_bytes_resize(message, (size_t)size) != TK_OK) abort_for_memory(comm);
    MPI_Mrecv(message->data, size, MPI_BYTE, &handle, MPI_STATUS_IGNORE);
    return TK_OK;
}
