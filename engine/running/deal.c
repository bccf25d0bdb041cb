/* Dealing out: lengths are exchanged first, then all pieces at once. */
#include "engine/running/deal.h"

#include <stdlib.h>
#include <string.h>

/* What one rank sends and gets. */
typedef struct dealing {
    int ranks;
    int64_t *out_bytes, *in_bytes, *each; /* per rank */
    tk_bytes out, in;
} dealing;

static void release(dealing *d) {
    free(d->out_bytes);
    free(d->in_bytes);
    free(d->each);
    tk_bytes_free(&d->out);
    tk_bytes_free(&d->in);
}

static tk_status pack(const tk_bytes piece[], dealing *d) {
    d->out_bytes = calloc((size_t)d->ranks, sizeof *d->out_bytes);
    d->in_bytes = calloc((size_t)d->ranks, sizeof *d->in_bytes);
    d->each = calloc((size_t)d->ranks, sizeof *d->each);
    if (!d->out_bytes || !d->in_bytes || !d->each) return TK_NO_MEMORY;
    for (int i = 0; i < d->ranks; i++) {
        d->out_bytes[i] = (int64_t)piece[i].size;
        d->each[i] = sizeof(int64_t);
        if (piece[i].size > 0) TK_TRY(tk_bytes_append(&d->out, piece[i].data, piece[i].size));
    }
    return TK_OK;
}

/* Has any rank failed? The same answer on all. */
static bool any_failed(tk_comm *comm, tk_status status) {
    double failed = status != TK_OK;
    tk_comm_sum(comm, &failed, 1);
    return failed > 0;
}

static tk_status hand_over(const dealing *d, tk_status (*take)(void *user, const tk_bytes *bytes), void *user) {
    size_t at = 0;
    for (int i = 0; i < d->ranks; i++) {
        const tk_bytes piece = {.data = d->in.data + at, .size = (size_t)d->in_bytes[i]};
        if (piece.size > 0) TK_TRY(take(user, &piece));
        at += piece.size;
    }
    return TK_OK;
}

static tk_status deal(tk_comm *comm, const tk_bytes piece[], tk_status (*take)(void *user, const tk_bytes *bytes),
                      void *user, dealing *d) {
    if (any_failed(comm, pack(piece, d))) return TK_NO_MEMORY;
    tk_comm_exchange(comm, d->out_bytes, d->each, d->in_bytes, d->each);
    size_t all = 0;
    for (int i = 0; i < d->ranks; i++) all += (size_t)d->in_bytes[i];
    if (any_failed(comm, tk_bytes_resize(&d->in, all))) return TK_NO_MEMORY;
    tk_comm_exchange(comm, d->out.data, d->out_bytes, d->in.data, d->in_bytes);
    tk_bytes_free(&d->out);
    return hand_over(d, take, user);
}

tk_status tk_deal(tk_comm *comm, const tk_bytes piece[], tk_status (*take)(void *user, const tk_bytes *bytes),
                  void *user) {
    dealing d = {.ranks = tk_comm_size(comm)};
    const tk_status status = deal(comm, piece, take, user, &d);
    release(&d);
    return status;
}
