/* Metrics straight from their definitions, over all voxels or all pairs of voxels; for small images. Dense z y x. */
#ifndef TK_TESTS_REFERENCE_METRICS_H
#define TK_TESTS_REFERENCE_METRICS_H

#include <stdint.h>

double tk_ref_nrmse(const float *x, const float *t, int64_t count);
double tk_ref_psnr(const float *x, const float *t, int64_t count);
double tk_ref_pearson(const float *x, const float *t, int64_t count);

/* Mean over all windows of 7 x 7 x 7 voxels (7 x 7 when there is one plane) inside the image; each window's moments in
 * two passes. */
double tk_ref_ssim(const float *x, const float *t, const int64_t size[3], double range);

/* Labels are 0 … most. */
double tk_ref_seg(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most);
double tk_ref_average_precision(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most,
                                double threshold);

/* DET of the Cell Tracking Challenge: splits cost 5, missed objects 10, invented ones 1. */
double tk_ref_detection(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most);
double tk_ref_panoptic(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most);
double tk_ref_object_dice(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most);

/* By asking of each pair of voxels whether it is together in either image: Rand index, and precision and recall of
 * the adapted Rand error (pairs of voxels that are not 0 in the truth). */
void tk_ref_rand(const uint32_t *result, const uint32_t *truth, int64_t count, double *index, double *precision,
                 double *recall);

/* Conditional entropy H(a | b) in bits. */
double tk_ref_conditional_entropy(const uint32_t *a, const uint32_t *b, int64_t count, uint32_t most);

#endif
