/* A real 3-D transform in pieces: where the values lie, and the one-dimensional plans.
 *
 * A padded volume (z y x) of float32 becomes its own spectrum: rows along x (real to half-complex), then columns along
 * y and along z, which are gathered in blocks of TK_FFT_COLUMNS so that a block stays in the cache and the transform
 * runs over unit stride. Rows pass through a buffer, which is a good deal faster than in place. The pieces are what an
 * iterative method needs to fuse its arithmetic with the transforms and to leave out rows and planes that are zero or
 * not wanted (sweep.h).
 *
 * Row and plane strides are odd multiples of 64 bytes: rows are aligned for SIMD, and neither columns nor planes
 * fall on a power-of-two stride, which would let them evict each other from the cache.
 *
 * Plans are one-dimensional, single-threaded, and executed by FFTW's new-array interface, so that one set
 * serves all threads. Making and freeing plans is serial code: FFTW's planner and wisdom belong to the process. */
#ifndef TK_KERNELS_FFT_FFT_H
#define TK_KERNELS_FFT_FFT_H

#include <fftw3.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/common/status.h"

enum { TK_FFT_COLUMNS = 16 };

typedef struct tk_fft {
    int64_t size[3];                   /* padded, z y x */
    int64_t spectrum;                  /* complex values in a transformed row: size[x] / 2 + 1 */
    int64_t blocks;                    /* blocks of columns in a plane */
    int64_t row_stride, plane_stride;  /* in floats */
    int64_t spares;                    /* blocks of columns in a buffer beside the first: 3, what any filter needs;
                                        * 1 will do for one term in half precision, 0 for one in single */
    fftwf_plan forward[3], inverse[3]; /* by axis: columns of length z, columns of length y, one row */
} tk_fft;

/* The FFT library's name and version: "fftw-3.3.10-sse2-avx". */
const char *tk_fft_library(void);

/* The layout for a padded size, without plans. Errors: TK_NO_MEMORY when the volume cannot be addressed or a size
 * does not fit FFTW's int. */
tk_status tk_fft_layout(const int64_t size[3], tk_fft *fft);

/* Floats of a padded volume in this layout. */
int64_t tk_fft_volume_count(const tk_fft *fft);

/* Floats of a filter: a complex value for each spectral value, in the order [y][block][z][column]. */
int64_t tk_fft_filter_count(const tk_fft *fft);

/* Floats of the buffer that each thread needs, 64-byte aligned: a block of columns along y or z, from
 * tk_fft_spare_offset on the spare blocks of columns along z, and from tk_fft_row_offset on a row. */
int64_t tk_fft_buffer_count(const tk_fft *fft);
int64_t tk_fft_spare_offset(const tk_fft *fft);
int64_t tk_fft_row_offset(const tk_fft *fft);

/* How many threads' buffers together take at most a byte for each of `volume` floats; 4 … 64. More threads are
 * not used: memory may not depend on their number. */
int tk_fft_lanes(const tk_fft *fft, int64_t volume);

/* Measures plans for this layout, each for at most `seconds`, and gives what was learnt as FFTW's wisdom text, which
 * the caller frees with free(). The text is empty when the time did not suffice. Measured plans differ from run
 * to run, and so do the last bits of what they compute: the text is the decision to keep and to share. Errors:
 * TK_NO_MEMORY. */
tk_status tk_fft_measure(const tk_fft *fft, double seconds, char **wisdom);

/* Makes the plans that the wisdom text says, the same for each process that runs on the same kind of CPU. An empty text
 * asks for FFTW's estimates, which need no measurement and are slower. Wisdom that the process has gathered so far is
 * forgotten, so that it cannot change the plans. The caller frees the plans with tk_fft_free. Errors: TK_FAILED when
 * the text does not say all the plans, TK_NO_MEMORY. */
tk_status tk_fft_plan(tk_fft *fft, const char *wisdom);

/* Frees the plans; the layout remains. */
void tk_fft_free(tk_fft *fft);

#endif
