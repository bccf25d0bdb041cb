/* How a forest lies in memory to predict (forest.c makes it), and the inner loop.
 *
 * A block of voxels goes through the trees, some at a time. The upper inner nodes of a tree, at most TK_FOREST_TOP,
 * those with the most leaves below, are asked for every voxel, a vector of voxels at a time and without a branch: each
 * node whose answer is no takes the exits below its yes from a set of bits, and the first exit left is the voxel's
 * (QuickScorer: C. Lucchese et al., SIGIR 2015). From there on all voxels in all of these trees go one node further in
 * turn, so that none waits for another, until each is at a leaf. */
#ifndef TK_KERNELS_CLASSIFY_FOREST_LAYOUT_H
#define TK_KERNELS_CLASSIFY_FOREST_LAYOUT_H

#include "kernels/classify/forest.h"
#include "kernels/common/cpu.h"
#include "kernels/common/scratch.h"

/* Nodes; voxels of the longest vector; voxels times trees at a time; the classes of a row are a multiple of this. */
enum { TK_FOREST_TOP = 31, TK_FOREST_LANES = 16, TK_FOREST_LIST = 4096, TK_FOREST_PAD = 4 };

/* Floats of one thread's block at most: values and sums of at least TK_FOREST_LANES voxels. */
enum { TK_FOREST_MEMORY = 163840 };

/* An inner node: voxels whose value at row + voxel is below the threshold go to next[0], others to next[1]. From 0 on
 * these are inner nodes, below 0 they are leaves: ~next is the row of probabilities. */
typedef struct tk_forest_node {
    float threshold;
    int32_t row;
    int32_t next[2];
} tk_forest_node;

/* The upper nodes of a tree, and the count + 1 exits below them from left (yes) to right, numbered like next. */
typedef struct tk_forest_top {
    int32_t count;
    float threshold[TK_FOREST_TOP];
    int32_t row[TK_FOREST_TOP];
    uint32_t keep[TK_FOREST_TOP]; /* the exits, as bits, that a no leaves */
    int32_t exits[TK_FOREST_TOP + 1];
} tk_forest_top;

struct tk_forest {
    int features, classes, trees;
    int block;            /* voxels: a multiple of TK_FOREST_LANES */
    int shift;            /* the least whose power of 2 holds a block */
    int together;         /* trees walked at a time: at most TK_FOREST_LIST >> shift */
    int width;            /* classes, padded to a multiple of TK_FOREST_PAD */
    double visits;        /* expected inner nodes of a voxel below the tops, over all trees */
    float *probability;   /* [leaves][width] */
    tk_scratch memory;    /* of the nodes, on huge pages where they are many */
    tk_forest_node *node; /* the inner nodes of all trees, and one that lanes without a voxel may read */
    tk_forest_top *top;   /* [trees] */
};

typedef struct tk_forest_kernels {
    /* sums[voxel][class] := the sum over all trees, in their order, for a block: values are [features][block], sums
     * [block][width]. */
    void (*sum)(const tk_forest *forest, const float *values, float *sums);
} tk_forest_kernels;

TK_ISA_DECLARE(tk_forest_kernels, tk_forest_loops);

#endif
