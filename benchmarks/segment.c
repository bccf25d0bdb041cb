/* Segmentation: Gaussian filter and connected components on volumes of 256 x 512 x 512, in voxels a second and as a
 * fraction of what copying the same voxels costs. Components are found in smooth blobs, about half of the volume, and
 * in voxels set at random with probability 1/2, the hardest case for any labelling by runs; and in labels: 1 in the
 * same blobs and 2 around them, 1 and 2 at random. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/bench.h"
#include "kernels/common/rng.h"
#include "kernels/filter/gaussian.h"
#include "kernels/segment/components.h"

enum { TAPS_MOST = 64, SAMPLES = 50 };

typedef struct scene {
    int64_t size[3];
    tk_view_f32 image, smooth;
    tk_view_u8 mask;
    tk_view_u32 values, labels;
    tk_gaussian gaussian;
    float taps[TAPS_MOST];
    int connectivity;
    tk_work work;
} scene;

static int64_t voxels(const scene *s) { return s->size[0] * s->size[1] * s->size[2]; }

static void stop(const char *what) {
    fprintf(stderr, "segment: %s\n", what);
    exit(1);
}

static void choose_sigma(scene *s, double sigma) {
    const int64_t radius = tk_gaussian_radius(sigma);
    if (radius >= TAPS_MOST) stop("sigma is too large");
    tk_gaussian_taps(sigma, radius, s->taps);
    for (int a = 0; a < 3; a++) {
        s->gaussian.radius[a] = radius;
        s->gaussian.taps[a] = s->taps;
    }
}

static void run_gaussian(void *context) {
    scene *s = context;
    const tk_box all = tk_box_of_size(s->size);
    if (tk_gaussian_apply(&s->gaussian, &all, &all, tk_read_f32(s->image), &all, s->smooth, &s->work) != TK_OK)
        stop("the Gaussian filter failed");
}

/* The weighted sum around a voxel that the filter's support does not leave the image from. */
static double direct_sum(const scene *s, const int64_t at[3]) {
    const int64_t r = s->gaussian.radius[0];
    double sum = 0;
    for (int64_t z = -r; z <= r; z++)
        for (int64_t y = -r; y <= r; y++)
            for (int64_t x = -r; x <= r; x++)
                sum += (double)s->taps[llabs(z)] * (double)s->taps[llabs(y)] * (double)s->taps[llabs(x)] *
                       (double)s->image.data[((at[0] + z) * s->size[1] + at[1] + y) * s->size[2] + at[2] + x];
    return sum;
}

static bool verify_gaussian(void *context) {
    const scene *s = context;
    const int64_t r = s->gaussian.radius[0];
    for (int i = 0; i < SAMPLES; i++) {
        tk_rng rng = tk_rng_stream(1, 1, (uint64_t)i);
        int64_t at[3];
        for (int a = 0; a < 3; a++) at[a] = r + (int64_t)(tk_rng_uniform(&rng) * (double)(s->size[a] - 2 * r));
        const float found = s->smooth.data[(at[0] * s->size[1] + at[1]) * s->size[2] + at[2]];
        if (!(fabs((double)found - direct_sum(s, at)) < 1e-5)) return false;
    }
    return true;
}

static void run_components(void *context) {
    scene *s = context;
    const size_t mark = tk_scratch_mark(&s->work.scratch);
    tk_components found;
    if (tk_components_find(tk_read_u8(s->mask), s->connectivity, &found, &s->work) != TK_OK)
        stop("the components were not found");
    tk_components_paint(&found, NULL, s->labels, &s->work);
    tk_scratch_rewind(&s->work.scratch, mark);
}

static void run_parts(void *context) {
    scene *s = context;
    const size_t mark = tk_scratch_mark(&s->work.scratch);
    tk_components found;
    if (tk_components_of_labels(tk_read_u32(s->values), s->connectivity, &found, &s->work) != TK_OK)
        stop("the parts of labels were not found");
    tk_components_paint(&found, NULL, s->labels, &s->work);
    tk_scratch_rewind(&s->work.scratch, mark);
}

/* Across every face parts are equal where labels are, and only there unless they meet elsewhere; new ones appear in
 * order. */
static bool verify_parts(void *context) {
    const scene *s = context;
    const int64_t step[3] = {s->size[1] * s->size[2], s->size[2], 1};
    const uint32_t *part = s->labels.data, *value = s->values.data;
    uint32_t last = 0;
    for (int64_t i = 0; i < voxels(s); i++) {
        if (part[i] < 1 || part[i] > last + 1) return false;
        if (part[i] > last) last = part[i];
        const int64_t at[3] = {i / step[0], i / step[1] % s->size[1], i % s->size[2]};
        for (int a = 0; a < 3; a++)
            if (at[a] > 0 && (value[i] == value[i - step[a]]) != (part[i] == part[i - step[a]])) return false;
    }
    return true;
}

/* Labels are where the mask is, equal across every face, and new ones appear in order. */
static bool verify_components(void *context) {
    const scene *s = context;
    const int64_t step[3] = {s->size[1] * s->size[2], s->size[2], 1};
    uint32_t last = 0;
    for (int64_t i = 0; i < voxels(s); i++) {
        const uint32_t label = s->labels.data[i];
        if ((label != 0) != (s->mask.data[i] != 0) || label > last + 1) return false;
        if (label > last) last = label;
        const int64_t at[3] = {i / step[0], i / step[1] % s->size[1], i % s->size[2]};
        for (int a = 0; a < 3; a++)
            if (label && at[a] > 0 && s->labels.data[i - step[a]] && s->labels.data[i - step[a]] != label) return false;
    }
    return last > 0;
}

static void measure(bench *b, scene *s, const char *name, void (*run)(void *), bool (*verify)(void *), double bytes,
                    double copy) {
    const bench_case c = {name, s->work.threads, run, verify, s, bytes * (double)voxels(s), 0};
    const bench_time time = bench_run(b, &c);
    if (time.least <= 0) return;
    bench_figure(b, "  speed", 1e-6 * (double)voxels(s) / time.least, "Mvoxel/s");
    bench_figure(b, "  of the time that copying takes", copy * bytes / 8 / time.least, "");
}

static void measure_masks(bench *b, scene *s, const char *kind, double copy) {
    if (s->work.threads == 1) bench_volume(b, kind, "uint8", 1, s->size, s->mask.data);
    for (s->connectivity = 6; s->connectivity <= 26; s->connectivity += 20) {
        char name[80];
        (void)snprintf(name, sizeof name, "components, %s, connectivity %d", kind, s->connectivity);
        measure(b, s, name, run_components, verify_components, 5, copy);
        (void)snprintf(name, sizeof name, "parts of labels, %s, connectivity %d", kind, s->connectivity);
        measure(b, s, name, run_parts, verify_parts, 8, copy);
    }
}

/* The voxels above a half are object. */
static void set_mask(scene *s, const float *image) {
    for (int64_t i = 0; i < voxels(s); i++) {
        s->mask.data[i] = image[i] > 0.5F;
        s->values.data[i] = image[i] > 0.5F ? 1 : 2;
    }
}

static void measure_threads(bench *b, scene *s, int threads) {
    s->work.threads = threads;
    const double copy = bench_copy(b, s->image.data, s->smooth.data, voxels(s), s->work.threads);
    for (int sigma = 1; sigma <= 4; sigma *= 2) {
        char name[80];
        choose_sigma(s, sigma);
        (void)snprintf(name, sizeof name, "gaussian, sigma %d", sigma);
        measure(b, s, name, run_gaussian, verify_gaussian, 8, copy);
    }
    set_mask(s, s->smooth.data);
    measure_masks(b, s, "blobs", copy);
    set_mask(s, s->image.data);
    measure_masks(b, s, "random", copy);
}

int main(int argc, char **argv) {
    bench b;
    bench_begin(&b, "segment", argc, argv);
    scene s = {.size = {b.quick ? 64 : 256, b.quick ? 128 : 512, b.quick ? 128 : 512},
               .work = {.isa = tk_isa_detect()}};
    const size_t count = (size_t)voxels(&s);
    s.image = tk_dense_f32(bench_memory(count * sizeof(float)), s.size);
    s.smooth = tk_dense_f32(bench_memory(count * sizeof(float)), s.size);
    s.mask = tk_dense_u8(bench_memory(count), s.size);
    s.values = tk_dense_u32(bench_memory(count * sizeof(uint32_t)), s.size);
    s.labels = tk_dense_u32(bench_memory(count * sizeof(uint32_t)), s.size);
    for (size_t i = 0; i < count; i++) {
        tk_rng rng = tk_rng_stream(1, 0, i);
        s.image.data[i] = (float)tk_rng_uniform(&rng);
    }
    choose_sigma(&s, 4);
    const size_t filter = tk_gaussian_scratch(&s.gaussian, s.size, bench_cpus()),
                 runs = tk_components_of_labels_scratch(s.size);
    if (tk_scratch_reserve(&s.work.scratch, filter > runs ? filter : runs) != TK_OK) stop("out of memory");
    for (int threads = 1; threads <= bench_cpus(); threads *= 2) measure_threads(&b, &s, threads);
    tk_scratch_release(&s.work.scratch);
    free(s.image.data), free(s.smooth.data), free(s.mask.data), free(s.values.data), free(s.labels.data);
    return bench_end(&b);
}
