/* The choice of features in ilastik's projects. */
#ifndef TK_WORKFLOWS_CLASSIFY_ILASTIK_FEATURES_H
#define TK_WORKFLOWS_CLASSIFY_ILASTIK_FEATURES_H

#include "io/arrays.h"
#include "workflows/classify/columns.h"

/* What the `count` features of a project are, from its group FeatureSelections, in the order of the classifier: by
 * feature, then by scale, then by channel of the image, then by eigenvalue, the largest first
 * (lazyflow/operators/opPixelFeaturesPresmoothed.py: setupOutputs, and filterOperators.py: OpBaseFilter.execute). The
 * caller frees *column. Errors: TK_UNREADABLE for a feature or scale that is not known, or another count; TK_NO_MEMORY.
 */
tk_status tk_ilastik_features(const tk_arrays *arrays, int count, tk_feature_column **column, int *channels,
                              tk_error *error);

#endif
