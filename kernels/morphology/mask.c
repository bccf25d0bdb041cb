/* Balls around voxels by squared distances (mask.h). */
#include "kernels/morphology/mask.h"

#include <math.h>

/* Edges of a voxel when the radius is 1. Along an axis of radius 0 they only have to be more than 1; a multiple of the
 * smallest edge keeps squared distances whole. */
static void edges_of(const int64_t radius[3], double edge[3]) {
    double least = 2;
    for (int a = 0; a < 3; a++)
        if (radius[a] > 0) least = fmin(least, 1 / (double)radius[a]);
    for (int a = 0; a < 3; a++) edge[a] = radius[a] > 0 ? 1 / (double)radius[a] : (floor(1 / least) + 1) * least;
}

/* Sums of (d / r)^2 are multiples of the inverse of this: between 1 and the next one is room for what is rounded. */
static double denominator(const int64_t radius[3]) {
    double product = 1;
    for (int a = 0; a < 3; a++) {
        bool seen = radius[a] == 0;
        for (int b = 0; b < a; b++) seen = seen || radius[b] == radius[a];
        if (!seen) product *= (double)(radius[a] * radius[a]);
    }
    return product;
}

tk_mask_morphology tk_mask_morphology_of(tk_mask_operation operation, const int64_t radius[3], const int64_t image[3]) {
    double edge[3];
    edges_of(radius, edge);
    tk_mask_morphology m = {.operation = operation, .distance = tk_distance_of(edge, image)};
    m.most = (1 + 0.5 / denominator(radius)) / (m.distance.unit * m.distance.unit);
    for (int a = 0; a < 3; a++) m.halo[a] = operation >= TK_MASK_OPEN ? 2 * radius[a] : radius[a];
    return m;
}

static size_t passes_scratch(const tk_mask_morphology *m, const int64_t in[3], int threads) {
    const size_t planes = tk_distance_planes_scratch(&m->distance, in, threads);
    const size_t columns = tk_distance_columns_scratch(&m->distance, in[TK_Z], threads);
    return planes > columns ? planes : columns;
}

size_t tk_mask_morphology_scratch(const tk_mask_morphology *m, const int64_t in[3], int threads) {
    const int64_t count = in[0] * in[1] * in[2];
    const size_t volumes = tk_size_add(tk_scratch_cost(count, 1), tk_scratch_cost(count, m->distance.element));
    return tk_size_add(volumes, passes_scratch(m, in, threads));
}

/* A block, dense: a mask, and the squared distances from its background. */
typedef struct job {
    const tk_mask_morphology *morphology;
    tk_work *work;
    int64_t size[3];
    uint8_t *mask;
    void *squared;
} job;

static int64_t count_of(const job *j) { return j->size[0] * j->size[1] * j->size[2]; }

/* A dilation is the erosion of the background: masks are then turned around. */
static void load(const job *j, tk_cview_u8 in, bool turned) {
#pragma omp parallel for schedule(static) num_threads(j->work->threads)
    for (int64_t r = 0; r < in.size[TK_Z] * in.size[TK_Y]; r++) {
        const uint8_t *from = in.data + r / in.size[TK_Y] * in.stride[TK_Z] + r % in.size[TK_Y] * in.stride[TK_Y];
        uint8_t *to = j->mask + r * in.size[TK_X];
        for (int64_t x = 0; x < in.size[TK_X]; x++) to[x] = (from[x] != 0) != turned;
    }
}

static void within_i32(const int32_t *restrict squared, int64_t count, int32_t most, uint8_t *restrict near) {
    for (int64_t i = 0; i < count; i++) near[i] = squared[i] <= most;
}

static void within_f64(const double *restrict squared, int64_t count, double most, uint8_t *restrict near) {
    for (int64_t i = 0; i < count; i++) near[i] = squared[i] <= most;
}

/* mask := is a voxel of the mask's background in the ball? */
static tk_status find_near(const job *j) {
    const tk_distance *d = &j->morphology->distance;
    const double most = j->morphology->most, *real = j->squared;
    const int32_t *whole = j->squared;
    TK_TRY(tk_distance_planes(d, tk_read_u8(tk_dense_u8(j->mask, j->size)), j->squared, j->work));
    TK_TRY(tk_distance_columns(d, j->size[TK_Z], j->size[TK_Y], j->size[TK_X], j->squared, j->work));
    const int64_t rows = j->size[TK_Z] * j->size[TK_Y], width = j->size[TK_X];
#pragma omp parallel for schedule(static) num_threads(j->work->threads)
    for (int64_t r = 0; r < rows; r++) {
        if (d->whole)
            within_i32(whole + r * width, width, (int32_t)fmin(most, INT32_MAX / 2), j->mask + r * width);
        else
            within_f64(real + r * width, width, most, j->mask + r * width);
    }
    return TK_OK;
}

static void store(const job *j, const tk_box *in_box, bool turned, const tk_box *out_box, tk_view_u8 out) {
    const int64_t dense[3] = {j->size[TK_Y] * j->size[TK_X], j->size[TK_X], 1};
    const uint8_t *mask = j->mask + tk_offset_u8(dense, in_box, out_box);
#pragma omp parallel for schedule(static) num_threads(j->work->threads)
    for (int64_t r = 0; r < out.size[TK_Z] * out.size[TK_Y]; r++) {
        const int64_t z = r / out.size[TK_Y], y = r % out.size[TK_Y];
        const uint8_t *from = mask + z * dense[0] + y * dense[1];
        uint8_t *to = out.data + z * out.stride[0] + y * out.stride[1];
        for (int64_t x = 0; x < out.size[TK_X]; x++) to[x] = from[x] != turned;
    }
}

/* What is near the background is not in the erosion: after one step the mask is that of a dilation's background. */
static tk_status run(job *j, tk_cview_u8 in) {
    const tk_mask_operation operation = j->morphology->operation;
    j->mask = tk_scratch_take(&j->work->scratch, count_of(j), 1);
    j->squared = tk_scratch_take(&j->work->scratch, count_of(j), j->morphology->distance.element);
    if (!j->mask || !j->squared) return TK_NO_MEMORY;
    load(j, in, operation == TK_MASK_DILATE || operation == TK_MASK_CLOSE);
    TK_TRY(find_near(j));
    return operation >= TK_MASK_OPEN ? find_near(j) : TK_OK;
}

tk_status tk_mask_morphology_apply(const tk_mask_morphology *morphology, const tk_box *image, const tk_box *in_box,
                                   tk_cview_u8 in, const tk_box *out_box, tk_view_u8 out, tk_work *work) {
    const tk_box needed = tk_box_grow(out_box, morphology->halo, image);
    if (!tk_box_contains(in_box, &needed)) return TK_FAILED;
    job j = {.morphology = morphology, .work = work, .size = {in.size[0], in.size[1], in.size[2]}};
    const bool eroded = morphology->operation == TK_MASK_ERODE || morphology->operation == TK_MASK_CLOSE;
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = run(&j, in);
    if (status == TK_OK) store(&j, in_box, eroded, out_box, out);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
