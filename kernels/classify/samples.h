/* Labelled voxels that a classifier is trained on. */
#ifndef TK_KERNELS_CLASSIFY_SAMPLES_H
#define TK_KERNELS_CLASSIFY_SAMPLES_H

#include <stdint.h>

enum { TK_CLASSES_MOST = 32, TK_CLASSIFIER_FEATURES_MOST = 1024 };

/* Owns nothing. The order of the samples is part of the input: the same samples in another order make another
 * classifier. */
typedef struct tk_samples {
    int64_t count;
    int features, classes;
    const float *value;   /* [features][count]; finite */
    const uint8_t *label; /* [count], 0 … classes - 1 */
} tk_samples;

#endif
