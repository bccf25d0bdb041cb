/* What a classifier sees of a voxel: a list of responses to Gaussian filters, one a column. */
#ifndef TK_WORKFLOWS_CLASSIFY_COLUMNS_H
#define TK_WORKFLOWS_CLASSIFY_COLUMNS_H

/* One response. With the sigma s, `dog` is the difference to the Gaussian of 0.66 s, and `structure` smooths with an
 * outer sigma of s / 2, as ilastik has it. */
typedef struct tk_feature_column {
    unsigned feature; /* one of TK_FEATURE_… (kernels/filter/features.h) */
    double sigma;     /* in voxels, or in micrometres when the classifier was trained so */
    int output;       /* which eigenvalue, from the largest on; else 0 */
} tk_feature_column;

#endif
