/* The loss of a perceptron and its gradient: what training descends. */
#ifndef TK_KERNELS_CLASSIFY_MLP_GRADIENT_H
#define TK_KERNELS_CLASSIFY_MLP_GRADIENT_H

#include "kernels/classify/mlp_kernels.h"
#include "kernels/classify/samples.h"

/* Standardised samples; owns nothing. */
typedef struct tk_mlp_lessons {
    const float *z;                 /* [sample][features] */
    const uint8_t *label;           /* [sample] */
    double weight[TK_CLASSES_MOST]; /* of a sample of each class */
} tk_mlp_lessons;

/* The sum over `count` samples, those of the given indices, in that order, of weight times cross entropy; its gradient
 * by the numbers is added to `gradient`. The loss is not finite when a logit is not. */
double tk_mlp_gradient(const tk_mlp_kernels *kernels, const tk_mlp_shape *shape, const double *numbers,
                       const tk_mlp_lessons *lessons, const int64_t *index, int64_t count, double *gradient);

#endif
