/* Gaussian smoothing and derivatives, slow and obvious, in double precision. */
#ifndef TK_TESTS_REFERENCE_GAUSSIAN_H
#define TK_TESTS_REFERENCE_GAUSSIAN_H

#include <stdint.h>

/* The index of 0 .. size-1 that i falls on when the image is mirrored at its borders, again and again. */
int64_t ref_mirror(int64_t i, int64_t size);

/* Smooths a whole image (z y x, dense) axis by axis with exp(-k^2 / 2 sigma^2), |k| <= 4 sigma + 1/2, normalised,
 * mirrored at the border. out may not be in. */
void ref_gaussian(const float *in, const int64_t size[3], const double sigma[3], double *out);

/* The same, in place, with the derivative of this order (0, 1, 2) of the exponential along each axis. */
void ref_gaussian_derivative(double *image, const int64_t size[3], const double sigma[3], const int order[3]);

#endif
