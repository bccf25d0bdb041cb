/* Schedules played through without MPI: how much of the ranks' time is spent computing when tiles are dealt out in
 * blocks, dealt out by turns, claimed as they lie, and claimed dearest first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "engine/planning/forecast.h"
#include "kernels/common/rng.h"

static const double CLAIM_SECONDS = 7e-6, TILE_SECONDS = 1, DEARER = 6, SPREAD = 0.5;

/* Lognormal costs; those of one contiguous 15 % of the volume are DEARER times as high. */
static double *skewed(int64_t tiles) {
    double *cost = bench_memory((size_t)tiles * sizeof *cost);
    const int64_t first = tiles / 2, last = first + tiles * 15 / 100;
    for (int64_t i = 0; i < tiles; i++) {
        tk_rng rng = tk_rng_stream(3, 1, (uint64_t)i);
        cost[i] = TILE_SECONDS * exp(SPREAD * tk_rng_normal(&rng)) * (i >= first && i < last ? DEARER : 1);
    }
    return cost;
}

static int dearer_first(const void *a, const void *b) {
    const double p = *(const double *)a, q = *(const double *)b;
    return p < q ? 1 : p > q ? -1 : 0;
}

static double sum_of(const double *cost, int64_t tiles) {
    double sum = 0;
    for (int64_t i = 0; i < tiles; i++) sum += cost[i];
    return sum;
}

/* Tiles dealt out beforehand: the rank with most work decides. */
static double dealt(const double *cost, int64_t tiles, int64_t ranks, bool by_turns) {
    double *work = bench_memory((size_t)ranks * sizeof *work), longest = 0;
    for (int64_t i = 0; i < tiles; i++) work[by_turns ? i % ranks : i * ranks / tiles] += cost[i];
    for (int64_t r = 0; r < ranks; r++) longest = fmax(longest, work[r]);
    free(work);
    return sum_of(cost, tiles) / (longest * (double)ranks);
}

static double claimed(const double *cost, int64_t tiles, int64_t ranks) {
    double seconds = 0, efficiency = 0;
    tk_error error = TK_ERROR_NONE;
    if (tk_simulate_schedule(cost, tiles, ranks, CLAIM_SECONDS, &seconds, &efficiency, &error) == TK_OK)
        return efficiency;
    (void)fprintf(stderr, "%s\n", error.text);
    exit(1);
}

static void show(bench *b, const char *strategy, int64_t tiles, int64_t ranks, double efficiency) {
    char name[128];
    snprintf(name, sizeof name, "%s, %lld tiles on %lld ranks", strategy, (long long)tiles, (long long)ranks);
    bench_figure(b, name, 100 * efficiency, "%");
}

static void compare(bench *b, int64_t tiles, int64_t ranks) {
    double *cost = skewed(tiles);
    show(b, "static block", tiles, ranks, dealt(cost, tiles, ranks, false));
    show(b, "static cyclic", tiles, ranks, dealt(cost, tiles, ranks, true));
    show(b, "claimed as they lie", tiles, ranks, claimed(cost, tiles, ranks));
    qsort(cost, (size_t)tiles, sizeof *cost, dearer_first);
    show(b, "claimed dearest first", tiles, ranks, claimed(cost, tiles, ranks));
    free(cost);
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "schedule", argc, argv);
    compare(&b, 800, 8);
    compare(&b, 800, 16);
    compare(&b, 3200, 16);
    compare(&b, 100000, 1000);
    if (!b.quick) compare(&b, 400000, 10000);
    if (!b.quick) compare(&b, 1000000, 10000);
    return bench_end(&b);
}
