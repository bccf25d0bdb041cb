/* Forests by their definition (kernels/classify/forest.h). */
#ifndef TK_TESTS_REFERENCE_FOREST_H
#define TK_TESTS_REFERENCE_FOREST_H

#include "kernels/classify/forest.h"

/* The probabilities of one voxel, whose values are [features]. */
void ref_forest_predict(const tk_forest_data *data, const float *value, double *probability);

/* The least impurity, sum over both sides of n (1 - sum p^2), that a split of samples drawn weight[i] times each (0:
 * not there) can have, by any feature and threshold, with at least `least` samples on a side; infinite if there is
 * none. */
double ref_forest_split(const tk_samples *samples, const uint32_t *weight, int64_t least);

/* That of the split value < threshold. */
double ref_forest_impurity(const tk_samples *samples, const uint32_t *weight, int64_t least, int feature,
                           double threshold);

#endif
