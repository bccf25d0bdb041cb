/* Blocks of columns: gathered into a buffer that fits the cache, transformed there, scattered back. */
#include "kernels/fft/sweep.h"

#include <omp.h>

#include "kernels/common/view.h"
#include "kernels/fft/column.h"

static void transform(fftwf_plan plan, float *columns) {
    fftwf_execute_dft(plan, (fftwf_complex *)columns, (fftwf_complex *)columns);
}

static void columns_of_block(const tk_fft *fft, fftwf_plan plan, float *plane, int64_t block, const int64_t rows[2],
                             float *columns) {
    float *first = plane + block * TK_FFT_WIDTH;
    const size_t bytes = tk_fft_block_bytes(fft, block);
    tk_fft_gather(columns, first, fft->row_stride, rows[0], bytes);
    tk_fft_clear(columns, rows[0], fft->size[TK_Y]);
    transform(plan, columns);
    tk_fft_scatter(first, columns, fft->row_stride, rows[1], bytes);
}

/* Of a plane of which rows[0] rows are read and rows[1] are written. */
static void columns_of_plane(const tk_fft *fft, fftwf_plan plan, float *plane, const int64_t rows[2], float *columns) {
    if (fft->size[TK_Y] == 1) return; /* a column of one value is its own transform */
    for (int64_t block = 0; block < fft->blocks; block++) columns_of_block(fft, plan, plane, block, rows, columns);
}

void tk_fft_columns_forward(const tk_fft *fft, float *plane, int64_t rows, float *buffer) {
    columns_of_plane(fft, fft->forward[TK_Y], plane, (const int64_t[2]){rows, fft->size[TK_Y]}, buffer);
}

void tk_fft_columns_inverse(const tk_fft *fft, float *plane, int64_t rows, float *buffer) {
    columns_of_plane(fft, fft->inverse[TK_Y], plane, (const int64_t[2]){fft->size[TK_Y], rows}, buffer);
}

/* Through the buffer's row: faster than in place. */
static void row_forward(const tk_fft *fft, float *row, float *buffer) {
    float *reals = buffer + tk_fft_row_offset(fft);
    memcpy(reals, row, (size_t)fft->size[TK_X] * sizeof(float));
    tk_fft_row_forward(fft, reals, row);
}

void tk_fft_plane_forward(const tk_fft *fft, float *plane, int64_t rows, float *buffer) {
    for (int64_t y = 0; y < rows; y++) row_forward(fft, plane + y * fft->row_stride, buffer);
    tk_fft_columns_forward(fft, plane, rows, buffer);
}

void tk_fft_plane_forward_together(const tk_fft *fft, float *plane, float *buffers, int threads) {
    const int64_t rows[2] = {fft->size[TK_Y], fft->size[TK_Y]};
#pragma omp parallel num_threads(threads)
    {
        float *buffer = buffers + omp_get_thread_num() * tk_fft_buffer_count(fft);
#pragma omp for schedule(static)
        for (int64_t y = 0; y < rows[0]; y++) row_forward(fft, plane + y * fft->row_stride, buffer);
#pragma omp for schedule(static)
        for (int64_t block = 0; block < (rows[0] > 1 ? fft->blocks : 0); block++)
            columns_of_block(fft, fft->forward[TK_Y], plane, block, rows, buffer);
    }
}

void tk_fft_plane_inverse(const tk_fft *fft, float *plane, int64_t rows, float *buffer) {
    float *reals = buffer + tk_fft_row_offset(fft);
    tk_fft_columns_inverse(fft, plane, rows, buffer);
    for (int64_t y = 0; y < rows; y++) {
        float *row = plane + y * fft->row_stride;
        tk_fft_row_inverse(fft, row, reals);
        memcpy(row, reals, (size_t)fft->size[TK_X] * sizeof(float));
    }
}

/* Term k's values of a block: where they are, or made in `spare`. */
static const float *values_of(const tk_fft *fft, const tk_fft_filter *filter, const tk_fft_multiply *table, int k,
                              const tk_fft_place *place, float *spare) {
    const tk_fft_values *values = &filter->values[k];
    const int64_t count = fft->size[TK_Z] * TK_FFT_WIDTH, from = (place->index - place->first) * count;
    if (values->single) return values->single + from;
    table->unpack(count, spare, values->half + from, values->scale);
    return spare;
}

/* sum of P_k (a_k x), or of a_k P_k^T y. */
static float *filter_terms(const tk_fft *fft, const tk_fft_filter *filter, const tk_fft_multiply *table,
                           const tk_fft_place *place, float *buffer) {
    const int64_t planes = fft->size[TK_Z], count = planes * TK_FFT_COLUMNS;
    float *term = buffer + tk_fft_spare_offset(fft), *sum = term + planes * TK_FFT_WIDTH;
    float *spare = sum + planes * TK_FFT_WIDTH;
    tk_fft_clear(sum, 0, planes);
    if (filter->conjugate) transform(fft->forward[TK_Z], buffer);
    for (int k = 0; k < filter->terms; k++) {
        const float *values = values_of(fft, filter, table, k, place, spare);
        if (filter->conjugate) {
            table->product_to(count, term, buffer, values, tk_fft_conjugate);
            transform(fft->inverse[TK_Z], term);
            table->add_weighted(filter->planes_out, sum, term, filter->weight[k]);
        } else {
            table->weigh(filter->planes_in, term, buffer, filter->weight[k]);
            tk_fft_clear(term, filter->planes_in, planes);
            transform(fft->forward[TK_Z], term);
            table->add_product(count, sum, term, values, tk_fft_plain);
        }
    }
    if (!filter->conjugate) transform(fft->inverse[TK_Z], sum);
    return sum;
}

float *tk_fft_filter_columns(const tk_fft *fft, const tk_fft_filter *filter, const tk_fft_multiply *table,
                             const tk_fft_place *place, float *buffer) {
    if (filter->weight) return filter_terms(fft, filter, table, place, buffer);
    const float *values = values_of(fft, filter, table, 0, place, buffer + tk_fft_spare_offset(fft));
    transform(fft->forward[TK_Z], buffer);
    if (filter->product)
        filter->product(filter->context, place->index / fft->blocks, place->index % fft->blocks, buffer, values);
    else
        table->product(fft->size[TK_Z] * TK_FFT_COLUMNS, buffer, values,
                       filter->conjugate ? tk_fft_conjugate : tk_fft_plain);
    transform(fft->inverse[TK_Z], buffer);
    return buffer;
}

tk_status tk_fft_filter_volume(const tk_fft *fft, float *volume, const tk_fft_filter *filter, float *buffers,
                               int threads, tk_isa isa) {
    if (filter->exchange) return tk_fft_filter_shared(fft, volume, filter, buffers, threads, isa);
    const tk_fft_multiply *table = TK_ISA_SELECT(tk_fft_multiply_table, isa);
    const int64_t blocks = fft->blocks;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (int64_t i = 0; i < fft->size[TK_Y] * blocks; i++) {
        float *buffer = buffers + omp_get_thread_num() * tk_fft_buffer_count(fft);
        float *first = volume + i / blocks * fft->row_stride + i % blocks * TK_FFT_WIDTH;
        const size_t bytes = tk_fft_block_bytes(fft, i % blocks);
        tk_fft_gather(buffer, first, fft->plane_stride, filter->planes_in, bytes);
        tk_fft_clear(buffer, filter->planes_in, fft->size[TK_Z]);
        const float *filtered = tk_fft_filter_columns(fft, filter, table, &(tk_fft_place){i, 0}, buffer);
        tk_fft_scatter(first, filtered, fft->plane_stride, filter->planes_out, bytes);
    }
    return TK_OK;
}
