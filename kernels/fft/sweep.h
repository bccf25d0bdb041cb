/* The pieces of a real 3-D transform that an iteration is made of: rows, the columns of one plane, and a filter along
 * all columns of a volume (z y x, layout of fft.h). Transforms are not normalised: forward and inverse multiply by the
 * number of voxels. Every value depends on its own row or column alone, so that threads cannot change a bit. */
#ifndef TK_KERNELS_FFT_SWEEP_H
#define TK_KERNELS_FFT_SWEEP_H

#include "kernels/common/work.h"
#include "kernels/fft/share.h"

/* Transforms a row: size[x] reals to `spectrum` complex values, and back. The source is destroyed, and is not the
 * destination; both are 64-byte aligned. */
static inline void tk_fft_row_forward(const tk_fft *fft, float *reals, float *spectrum) {
    fftwf_execute_dft_r2c(fft->forward[2], reals, (fftwf_complex *)spectrum);
}
static inline void tk_fft_row_inverse(const tk_fft *fft, float *spectrum, float *reals) {
    fftwf_execute_dft_c2r(fft->inverse[2], (fftwf_complex *)spectrum, reals);
}

/* Transforms the columns of a plane along y in place. Forward reads the first `rows` rows, takes the others as zero
 * and writes them all; inverse reads all and writes the first `rows`. `buffer`: the thread's. */
void tk_fft_columns_forward(const tk_fft *fft, float *plane, int64_t rows, float *buffer);
void tk_fft_columns_inverse(const tk_fft *fft, float *plane, int64_t rows, float *buffer);

/* Rows and columns of a whole plane in place; only the first `rows` rows of the real plane are read or made. */
void tk_fft_plane_forward(const tk_fft *fft, float *plane, int64_t rows, float *buffer);
void tk_fft_plane_inverse(const tk_fft *fft, float *plane, int64_t rows, float *buffer);

/* tk_fft_plane_forward of all rows by several threads together: `buffers` has tk_fft_buffer_count floats for each. */
void tk_fft_plane_forward_together(const tk_fft *fft, float *plane, float *buffers, int threads);

/* A complex value for each spectral value, [y][block][z][column]; of a shared volume, those of the worker's rows. */
typedef struct tk_fft_values {
    const float *single;  /* or NULL: */
    const uint16_t *half; /* kernels/common/half.h, to be multiplied by `scale` */
    float scale;
} tk_fft_values;

/* A filter F: x -> sum over k < terms of P_k (a_k x), or its transpose: y -> sum of a_k P_k^T y, where P_k multiplies
 * the spectrum, and a_k depends on the plane alone, so that planes are transformed once for all terms. */
typedef struct tk_fft_filter {
    int terms;                       /* K >= 1 */
    const tk_fft_values *values;     /* P_k */
    const float *const *weight;      /* a_k of each padded plane; NULL, for one term only: 1 */
    bool conjugate;                  /* the transpose, which multiplies by the complex conjugates */
    int64_t planes_in, planes_out;   /* padded planes: how many are read (the others are zero), and written */
    const tk_fft_exchange *exchange; /* of a shared volume; NULL: one worker has it all */
    /* A product other than the plain one, which it replaces (`conjugate` has no meaning then; for one term without
     * weight only): makes the column values [z][column] of block `block` in row `y` of the spectrum from themselves and
     * from the filter's values, which lie in the same order. NULL: the plain one. */
    void (*product)(const void *context, int64_t y, int64_t block, float *restrict columns,
                    const float *restrict values);
    const void *context; /* of product */
} tk_fft_filter;

/* Applies a filter to a volume whose planes are transformed already. `buffers` has tk_fft_buffer_count floats for each
 * of `threads` threads. Of a shared volume, `volume` is the worker's part of it, and the call is collective. Errors:
 * those of the exchange. */
tk_status tk_fft_filter_volume(const tk_fft *fft, float *volume, const tk_fft_filter *filter, float *buffers,
                               int threads, tk_isa isa);

#endif
