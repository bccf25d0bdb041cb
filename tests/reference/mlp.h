/* A perceptron's probabilities, voxel by voxel, in double (kernels/classify/mlp.h). */
#ifndef TK_TESTS_REFERENCE_MLP_H
#define TK_TESTS_REFERENCE_MLP_H

#include "kernels/classify/mlp.h"

/* The probabilities [classes] of one voxel with the values x [features]. */
void ref_mlp_predict(const tk_mlp_data *data, const float *x, double *probability);

#endif
