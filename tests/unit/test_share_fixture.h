/* Threads as the workers of a share (kernels/fft/share.h): they meet at a table. */
#ifndef TK_TESTS_UNIT_TEST_SHARE_FIXTURE_H
#define TK_TESTS_UNIT_TEST_SHARE_FIXTURE_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/fft/share.h"

enum { MOST_WORKERS = 40 };

typedef struct table {
    pthread_barrier_t barrier; /* of `workers` threads */
    int workers;
    const unsigned char *out[MOST_WORKERS];
    const int64_t *out_bytes[MOST_WORKERS];
    double *values[MOST_WORKERS];
    int64_t moved; /* bytes that worker 0 got */
    bool refuse;   /* exchanges fail */
} table;

typedef struct seat {
    table *table;
    int me;
} seat;

static inline tk_status exchange(void *context, const void *out, const int64_t out_bytes[], void *in,
                                 const int64_t in_bytes[]) {
    const seat *s = context;
    table *t = s->table;
    unsigned char *to = in;
    if (t->refuse) return TK_FAILED;
    t->out[s->me] = out;
    t->out_bytes[s->me] = out_bytes;
    pthread_barrier_wait(&t->barrier);
    for (int from = 0; from < t->workers; from++) {
        const unsigned char *at = t->out[from];
        for (int i = 0; i < s->me; i++) at += t->out_bytes[from][i];
        if (in_bytes[from] != t->out_bytes[from][s->me]) abort(); /* an assertion would leave the others waiting */
        memcpy(to, at, (size_t)in_bytes[from]);
        to += in_bytes[from];
        if (s->me == 0) t->moved += in_bytes[from];
    }
    pthread_barrier_wait(&t->barrier);
    return TK_OK;
}

static inline tk_status sum(void *context, double *values, int64_t count) {
    const seat *s = context;
    table *t = s->table;
    t->values[s->me] = values;
    pthread_barrier_wait(&t->barrier);
    for (int64_t i = 0; s->me == 0 && i < count; i++) {
        double total = 0;
        for (int w = 0; w < t->workers; w++) total += t->values[w][i];
        for (int w = 0; w < t->workers; w++) t->values[w][i] = total;
    }
    pthread_barrier_wait(&t->barrier);
    return TK_OK;
}

#endif
