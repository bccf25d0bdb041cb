/* Random forests: L. Breiman, Machine Learning 45:5, 2001.
 *
 * Prediction and training give the same bits for any threads and instruction set. */
#ifndef TK_KERNELS_CLASSIFY_FOREST_H
#define TK_KERNELS_CLASSIFY_FOREST_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/classify/samples.h"
#include "kernels/common/status.h"
#include "kernels/common/work.h"

enum { TK_FOREST_TREES_MOST = 10000, TK_FOREST_NODES_MOST = (1 << 29) - 1 };

/* A forest as files hold it: of 1 … TK_FOREST_TREES_MOST trees, 1 … TK_FOREST_NODES_MOST nodes, and as many leaves. A
 * node with feature[n]
 * >= 0 asks value < threshold[n]: yes goes to child[n], no (and NaN) to child[n] + 1, both beyond n and below `nodes`.
 * One with feature[n] == -1 is a leaf: child[n] is the row of `probability` that it votes with. The forest's answer is
 * the mean over its trees of the rows they end in. */
typedef struct tk_forest_data {
    int features, classes, trees;
    int64_t nodes, leaves;
    int32_t *root;      /* [trees] */
    int32_t *feature;   /* [nodes] */
    float *threshold;   /* [nodes]: not NaN at an inner node */
    int32_t *child;     /* [nodes] */
    float *probability; /* [leaves][classes]: each in 0 … 1, the sum of a row 1 but for rounding */
} tk_forest_data;

/* Frees the arrays (with free), and makes them NULL. */
void tk_forest_data_free(tk_forest_data *data);

/* A forest ready to predict. */
typedef struct tk_forest tk_forest;

/* Makes one; data is not kept. Errors: TK_INVALID when a number of data is out of the ranges above (files are not
 * trusted), TK_NO_MEMORY. Nodes may be shared by trees, and rows by leaves. */
tk_status tk_forest_new(const tk_forest_data *data, tk_forest **forest);
void tk_forest_free(tk_forest *forest);

/* Bytes that tk_forest_new allocates, some of them only while it runs; data must be valid. */
size_t tk_forest_bytes(const tk_forest_data *data);

/* Estimated nanoseconds of one core for one voxel. */
double tk_forest_cost(const tk_forest *forest);

/* Scratch bytes that prediction needs to run on `threads` threads; with less it uses fewer. */
size_t tk_forest_scratch(const tk_forest *forest, int threads);

/* The probabilities of `count` voxels: value[f] and probability[c] are arrays of that many. A NULL probability[c] is
 * not wanted. No output overlaps an input. A NaN is not below any threshold.
 * Errors: TK_NO_MEMORY when there is not even scratch for one thread. */
tk_status tk_forest_predict(const tk_forest *forest, int64_t count, const float *const value[],
                            float *const probability[], tk_work *work);

typedef struct tk_forest_choice {
    int trees;      /* 1 … TK_FOREST_TREES_MOST; commonly 100 */
    int candidates; /* features tried at each split; 0: the root of their number, rounded up */
    int least;      /* samples that a leaf has at least; commonly 1 */
    int depth;      /* splits from root to leaf at most; 0: no limit */
    bool balanced;  /* draw each class equally often; false: as often as it occurs */
    uint64_t seed;
} tk_forest_choice;

/* Grows a forest: each tree from a bootstrap sample as large as the samples, each split the one of least Gini impurity
 * among its candidates (further features are tried while none of these parts the samples), at the value halfway between
 * neighbouring samples. Of more than 65,536 samples, neighbours among the values of a feature may be taken together.
 * out_of_bag, when not NULL, gets the share of samples that the trees which did not see them tell wrong; NaN when each
 * tree saw all. The caller owns data. Errors: TK_INVALID for a choice out of range, no samples or 2^30 or more, a label
 * out of range, a value that is not finite, or a forest of too many nodes; TK_NO_MEMORY. */
tk_status tk_forest_train(const tk_samples *samples, const tk_forest_choice *choice, int threads, tk_forest_data *data,
                          double *out_of_bag);

#endif
