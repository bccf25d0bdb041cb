/* The pieces of a real 3-D transform that an iteration is made of: rows, the columns of one plane, and a filter along
 * all columns of a volume (z y x, layout of fft.h). Transforms are not normalised: forward and inverse multiply by the
 * number of voxels. Every value depends on its own row or column alone, so that threads cannot change a bit. */
#ifndef TK_KERNELS_FFT_SWEEP_H
#define TK_KERNELS_FFT_SWEEP_H

#include "kernels/common/work.h"
#include "kernels/fft/fft.h"

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

/* Multiplies the spectrum of a volume, whose planes are transformed already, by a filter, or by its complex conjugate:
 * columns along z forward, product, inverse. Reads the first `planes_in` planes, takes the others as zero, and writes
 * the first `planes_out`. `buffers` has tk_fft_buffer_count floats for each of `threads` threads. */
typedef struct tk_fft_filter {
    const float *filter;
    bool conjugate;
    int64_t planes_in, planes_out;
} tk_fft_filter;
void tk_fft_filter_volume(const tk_fft *fft, float *volume, const tk_fft_filter *filter, float *buffers, int threads,
                          tk_isa isa);

#endif
