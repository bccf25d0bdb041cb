/* Responses to Gaussian filters, slow and obvious, in double precision (kernels/filter/features.h). */
#ifndef TK_TESTS_REFERENCE_FEATURES_H
#define TK_TESTS_REFERENCE_FEATURES_H

#include <stdint.h>

/* Eigenvalues of a symmetric n x n matrix (n <= 3), the largest first, by Jacobi's rotations; destroys the matrix. */
void ref_eigenvalues(double matrix[3][3], int n, double *values);

/* Of a whole image (z y x, dense): in place of a thin axis z the image is a plane. `out` has 4 images and the 2 or 3
 * eigenvalues of Hessian and structure tensor: gaussian, laplacian, gradient, dog, hessian …, structure …. */
void ref_features(const float *in, const int64_t size[3], const double sigma[3], const double second[3],
                  const double outer[3], const double unit[3], double *const out[10]);

#endif
