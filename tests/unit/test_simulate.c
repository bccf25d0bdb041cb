/* The simulation of schedules against cases that can be done by hand, and what it says of skewed tiles. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/planning/forecast.h"
#include "engine/planning/simulate.h"
#include "kernels/common/rng.h"

static const double CLAIM = 7e-6; /* seconds, measured */

typedef struct outcome {
    double seconds, efficiency;
} outcome;

static outcome simulate(const double *cost, int64_t tiles, int64_t ranks, double claim) {
    outcome o;
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_simulate_schedule(cost, tiles, ranks, claim, &o.seconds, &o.efficiency, &error), TK_OK);
    return o;
}

static outcome simulate_equal(int64_t tiles, double each, int64_t ranks, double claim) {
    double *cost = calloc((size_t)tiles + 1, sizeof *cost);
    assert_non_null(cost);
    for (int64_t i = 0; i < tiles; i++) cost[i] = each;
    const outcome o = simulate(cost, tiles, ranks, claim);
    free(cost);
    return o;
}

static void near(double found, double expected) {
    if (!(fabs(found - expected) <= 1e-9 * fabs(expected))) fail_msg("%.12g instead of %.12g", found, expected);
}

static void equal_tiles_take_rounds(void **state) {
    (void)state;
    near(simulate_equal(12, 2, 4, 0).seconds, 6);
    near(simulate_equal(12, 2, 4, 0).efficiency, 1);
    near(simulate_equal(13, 2, 4, 0).seconds, 8);
    near(simulate_equal(13, 2, 4, 0).efficiency, 26.0 / 32);
    near(simulate_equal(3, 2, 8, 0).seconds, 2);
    near(simulate_equal(5, 2, 1, 0).seconds, 10);
}

static void no_tiles_take_no_time(void **state) {
    (void)state;
    near(simulate_equal(0, 1, 4, 0).seconds, 0);
    near(simulate_equal(0, 1, 4, 0).efficiency, 1);
}

/* The long tile first: the others fit beside it. Last: everybody waits for it. */
static void a_long_tile_belongs_first(void **state) {
    (void)state;
    const double first[] = {10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, last[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 10};
    near(simulate(first, 11, 2, 0).seconds, 10);
    near(simulate(last, 11, 2, 0).seconds, 15);
}

/* Claims are served one at a time: with tiles of no cost they are all there is. */
static void the_counter_bounds_tiny_tiles(void **state) {
    (void)state;
    const outcome o = simulate_equal(1000, 0, 10, 1);
    near(o.seconds, 1000 + 10); /* and a last claim of each rank, which gets nothing */
    const outcome slow = simulate_equal(100, 3, 4, 1);
    near(slow.seconds, 100 + 3 + 1); /* 4 ranks, 3 + 1 s a tile: the counter is never idle */
}

static tk_sweep sweep_of(const tk_batch *batch, int64_t batches, const tk_schedule *schedule) {
    tk_sweep sweep;
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_simulate_sweep(batch, batches, schedule, &sweep, &error), TK_OK);
    return sweep;
}

static void the_writer_bounds_the_sweep(void **state) {
    (void)state;
    const tk_batch batch = {100, 1, 1};
    const tk_schedule wide = {10, 0, 1000}, narrow = {10, 0, 0}, alone = {1, 0, 0};
    near(sweep_of(&batch, 1, &wide).seconds, 101); /* it begins when the first tiles are done */
    near(sweep_of(&batch, 1, &narrow).seconds, 101);
    near(sweep_of(&batch, 1, &narrow).write_seconds, 100);
    near(sweep_of(&batch, 1, &alone).seconds, 200); /* nothing may wait: the rank waits for each tile's chunks */
}

static void writing_hides_behind_computing(void **state) {
    (void)state;
    const tk_batch batch = {100, 4, 1};
    const tk_schedule schedule = {2, 0, 10};
    near(sweep_of(&batch, 1, &schedule).seconds, 202); /* all but the last two tiles' chunks */
}

/* Lognormal costs (sigma 0.5), those of one contiguous 15 % of the volume 6 times as high; mean near 1. */
static double *skewed(int64_t tiles) {
    double *cost = calloc((size_t)tiles, sizeof *cost);
    assert_non_null(cost);
    for (int64_t i = 0; i < tiles; i++) {
        tk_rng rng = tk_rng_stream(3, 1, (uint64_t)i);
        cost[i] = exp(0.5 * tk_rng_normal(&rng)) / 2 * (i >= tiles / 2 && i < tiles / 2 + tiles * 15 / 100 ? 6 : 1);
    }
    return cost;
}

static int dearer_first(const void *a, const void *b) {
    const double p = *(const double *)a, q = *(const double *)b;
    return p < q ? 1 : p > q ? -1 : 0;
}

/* All work over what all ranks could have done meanwhile. */
static double efficiency(int64_t tiles, int64_t ranks, double unit, bool sorted) {
    double *cost = skewed(tiles);
    for (int64_t i = 0; i < tiles; i++) cost[i] *= unit;
    if (sorted) qsort(cost, (size_t)tiles, sizeof *cost, dearer_first);
    const outcome o = simulate(cost, tiles, ranks, CLAIM);
    free(cost);
    return o.efficiency;
}

static void skewed_tiles_on_8_ranks(void **state) {
    (void)state;
    const double sorted = efficiency(800, 8, 1, true), raster = efficiency(800, 8, 1, false);
    printf("8 ranks, 800 skewed tiles: %.2f %% dearest first, %.2f %% in raster order\n", 100 * sorted, 100 * raster);
    assert_true(sorted >= 0.95);
    assert_true(sorted > raster);
}

/* Tiles of 10 s, as many for each rank as it takes, dearest first and in raster order. */
static void ten_thousand_ranks(void **state) {
    (void)state;
    const double sorted = efficiency(400000, 10000, 10, true), raster = efficiency(1000000, 10000, 10, false);
    printf("10,000 ranks: %.2f %% with 40 tiles a rank dearest first, %.2f %% with 100 a rank in raster order\n",
           100 * sorted, 100 * raster);
    assert_true(sorted >= 0.9);
    assert_true(raster >= 0.9);
}

/* The formula is a bound, and within the dearest tile of what is played. */
static void the_formula_bounds_the_play(void **state) {
    (void)state;
    const tk_batch batch[] = {{5, 9, 0.1}, {40, 4, 0.1}, {1000, 1.5, 0.02}, {3, 0.5, 0}};
    for (int64_t ranks = 1; ranks < 2000; ranks = ranks * 3 / 2 + 1) {
        const tk_schedule schedule = {ranks, 1e-3, 100};
        const tk_sweep played = sweep_of(batch, 4, &schedule), bound = tk_simulate_bound(batch, 4, &schedule);
        near(bound.busy_seconds, played.busy_seconds);
        near(bound.write_seconds, played.write_seconds);
        assert_true(bound.seconds <= played.seconds);
        assert_true(played.seconds <= bound.seconds + 9 + 1e-3 * (double)ranks + played.write_seconds);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_tiles_take_rounds),     cmocka_unit_test(no_tiles_take_no_time),
        cmocka_unit_test(a_long_tile_belongs_first),   cmocka_unit_test(the_counter_bounds_tiny_tiles),
        cmocka_unit_test(the_writer_bounds_the_sweep), cmocka_unit_test(writing_hides_behind_computing),
        cmocka_unit_test(skewed_tiles_on_8_ranks),     cmocka_unit_test(ten_thousand_ranks),
        cmocka_unit_test(the_formula_bounds_the_play),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
