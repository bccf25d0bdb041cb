/* Pixel classifiers of ilastik (S. Berg et al., Nature Methods 16:1226, 2019): the random forest in a project file
 * (.ilp) as one of ours, and the filters that its features are.
 *
 * The forest is the same one: for any finite features its probabilities are those of vigra's RandomForest, which
 * ilastik predicts with, up to the rounding of float32. (A voxel with a NaN gets no class from vigra; ours treats a NaN
 * as not below any threshold.) Thresholds, double in the file, are rounded up to float32, which changes no answer for
 * float32 features; that is what ilastik's are.
 *
 * The features are not quite the same. ilastik smooths the image once for each scale s, with a Gaussian of sigma
 * sqrt(s^2 - 1), or s when s <= 1, cut off at 3.5 sigma; the filters run on that, with sigma min(s, 1), cut off at 2
 * sigma (lazyflow/operators/opPixelFeaturesPresmoothed.py, filterOperators.py). Derivatives there are corrected for
 * the cut-off (vigra/separableconvolution.hxx, initGaussianDerivative; fastfilters, which ilastik's releases run, has
 * the same kernels), and images mirrored without repeating the border. Here one filter does both, not cut off until 4
 * sigma, its sigma such that its kernel has the variance of the two together. (So the Gaussian that
 * DifferenceOfGaussians subtracts is not of 0.66 s, nor the outer one of StructureTensorEigenvalues of 0.5 s: both
 * apply to min(s, 1).) Away from the image's border the relative root mean square difference from vigra's filters is,
 * on a noisy volume of blobs (tests/system/test_ilastik.py):
 *
 *   scale                          0.3     0.7    1.0    1.6    3.5    5.0   10.0
 *   GaussianSmoothing            0.000   0.003  0.003  0.002  0.001  0.003  0.008
 *   LaplacianOfGaussian              -   0.320  0.086  0.072  0.024  0.024  0.073
 *   GaussianGradientMagnitude        -   0.022  0.014  0.011  0.004  0.001  0.003
 *   DifferenceOfGaussians            -   0.185  0.024  0.014  0.002  0.007  0.011
 *   StructureTensorEigenvalues       -   0.024  0.025  0.020  0.008  0.002  0.008
 *   HessianOfGaussianEigenvalues     -   0.288  0.075  0.053  0.018  0.015  0.049
 *
 * At scale 0.3 all but the first have nothing to do with each other, and are refused. */
#ifndef TK_WORKFLOWS_CLASSIFY_ILASTIK_H
#define TK_WORKFLOWS_CLASSIFY_ILASTIK_H

#include "io/error.h"
#include "kernels/classify/forest.h"
#include "workflows/classify/columns.h"

/* Owns all of it. All zero: none. */
typedef struct tk_ilastik {
    tk_forest_data forest;
    tk_feature_column *column; /* [forest.features] */
    int channels;              /* of the image that it was trained on */
    int *label;                /* [forest.classes]: ilastik's numbers of them, from 1, as in an exported segmentation */
    char **name;               /* [forest.classes]: UTF-8 */
} tk_ilastik;

/* Reads a project. Nothing is left to free after an error. Errors: TK_UNREADABLE for a file that is no project of pixel
 * classification or has no trained forest, for other classifiers and features, and for a damaged file; TK_NO_MEMORY. */
tk_status tk_ilastik_read(const char *file, tk_ilastik *project, tk_error *error);
void tk_ilastik_free(tk_ilastik *project);

#endif
