/* Quadrature and interpolation that the PSF models share. */
#ifndef TK_KERNELS_PSF_QUADRATURE_H
#define TK_KERNELS_PSF_QUADRATURE_H

#include <stdint.h>

/* The nodes, ascending, and weights of Gauss and Legendre's rule on [from, to]; exact for polynomials of degree
 * 2 count - 1. count >= 1. */
void tk_gauss_legendre(int64_t count, double from, double to, double *node, double *weight);

enum { TK_TAPS = 8, TK_TAPS_BEFORE = 3 };

/* Lagrange's interpolation of degree 7 on an even grid: the weights of the samples at -3 … 4 for the place t in
 * [0, 1]. A wave of n samples a period is off by at most 1.1e-3 (2 pi / n)^8. */
void tk_lagrange(double t, double weight[TK_TAPS]);

#endif
