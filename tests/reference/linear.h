/* Linear deconvolution written out: sums instead of fast transforms, in double precision (for small blocks only). */
#ifndef TK_TESTS_REFERENCE_LINEAR_H
#define TK_TESTS_REFERENCE_LINEAR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ref_linear {
    int64_t size[3], padded[3], psf_size[3]; /* z y x */
    const double *photons;                   /* less the background; NaN: no datum */
    const double *psf;                       /* origin at size / 2 */
    double level, lambda;
    bool tikhonov; /* else Wiener */
} ref_linear;

/* Fills `out` (of `size`) with the estimate, as kernels/deconvolve/linear.h defines it. */
void ref_linear_deconvolve(const ref_linear *problem, double *out);

#endif
