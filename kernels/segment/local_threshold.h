/* Local thresholds: each voxel against the mean m and the standard deviation s in the box around it.
 *
 *   mean        T = factor m + offset
 *   niblack     T = m - k s                                   (W. Niblack 1986, signed as in scikit-image)
 *   sauvola     T = m (1 + k (s / R - 1))     (J. Sauvola and M. Pietikäinen, Pattern Recognition 33, 2000)
 *   phansalkar  T = m (1 + p exp(-q m) + k (s / R - 1)), intensities being 0 … 1 over the image's range
 *               (N. Phansalkar et al., ICCSP 2011)
 *
 * Voxels are rounded once to 16 bits over the range of the whole image (whole numbers over a range below 65536 stay
 * exact), so that the sums over a box are integers and do not depend on tiles. The image is mirrored at its border
 * without repeating the outermost voxel (d c b | a b c d | c b a), as scikit-image does. A NaN counts as the smallest
 * voxel and is background. */
#ifndef TK_KERNELS_SEGMENT_LOCAL_THRESHOLD_H
#define TK_KERNELS_SEGMENT_LOCAL_THRESHOLD_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

typedef enum tk_local_method { TK_LOCAL_MEAN, TK_LOCAL_NIBLACK, TK_LOCAL_SAUVOLA, TK_LOCAL_PHANSALKAR } tk_local_method;

/* A voxel v is the level (v - lo) / quantum, rounded, 0 … 65535; top is the level of the largest voxel. */
typedef struct tk_levels {
    double lo, quantum, top;
} tk_levels;

typedef struct tk_local_threshold {
    tk_local_method method;
    int64_t radius[3]; /* voxels, z y x: the box has 2 radius + 1 along each axis, at most 2^31 in all */
    double factor, offset, k, r, p, q; /* r: in intensities; for phansalkar of 1 */
    float floor; /* voxels at or below it are background, whatever is around them; -INFINITY: none */
    tk_levels levels;
} tk_local_threshold;

/* The inner loops, one row each. */
typedef struct tk_local_kernels {
    /* sum[x] += level(v[x]), square[x] += level(v[x])^2; minus for sign -1 */
    void (*add)(const float *v, int64_t count, const tk_levels *levels, int64_t sign, int64_t *sum, int64_t *square);
    /* to[x] += sign from[x] */
    void (*add_sums)(const int64_t *from, int64_t count, int64_t sign, int64_t *to);
    /* mask[x] = v[x] > floor and v[x] > T(sum[x], square[x]) of `voxels` voxels; not phansalkar */
    void (*compare)(const tk_local_threshold *how, const float *v, const int64_t *sum, const int64_t *square,
                    double voxels, int64_t count, uint8_t *mask);
} tk_local_kernels;

TK_ISA_DECLARE(tk_local_kernels, tk_local);

/* Scratch bytes of one call on an input block of `in` voxels on `threads` threads; with less, fewer threads. */
size_t tk_local_threshold_scratch(const tk_local_threshold *how, const int64_t in[3], int threads);

/* Makes the mask. `in` covers in_box and `mask` out_box of an image that covers `image`; in_box holds out_box grown by
 * the radius and clipped to the image. Errors: TK_FAILED when it does not, TK_NO_MEMORY. */
tk_status tk_local_threshold_apply(const tk_local_threshold *how, const tk_box *image, const tk_box *in_box,
                                   tk_cview_f32 in, const tk_box *out_box, tk_view_u8 mask, tk_work *work);

#endif
