/* The best split of some samples: what a tree is grown of. */
#ifndef TK_KERNELS_CLASSIFY_FOREST_SPLIT_H
#define TK_KERNELS_CLASSIFY_FOREST_SPLIT_H

#include "kernels/classify/samples.h"
#include "kernels/common/status.h"

enum { TK_RANKS_MOST = 65536 };

/* The values of each feature by rank: equal values have one rank, and of more than TK_RANKS_MOST samples some that
 * follow each other share one. Some ranks are of no value. */
typedef struct tk_ranks {
    int64_t count;
    int most;          /* ranks of a feature */
    uint16_t *rank;    /* [features][count] */
    float *low, *high; /* [features][most]: the least and the greatest value of a rank */
} tk_ranks;

/* Ranks samples of finite values. The caller frees them, also after TK_NO_MEMORY. */
tk_status tk_ranks_new(const tk_samples *samples, int threads, tk_ranks *ranks);
void tk_ranks_free(tk_ranks *ranks);

/* The threshold that parts ranks a < b: halfway between the greatest value of a and the least of b, and so that the
 * former is below it and the latter is not. */
float tk_ranks_threshold(const tk_ranks *ranks, int feature, int a, int b);

/* Samples at a node, drawn `weight` times each (by sample), and memory for as many. */
typedef struct tk_split_node {
    const tk_samples *samples;
    const tk_ranks *ranks;
    const uint32_t *sample, *weight;
    int64_t count, least; /* of samples: here, and on each side at least */
    uint64_t *entry, *spare;
} tk_split_node;

typedef struct tk_split {
    int feature, left, right; /* the last rank to the left, the first to the right; feature -1: there is none */
    double score;             /* of Gini impurity: the larger, the purer */
} tk_split;

/* Tries all splits by one feature, and takes the best into `best` if it is better. `total`: draws by class. */
void tk_split_try(const tk_split_node *node, int feature, const int64_t total[TK_CLASSES_MOST], tk_split *best);

#endif
