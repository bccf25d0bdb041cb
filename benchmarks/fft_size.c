/* Whether padded sizes are well chosen: the time of transforms of the chosen one over the best measured in
 * [n, 1.15 n] along one axis. */
#include <stdio.h>
#include <stdlib.h>

#include "benchmarks/bench.h"
#include "kernels/common/view.h"
#include "kernels/fft/size.h"
#include "kernels/fft/sweep.h"

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

typedef struct volume {
    tk_fft fft;
    float *data, *buffer;
} volume;

/* Forward and inverse of all planes, and of all columns along z with a filter of ones. */
static void transform(const volume *v) {
    const tk_fft *fft = &v->fft;
    const tk_fft_values values = {.single = v->data + tk_fft_volume_count(fft)};
    const tk_fft_filter filter = {.terms = 1, .values = &values, .planes_in = fft->size[0], .planes_out = fft->size[0]};
    for (int64_t z = 0; z < fft->size[0]; z++)
        tk_fft_plane_forward(fft, v->data + z * fft->plane_stride, fft->size[1], v->buffer);
    tk_fft_filter_volume(fft, v->data, &filter, v->buffer, 1, tk_isa_detect());
    for (int64_t z = 0; z < fft->size[0]; z++)
        tk_fft_plane_inverse(fft, v->data + z * fft->plane_stride, fft->size[1], v->buffer);
}

static volume open_volume(const int64_t size[3]) {
    volume v = {0};
    char *wisdom = NULL;
    if (tk_fft_layout(size, &v.fft) != TK_OK || tk_fft_measure(&v.fft, 2, &wisdom) != TK_OK ||
        tk_fft_plan(&v.fft, wisdom) != TK_OK)
        fail("fft: no plan");
    free(wisdom);
    v.data = bench_memory((size_t)(tk_fft_volume_count(&v.fft) + tk_fft_filter_count(&v.fft)) * sizeof(float));
    v.buffer = bench_memory((size_t)tk_fft_buffer_count(&v.fft) * sizeof(float));
    transform(&v);
    return v;
}

static void close_volume(volume *v) {
    free(v->data), free(v->buffer);
    tk_fft_free(&v->fft);
}

static double time_once(const volume *v) {
    const double start = bench_now();
    transform(v);
    return bench_now() - start;
}

static bool has_small_factors(int64_t n) {
    static const int64_t primes[] = {2, 3, 5, 7, 11, 13};
    for (int i = 0; i < 6; i++)
        while (n % primes[i] == 0) n /= primes[i];
    return n == 1;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over pairs, run in turn, of the chosen volume's time over another's: what disturbs one disturbs both. */
static double paired_ratio(const volume *chosen, const int64_t size[3]) {
    enum { PAIRS = 15 };
    double ratio[PAIRS];
    volume other = open_volume(size);
    for (int i = 0; i < PAIRS; i++) ratio[i] = time_once(chosen) / time_once(&other);
    close_volume(&other);
    qsort(ratio, PAIRS, sizeof *ratio, ascending);
    return ratio[PAIRS / 2];
}

/* The chosen size's time over the best in [n, 1.15 n] along one axis, the others staying as chosen. */
static double choice_ratio(const int64_t least[3], int axis) {
    int64_t size[3];
    tk_fft_padded_size(least, size);
    volume chosen = open_volume(size);
    double worst = 1;
    for (int64_t n = least[axis]; n <= least[axis] * 115 / 100; n++) {
        if (n == chosen.fft.size[axis] || !has_small_factors(n) || (axis == TK_X && n % 2 != 0)) continue;
        size[axis] = n;
        const double ratio = paired_ratio(&chosen, size);
        if (ratio > worst) worst = ratio;
    }
    close_volume(&chosen);
    return worst;
}

static void measure_choices(bench *b) {
    static const int64_t requests[][3] = {
        {94, 200, 200}, {20, 552, 552}, {12, 692, 692}, {190, 135, 160}, {8, 1204, 300}};
    const size_t count = b->quick ? 1 : sizeof requests / sizeof requests[0];
    double worst = 0;
    for (size_t i = 0; i < count; i++)
        for (int axis = 0; axis < 3; axis++) {
            char name[120];
            const double ratio = choice_ratio(requests[i], axis);
            (void)snprintf(name, sizeof name, "padded size, at least %lldx%lldx%lld, axis %c",
                           (long long)requests[i][0], (long long)requests[i][1], (long long)requests[i][2],
                           "zyx"[axis]);
            bench_figure(b, name, ratio, "x best");
            if (ratio > worst) worst = ratio;
        }
    bench_figure(b, "padded size, worst", worst, "x best");
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "fft_size", argc, argv);
    measure_choices(&b);
    return bench_end(&b);
}
