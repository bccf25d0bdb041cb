/* The watershed of smoothed noise, whole and of tiles, in voxels a second and as a fraction of the time that copying
 * takes: all of the cube, and the third that is highest; from maxima that stand out, from markers there, and with
 * plateaus divided by distance. One turn is what a run does: survey (descent, passes, their forest, runs), agreement,
 * and the descent and the labels of apply.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/bench.h"
#include "kernels/common/rng.h"
#include "kernels/filter/gaussian.h"
#include "kernels/segment/basin_links.h"
#include "kernels/segment/plateau.h"

enum { SIGMA = 5, LIMIT = 8 };

typedef struct scene {
    int64_t size[3], tile;
    bool masked, marked, deep;
    float *land, *noise;
    uint8_t *mask;
    uint32_t *markers, *box_markers;
    uint32_t *order, *parent, *label, *first;
    uint8_t *depth;
    tk_basin *basins;
    tk_basin_pass *passes;
    tk_basin_run *run;
    int64_t basin_count, pass_count, runs;
    tk_work work;
} scene;

static int64_t voxels(const scene *s) { return s->size[0] * s->size[1] * s->size[2]; }

static void stop(const char *what) {
    fprintf(stderr, "watershed: %s\n", what);
    exit(1);
}

/* Orders a box of the landscape and descends. */
static tk_basin_tile descend(scene *s, const tk_box *core) {
    const tk_box all = tk_box_of_size(s->size), box = tk_box_grow(core, (const int64_t[3]){1, 1, 1}, &all);
    const int64_t high = tk_box_size(&box, 1), width = tk_box_size(&box, 2);
    for (int64_t row = 0; s->marked && row < tk_box_size(&box, 0) * high; row++) {
        const int64_t from = ((box.lo[0] + row / high) * s->size[1] + box.lo[1] + row % high) * s->size[2] + box.lo[2];
        memcpy(s->box_markers + row * width, s->markers + from, (size_t)width * sizeof *s->markers);
    }
    const tk_cview_f32 land = tk_ccrop_f32(tk_read_f32(tk_dense_f32(s->land, s->size)), &all, &box);
    const tk_cview_u8 mask = tk_ccrop_u8(tk_read_u8(tk_dense_u8(s->mask, s->size)), &all, &box);
    tk_basin_order(land, s->masked ? mask : (tk_cview_u8){0}, true, s->order, &s->work);
    const int64_t size[3] = {tk_box_size(&box, 0), high, width};
    if (s->deep) tk_plateau_depth(s->order, s->marked ? s->box_markers : NULL, size, LIMIT, s->depth, &s->work);
    const tk_basin_tile tile = {
        all, box, *core, s->order, s->deep ? s->depth : NULL, s->marked ? s->box_markers : NULL};
    if (tk_basins_descend(&tile, s->parent, &s->work) != TK_OK) stop("no descent");
    return tile;
}

static void survey(scene *s, const tk_basin_tile *t) {
    tk_basin_graph graph = {0};
    tk_basin_pass *passes = s->passes + s->pass_count;
    int64_t count = 0;
    s->basin_count += tk_basins_minima(t, s->parent, s->basins + s->basin_count, &s->work);
    s->runs += tk_basin_runs(t, s->parent, s->run + s->runs);
    tk_basins_join_ghosts(t, s->parent, &s->work);
    if (tk_basins_passes(t, s->parent, &graph, &s->work) != TK_OK) stop("out of memory");
    for (int64_t i = 0; i < graph.slots; i++)
        if (graph.slot[i].basin[0] != graph.slot[i].basin[1]) passes[count++] = graph.slot[i];
    s->pass_count += tk_basins_own_passes(t, passes, tk_basin_forest(passes, count));
    tk_basin_graph_free(&graph);
}

static int by_basin(const void *a, const void *b) {
    const tk_basin *p = a, *q = b;
    return p->basin < q->basin ? -1 : p->basin > q->basin;
}

static void agree(scene *s) {
    int64_t seeds = 0, passes = s->pass_count;
    qsort(s->basins, (size_t)s->basin_count, sizeof *s->basins, by_basin);
    if (tk_basin_runs_follow(s->run, s->runs, s->passes, &passes) != TK_OK) stop("paths lead nowhere");
    passes = tk_basin_forest(s->passes, passes);
    if (tk_basin_flood(s->basins, s->basin_count, s->passes, passes, s->marked, true, 0.002, &seeds) != TK_OK)
        stop("no flood");
    if (tk_basin_runs_label(s->run, s->runs, s->basins, s->basin_count) != TK_OK) stop("no labels");
}

static tk_box core_of(const scene *s, int64_t number) {
    const int64_t side = (s->size[0] + s->tile - 1) / s->tile;
    const int64_t at[3] = {number / side / side, number / side % side, number % side};
    tk_box core;
    for (int a = 0; a < 3; a++) {
        core.lo[a] = at[a] * s->tile;
        core.hi[a] = core.lo[a] + s->tile < s->size[a] ? core.lo[a] + s->tile : s->size[a];
    }
    return core;
}

static void run_watershed(void *context) {
    scene *s = context;
    const int64_t side = (s->size[0] + s->tile - 1) / s->tile, tiles = side * side * side;
    s->basin_count = s->pass_count = s->runs = 0;
    for (int64_t n = 0; n < tiles; n++) {
        const tk_box core = core_of(s, n);
        const tk_basin_tile t = descend(s, &core);
        survey(s, &t);
    }
    agree(s);
    for (int64_t n = 0; n < tiles; n++) {
        const tk_box core = core_of(s, n);
        const tk_basin_tile t = descend(s, &core);
        const tk_basin_labels labels = {s->basins, s->run, s->basin_count, s->runs};
        const tk_box all = tk_box_of_size(s->size);
        tk_basins_paint(&t, s->parent, &labels, s->order, tk_crop_u32(tk_dense_u32(s->label, s->size), &all, &core),
                        &s->work);
    }
}

/* Markers where the seeds are: the first minimum, in the order of voxels, of each label. */
static void mark_seeds(scene *s) {
    memset(s->markers, 0, (size_t)voxels(s) * sizeof *s->markers);
    int64_t *first = bench_memory((size_t)(s->basin_count + 1) * sizeof *first);
    for (int64_t i = 0; i < s->basin_count; i++) {
        const tk_basin *basin = &s->basins[i];
        int64_t *lowest = &first[basin->label]; /* 1 + its place among the basins */
        if (*lowest == 0 || basin->bottom < s->basins[*lowest - 1].bottom) *lowest = i + 1;
    }
    for (uint32_t label = 1; label <= s->basin_count && first[label]; label++)
        s->markers[s->basins[first[label] - 1].basin] = label;
    free(first);
}

/* The labels are those of the first turn, which had one tile, one thread and no markers. */
static bool verify(void *context) {
    scene *s = context;
    const size_t bytes = (size_t)voxels(s) * sizeof *s->label;
    if (s->work.threads == 1 && s->tile == s->size[0] && !s->marked) {
        memcpy(s->first, s->label, bytes);
        mark_seeds(s);
    }
    return memcmp(s->first, s->label, bytes) == 0;
}

static void make_land(scene *s) {
    bench_smooth(s->noise, s->size, SIGMA, s->land);
    const float level = bench_level(s->land, voxels(s), 0.5);
    for (int64_t i = 0; i < voxels(s); i++) s->mask[i] = s->land[i] > level;
}

static void measure(bench *b, scene *s, double copy) {
    char name[80];
    const char *tile = s->tile == s->size[0] ? "one tile" : "64 tiles";
    (void)snprintf(name, sizeof name, "%s, %s, %s%s", s->marked ? "markers" : "maxima",
                   s->masked ? "the highest third" : "all", tile, s->deep ? ", plateaus" : "");
    const bench_case c = {name, s->work.threads, run_watershed, verify, s, 8.0 * (double)voxels(s), 0};
    const bench_time time = bench_run(b, &c);
    if (time.least <= 0) return;
    bench_figure(b, "  speed", 1e-6 * (double)voxels(s) / time.least, "Mvoxel/s");
    bench_figure(b, "  of the time that copying takes", copy / time.least, "");
    const double told = (double)s->basin_count * sizeof *s->basins + (double)s->pass_count * sizeof *s->passes +
                        (double)s->runs * sizeof *s->run;
    bench_figure(b, "  partials", told / (double)voxels(s), "B/voxel");
}

static void measure_threads(bench *b, scene *s, int threads) {
    const int64_t edge = s->size[0];
    s->work.threads = threads;
    const double copy = bench_copy(b, s->land, s->noise, voxels(s), s->work.threads);
    for (int way = 0; way < 5; way++) {
        s->marked = way >= 2;
        s->deep = way == 4;
        s->tile = way % 2 ? edge / 4 : edge;
        measure(b, s, copy);
    }
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "watershed", argc, argv);
    const int64_t edge = b.quick ? 128 : 256;
    scene s = {.size = {edge, edge, edge}, .work = {.isa = tk_isa_detect()}};
    const size_t count = (size_t)voxels(&s);
    s.land = bench_memory(count * sizeof *s.land);
    s.noise = bench_memory(count * sizeof *s.noise);
    s.mask = bench_memory(count);
    s.markers = bench_memory(count * sizeof *s.markers);
    s.box_markers = bench_memory(count * sizeof *s.box_markers);
    s.order = bench_memory(count * sizeof *s.order);
    s.parent = bench_memory(count * sizeof *s.parent);
    s.depth = bench_memory(count);
    s.label = bench_memory(count * sizeof *s.label);
    s.first = bench_memory(count * sizeof *s.first);
    s.basins = bench_memory(count / 4 * sizeof *s.basins);
    s.passes = bench_memory(count / 4 * sizeof *s.passes);
    s.run = bench_memory(count / 4 * sizeof *s.run);
    for (size_t i = 0; i < count; i++) {
        tk_rng rng = tk_rng_stream(1, 0, i);
        s.noise[i] = (float)tk_rng_uniform(&rng);
    }
    make_land(&s);
    bench_volume(&b, "landscape", "float32", sizeof *s.land, s.size, s.land);
    bench_volume(&b, "mask", "uint8", 1, s.size, s.mask);
    for (int masked = 0; masked < 2; masked++) {
        s.masked = masked;
        for (int threads = 1; threads <= bench_cpus(); threads *= 2) measure_threads(&b, &s, threads);
        bench_volume(&b, masked ? "markers_masked" : "markers", "uint32", sizeof *s.markers, s.size, s.markers);
        bench_volume(&b, masked ? "flooded_masked" : "flooded", "uint32", sizeof *s.first, s.size, s.first);
    }
    free(s.land), free(s.noise), free(s.mask), free(s.order), free(s.parent);
    free(s.label), free(s.first), free(s.depth), free(s.markers), free(s.box_markers);
    free(s.basins), free(s.passes), free(s.run);
    return bench_end(&b);
}
