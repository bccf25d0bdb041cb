/* The machine's own limits: memory bandwidth for 1 … N threads, and what 1-D transforms of each size cost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/bench.h"
#include "kernels/common/view.h"
#include "kernels/fft/sweep.h"

typedef struct stream {
    double *a, *b, *c;
    int64_t count;
    int threads;
} stream;

static void copy(void *context) {
    const stream *s = context;
    const double *restrict b = s->b;
    double *restrict a = s->a;
#pragma omp parallel for simd num_threads(s->threads) schedule(static)
    for (int64_t i = 0; i < s->count; i++) a[i] = b[i];
}

static void triad(void *context) {
    const stream *s = context;
    const double *restrict b = s->b, *restrict c = s->c;
    double *restrict a = s->a;
#pragma omp parallel for simd num_threads(s->threads) schedule(static)
    for (int64_t i = 0; i < s->count; i++) a[i] = b[i] + 3.0 * c[i];
}

static bool verify_copy(void *context) {
    const stream *s = context;
    return memcmp(s->a, s->b, (size_t)s->count * sizeof(double)) == 0;
}

static bool verify_triad(void *context) {
    const stream *s = context;
    for (int64_t i = 0; i < s->count; i += 997)
        if (s->a[i] != s->b[i] + 3.0 * s->c[i]) return false;
    return true;
}

static void measure_memory(bench *b) {
    const int64_t count = b->quick ? 10000000 : 40000000;
    const size_t bytes = (size_t)count * sizeof(double);
    stream s = {bench_memory(bytes), bench_memory(bytes), bench_memory(bytes), count, 1};
    for (int64_t i = 0; i < count; i++) {
        s.b[i] = (double)(i % 1001);
        s.c[i] = (double)(i % 77);
    }
    for (int threads = 1; threads <= bench_cpus(); threads *= 2) {
        s.threads = threads;
        bench_run(b, &(bench_case){"stream copy", threads, copy, verify_copy, &s, 2.0 * (double)bytes, 0});
        bench_run(b, &(bench_case){"stream triad", threads, triad, verify_triad, &s, 3.0 * (double)bytes,
                                   2.0 * (double)count});
    }
    free(s.a), free(s.b), free(s.c);
}

typedef struct transform {
    tk_fft fft;
    float *buffer;
} transform;

enum { CALLS = 50 }; /* forward and inverse pairs in one run */

static void columns(void *context) {
    const transform *t = context;
    fftwf_complex *at = (fftwf_complex *)t->buffer;
    for (int i = 0; i < CALLS; i++) {
        fftwf_execute_dft(t->fft.forward[TK_Y], at, at);
        fftwf_execute_dft(t->fft.inverse[TK_Y], at, at);
    }
}

static void rows(void *context) {
    const transform *t = context;
    float *reals = t->buffer + tk_fft_row_offset(&t->fft);
    for (int i = 0; i < CALLS * TK_FFT_COLUMNS; i++) {
        tk_fft_row_forward(&t->fft, reals, reals + t->fft.row_stride);
        tk_fft_row_inverse(&t->fft, reals + t->fft.row_stride, reals);
    }
}

/* An impulse must come back times the size. */
static bool verify_round_trip(void *context) {
    const transform *t = context;
    const int64_t n = t->fft.size[TK_Y];
    fftwf_complex *at = (fftwf_complex *)t->buffer;
    memset(t->buffer, 0, (size_t)n * TK_FFT_COLUMNS * sizeof *at);
    at[TK_FFT_COLUMNS][0] = 1;
    fftwf_execute_dft(t->fft.forward[TK_Y], at, at);
    fftwf_execute_dft(t->fft.inverse[TK_Y], at, at);
    const float error = at[TK_FFT_COLUMNS][0] / (float)n - 1;
    memset(t->buffer, 0, (size_t)n * TK_FFT_COLUMNS * sizeof *at);
    return error < 1e-5F && error > -1e-5F;
}

static void measure_size(bench *b, int64_t n) {
    transform t = {0};
    char *wisdom = NULL, name[80];
    if (tk_fft_layout((const int64_t[3]){1, n, n}, &t.fft) != TK_OK || tk_fft_measure(&t.fft, 2, &wisdom) != TK_OK ||
        tk_fft_plan(&t.fft, wisdom) != TK_OK) {
        fprintf(stderr, "no plan for %lld\n", (long long)n);
        exit(1);
    }
    free(wisdom);
    t.buffer = bench_memory((size_t)(tk_fft_buffer_count(&t.fft) + t.fft.row_stride) * sizeof(float));
    const double values = 2.0 * CALLS * TK_FFT_COLUMNS * (double)n;
    (void)snprintf(name, sizeof name, "fft columns %lld", (long long)n);
    bench_time time = bench_run(b, &(bench_case){name, 1, columns, verify_round_trip, &t, 0, 0});
    bench_figure(b, name, 1e9 * time.least / values, "ns/value");
    (void)snprintf(name, sizeof name, "fft row %lld", (long long)n);
    time = bench_run(b, &(bench_case){name, 1, rows, NULL, &t, 0, 0});
    bench_figure(b, name, 1e9 * time.least / values, "ns/value");
    free(t.buffer);
    tk_fft_free(&t.fft);
}

int main(int argc, char **argv) {
    static const int64_t sizes[] = {64,  96,  128, 192, 256, 320,  384,  480, 512,
                                    640, 692, 700, 720, 768, 1024, 1280, 2048};
    bench b;
    bench_begin(&b, "machine", argc, argv);
    measure_memory(&b);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i += b.quick ? 4 : 1) measure_size(&b, sizes[i]);
    return bench_end(&b);
}
