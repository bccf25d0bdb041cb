/* Volumes for tests of filters and segmentation: random voxels, and masks that make tiling hard. */
#ifndef TK_TESTS_UNIT_TEST_VOLUME_FIXTURE_H
#define TK_TESTS_UNIT_TEST_VOLUME_FIXTURE_H

#include <stdint.h>
#include <stdlib.h>

#include "kernels/common/rng.h"
#include "kernels/common/view.h"
#include "kernels/common/work.h"

static inline int64_t count_of(const int64_t size[3]) { return size[0] * size[1] * size[2]; }

/* Memory that is never NULL and starts with no useful value. */
static inline void *must_allocate(int64_t count, size_t element) {
    const size_t bytes = (size_t)(count + 1) * element;
    unsigned char *memory = malloc(bytes);
    if (!memory) abort();
    for (size_t i = 0; i < bytes; i++) memory[i] = 0xA5;
    return memory;
}

static inline tk_work work_with(int threads, tk_isa isa, size_t scratch) {
    tk_work work = {threads, isa, {0}};
    if (tk_scratch_reserve(&work.scratch, scratch) != TK_OK) abort();
    return work;
}

/* Standard normal voxels. */
static inline float *random_image(const int64_t size[3], uint64_t seed) {
    float *image = must_allocate(count_of(size), sizeof *image);
    for (int64_t i = 0; i < count_of(size); i++) {
        tk_rng rng = tk_rng_stream(seed, 1, (uint64_t)i);
        image[i] = (float)tk_rng_normal(&rng);
    }
    return image;
}

/* How masks are made. */
typedef enum mask_kind {
    MASK_EMPTY,
    MASK_FULL,
    MASK_SPARSE,     /* 10 % at random */
    MASK_HALF,       /* 50 % at random */
    MASK_CHECKER,    /* every second voxel: diagonals only */
    MASK_SERPENTINE, /* one path, one voxel wide, through all of the volume */
    MASK_SHEETS,     /* nested boxes: long thin objects around each other */
    MASK_SPECKS,     /* the most voxels of which none has a neighbour */
    MASK_KINDS
} mask_kind;

/* A path that runs along x in every second row, turns at alternate ends, and climbs to every second plane. */
static inline uint8_t serpentine(const int64_t size[3], int64_t z, int64_t y, int64_t x) {
    const int64_t last = (size[1] - 1) / 2 * 2;
    if (z % 2) return x == 0 && y == (z % 4 == 1 ? last : 0);
    if (y % 2 == 0) return 1;
    return x == (y % 4 == 1 ? size[2] - 1 : 0);
}

static inline uint8_t sheet(const int64_t size[3], int64_t z, int64_t y, int64_t x) {
    const int64_t at[3] = {z, y, x};
    int64_t depth = INT64_MAX;
    for (int a = 0; a < 3; a++) {
        const int64_t edge = at[a] < size[a] - 1 - at[a] ? at[a] : size[a] - 1 - at[a];
        if (size[a] > 1 && edge < depth) depth = edge;
    }
    return depth % 2 == 0;
}

static inline uint8_t *make_mask(mask_kind kind, const int64_t size[3], uint64_t seed) {
    uint8_t *mask = must_allocate(count_of(size), 1);
    for (int64_t i = 0; i < count_of(size); i++) {
        const int64_t z = i / (size[1] * size[2]), y = i / size[2] % size[1], x = i % size[2];
        tk_rng rng = tk_rng_stream(seed, 2, (uint64_t)i);
        const double u = tk_rng_uniform(&rng);
        const uint8_t values[MASK_KINDS] = {0,
                                            1,
                                            u < 0.1,
                                            u < 0.5,
                                            (z + y + x) % 2 == 0,
                                            serpentine(size, z, y, x),
                                            sheet(size, z, y, x),
                                            z % 2 == 0 && y % 2 == 0 && x % 2 == 0};
        mask[i] = values[kind];
    }
    return mask;
}

/* How labels are made. */
typedef enum label_kind {
    LABELS_ALONE,   /* a label of its own for each voxel, the largest first */
    LABELS_RANDOM,  /* 0 to 3 at random */
    LABELS_CHECKER, /* two labels, each connected across diagonals only */
    LABELS_CELLS,   /* boxes of 2 x 2 x 3 voxels with one of 3 labels, without a gap */
    LABELS_PATH,    /* a path, one voxel wide, of one label in another */
    LABELS_SHEETS,  /* nested boxes of two labels */
    LABEL_KINDS
} label_kind;

static inline uint32_t *make_labels(label_kind kind, const int64_t size[3], uint64_t seed) {
    uint32_t *labels = must_allocate(count_of(size), sizeof *labels);
    for (int64_t i = 0; i < count_of(size); i++) {
        const int64_t z = i / (size[1] * size[2]), y = i / size[2] % size[1], x = i % size[2];
        const int64_t cell = (z / 2 * size[1] + y / 2) * size[2] + x / 3;
        tk_rng voxel = tk_rng_stream(seed, 3, (uint64_t)i), box = tk_rng_stream(seed, 4, (uint64_t)cell);
        const uint32_t values[LABEL_KINDS] = {UINT32_MAX - (uint32_t)i,       (uint32_t)(4 * tk_rng_uniform(&voxel)),
                                              (z + y + x) % 2 ? 7 : 70000,    1 + (uint32_t)(3 * tk_rng_uniform(&box)),
                                              1U + serpentine(size, z, y, x), 1U + sheet(size, z, y, x)};
        labels[i] = values[kind];
    }
    return labels;
}

#endif
