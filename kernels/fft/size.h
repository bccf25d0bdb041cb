/* Sizes at which a real 3-D transform is fast, and what a transform costs.
 *
 * The cost of a transform is far from monotone in its size, so that padding to a larger volume is often the
 * cheaper choice. Costs come from a table that was measured once and is shipped as a constant: the size decides which
 * bytes come out, hence it is a function of the request alone and never of the machine. */
#ifndef TK_KERNELS_FFT_SIZE_H
#define TK_KERNELS_FFT_SIZE_H

#include <stdint.h>

/* The padded size (z y x), at least `least` on each axis (>= 1), whose transform is estimated to be the cheapest; x is
 * even. Candidates are the sizes of the table up to 1.15 times the least size, beyond the table those without
 * a prime factor above 7. */
void tk_fft_padded_size(const int64_t least[3], int64_t padded[3]);

/* Estimated nanoseconds of one core for the rows and columns (along y) of one plane, and for all columns along z. */
double tk_fft_plane_cost(const int64_t size[3]);
double tk_fft_columns_cost(const int64_t size[3]);

/* Estimated nanoseconds of one core for one real transform (forward or inverse) of this size, done as rows along x
 * and blocks of columns along y and z. */
double tk_fft_cost(const int64_t size[3]);

#endif
