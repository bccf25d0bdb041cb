/* How close a result is to the truth, for images.
 *
 * Everything is summed in double precision row by row, and the rows' sums are combined in the order z, y: the results
 * do not depend on threads, nor (but for SSIM's last digits) on how the image is cut into slabs. Axis order z y x. */
#ifndef TK_KERNELS_METRICS_IMAGE_H
#define TK_KERNELS_METRICS_IMAGE_H

#include <stdint.h>

#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* What is known of two images after some of their rows. Start with zeros. */
typedef struct tk_image_sums {
    int64_t count, differing; /* voxels; those with different values (two NaN are not different) */
    double error2, truth2;    /* sums of (x - t)^2 and t^2 */
    double max_difference;    /* largest |x - t| */
    double least, most;       /* of the truth */
    double mean_x, mean_t;
    double square_x, square_t, product; /* sums of (x - mean)^2, (t - mean)^2, and their product */
} tk_image_sums;

/* What comes of them; NaN where it does not exist, infinite where it is. */
typedef struct tk_image_metrics {
    double nrmse;          /* ||x - t|| / ||t||; 0 for two images of zeros */
    double rmse;           /* root of the mean of (x - t)^2 */
    double max_difference; /* largest |x - t| */
    double psnr;           /* 10 log10(peak^2 / mse) dB, peak = largest voxel of the truth; infinite without error */
    double pearson;        /* correlation; NaN when an image is constant */
} tk_image_metrics;

/* Bytes of scratch memory for tk_image_sums_add with slabs of this size. */
size_t tk_image_sums_scratch(const int64_t size[3]);

/* Adds the next slab (all planes after those added before) of result and truth, of the same size. A voxel that is NaN
 * in one of them makes the sums NaN. Errors: TK_NO_MEMORY (scratch too small). */
tk_status tk_image_sums_add(tk_cview_f32 result, tk_cview_f32 truth, tk_work *work, tk_image_sums *sums);

/* The metrics of the images whose sums these are. */
tk_image_metrics tk_image_metrics_of(const tk_image_sums *sums);

enum { TK_SSIM_WINDOW = 7 };

/* Running sum of local SSIM values. Start with zeros. */
typedef struct tk_ssim_sum {
    int64_t windows;
    double sum;
} tk_ssim_sum;

/* Can SSIM be computed: is every axis at least 7 voxels long (y and x only, when there is one plane)? */
bool tk_ssim_exists(const int64_t size[3]);

/* Bytes of scratch memory for tk_ssim_add with slabs of this size. */
size_t tk_ssim_scratch(const int64_t size[3], int threads);

/* Adds the windows that lie wholly in this slab; consecutive slabs of an image overlap by 6 planes. SSIM is that of
 * Wang, Bovik, Sheikh, Simoncelli (IEEE Trans. Image Processing 13, 2004) with a uniform window of 7 voxels along each
 * axis (y and x only, when the slab is one plane), sample covariances, K1 = 0.01, K2 = 0.03: the mean is what
 * skimage.metrics.structural_similarity(result, truth, data_range=range) gives in double precision. `range` is
 * positive. Errors: TK_NO_MEMORY (scratch too small), TK_USAGE (the slab is smaller than the window). */
tk_status tk_ssim_add(tk_cview_f32 result, tk_cview_f32 truth, double range, tk_work *work, tk_ssim_sum *ssim);

#endif
