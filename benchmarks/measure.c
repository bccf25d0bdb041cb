/* Measurements of labelled objects on a volume of 128 x 512 x 512: balls apart from each other, a third of the volume,
 * and cells that fill all of it side by side; in voxels and in objects a second, and as a fraction of what copying the
 * labels costs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/bench.h"
#include "kernels/common/rng.h"
#include "kernels/measure/objects.h"
#include "kernels/measure/shape.h"

enum { EDGE = 20, ALL = 31 }; /* of the cubes that hold one object's seed each */

typedef struct scene {
    int64_t size[3];
    tk_view_u32 labels;
    tk_view_f32 image, copy;
    tk_objects_spec spec;
    unsigned char *records; /* all that came, parts of objects */
    size_t room;
    int64_t count, objects, labelled;
    tk_work work;
} scene;

static int64_t voxels(const scene *s) { return s->size[0] * s->size[1] * s->size[2]; }

static void stop(const char *what) {
    fprintf(stderr, "measure: %s\n", what);
    exit(1);
}

static tk_status take(void *user, const void *records, int64_t count) {
    scene *s = user;
    const size_t size = s->spec.layout.size, used = (size_t)s->count * size, more = (size_t)count * size;
    while (used + more > s->room) {
        s->room = 2 * s->room + more;
        s->records = realloc(s->records, s->room);
        if (!s->records) stop("out of memory");
    }
    memcpy(s->records + used, records, more);
    s->count += count;
    return TK_OK;
}

static tk_status take_pairs(void *user, const tk_object_pair *pairs, int64_t count) {
    (void)user, (void)pairs, (void)count;
    return TK_OK;
}

static void run_measure(void *context) {
    scene *s = context;
    const tk_box all = tk_box_of_size(s->size);
    tk_objects_block block = {tk_read_u32(s->labels), all, all, all, {{0}}};
    block.intensity[0] = tk_read_f32(s->image);
    const tk_object_sink sink = {take, take_pairs, s};
    s->count = 0;
    if (tk_objects_measure(&s->spec, &block, &sink, &s->work) != TK_OK) stop("the measurement failed");
    s->count = tk_objects_unite(&s->spec, s->records, s->count);
}

/* Every labelled voxel is in one object. */
static bool verify_measure(void *context) {
    const scene *s = context;
    int64_t sum = 0;
    for (int64_t i = 0; i < s->count; i++)
        sum += ((const tk_object *)(const void *)(s->records + (size_t)i * s->spec.layout.size))->count;
    return s->count == s->objects && sum == s->labelled;
}

/* A place in a cube, the same whenever it is asked for. */
static void seed_of(const int64_t cube[3], double at[3]) {
    for (int a = 0; a < 3; a++) {
        tk_rng rng = tk_rng_stream(7, (uint32_t)a, (uint64_t)((cube[0] * 4096 + cube[1]) * 4096 + cube[2]));
        at[a] = ((double)cube[a] + 0.3 + 0.4 * tk_rng_uniform(&rng)) * EDGE;
    }
}

/* The squared distance to the nearest seed, and its cube's number from 1 on. */
static double nearest_seed(const scene *s, const int64_t at[3], uint32_t *number) {
    int64_t grid[3];
    double least = 1e30;
    for (int a = 0; a < 3; a++) grid[a] = (s->size[a] + EDGE - 1) / EDGE;
    for (int n = 0; n < 27; n++) {
        const int64_t cube[3] = {at[0] / EDGE + n / 9 - 1, at[1] / EDGE + n / 3 % 3 - 1, at[2] / EDGE + n % 3 - 1};
        double seed[3], sum = 0;
        seed_of(cube, seed);
        for (int a = 0; a < 3; a++) {
            sum += ((double)at[a] - seed[a]) * ((double)at[a] - seed[a]);
            if (cube[a] < 0 || cube[a] >= grid[a]) sum = 1e30;
        }
        if (sum >= least) continue;
        least = sum;
        *number = (uint32_t)((cube[0] * grid[1] + cube[1]) * grid[2] + cube[2] + 1);
    }
    return least;
}

static void draw(scene *s, bool balls) {
    uint32_t largest = 0;
    int64_t labelled = 0;
#pragma omp parallel for schedule(dynamic) reduction(max : largest) reduction(+ : labelled)
    for (int64_t z = 0; z < s->size[0]; z++)
        for (int64_t i = z * s->size[1] * s->size[2]; i < (z + 1) * s->size[1] * s->size[2]; i++) {
            const int64_t at[3] = {z, i / s->size[2] % s->size[1], i % s->size[2]};
            uint32_t number = 0;
            const double distance = nearest_seed(s, at, &number);
            if (balls && distance > 0.2 * EDGE * EDGE) number = 0;
            s->labels.data[i] = number;
            labelled += number > 0;
            largest = number > largest ? number : largest;
        }
    s->labelled = labelled;
    s->objects = 0;
    uint8_t *seen = calloc((size_t)largest + 1, 1);
    if (!seen) stop("out of memory");
    for (int64_t i = 0; i < voxels(s); i++) {
        const uint32_t label = s->labels.data[i];
        s->objects += label > 0 && !seen[label];
        seen[label] = 1;
    }
    free(seen);
}

static void measure(bench *b, scene *s, const char *volume, const char *what, unsigned parts, int channels,
                    double copy) {
    const double voxel[3] = {1, 1, 1}, bytes = 4 + 4 * channels;
    char name[80];
    (void)snprintf(name, sizeof name, "%s, %s", volume, what);
    s->spec = (tk_objects_spec){.layout = tk_object_layout_of(parts, channels)};
    tk_extreme_directions(voxel, false, s->spec.direction);
    if (tk_scratch_reserve(&s->work.scratch, tk_objects_scratch(&s->spec.layout, s->size, s->work.threads)) != TK_OK)
        stop("out of memory");
    const bench_case c = {name, s->work.threads, run_measure, verify_measure, s, bytes * (double)voxels(s), 0};
    const bench_time time = bench_run(b, &c);
    tk_scratch_release(&s->work.scratch);
    if (time.least <= 0) return;
    bench_figure(b, "  speed of a core", 1e-6 * (double)voxels(s) / time.cpu, "Mvoxel/s");
    bench_figure(b, "  objects", (double)s->objects / time.cpu, "1/s of a core");
    bench_figure(b, "  of the time that copying takes", copy * bytes / 8 / time.least, "");
}

static void measure_volume(bench *b, scene *s, const char *volume) {
    for (s->work.threads = 1; s->work.threads <= bench_cpus(); s->work.threads *= 2) {
        const double copy = bench_copy(b, s->image.data, s->copy.data, voxels(s), s->work.threads);
        measure(b, s, volume, "basic", 0, 0, copy);
        measure(b, s, volume, "basic and intensity", 0, 1, copy);
        measure(b, s, volume, "shape", TK_OBJECT_MOMENTS, 0, copy);
        measure(b, s, volume, "surface", TK_OBJECT_SURFACE, 0, copy);
        measure(b, s, volume, "surface and neighbours", TK_OBJECT_SURFACE | TK_OBJECT_CONTACT, 0, copy);
        measure(b, s, volume, "feret", TK_OBJECT_EXTREMES, 0, copy);
        measure(b, s, volume, "distribution", TK_OBJECT_SPREAD, 1, copy);
        measure(b, s, volume, "all", ALL, 1, copy);
    }
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "measure", argc, argv);
    scene s = {.size = {b.quick ? 48 : 128, b.quick ? 128 : 512, b.quick ? 128 : 512},
               .work = {.isa = tk_isa_detect()}};
    const size_t count = (size_t)voxels(&s);
    s.image = tk_dense_f32(bench_memory(count * sizeof(float)), s.size);
    s.copy = tk_dense_f32(bench_memory(count * sizeof(float)), s.size);
    s.labels = tk_dense_u32(bench_memory(count * sizeof(uint32_t)), s.size);
    for (size_t i = 0; i < count; i++) {
        tk_rng rng = tk_rng_stream(1, 0, i);
        s.image.data[i] = (float)tk_rng_uniform(&rng);
    }
    for (int balls = 1; balls >= 0; balls--) {
        draw(&s, balls);
        bench_volume(&b, balls ? "balls" : "cells", "uint32", 4, s.size, s.labels.data);
        measure_volume(&b, &s, balls ? "balls" : "cells");
    }
    free(s.image.data), free(s.copy.data), free(s.labels.data), free(s.records);
    return bench_end(&b);
}
