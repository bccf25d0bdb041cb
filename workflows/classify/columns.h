/* What the features of a pixel classifier are: which filter's response each of them is. */
#ifndef TK_WORKFLOWS_CLASSIFY_COLUMNS_H
#define TK_WORKFLOWS_CLASSIFY_COLUMNS_H

#include <stdbool.h>

#include "kernels/filter/features.h"

/* One feature: an output of one filter (kernels/filter/features.h) on one channel of the image. Sigmas are in voxels,
 * the same along all axes that are filtered. */
typedef struct tk_feature_column {
    unsigned feature; /* one of TK_FEATURE_… */
    double sigma;
    double second; /* dog: the sigma of what is subtracted; structure: that of the outer Gaussian; else 0 */
    int output;    /* of eigenvalues, which: 0 is the largest; else 0 */
    int channel;   /* of the image, from 0 */
    bool plane;    /* filtered along y and x only, each plane by itself: there are two eigenvalues */
} tk_feature_column;

#endif
