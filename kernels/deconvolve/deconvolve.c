/* Fused Richardson-Lucy / SHB iteration (equations in deconvolve.h; float32, z y x).
 *
 * One iteration is four sweeps over memory. Planes are transformed along x and y, columns along z:
 *   1. columns: transform, times OTF, inverse             p's spectrum -> that of H p, on the planes with data
 *   2. planes with data: inverse, ratio, transform        -> spectrum of r (rows and planes without data are zero)
 *   3. columns: transform, times conjugate OTF, inverse   -> spectrum of H^T r
 *   4. planes: inverse, update x, transform               -> spectrum of the next p
 * Five arrays of a padded volume: x, previous, weight and work here, the OTF in the deconvolver. */
#include "kernels/deconvolve/deconvolve.h"

#include <omp.h>
#include <string.h>

#include "kernels/deconvolve/update.h"
#include "kernels/fft/size.h"
#include "kernels/fft/sweep.h"

static const double floor_of_start = 1.0 / 32768;

/* All that the sweeps of one block share. */
typedef struct block {
    const tk_fft *fft;
    const tk_deconvolve_rows *rows;
    const float *otf;
    tk_cview_f32 image;
    float *x, *previous, *weight, *work; /* padded volumes */
    float *buffers;                      /* one for each thread */
    int threads;
    tk_isa isa;
    tk_deconvolve_step step;
} block;

static float *buffer_of_thread(const block *b) {
    return b->buffers + omp_get_thread_num() * tk_fft_buffer_count(b->fft);
}

static const float *image_row(const block *b, int64_t z, int64_t y) {
    return b->image.data + z * b->image.stride[TK_Z] + y * b->image.stride[TK_Y];
}

/* H p (spectra of planes in work -> of the planes with data), or H^T r. */
static void blur(const block *b) {
    const tk_fft_filter filter = {b->otf, false, b->fft->size[TK_Z], b->image.size[TK_Z]};
    tk_fft_filter_volume(b->fft, b->work, &filter, b->buffers, b->threads, b->isa);
}

static void blur_transposed(const block *b) {
    const tk_fft_filter filter = {b->otf, true, b->image.size[TK_Z], b->fft->size[TK_Z]};
    tk_fft_filter_volume(b->fft, b->work, &filter, b->buffers, b->threads, b->isa);
}

/* w = 1 / H^T M, by way of work. */
static void make_weights(const block *b) {
    const tk_fft *fft = b->fft;
    const int64_t rows = b->image.size[TK_Y], width = b->image.size[TK_X];
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < b->image.size[TK_Z]; z++) {
        float *plane = b->work + z * fft->plane_stride;
        for (int64_t y = 0; y < rows; y++)
            for (int64_t x = 0; x < fft->size[TK_X]; x++) plane[y * fft->row_stride + x] = x < width ? 1.0F : 0.0F;
        tk_fft_plane_forward(fft, plane, rows, buffer_of_thread(b));
    }
    blur_transposed(b);
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < fft->size[TK_Z]; z++) {
        float *plane = b->work + z * fft->plane_stride, *weight = b->weight + z * fft->plane_stride;
        tk_fft_plane_inverse(fft, plane, fft->size[TK_Y], buffer_of_thread(b));
        for (int64_t y = 0; y < fft->size[TK_Y]; y++)
            b->rows->weight(fft->size[TK_X], weight + y * fft->row_stride, plane + y * fft->row_stride);
    }
}

/* x = x_previous = p = start; work := spectra of p's planes. */
static void start(const block *b, float level) {
    const tk_fft *fft = b->fft;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < fft->size[TK_Z]; z++) {
        const int64_t plane = z * fft->plane_stride;
        for (int64_t y = 0; y < fft->size[TK_Y]; y++) {
            const int64_t row = plane + y * fft->row_stride;
            for (int64_t x = row; x < row + fft->size[TK_X]; x++) b->x[x] = b->previous[x] = b->work[x] = level;
        }
        tk_fft_plane_forward(fft, b->work + plane, fft->size[TK_Y], buffer_of_thread(b));
    }
}

/* H p's spectrum -> r's, on the planes with data. */
static void compare(const block *b) {
    const tk_fft *fft = b->fft;
    const int64_t rows = b->image.size[TK_Y], width = b->image.size[TK_X];
    const size_t beyond = (size_t)(fft->size[TK_X] - width) * sizeof(float);
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < b->image.size[TK_Z]; z++) {
        float *plane = b->work + z * fft->plane_stride, *buffer = buffer_of_thread(b);
        float *reals = buffer + tk_fft_row_offset(fft);
        tk_fft_columns_inverse(fft, plane, rows, buffer);
        for (int64_t y = 0; y < rows; y++) {
            float *row = plane + y * fft->row_stride;
            tk_fft_row_inverse(fft, row, reals);
            b->rows->ratio(width, reals, image_row(b, z, y), &b->step);
            memset(reals + width, 0, beyond);
            tk_fft_row_forward(fft, reals, row);
        }
        tk_fft_columns_forward(fft, plane, rows, buffer);
    }
}

/* H^T r's spectrum -> the next p's; previous := the new x, and the two change names. */
static void update(block *b) {
    const tk_fft *fft = b->fft;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < fft->size[TK_Z]; z++) {
        const int64_t at = z * fft->plane_stride;
        float *plane = b->work + at, *buffer = buffer_of_thread(b), *reals = buffer + tk_fft_row_offset(fft);
        tk_fft_columns_inverse(fft, plane, fft->size[TK_Y], buffer);
        for (int64_t y = 0; y < fft->size[TK_Y]; y++) {
            const int64_t row = y * fft->row_stride;
            tk_fft_row_inverse(fft, plane + row, reals);
            b->rows->update(fft->size[TK_X], reals, b->x + at + row, b->previous + at + row, b->weight + at + row,
                            &b->step);
            tk_fft_row_forward(fft, reals, plane + row);
        }
        tk_fft_columns_forward(fft, plane, fft->size[TK_Y], buffer);
    }
    float *made = b->previous;
    b->previous = b->x;
    b->x = made;
}

/* H^T r's spectrum -> the last x, only where it is wanted. */
static void finish(const block *b, const tk_box *part, tk_view_f32 out) {
    const tk_fft *fft = b->fft;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = part->lo[TK_Z]; z < part->hi[TK_Z]; z++) {
        const int64_t at = z * fft->plane_stride;
        float *buffer = buffer_of_thread(b), *reals = buffer + tk_fft_row_offset(fft);
        tk_fft_columns_inverse(fft, b->work + at, part->hi[TK_Y], buffer);
        for (int64_t y = part->lo[TK_Y]; y < part->hi[TK_Y]; y++) {
            const int64_t row = at + y * fft->row_stride, first = row + part->lo[TK_X];
            float *to = out.data + (z - part->lo[TK_Z]) * out.stride[TK_Z] + (y - part->lo[TK_Y]) * out.stride[TK_Y];
            tk_fft_row_inverse(fft, b->work + row, reals);
            b->rows->finish(tk_box_size(part, TK_X), to, reals + part->lo[TK_X], b->x + first, b->previous + first,
                            b->weight + first, &b->step);
        }
    }
}

static void iterate(block *b, const tk_deconvolve_options *options, const tk_box *part, tk_view_f32 out) {
    const bool momentum = options->method == TK_DECONVOLVE_SHB;
    for (int k = 0; k < options->iterations; k++) {
        b->step.momentum = momentum ? (float)k / (float)(k + 3) : 0.0F;
        b->step.next = momentum ? (float)(k + 1) / (float)(k + 4) : 0.0F;
        blur(b);
        compare(b);
        blur_transposed(b);
        if (k + 1 < options->iterations)
            update(b);
        else
            finish(b, part, out);
    }
}

static tk_status take_volumes(block *b, tk_scratch *scratch) {
    const int64_t volume = tk_fft_volume_count(b->fft);
    b->x = tk_scratch_take(scratch, volume, sizeof(float));
    b->previous = tk_scratch_take(scratch, volume, sizeof(float));
    b->weight = tk_scratch_take(scratch, volume, sizeof(float));
    b->work = tk_scratch_take(scratch, volume, sizeof(float));
    b->buffers = tk_scratch_take(scratch, TK_DECONVOLVE_THREADS * tk_fft_buffer_count(b->fft), sizeof(float));
    return b->x && b->previous && b->weight && b->work && b->buffers ? TK_OK : TK_NO_MEMORY;
}

tk_status tk_deconvolve(const tk_deconvolver *deconvolver, tk_cview_f32 image, const tk_box *out_part, tk_view_f32 out,
                        const tk_deconvolve_options *options, tk_work *work) {
    const double noise = options->read_noise * options->read_noise;
    block b = {
        .fft = &deconvolver->fft,
        .rows = TK_ISA_SELECT(tk_deconvolve_rows_table, work->isa),
        .otf = deconvolver->otf,
        .image = image,
        .threads = work->threads < TK_DECONVOLVE_THREADS ? work->threads : TK_DECONVOLVE_THREADS,
        .isa = work->isa,
        .step = {.floor = (float)(options->start * floor_of_start),
                 .offset = (float)(options->background + noise),
                 .shift = (float)noise},
    };
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = take_volumes(&b, &work->scratch);
    if (status == TK_OK) {
        make_weights(&b);
        start(&b, (float)options->start);
        iterate(&b, options, out_part, out);
    }
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

size_t tk_deconvolve_scratch(const tk_fft *fft) {
    const size_t volume = tk_scratch_cost(tk_fft_volume_count(fft), sizeof(float));
    const size_t buffers = tk_scratch_cost(TK_DECONVOLVE_THREADS * tk_fft_buffer_count(fft), sizeof(float));
    const size_t pair = tk_size_add(volume, volume);
    return tk_size_add(tk_size_add(pair, pair), buffers);
}

double tk_deconvolve_cost(const tk_fft *fft, int64_t planes, int iterations) {
    const double with_data = (double)planes / (double)fft->size[TK_Z];
    return (iterations + 1) * 2 * (1 + with_data) * tk_fft_cost(fft->size);
}
