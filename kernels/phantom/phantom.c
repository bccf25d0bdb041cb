/* From the scene to the camera's counts: render with margin, blur axis by axis (each pass keeps only what has its
 * whole neighbourhood, so that no border is ever extrapolated), count photons. Axis order z y x. */
#include "kernels/phantom/phantom.h"

#include <math.h>
#include <string.h>

#include "kernels/common/rng.h"
#include "kernels/phantom/psf.h"
#include "kernels/phantom/scene.h"

/* What tk_phantom_make works on. `planes` is blurred along z, `rows` (one piece a thread) along z and y. */
typedef struct exposure {
    const tk_phantom *phantom;
    tk_scene scene;
    int64_t padded[3]; /* size of the domain */
    double weights[3][TK_PSF_MOST_TAPS];
    float *scene_truth, *planes, *rows;
    uint32_t *number; /* of each object in the label image */
} exposure;

static bool between(double value, double least, double most) { return value >= least && value <= most; }

bool tk_phantom_valid(const tk_phantom *phantom) {
    double voxels = 1;
    for (int a = 0; a < 3; a++) {
        if (phantom->size[a] < 1 || phantom->size[a] > 1 << 20) return false;
        if (!between(phantom->scale[a], 1, 100) || !between(phantom->sigma[a], 0, 100)) return false;
        voxels *= (double)(phantom->size[a] + 2 * tk_psf_radius(phantom->sigma[a]));
    }
    return voxels <= 0x1p40 && phantom->objects >= 0 && phantom->objects <= 10000000 &&
           between(phantom->gap, 0, 1000) && between(phantom->photons, 0, 1e6) &&
           between(phantom->background, 0, 1e6) && between(phantom->read_noise, 0, 1e6);
}

static int64_t padded_count(const tk_box *domain) { return tk_box_count(domain); }

static int64_t planes_count(const tk_phantom *phantom, const tk_box *domain) {
    return phantom->size[TK_Z] * tk_box_size(domain, TK_Y) * tk_box_size(domain, TK_X);
}

/* One plane blurred along y, and a row of the finished image. */
static int64_t rows_count(const tk_phantom *phantom, const tk_box *domain) {
    return phantom->size[TK_Y] * tk_box_size(domain, TK_X) + phantom->size[TK_X];
}

size_t tk_phantom_scratch(const tk_phantom *phantom, int threads) {
    const tk_scene scene = tk_scene_layout(phantom);
    size_t bytes = tk_scene_scratch(phantom);
    bytes = tk_size_add(bytes, tk_scratch_cost(padded_count(&scene.domain), sizeof(float)));
    bytes = tk_size_add(bytes, tk_scratch_cost(planes_count(phantom, &scene.domain), sizeof(float)));
    bytes = tk_size_add(bytes, tk_scratch_cost(threads * rows_count(phantom, &scene.domain), sizeof(float)));
    return tk_size_add(bytes, tk_scratch_cost(scene.capacity + 1, sizeof(uint32_t)));
}

static tk_status take_memory(exposure *e, tk_work *work) {
    const tk_box *domain = &e->scene.domain;
    e->scene_truth = tk_scratch_take(&work->scratch, padded_count(domain), sizeof(float));
    e->planes = tk_scratch_take(&work->scratch, planes_count(e->phantom, domain), sizeof(float));
    e->rows = tk_scratch_take(&work->scratch, work->threads * rows_count(e->phantom, domain), sizeof(float));
    e->number = tk_scratch_take(&work->scratch, e->scene.capacity + 1, sizeof *e->number);
    return e->scene_truth && e->planes && e->rows && e->number ? TK_OK : TK_NO_MEMORY;
}

/* Renders all planes of the domain, and copies those of the field to truth. */
static void render(exposure *e, int threads, tk_view_f32 truth, const tk_view_u32 *labels) {
    const tk_box *domain = &e->scene.domain;
    const int64_t width = e->padded[TK_X], plane = e->padded[TK_Y] * width;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t z = domain->lo[TK_Z]; z < domain->hi[TK_Z]; z++) {
        float *voxels = e->scene_truth + (z - domain->lo[TK_Z]) * plane;
        memset(voxels, 0, (size_t)plane * sizeof *voxels);
        const bool in_field = z >= 0 && z < truth.size[TK_Z];
        for (int64_t y = 0; labels && in_field && y < labels->size[TK_Y]; y++)
            memset(labels->data + z * labels->stride[TK_Z] + y * labels->stride[TK_Y], 0,
                   (size_t)labels->size[TK_X] * sizeof *labels->data);
        tk_scene_render_plane(e->phantom, &e->scene, z, voxels, in_field ? labels : NULL);
        for (int64_t y = 0; in_field && y < truth.size[TK_Y]; y++)
            memcpy(truth.data + z * truth.stride[TK_Z] + y * truth.stride[TK_Y],
                   voxels + (y - domain->lo[TK_Y]) * width - domain->lo[TK_X],
                   (size_t)truth.size[TK_X] * sizeof(float));
    }
}

/* out[i] = sum over k of weights[k] in[k * step + i] */
static void correlate(const double *weights, int64_t taps, const float *restrict in, int64_t step, float *restrict out,
                      int64_t count) {
    memset(out, 0, (size_t)count * sizeof *out);
    for (int64_t k = 0; k < taps; k++) {
        const float weight = (float)weights[k];
        const float *restrict from = in + k * step;
#pragma omp simd
        for (int64_t i = 0; i < count; i++) out[i] += weight * from[i];
    }
}

/* What the camera counts in one voxel where `signal` photons are expected. */
static uint16_t expose_voxel(const tk_phantom *phantom, float signal, int64_t index) {
    tk_rng rng = tk_rng_stream(phantom->seed, TK_DRAW_NOISE, (uint64_t)index);
    const double photons = (double)tk_rng_poisson(&rng, (double)signal + phantom->background);
    const double noisy = rint(photons + phantom->read_noise * tk_rng_normal(&rng));
    return (uint16_t)(noisy < 0 ? 0 : noisy > UINT16_MAX ? UINT16_MAX : noisy);
}

/* Blurs one plane along y and x and exposes it. */
static void expose_plane(const exposure *e, int64_t z, float *rows, uint16_t *counts) {
    const int64_t *size = e->phantom->size, width = e->padded[TK_X], height = size[TK_Y];
    int64_t taps[3];
    tk_phantom_psf_size(e->phantom->sigma, taps);
    float *row = rows + height * width;
    for (int64_t y = 0; y < height; y++)
        correlate(e->weights[TK_Y], taps[TK_Y], e->planes + (z * e->padded[TK_Y] + y) * width, width, rows + y * width,
                  width);
    for (int64_t y = 0; y < height; y++) {
        correlate(e->weights[TK_X], taps[TK_X], rows + y * width, 1, row, size[TK_X]);
        for (int64_t x = 0; x < size[TK_X]; x++) {
            const int64_t index = (z * height + y) * size[TK_X] + x;
            counts[index] = expose_voxel(e->phantom, row[x], index);
        }
    }
}

static void expose(const exposure *e, int threads, uint16_t *counts) {
    const int64_t plane = e->padded[TK_Y] * e->padded[TK_X], width = e->padded[TK_X];
    const int64_t piece = rows_count(e->phantom, &e->scene.domain), planes = e->phantom->size[TK_Z];
    int64_t taps[3];
    tk_phantom_psf_size(e->phantom->sigma, taps);
#pragma omp parallel for schedule(static) num_threads(threads) collapse(2)
    for (int64_t z = 0; z < planes; z++)
        for (int64_t y = 0; y < e->padded[TK_Y]; y++)
            correlate(e->weights[TK_Z], taps[TK_Z], e->scene_truth + z * plane + y * width, plane,
                      e->planes + z * plane + y * width, width);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++)
        for (int64_t z = t; z < planes; z += threads) expose_plane(e, z, e->rows + t * piece, counts);
}

/* Numbers the objects by their first voxel; returns how many are in the field. */
static int64_t number_objects(const exposure *e, tk_view_u32 labels) {
    uint32_t count = 0;
    memset(e->number, 0, (size_t)(e->scene.capacity + 1) * sizeof *e->number);
    for (int64_t z = 0; z < labels.size[TK_Z]; z++)
        for (int64_t y = 0; y < labels.size[TK_Y]; y++) {
            uint32_t *row = labels.data + z * labels.stride[TK_Z] + y * labels.stride[TK_Y];
            for (int64_t x = 0; x < labels.size[TK_X]; x++) {
                if (row[x] == 0) continue;
                if (e->number[row[x]] == 0) e->number[row[x]] = ++count;
                row[x] = e->number[row[x]];
            }
        }
    return count;
}

tk_status tk_phantom_make(const tk_phantom *phantom, tk_work *work, tk_view_f32 truth, tk_view_u32 labels,
                          uint16_t *counts, int64_t *count) {
    *count = 0;
    if (!tk_phantom_valid(phantom)) return TK_USAGE;
    const bool labelled = phantom->kind != TK_PHANTOM_FILAMENTS;
    const size_t mark = tk_scratch_mark(&work->scratch);
    exposure e = {.phantom = phantom};
    tk_status status = tk_scene_make(phantom, &work->scratch, &e.scene);
    *count = e.scene.count;
    if (status == TK_OK) status = take_memory(&e, work);
    if (status == TK_OK) {
        for (int a = 0; a < 3; a++) {
            e.padded[a] = tk_box_size(&e.scene.domain, a);
            tk_psf_weights(phantom->sigma[a], e.weights[a]);
        }
        render(&e, work->threads, truth, labelled ? &labels : NULL);
        expose(&e, work->threads, counts);
        *count = labelled ? number_objects(&e, labels) : e.scene.count;
    }
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
