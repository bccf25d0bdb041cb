/* Element-wise arithmetic on rows of small vectors and symmetric matrices, one at each voxel.
 *
 * Each is computed in double and rounded once, in one order, so instruction sets agree bit for bit. A NaN among the
 * entries of a voxel makes all its results NaN. Rows of results that are NULL are not wanted. No output overlaps an
 * input. */
#ifndef TK_KERNELS_FILTER_TENSOR_H
#define TK_KERNELS_FILTER_TENSOR_H

#include <stdint.h>

#include "kernels/common/cpu.h"

typedef struct tk_tensor_kernels {
    /* Eigenvalues of a matrix with the entries 00 01 02 11 12 22, the largest first. Closed form: with q the mean of
     * the diagonal, B = A - q and p^2 = tr(B^2) / 6, they are q + 2 p t where t are the roots of 4 t^3 - 3 t =
     * det(B) / 2 p^3 (O. K. Smith, Commun. ACM 4:168, 1961). Errors stay within some 1e-7 of the largest magnitude,
     * equal eigenvalues included. */
    void (*eigenvalues3)(const float *const entry[6], int64_t count, float *const out[3]);
    /* The same of a matrix with the entries 00 01 11: half the trace +- the root of (half the difference of the
     * diagonal)^2 + 01^2. */
    void (*eigenvalues2)(const float *const entry[3], int64_t count, float *const out[2]);
    /* Length of a vector: the root of the sum of `n` squares. */
    void (*length)(const float *const *entry, int n, int64_t count, float *out);
    /* Sum of n entries, times `scale`. */
    void (*sum)(const float *const *entry, int n, double scale, int64_t count, float *out);
    /* a - b, in float. */
    void (*difference)(const float *a, const float *b, int64_t count, float *out);
    /* a b, in float. */
    void (*product)(const float *a, const float *b, int64_t count, float *out);
} tk_tensor_kernels;

TK_ISA_DECLARE(tk_tensor_kernels, tk_tensor);

#endif
