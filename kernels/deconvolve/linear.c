/* Wiener's and Tikhonov's filters in one pass (equations and edges in linear.h; float32, z y x). */
#include "kernels/deconvolve/linear.h"

#include <math.h>
#include <omp.h>

#include "kernels/deconvolve/turn.h"
#include "kernels/fft/size.h"

/* Where a padded index takes its value from, and by how much that fades. */
typedef struct place {
    int64_t nearest;
    float fade;
} place;

/* All that one block's sweeps share. */
typedef struct pass {
    const tk_fft *fft;
    const tk_deconvolve_data *data;
    const tk_linear_options *options;
    float *work, *buffers;
    place *places[3];     /* by axis, of each padded index */
    float *roughness[3];  /* by axis, of each frequency: its part of the Laplacian; 0 for Wiener */
    float lambda, bottom; /* R = bottom + (sum of roughness)^2 */
    float voxels, gain;
    int threads;
} pass;

double tk_linear_regularisation(double mean, double mean_square, double read_noise) {
    const double noise = mean + read_noise * read_noise, signal = mean_square - mean * mean - noise;
    const double least = 1e-6, most = 1;
    if (!(signal > 0)) return most;
    return fmin(fmax(noise / signal, least), most);
}

/* --- Tables ------------------------------------------------------------------------------------------------------ */

/* Index i of a periodic axis of `padded`, `size` of them with data. */
static place place_of(int64_t i, int64_t size, int64_t padded) {
    if (i < size) return (place){i, 1};
    const int64_t after = i - size + 1, before = padded - i, beyond = after < before ? after : before;
    const double half = 0.5 * (double)(padded - size + 1);
    return (place){after <= before ? size - 1 : 0, (float)(0.5 + 0.5 * cos(M_PI * (double)beyond / half))};
}

/* The Laplacian of one axis at frequency i, 1 - cos, so that its mean over frequencies is 1. */
static float roughness_of(const pass *p, int axis, int64_t i, double scale) {
    const int64_t size = p->fft->size[axis];
    return size == 1 ? 0 : (float)(scale * (1 - cos(2 * M_PI * (double)i / (double)size)));
}

static void fill_tables(pass *p) {
    double mean = 0, variance = 0; /* of the Laplacian over all frequencies: axes are independent */
    for (int axis = 0; axis < 3; axis++) {
        const int64_t size = p->fft->size[axis];
        mean += size == 1 ? 0 : 1;
        variance += size == 1 ? 0 : size == 2 ? 1 : 0.5; /* of 1 - cos over whole turns */
    }
    const bool smooth = p->options->method == TK_LINEAR_TIKHONOV && mean > 0;
    const double scale = smooth ? 1 / sqrt(mean * mean + variance) : 0;
    for (int axis = 0; axis < 3; axis++)
        for (int64_t i = 0; i < p->fft->size[axis]; i++) {
            p->places[axis][i] = place_of(i, p->data->image.size[axis], p->fft->size[axis]);
            p->roughness[axis][i] = roughness_of(p, axis, i, scale);
        }
    p->bottom = smooth ? 0 : 1;
    p->gain = 1 + p->lambda * p->bottom;
}

/* --- Sweeps ------------------------------------------------------------------------------------------------------ */

static bool is_datum(const pass *p, int64_t z, int64_t y, int64_t x, float counts) {
    const tk_cview_u8 *dead = &p->data->dead;
    return counts < (float)p->data->saturation &&
           !(dead->data && dead->data[z * dead->stride[TK_Z] + y * dead->stride[TK_Y] + x] != 0);
}

/* d of one voxel. */
static float residual_of(const pass *p, int64_t z, int64_t y, int64_t x) {
    const tk_deconvolve_data *d = p->data;
    const tk_cview_f32 *map = &d->background_map;
    const float counts = d->image.data[z * d->image.stride[TK_Z] + y * d->image.stride[TK_Y] + x];
    if (!is_datum(p, z, y, x, counts)) return 0;
    const float background =
        map->data ? map->data[z * map->stride[TK_Z] + y * map->stride[TK_Y] + x] : (float)d->background;
    return (counts - (float)d->camera_offset) * (float)d->camera_gain - background - (float)p->options->level;
}

/* A row of the padded volume: d, which goes on and fades. */
static void fill_row(const pass *p, int64_t z, int64_t y, float *row) {
    const place *pz = &p->places[TK_Z][z], *py = &p->places[TK_Y][y], *px = p->places[TK_X];
    const int64_t width = p->data->image.size[TK_X];
    const float fade = pz->fade * py->fade;
    for (int64_t x = 0; x < width; x++) row[x] = fade * residual_of(p, pz->nearest, py->nearest, x);
    for (int64_t x = width; x < p->fft->size[TK_X]; x++) row[x] = px[x].fade * row[px[x].nearest];
}

static float *buffer_of_thread(const pass *p) {
    return p->buffers + omp_get_thread_num() * tk_fft_buffer_count(p->fft);
}

static void fill(const pass *p) {
    const tk_fft *fft = p->fft;
#pragma omp parallel for num_threads(p->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < fft->size[TK_Z]; z++) {
        float *plane = p->work + z * fft->plane_stride;
        for (int64_t y = 0; y < fft->size[TK_Y]; y++) fill_row(p, z, y, plane + y * fft->row_stride);
        tk_fft_plane_forward(fft, plane, fft->size[TK_Y], buffer_of_thread(p));
    }
}

/* columns *= conj(H) gain / (|H|^2 + lambda R); the filter's values are H over the number of voxels. */
static void divide(const void *context, int64_t y, int64_t block, float *restrict columns,
                   const float *restrict values) {
    const pass *p = context;
    const int64_t first = block * TK_FFT_COLUMNS, left = p->fft->spectrum - first;
    const int64_t count = left < TK_FFT_COLUMNS ? left : TK_FFT_COLUMNS;
    for (int64_t z = 0; z < p->fft->size[TK_Z]; z++)
        for (int64_t c = 0; c < count; c++) {
            const int64_t i = 2 * (z * TK_FFT_COLUMNS + c);
            const float a = p->voxels * values[i], b = p->voxels * values[i + 1];
            const float rough = p->roughness[TK_Z][z] + p->roughness[TK_Y][y] + p->roughness[TK_X][first + c];
            const float divisor = a * a + b * b + p->lambda * (p->bottom + rough * rough);
            const float factor = p->gain / (divisor * p->voxels);
            const float re = columns[i], im = columns[i + 1];
            columns[i] = (re * a + im * b) * factor;
            columns[i + 1] = (im * a - re * b) * factor;
        }
}

static void finish(const pass *p, const tk_box *part, tk_view_f32 out) {
    const tk_fft *fft = p->fft;
    const float level = (float)p->options->level;
    const int64_t width = tk_box_size(part, TK_X);
#pragma omp parallel for num_threads(p->threads) schedule(dynamic, 1)
    for (int64_t z = part->lo[TK_Z]; z < part->hi[TK_Z]; z++) {
        float *plane = p->work + z * fft->plane_stride;
        tk_fft_plane_inverse(fft, plane, part->hi[TK_Y], buffer_of_thread(p));
        for (int64_t y = part->lo[TK_Y]; y < part->hi[TK_Y]; y++) {
            const float *row = plane + y * fft->row_stride + part->lo[TK_X];
            float *to = out.data + (z - part->lo[TK_Z]) * out.stride[TK_Z] + (y - part->lo[TK_Y]) * out.stride[TK_Y];
            for (int64_t x = 0; x < width; x++) to[x] = level + row[x];
        }
    }
}

/* --- One block --------------------------------------------------------------------------------------------------- */

static tk_status take_memory(pass *p, tk_scratch *scratch) {
    const int64_t volume = tk_fft_volume_count(p->fft), lanes = tk_fft_lanes(p->fft, volume);
    p->work = tk_scratch_take(scratch, volume, sizeof(float));
    p->buffers = tk_scratch_take(scratch, lanes * tk_fft_buffer_count(p->fft), sizeof(float));
    bool complete = p->work && p->buffers;
    for (int axis = 0; axis < 3; axis++) {
        p->places[axis] = tk_scratch_take(scratch, p->fft->size[axis], sizeof(place));
        p->roughness[axis] = tk_scratch_take(scratch, p->fft->size[axis], sizeof(float));
        complete = complete && p->places[axis] && p->roughness[axis];
    }
    if (p->threads > lanes) p->threads = (int)lanes;
    return complete ? TK_OK : TK_NO_MEMORY;
}

/* tk_deconvolve_linear, of data that are turned as the deconvolver is. */
static tk_status deconvolve(const tk_deconvolver *deconvolver, const tk_deconvolve_data *data, const tk_box *out_part,
                            tk_view_f32 out, const tk_linear_options *options, tk_work *work) {
    const tk_fft *fft = &deconvolver->shape.fft;
    pass p = {.fft = fft,
              .data = data,
              .options = options,
              .lambda = (float)options->regularisation,
              .voxels = (float)fft->size[TK_Z] * (float)fft->size[TK_Y] * (float)fft->size[TK_X],
              .threads = work->threads};
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_status status = take_memory(&p, &work->scratch);
    if (status == TK_OK) {
        tk_fft_filter filter = tk_deconvolver_filter(deconvolver, false, data->image.size[TK_Z], NULL, NULL);
        filter.product = divide;
        filter.context = &p;
        fill_tables(&p);
        fill(&p);
        status = tk_fft_filter_volume(fft, p.work, &filter, p.buffers, p.threads, work->isa);
        finish(&p, out_part, out);
    }
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

tk_status tk_deconvolve_linear(const tk_deconvolver *deconvolver, const tk_deconvolve_data *data,
                               const tk_box *out_part, tk_view_f32 out, const tk_linear_options *options,
                               tk_work *work) {
    if (deconvolver->shape.terms != 1) return TK_INVALID;
    if (!deconvolver->shape.turned) return deconvolve(deconvolver, data, out_part, out, options, work);
    const tk_deconvolve_data turned = tk_turn_data(data);
    const tk_box part = tk_turn_box(*out_part);
    return deconvolve(deconvolver, &turned, &part, tk_turn_view(out), options, work);
}

size_t tk_deconvolve_linear_scratch(const tk_deconvolver_shape *shape) {
    const int64_t volume = tk_fft_volume_count(&shape->fft);
    const int64_t buffers = tk_fft_lanes(&shape->fft, volume) * tk_fft_buffer_count(&shape->fft);
    size_t bytes = tk_size_add(tk_scratch_cost(volume, sizeof(float)), tk_scratch_cost(buffers, sizeof(float)));
    for (int axis = 0; axis < 3; axis++) {
        bytes = tk_size_add(bytes, tk_scratch_cost(shape->fft.size[axis], sizeof(place)));
        bytes = tk_size_add(bytes, tk_scratch_cost(shape->fft.size[axis], sizeof(float)));
    }
    return bytes;
}

double tk_deconvolve_linear_cost(const tk_deconvolver_shape *shape) { return 2.4 * tk_fft_cost(shape->fft.size); }
