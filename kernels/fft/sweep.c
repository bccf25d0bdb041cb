/* Blocks of columns: gathered into a buffer that fits the cache, transformed there, scattered back. */
#include "kernels/fft/sweep.h"

#include <omp.h>
#include <string.h>

#include "kernels/common/view.h"
#include "kernels/fft/multiply.h"

/* Columns of the block that exist; the last block of a row may have fewer than TK_FFT_COLUMNS. */
static size_t block_bytes(const tk_fft *fft, int64_t block) {
    const int64_t left = fft->spectrum - block * TK_FFT_COLUMNS;
    return (size_t)(left < TK_FFT_COLUMNS ? left : TK_FFT_COLUMNS) * 2 * sizeof(float);
}

/* Copies `count` steps of `stride` floats into the buffer and zeroes the rest up to `length`. A copy of the usual
 * constant size becomes a few vector moves. */
static void gather(float *restrict columns, const float *restrict from, int64_t stride, int64_t count, int64_t length,
                   size_t bytes) {
    enum { WIDTH = 2 * TK_FFT_COLUMNS, FULL = WIDTH * sizeof(float) };
    if (bytes == FULL)
        for (int64_t i = 0; i < count; i++) memcpy(columns + i * WIDTH, from + i * stride, FULL);
    else
        for (int64_t i = 0; i < count; i++) {
            memset(columns + i * WIDTH, 0, FULL); /* columns that do not exist */
            memcpy(columns + i * WIDTH, from + i * stride, bytes);
        }
    memset(columns + count * WIDTH, 0, (size_t)(length - count) * FULL);
}

static void scatter(float *restrict to, const float *restrict columns, int64_t stride, int64_t count, size_t bytes) {
    enum { WIDTH = 2 * TK_FFT_COLUMNS, FULL = WIDTH * sizeof(float) };
    if (bytes == FULL)
        for (int64_t i = 0; i < count; i++) memcpy(to + i * stride, columns + i * WIDTH, FULL);
    else
        for (int64_t i = 0; i < count; i++) memcpy(to + i * stride, columns + i * WIDTH, bytes);
}

static void columns_of_plane(const tk_fft *fft, fftwf_plan plan, float *plane, int64_t rows_in, int64_t rows_out,
                             float *columns) {
    for (int64_t block = 0; block < fft->blocks; block++) {
        float *first = plane + block * 2 * TK_FFT_COLUMNS;
        const size_t bytes = block_bytes(fft, block);
        gather(columns, first, fft->row_stride, rows_in, fft->size[TK_Y], bytes);
        fftwf_execute_dft(plan, (fftwf_complex *)columns, (fftwf_complex *)columns);
        scatter(first, columns, fft->row_stride, rows_out, bytes);
    }
}

void tk_fft_columns_forward(const tk_fft *fft, float *plane, int64_t rows, float *buffer) {
    columns_of_plane(fft, fft->forward[TK_Y], plane, rows, fft->size[TK_Y], buffer);
}

void tk_fft_columns_inverse(const tk_fft *fft, float *plane, int64_t rows, float *buffer) {
    columns_of_plane(fft, fft->inverse[TK_Y], plane, fft->size[TK_Y], rows, buffer);
}

void tk_fft_plane_forward(const tk_fft *fft, float *plane, int64_t rows, float *buffer) {
    float *reals = buffer + tk_fft_row_offset(fft);
    for (int64_t y = 0; y < rows; y++) {
        float *row = plane + y * fft->row_stride;
        memcpy(reals, row, (size_t)fft->size[TK_X] * sizeof(float));
        tk_fft_row_forward(fft, reals, row);
    }
    tk_fft_columns_forward(fft, plane, rows, buffer);
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

void tk_fft_filter_volume(const tk_fft *fft, float *volume, const tk_fft_filter *filter, float *buffers, int threads,
                          tk_isa isa) {
    const tk_fft_multiply *table = TK_ISA_SELECT(tk_fft_multiply_table, isa);
    const tk_fft_signs signs = filter->conjugate ? tk_fft_conjugate : tk_fft_plain;
    const int64_t blocks = fft->blocks, length = fft->size[TK_Z], count = length * TK_FFT_COLUMNS;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (int64_t i = 0; i < fft->size[TK_Y] * blocks; i++) {
        float *buffer = buffers + omp_get_thread_num() * tk_fft_buffer_count(fft);
        const int64_t y = i / blocks, block = i % blocks;
        float *first = volume + y * fft->row_stride + block * 2 * TK_FFT_COLUMNS;
        const float *factor = filter->filter + i * 2 * count;
        const size_t bytes = block_bytes(fft, block);
        gather(buffer, first, fft->plane_stride, filter->planes_in, length, bytes);
        fftwf_execute_dft(fft->forward[TK_Z], (fftwf_complex *)buffer, (fftwf_complex *)buffer);
        table->product(count, buffer, factor, signs);
        fftwf_execute_dft(fft->inverse[TK_Z], (fftwf_complex *)buffer, (fftwf_complex *)buffer);
        scatter(first, buffer, fft->plane_stride, filter->planes_out, bytes);
    }
}
