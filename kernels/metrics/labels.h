/* How close a segmentation is to the truth: everything from one contingency table of label pairs, which is additive
 * over the parts of an image. Label 0 is background. */
#ifndef TK_KERNELS_METRICS_LABELS_H
#define TK_KERNELS_METRICS_LABELS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/common/status.h"
#include "kernels/common/view.h"

/* `count` voxels have the label `truth` in the truth and `result` in the result. */
typedef struct tk_label_pair {
    uint32_t truth, result;
    int64_t count;
} tk_label_pair;

/* The contingency table: a hash table of the pairs that occur. Start with zeros; free with tk_contingency_free. */
typedef struct tk_contingency {
    tk_label_pair *slot; /* owned; count 0: empty */
    int64_t slots, used; /* slots is 0 or a power of two */
} tk_contingency;

/* Adds the voxels of a part of result and truth, of the same size z y x. The table grows with the number of different
 * pairs. Errors: TK_NO_MEMORY (the table is then incomplete). */
tk_status tk_contingency_add(tk_contingency *table, tk_cview_u32 result, tk_cview_u32 truth);

/* Adds `count` > 0 voxels of a pair. Errors: TK_NO_MEMORY. */
tk_status tk_contingency_add_pair(tk_contingency *table, tk_label_pair pair);

void tk_contingency_free(tk_contingency *table);

enum { TK_AP_THRESHOLDS = 10 }; /* IoU 0.50, 0.55 … 0.95 */

/* NaN where a measure does not exist (no object at all). Objects are all labels but 0. A match at a threshold is a pair
 * of objects whose intersection over union is larger than it; above one half matches are unique. */
typedef struct tk_label_metrics {
    int64_t voxels, differing; /* voxels in all; those with different labels */
    int64_t truth_objects, result_objects;
    bool same_partition; /* the same objects and background, whatever their numbers */
    double seg;          /* mean over true objects of the Jaccard index with the object that covers more than half of
                            them, 0 without one: SEG of the Cell Tracking Challenge (Maška 2014) */
    double ap[TK_AP_THRESHOLDS]; /* TP / (TP + FP + FN) */
    double mean_ap;
    double precision, recall, f1; /* of the matches above one half */
    double pq, sq;                /* panoptic quality and its segmentation quality, the mean IoU of those
                                     matches; its recognition quality is f1 (Kirillov 2019) */
    double det;                   /* DET of the Cell Tracking Challenge (Matula 2015): 1 - cost / (10 objects), at
                                     least 0. A true object is detected by the object that covers more than half
                                     of it; the cost is 10 for each undetected, 5 for each that shares its
                                     detection beyond the first, 1 for each object that detects none */
    double dice;                  /* of all foreground: 2 |T and R| / (|T| + |R|) */
    double object_dice;           /* mean over true objects of the best Dice with any object, 0 without one */
    double are, are_precision, are_recall; /* adapted Rand error over voxels that are object in the truth, as
                                              skimage.metrics.adapted_rand_error: 1 - F of precision and recall */
    double rand_index; /* share of pairs of voxels on which both agree, background being one more object */
    double voi_split;  /* H(result | truth) bits, background included: what is split in the result */
    double voi_merge;  /* H(truth | result) bits; the two as skimage.metrics.variation_of_information(truth, result) */
} tk_label_metrics;

/* The metrics from the table. Errors: TK_NO_MEMORY. */
tk_status tk_label_metrics_of(const tk_contingency *table, tk_label_metrics *metrics);

#endif
