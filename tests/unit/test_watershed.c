/* Basins and their flood against the watershed by definition, whole and in tiles, for every instruction set and number
 * of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/segment/basin_links.h"
#include "kernels/segment/plateau.h"
#include "tests/reference/watershed.h"
#include "tests/unit/test_volume_fixture.h"

/* A landscape and how it is flooded. */
typedef struct scene {
    int64_t size[3];
    float *values;
    uint8_t *mask;
    uint32_t *markers;
    bool from_maxima;
    double h;
    int plateau;
} scene;

/* One tile of it, with copies of what is in its box. */
typedef struct part {
    tk_basin_tile tile;
    uint32_t *order, *parent, *markers;
    uint8_t *depth;
} part;

/* What the tiles have told so far. */
typedef struct graph {
    tk_basin *basins;
    tk_basin_pass *passes;
    tk_basin_run *run;
    int64_t basin_count, pass_count, runs;
} graph;

static int64_t index_in(const scene *s, const tk_box *box, int64_t i) {
    const int64_t width = tk_box_size(box, 2), plane = tk_box_size(box, 1) * width;
    return ((box->lo[0] + i / plane) * s->size[1] + box->lo[1] + i % plane / width) * s->size[2] + box->lo[2] +
           i % width;
}

/* The orders of a box, and its markers where there are any. */
static void take_box(const scene *s, const tk_box *box, uint32_t *order, uint32_t *markers, const tk_work *work) {
    const tk_box image = tk_box_of_size(s->size);
    const tk_cview_f32 values = tk_ccrop_f32(tk_read_f32(tk_dense_f32(s->values, s->size)), &image, box);
    tk_cview_u8 mask = {0};
    if (s->mask) mask = tk_ccrop_u8(tk_read_u8(tk_dense_u8(s->mask, s->size)), &image, box);
    tk_basin_order(values, mask, s->from_maxima, order, work);
    for (int64_t i = 0; markers && i < tk_box_count(box); i++) markers[i] = s->markers[index_in(s, box, i)];
}

/* Depths of the tile's box, from a box that is wider by the limit. */
static uint8_t *take_depths(const scene *s, const tk_box *box, const tk_work *work) {
    const tk_box image = tk_box_of_size(s->size);
    const tk_box wide = tk_box_grow(box, (const int64_t[3]){s->plateau, s->plateau, s->plateau}, &image);
    const int64_t all = tk_box_count(&wide),
                  size[3] = {tk_box_size(&wide, 0), tk_box_size(&wide, 1), tk_box_size(&wide, 2)};
    uint32_t *order = must_allocate(all, sizeof *order),
             *markers = s->markers ? must_allocate(all, sizeof *markers) : NULL;
    uint8_t *depths = must_allocate(all, 1), *depth = must_allocate(tk_box_count(box), 1);
    take_box(s, &wide, order, markers, work);
    tk_plateau_depth(order, markers, size, s->plateau, depths, work);
    for (int64_t i = 0, k = 0; i < all; i++) {
        const int64_t at[3] = {wide.lo[0] + i / size[2] / size[1], wide.lo[1] + i / size[2] % size[1],
                               wide.lo[2] + i % size[2]};
        const tk_box voxel = {{at[0], at[1], at[2]}, {at[0] + 1, at[1] + 1, at[2] + 1}};
        if (tk_box_contains(box, &voxel)) depth[k++] = depths[i];
    }
    free(order), free(markers), free(depths);
    return depth;
}

static part make_part(const scene *s, const tk_box *core, const tk_work *work) {
    const tk_box image = tk_box_of_size(s->size), box = tk_box_grow(core, (const int64_t[3]){1, 1, 1}, &image);
    const int64_t count = tk_box_count(&box);
    part p = {.order = must_allocate(count, sizeof *p.order), .parent = must_allocate(count, sizeof *p.parent)};
    if (s->markers) p.markers = must_allocate(count, sizeof *p.markers);
    take_box(s, &box, p.order, p.markers, work);
    if (s->plateau) p.depth = take_depths(s, &box, work);
    p.tile = (tk_basin_tile){image, box, *core, p.order, p.depth, p.markers};
    assert_int_equal(tk_basins_descend(&p.tile, p.parent, work), TK_OK);
    return p;
}

static void free_part(const part *p) { free(p->order), free(p->parent), free(p->markers), free(p->depth); }

static void tell_passes(const part *p, graph *g, const tk_work *work) {
    tk_basin_graph found = {0};
    int64_t count = 0;
    assert_int_equal(tk_basins_passes(&p->tile, p->parent, &found, work), TK_OK);
    tk_basin_pass *pass = must_allocate(found.used, sizeof *pass);
    for (int64_t i = 0; i < found.slots; i++)
        if (found.slot[i].basin[0] != found.slot[i].basin[1]) pass[count++] = found.slot[i];
    assert_int_equal(count, found.used);
    count = tk_basins_own_passes(&p->tile, pass, tk_basin_forest(pass, count));
    memcpy(g->passes + g->pass_count, pass, (size_t)count * sizeof *pass);
    g->pass_count += count;
    tk_basin_graph_free(&found);
    free(pass);
}

static void tell_basins(const part *p, graph *g, const tk_work *work) {
    const int64_t count = tk_basins_minima(&p->tile, p->parent, NULL, work);
    assert_int_equal(tk_basins_minima(&p->tile, p->parent, g->basins + g->basin_count, work), count);
    g->basin_count += count;
    const int64_t runs = tk_basin_runs(&p->tile, p->parent, g->run + g->runs);
    assert_true(runs <= tk_basin_runs_most(&p->tile));
    g->runs += runs;
}

static int by_basin(const void *a, const void *b) {
    const tk_basin *p = a, *q = b;
    return p->basin < q->basin ? -1 : p->basin > q->basin;
}

static void agree(const scene *s, graph *g) {
    int64_t seeds = 0;
    qsort(g->basins, (size_t)g->basin_count, sizeof *g->basins, by_basin);
    assert_int_equal(tk_basin_runs_follow(g->run, g->runs, g->passes, &g->pass_count), TK_OK);
    g->pass_count = tk_basin_forest(g->passes, g->pass_count);
    assert_int_equal(tk_basin_flood(g->basins, g->basin_count, g->passes, g->pass_count, s->markers != NULL,
                                    s->from_maxima, s->h, &seeds),
                     TK_OK);
    assert_int_equal(tk_basin_runs_label(g->run, g->runs, g->basins, g->basin_count), TK_OK);
}

/* The core of that number, of tiles of that size; false: there are no more. */
static bool core_of(const scene *s, const int64_t tile[3], int64_t number, tk_box *core) {
    for (int a = 2; a >= 0; a--) {
        const int64_t tiles = (s->size[a] + tile[a] - 1) / tile[a], at = number % tiles;
        core->lo[a] = at * tile[a];
        core->hi[a] = core->lo[a] + tile[a] < s->size[a] ? core->lo[a] + tile[a] : s->size[a];
        number /= tiles;
    }
    return number == 0;
}

static void flood(const scene *s, const int64_t tile[3], int threads, tk_isa isa, uint32_t *label) {
    const int64_t all = count_of(s->size);
    const tk_work work = work_with(threads, isa, 0);
    tk_box core;
    graph g = {must_allocate(all, sizeof *g.basins),
               must_allocate(3 * all, sizeof *g.passes),
               must_allocate(6 * all, sizeof *g.run),
               0,
               0,
               0};
    for (int64_t n = 0; core_of(s, tile, n, &core); n++) {
        const part p = make_part(s, &core, &work);
        tell_basins(&p, &g, &work);
        tk_basins_join_ghosts(&p.tile, p.parent, &work);
        tell_passes(&p, &g, &work);
        free_part(&p);
    }
    agree(s, &g);
    for (int64_t n = 0; core_of(s, tile, n, &core); n++) {
        const part p = make_part(s, &core, &work);
        const tk_basin_labels labels = {g.basins, g.run, g.basin_count, g.runs};
        const tk_view_u32 out = tk_crop_u32(tk_dense_u32(label, s->size), &p.tile.image, &core);
        tk_basins_paint(&p.tile, p.parent, &labels, p.order, out, &work);
        free_part(&p);
    }
    free(g.basins), free(g.passes), free(g.run);
}

static void check(scene *s) {
    static const int64_t tiles[][3] = {{100, 100, 100}, {7, 7, 7}, {3, 5, 11}, {2, 1, 13}, {1, 1, 1}};
    const int64_t all = count_of(s->size);
    uint32_t *expected = must_allocate(all, sizeof *expected), *found = must_allocate(all, sizeof *found);
    float *turned = must_allocate(all, sizeof *turned);
    for (int64_t i = 0; i < all; i++) turned[i] = s->from_maxima ? -s->values[i] : s->values[i];
    uint8_t *depth = s->plateau ? must_allocate(all, 1) : NULL;
    if (depth) ref_plateau_depth(turned, s->mask, s->markers, s->size, s->plateau, depth);
    ref_watershed(turned, depth, s->mask, s->markers, s->size, s->h, expected);
    for (int n = 0; n < (int)(sizeof tiles / sizeof *tiles); n++)
        for (int isa = n < 2 ? 0 : (int)tk_isa_detect(); isa <= (int)tk_isa_detect(); isa++) {
            flood(s, tiles[n], n == 0 ? 1 + isa : 1, (tk_isa)isa, found);
            assert_memory_equal(found, expected, (size_t)all * sizeof *found);
        }
    free(expected), free(found), free(turned), free(depth);
}

static scene random_scene(const int64_t size[3], uint64_t seed) {
    scene s = {.size = {size[0], size[1], size[2]}, .values = random_image(size, seed)};
    for (int64_t i = 0; i < count_of(size); i++) s.values[i] *= 10;
    return s;
}

static void free_scene(scene *s) { free(s->values), free(s->mask), free(s->markers); }

static void test_extrema(void **state) {
    (void)state;
    const int64_t sizes[][3] = {{9, 7, 20}, {1, 12, 33}, {7, 1, 19}, {5, 6, 1}, {1, 1, 1}};
    const double heights[] = {0, 3, 15, 1000};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
        for (int k = 0; k < 4; k++) {
            scene s = random_scene(sizes[n], 5 + n);
            s.h = heights[k];
            s.from_maxima = k % 2;
            check(&s);
            free_scene(&s);
        }
}

/* Whole numbers: many equal voxels, among them plateaus that wind. */
static void test_equal_values(void **state) {
    (void)state;
    for (int levels = 1; levels <= 4; levels++) {
        scene s = random_scene((const int64_t[3]){8, 9, 17}, 11);
        for (int64_t i = 0; i < count_of(s.size); i++) s.values[i] = roundf(s.values[i] / 40 * (float)levels);
        s.from_maxima = levels % 2;
        check(&s);
        s.h = 1;
        check(&s);
        free_scene(&s);
    }
}

/* Wide plateaus, whole ones of one level among them, with limits that reach across and that do not. */
static void test_plateaus(void **state) {
    (void)state;
    const int limits[] = {1, 2, 4, 30};
    for (int k = 0; k < 16; k++) {
        scene s = random_scene((const int64_t[3]){k % 3 ? 6 : 1, 9, 23}, 41 + (uint64_t)k);
        const int64_t all = count_of(s.size);
        s.plateau = limits[k % 4];
        s.from_maxima = k % 2;
        s.h = k % 5 ? 0 : 1;
        if (k & 4) s.mask = must_allocate(all, 1);
        if (k & 8) s.markers = must_allocate(all, sizeof *s.markers);
        for (int64_t i = 0; i < all; i++) {
            tk_rng rng = tk_rng_stream(5, 3, (uint64_t)(i + 1000 * k));
            const double chance = tk_rng_uniform(&rng);
            s.values[i] = chance < 0.85 ? 3 : roundf(s.values[i]);
            if (s.mask) s.mask[i] = tk_rng_uniform(&rng) < 0.9;
            if (s.markers) s.markers[i] = tk_rng_uniform(&rng) < 0.02 ? 1 + (uint32_t)(tk_rng_uniform(&rng) * 5) : 0;
        }
        check(&s);
        free_scene(&s);
    }
}

/* Between two holes, the line is in the middle, within the limit; beyond it, the order of the image decides. */
static void test_plateau_is_halved(void **state) {
    (void)state;
    enum { WIDTH = 21, HIGH = 5 };
    for (int limit = 0; limit <= 30; limit += 15) {
        scene s = {.size = {1, HIGH, WIDTH}, .values = must_allocate(HIGH * WIDTH, sizeof(float)), .plateau = limit};
        uint32_t found[HIGH * WIDTH];
        for (int i = 0; i < HIGH * WIDTH; i++) s.values[i] = 5;
        s.values[2 * WIDTH] = s.values[3 * WIDTH - 1] = 0;
        flood(&s, (const int64_t[3]){1, 2, 4}, 1, tk_isa_detect(), found);
        int wrong = 0;
        for (int i = 0; i < HIGH * WIDTH; i++)
            wrong += i % WIDTH != WIDTH / 2 && found[i] != (i % WIDTH < WIDTH / 2 ? 1U : 2U);
        if (limit)
            assert_int_equal(wrong, 0);
        else
            assert_true(wrong > WIDTH);
        free_scene(&s);
    }
}

static void test_mask_and_markers(void **state) {
    (void)state;
    for (int k = 0; k < 6; k++) {
        scene s = random_scene((const int64_t[3]){7, 8, 21}, 17 + (uint64_t)k);
        const int64_t all = count_of(s.size);
        if (k % 2) s.mask = must_allocate(all, 1);
        if (k > 1) s.markers = must_allocate(all, sizeof *s.markers);
        for (int64_t i = 0; i < all; i++) {
            tk_rng rng = tk_rng_stream(3, 2, (uint64_t)(i + 1000 * k));
            if (s.mask) s.mask[i] = tk_rng_uniform(&rng) < (k == 5 ? 0.02 : 0.7);
            if (s.markers) s.markers[i] = tk_rng_uniform(&rng) < 0.03 ? 1 + (uint32_t)(tk_rng_uniform(&rng) * 5) : 0;
            if (s.markers && s.mask && !s.mask[i]) s.markers[i] = 0;
        }
        check(&s);
        free_scene(&s);
    }
}

/* Tubes through all of the volume that fall all the way along: paths cross each tile many times. */
static void test_paths_through_many_tiles(void **state) {
    (void)state;
    for (int kind = MASK_SERPENTINE; kind <= MASK_SHEETS; kind++)
        for (int inside = 0; inside < 2; inside++) {
            scene s = random_scene((const int64_t[3]){9, 9, 17}, 23);
            const int64_t all = count_of(s.size);
            uint8_t *path = make_mask((mask_kind)kind, s.size, 31);
            for (int64_t i = 0; i < all; i++) s.values[i] = path[i] ? (float)i / (float)all : s.values[i] + 1000;
            if (inside) s.mask = path;
            s.h = 0.3;
            check(&s);
            if (!inside) free(path);
            free_scene(&s);
        }
}

/* The tube of a snail's shell, falling inwards: one basin. */
static void test_spiral(void **state) {
    (void)state;
    static const int turns[4][2] = {{0, 1}, {1, 0}, {0, -1}, {-1, 0}};
    enum { WIDTH = 23 };
    scene s = random_scene((const int64_t[3]){1, WIDTH, WIDTH}, 29);
    uint8_t on[WIDTH + 4][WIDTH + 4] = {{0}};
    for (int64_t i = 0; i < WIDTH * WIDTH; i++) s.values[i] = 1e6F + (float)i;
    int y = 0, x = 0, turn = 0;
    for (int left = WIDTH * WIDTH, stuck = 0; left > 0 && stuck < 2; left--) {
        s.values[y * WIDTH + x] = (float)left;
        on[y + 2][x + 2] = 1;
        for (stuck = 0; stuck < 2; stuck++, turn = (turn + 1) % 4) {
            const int ny = y + turns[turn][0], nx = x + turns[turn][1];
            if (ny >= 0 && nx >= 0 && ny < WIDTH && nx < WIDTH && !on[ny + 2 + turns[turn][0]][nx + 2 + turns[turn][1]])
                break;
        }
        y += turns[turn][0], x += turns[turn][1];
    }
    check(&s);
    free_scene(&s);
}

static void test_paths_that_lead_nowhere(void **state) {
    (void)state;
    int64_t passes = 1;
    tk_basin_pass pass = {.basin = {7, TK_BASIN_BEYOND + 99}};
    tk_basin_run runs[] = {{40, TK_BASIN_BEYOND + 10, 2, 0}, {10, TK_BASIN_BEYOND + 41, 5, 0}, {90, 7, 9, 0}};
    assert_int_equal(tk_basin_runs_follow(runs + 2, 1, &pass, &passes), TK_FAILED);
    passes = 0;
    assert_int_equal(tk_basin_runs_follow(runs, 3, NULL, &passes), TK_FAILED); /* in a circle */
    const tk_basin basin = {6, 0, 1};
    assert_int_equal(tk_basin_runs_label(runs + 2, 1, &basin, 1), TK_FAILED);
}

/* NaN is flooded last and makes no seed, in tiles as in the whole. */
static void test_not_a_number(void **state) {
    (void)state;
    static const int64_t tiles[][3] = {{7, 7, 7}, {3, 5, 11}, {1, 1, 1}}, size[3] = {8, 9, 17};
    const int64_t all = count_of(size);
    for (int whole = 0; whole < 2; whole++) {
        scene s = random_scene(size, 37);
        uint32_t *expected = must_allocate(all, sizeof *expected), *found = must_allocate(all, sizeof *found);
        for (int64_t i = 0; i < all; i++)
            if (whole || i % 5 == 0 || i / 17 % 9 < 3) s.values[i] = NAN;
        s.h = 3;
        flood(&s, size, 1, tk_isa_detect(), expected);
        for (int64_t i = 0; i < all; i++) assert_true(whole ? expected[i] == 0 : expected[i] > 0);
        for (int n = 0; n < 3; n++) {
            flood(&s, tiles[n], 1, tk_isa_detect(), found);
            assert_memory_equal(found, expected, (size_t)all * sizeof *found);
        }
        free(expected), free(found);
        free_scene(&s);
    }
}

static void test_order(void **state) {
    (void)state;
    float values[] = {-INFINITY, -3, -1e-40F, -0.0F, 0, 1e-40F, 2, INFINITY, NAN};
    enum { COUNT = sizeof values / sizeof *values };
    uint8_t inside[COUNT] = {1, 1, 1, 1, 1, 0, 1, 1, 0};
    const int64_t size[3] = {1, 1, COUNT};
    for (int turned = 0; turned < 2; turned++) {
        const tk_work work = work_with(1, TK_ISA_BASELINE, 0);
        uint32_t order[COUNT], masked[COUNT];
        const tk_cview_f32 view = tk_read_f32(tk_dense_f32(values, size));
        tk_basin_order(view, (tk_cview_u8){0}, turned, order, &work);
        tk_basin_order(view, tk_read_u8(tk_dense_u8(inside, size)), turned, masked, &work);
        for (int i = 0; i + 2 < COUNT; i++) {
            if (i == 3) assert_int_equal(order[3], order[4]);
            if (i != 3) assert_true(turned ? order[i] > order[i + 1] : order[i] < order[i + 1]);
            assert_float_equal(tk_basin_value(order[i + 1], turned), values[i + 1], 0);
        }
        for (int i = 0; i < COUNT; i++) assert_int_equal(masked[i], inside[i] ? order[i] : TK_BASIN_OUTSIDE);
        assert_int_equal(order[COUNT - 1], TK_BASIN_NAN);
        assert_true(isnan(tk_basin_value(TK_BASIN_NAN, turned)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extrema),          cmocka_unit_test(test_equal_values),
        cmocka_unit_test(test_mask_and_markers), cmocka_unit_test(test_paths_through_many_tiles),
        cmocka_unit_test(test_spiral),           cmocka_unit_test(test_paths_that_lead_nowhere),
        cmocka_unit_test(test_plateaus),         cmocka_unit_test(test_plateau_is_halved),
        cmocka_unit_test(test_not_a_number),     cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
