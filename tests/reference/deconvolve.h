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

/* Data in photons, M (0 or 1) and b. */
typedef struct ref_deconvolve_problem {
    double *photons, *mask, *background; /* each of n voxels */
    int64_t n[3];
    const float *psf;
    int64_t p[3];
    int64_t m[3]; /* the periodic volume in whose corner the data lie: at least n + p - 1 */
} ref_deconvolve_problem;

typedef enum ref_method { REF_SHB, REF_RL, REF_BIGGS } ref_method;

typedef struct ref_deconvolve_options {
    ref_method method;
    int iterations, warm;
    double read_noise, start, tv;
    double alpha, beta, cutoff[3], at_cutoff; /* the Wiener-Butterworth projector, of order `order` */
    int order;
    const float *momentum; /* biggs: given; or NULL */
} ref_deconvolve_options;

/* The iteration of kernels/deconvolve/deconvolve.h; `out` is x_N on the data's voxels. False: no memory. */
bool ref_deconvolve(const ref_deconvolve_problem *problem, const ref_deconvolve_options *options, double *out);

#endif
