/* Blocks of TK_FFT_COLUMNS columns in a thread's buffer: for the sweeps of this folder alone. */
#ifndef TK_KERNELS_FFT_COLUMN_H
#define TK_KERNELS_FFT_COLUMN_H

#include <string.h>

#include "kernels/fft/multiply.h"
#include "kernels/fft/sweep.h"

enum { TK_FFT_WIDTH = 2 * TK_FFT_COLUMNS, TK_FFT_WIDTH_BYTES = TK_FFT_WIDTH * sizeof(float) };

/* Bytes of the columns of a block that exist; the last block of a row may have fewer than TK_FFT_COLUMNS. */
static inline size_t tk_fft_block_bytes(const tk_fft *fft, int64_t block) {
    const int64_t left = fft->spectrum - block * TK_FFT_COLUMNS;
    return (size_t)(left < TK_FFT_COLUMNS ? left : TK_FFT_COLUMNS) * 2 * sizeof(float);
}

/* Copies `count` steps of `stride` floats into packed columns; columns that do not exist become 0. A copy of the usual
 * constant size becomes a few vector moves. */
static inline void tk_fft_gather(float *restrict columns, const float *restrict from, int64_t stride, int64_t count,
                                 size_t bytes) {
    if (bytes == TK_FFT_WIDTH_BYTES)
        for (int64_t i = 0; i < count; i++) memcpy(columns + i * TK_FFT_WIDTH, from + i * stride, TK_FFT_WIDTH_BYTES);
    else
        for (int64_t i = 0; i < count; i++) {
            memset(columns + i * TK_FFT_WIDTH, 0, TK_FFT_WIDTH_BYTES);
            memcpy(columns + i * TK_FFT_WIDTH, from + i * stride, bytes);
        }
}

/* Copies packed columns to where they lie in the volume. */
static inline void tk_fft_scatter(float *restrict to, const float *restrict columns, int64_t stride, int64_t count,
                                  size_t bytes) {
    if (bytes == TK_FFT_WIDTH_BYTES)
        for (int64_t i = 0; i < count; i++) memcpy(to + i * stride, columns + i * TK_FFT_WIDTH, TK_FFT_WIDTH_BYTES);
    else
        for (int64_t i = 0; i < count; i++) memcpy(to + i * stride, columns + i * TK_FFT_WIDTH, bytes);
}

/* Zeroes the steps from `count` up to `length` of packed columns. */
static inline void tk_fft_clear(float *columns, int64_t count, int64_t length) {
    memset(columns + count * TK_FFT_WIDTH, 0, (size_t)(length - count) * TK_FFT_WIDTH_BYTES);
}

/* Which block of columns it is, counted through the volume, and with which one the filter's values begin. */
typedef struct tk_fft_place {
    int64_t index, first;
} tk_fft_place;

/* Filters the block of columns at the beginning of a thread's buffer: all size[z] values of each, those from planes_in
 * on being zero. Returns where in the buffer the result is. */
float *tk_fft_filter_columns(const tk_fft *fft, const tk_fft_filter *filter, const tk_fft_multiply *table,
                             const tk_fft_place *place, float *buffer);

/* tk_fft_filter_volume for a filter with an exchange. */
tk_status tk_fft_filter_shared(const tk_fft *fft, float *part, const tk_fft_filter *filter, float *buffers, int threads,
                               tk_isa isa);

#endif
