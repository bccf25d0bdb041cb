/* The trees of vigra's random forests, as ilastik's projects hold them. */
#ifndef TK_WORKFLOWS_CLASSIFY_ILASTIK_TREES_H
#define TK_WORKFLOWS_CLASSIFY_ILASTIK_TREES_H

#include "io/arrays.h"
#include "kernels/classify/forest.h"

/* All trees of the groups Forest0000, Forest0001, … as one forest, whose answer is the mean of theirs weighted by their
 * trees, as in ilastik. The caller frees the arrays of `forest`, also after an error.
 * Errors: TK_UNREADABLE for nodes that are no thresholds, and whatever is out of range; TK_NO_MEMORY. */
tk_status tk_ilastik_trees(const tk_arrays *arrays, tk_forest_data *forest, tk_error *error);

#endif
