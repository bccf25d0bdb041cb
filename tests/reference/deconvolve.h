/* Deconvolution by the book: direct sums in double precision over explicit domains, one small volume at a time.
 *
 * The data cover n voxels (z y x, dense); the object x covers n + p - 1, all the voxels whose light can reach the data
 * through a PSF of size p with its origin at p / 2. Voxel i of the data sees x at i + p - 1 - j for PSF voxel j. */
#ifndef TK_TESTS_REFERENCE_DECONVOLVE_H
#define TK_TESTS_REFERENCE_DECONVOLVE_H

#include <stdbool.h>
#include <stdint.h>

/* data := H object. */
void ref_blur(const double *object, const int64_t n[3], const float *psf, const int64_t p[3], double *data);

/* object := H^T data. */
void ref_blur_transposed(const double *data, const int64_t n[3], const float *psf, const int64_t p[3], double *object);

typedef struct ref_deconvolve_options {
    bool momentum;
    int iterations;
    double background, read_noise, start;
} ref_deconvolve_options;

/* The iteration of kernels/deconvolve/deconvolve.h; `out` is x_N on the data's voxels. False: no memory. */
bool ref_deconvolve(const float *g, const int64_t n[3], const float *psf, const int64_t p[3],
                    const ref_deconvolve_options *options, double *out);

#endif
