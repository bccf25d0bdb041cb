/* The sweeps over planes of a deconvolution: each transforms a plane back, does its arithmetic row by row, and
 * transforms it forth again. */
#include <omp.h>
#include <string.h>

#include "kernels/deconvolve/block.h"
#include "kernels/deconvolve/sums.h"
#include "kernels/fft/multiply.h"

float *tk_deconvolve_buffer(const tk_deconvolve_block *b) {
    return b->buffers + omp_get_thread_num() * tk_fft_buffer_count(b->fft);
}

float *tk_deconvolve_line(const tk_deconvolve_block *b, int64_t number) {
    return b->lines + (omp_get_thread_num() * b->lines_each + number) * b->fft->row_stride;
}

static tk_deconvolve_row row_of(const tk_deconvolve_block *b, int64_t z, int64_t y) {
    const tk_deconvolve_data *d = b->data;
    const tk_cview_f32 *map = &d->background_map;
    return (tk_deconvolve_row){
        .counts = d->image.data + z * d->image.stride[TK_Z] + y * d->image.stride[TK_Y],
        .background = map->data ? map->data + z * map->stride[TK_Z] + y * map->stride[TK_Y] : NULL,
        .dead = d->dead.data ? d->dead.data + z * d->dead.stride[TK_Z] + y * d->dead.stride[TK_Y] : NULL,
        .held = b->held ? b->held + (z * b->size[TK_Y] + y) * b->size[TK_X] : NULL,
    };
}

static const float *weight_row(const tk_deconvolve_block *b, int64_t row) {
    if (b->k < b->options->warm) return b->ones;
    if (b->weight) return b->weight + row;
    float *weight = tk_deconvolve_line(b, LINE_WEIGHT);
    b->rows->unpack(b->fft->size[TK_X], weight, b->packed_weight + row);
    return weight;
}

static tk_deconvolve_estimate estimate_of(const tk_deconvolve_block *b, int64_t plane, int64_t y) {
    const int64_t row = plane * b->fft->plane_stride + y * b->fft->row_stride;
    return (tk_deconvolve_estimate){.x = b->x + row,
                                    .previous = b->previous + row,
                                    .weight = weight_row(b, row),
                                    .smooth = tk_deconvolve_smooth(b, plane, y)};
}

/* The sums of one of the worker's planes. */
static double *sums_of(const tk_deconvolve_block *b, int64_t plane) {
    return b->sums[tk_fft_part_plane(&b->part, plane)];
}

void tk_deconvolve_mask(const tk_deconvolve_block *b) {
    const tk_fft *fft = b->fft;
    const int64_t rows = b->size[TK_Y], width = b->size[TK_X];
    const size_t beyond = (size_t)(fft->size[TK_X] - width) * sizeof(float);
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < tk_fft_part_data(&b->part); z++) {
        float *plane = b->work + z * fft->plane_stride;
        for (int64_t y = 0; y < rows; y++) {
            const tk_deconvolve_row row = row_of(b, z, y);
            float *mask = plane + y * fft->row_stride;
            b->rows->mask(width, mask, &row, &b->step);
            memset(mask + width, 0, beyond);
        }
        tk_fft_plane_forward(fft, plane, rows, tk_deconvolve_buffer(b));
    }
}

void tk_deconvolve_weigh(const tk_deconvolve_block *b) {
    const tk_fft *fft = b->fft;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < tk_fft_part_planes(&b->part); z++) {
        const int64_t at = z * fft->plane_stride;
        tk_fft_plane_inverse(fft, b->work + at, fft->size[TK_Y], tk_deconvolve_buffer(b));
        for (int64_t y = 0; y < fft->size[TK_Y]; y++) {
            const int64_t row = at + y * fft->row_stride;
            float *weight = b->weight ? b->weight + row : tk_deconvolve_line(b, LINE_WEIGHT);
            b->rows->weight(fft->size[TK_X], weight, b->work + row);
            if (!b->weight) b->rows->pack(fft->size[TK_X], b->packed_weight + row, weight);
        }
    }
}

void tk_deconvolve_start(const tk_deconvolve_block *b) {
    const tk_fft *fft = b->fft;
    const float level = (float)b->options->start;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < tk_fft_part_planes(&b->part); z++)
        for (int64_t y = 0; y < fft->size[TK_Y]; y++) {
            const int64_t row = z * fft->plane_stride + y * fft->row_stride;
            for (int64_t x = row; x < row + fft->size[TK_X]; x++) b->x[x] = b->previous[x] = level;
            if (b->change) memset(b->change + row, 0, (size_t)fft->size[TK_X] * sizeof(float));
        }
}

void tk_deconvolve_extrapolate(const tk_deconvolve_block *b) {
    const tk_fft *fft = b->fft;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < tk_fft_part_planes(&b->part); z++) {
        const int64_t at = z * fft->plane_stride;
        float *buffer = tk_deconvolve_buffer(b), *reals = buffer + tk_fft_row_offset(fft);
        for (int64_t y = 0; y < fft->size[TK_Y]; y++) {
            const int64_t row = at + y * fft->row_stride;
            b->rows->extrapolate(fft->size[TK_X], reals, b->x + row, b->previous + row, &b->step);
            tk_fft_row_forward(fft, reals, b->work + row);
        }
        tk_fft_columns_forward(fft, b->work + at, fft->size[TK_Y], buffer);
    }
}

void tk_deconvolve_compare(const tk_deconvolve_block *b) {
    const tk_fft *fft = b->fft;
    const tk_sums *sums = TK_ISA_SELECT(tk_sums_table, b->isa);
    const int64_t rows = b->size[TK_Y], width = b->size[TK_X];
    const size_t beyond = (size_t)(fft->size[TK_X] - width) * sizeof(float);
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < tk_fft_part_data(&b->part); z++) {
        float *plane = b->work + z * fft->plane_stride, *buffer = tk_deconvolve_buffer(b);
        float *reals = buffer + tk_fft_row_offset(fft);
        tk_fft_columns_inverse(fft, plane, rows, buffer);
        for (int64_t y = 0; y < rows; y++) {
            float *row = plane + y * fft->row_stride;
            const tk_deconvolve_row data = row_of(b, z, y);
            tk_fft_row_inverse(fft, row, reals);
            if (b->held)
                sums->compare(width, reals, &data, &b->step, b->odds, b->held_shift, sums_of(b, z) + TK_SUM_HELD_OUT);
            b->rows->ratio(width, reals, &data, &b->step);
            memset(reals + width, 0, beyond);
            tk_fft_row_forward(fft, reals, row);
        }
        tk_fft_columns_forward(fft, plane, rows, buffer);
    }
}

static void exchange_names(tk_deconvolve_block *b) {
    float *made = b->previous;
    b->previous = b->x;
    b->x = made;
}

/* In a trial, adds the light of a row of x_(k+1) to its plane's sums, where there are data. */
static void add_light(const tk_deconvolve_block *b, int64_t z, int64_t y, const float *row) {
    if (b->held && z < b->size[TK_Z] && y < b->size[TK_Y])
        sums_of(b, z)[TK_SUM_LIGHT] += TK_ISA_SELECT(tk_sums_table, b->isa)->sum(b->size[TK_X], row);
}

void tk_deconvolve_update(tk_deconvolve_block *b) {
    const tk_fft *fft = b->fft;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < tk_fft_part_planes(&b->part); z++) {
        float *plane = b->work + z * fft->plane_stride, *made = b->previous + z * fft->plane_stride;
        float *buffer = tk_deconvolve_buffer(b), *reals = buffer + tk_fft_row_offset(fft);
        tk_fft_columns_inverse(fft, plane, fft->size[TK_Y], buffer);
        tk_deconvolve_smooth_from(b, z, 0);
        for (int64_t y = 0; y < fft->size[TK_Y]; y++) {
            const int64_t row = y * fft->row_stride;
            const tk_deconvolve_estimate estimate = estimate_of(b, z, y);
            tk_fft_row_inverse(fft, plane + row, reals);
            b->rows->update(fft->size[TK_X], reals, &estimate, made + row, &b->step);
            add_light(b, z, y, made + row);
            tk_fft_row_forward(fft, reals, plane + row);
        }
        tk_fft_columns_forward(fft, plane, fft->size[TK_Y], buffer);
    }
    exchange_names(b);
}

/* change := the row of x_(k+1) - p_k; adds its products with the last change to its plane's sums. */
static void keep_change(const tk_deconvolve_block *b, double *products, int64_t row, const float *made) {
    const tk_sums *sums = TK_ISA_SELECT(tk_sums_table, b->isa);
    const int64_t width = b->fft->size[TK_X];
    if (b->k > b->options->warm) {
        products[TK_SUM_NUMERATOR] += sums->dot(width, made, b->change + row);
        products[TK_SUM_DENOMINATOR] += sums->dot(width, b->change + row, b->change + row);
    }
    memcpy(b->change + row, made, (size_t)width * sizeof(float));
}

void tk_deconvolve_change(tk_deconvolve_block *b) {
    const tk_fft *fft = b->fft;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = 0; z < tk_fft_part_planes(&b->part); z++) {
        const int64_t at = z * fft->plane_stride;
        double *sums = sums_of(b, z);
        float *buffer = tk_deconvolve_buffer(b), *reals = buffer + tk_fft_row_offset(fft);
        tk_fft_columns_inverse(fft, b->work + at, fft->size[TK_Y], buffer);
        tk_deconvolve_smooth_from(b, z, 0);
        for (int64_t y = 0; y < fft->size[TK_Y]; y++) {
            const int64_t row = at + y * fft->row_stride;
            const tk_deconvolve_estimate estimate = estimate_of(b, z, y);
            tk_fft_row_inverse(fft, b->work + row, reals);
            b->rows->change(fft->size[TK_X], reals, &estimate, b->previous + row, &b->step);
            add_light(b, z, y, b->previous + row);
            keep_change(b, sums, row, reals);
        }
    }
    exchange_names(b);
}

void tk_deconvolve_finish(const tk_deconvolve_block *b, const tk_box *part, tk_view_f32 out) {
    const tk_fft *fft = b->fft;
#pragma omp parallel for num_threads(b->threads) schedule(dynamic, 1)
    for (int64_t z = part->lo[TK_Z]; z < part->hi[TK_Z]; z++) {
        const int64_t at = z * fft->plane_stride;
        float *buffer = tk_deconvolve_buffer(b), *reals = buffer + tk_fft_row_offset(fft);
        tk_fft_columns_inverse(fft, b->work + at, part->hi[TK_Y], buffer);
        tk_deconvolve_smooth_from(b, z, part->lo[TK_Y]);
        for (int64_t y = part->lo[TK_Y]; y < part->hi[TK_Y]; y++) {
            float *to = out.data + (z - part->lo[TK_Z]) * out.stride[TK_Z] + (y - part->lo[TK_Y]) * out.stride[TK_Y];
            tk_deconvolve_estimate e = estimate_of(b, z, y);
            tk_fft_row_inverse(fft, b->work + at + y * fft->row_stride, reals);
            const int64_t x = part->lo[TK_X];
            const tk_deconvolve_estimate wanted = {e.x + x, e.previous + x, e.weight + x,
                                                   e.smooth ? e.smooth + x : NULL};
            b->rows->update(tk_box_size(part, TK_X), reals + x, &wanted, to, &b->step);
        }
    }
}
