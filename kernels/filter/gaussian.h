/* Gaussian smoothing by a separable filter of finite support, exact over tiles.
 *
 * Along each axis out(i) = sum over k = -r .. r of w(k) in(i + k), w(k) ~ exp(-k^2 / 2 sigma^2), sum of w = 1,
 * r = floor(4 sigma + 1/2): scipy.ndimage.gaussian_filter with its defaults truncate = 4, mode = "reflect". Beyond the
 * image's border the image is mirrored (d c b a | a b c d | d c b a), again and again when r exceeds the image. The
 * axes are filtered in the order z, y, x in float32, every voxel in one fixed order of taps, so the result is the same
 * bit for bit for any tile, thread count and instruction set. */
#ifndef TK_KERNELS_FILTER_GAUSSIAN_H
#define TK_KERNELS_FILTER_GAUSSIAN_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

typedef struct tk_gaussian {
    int64_t radius[3];    /* voxels, z y x; 0: no filtering along that axis */
    const float *taps[3]; /* radius + 1 weights, from the centre outwards; borrowed */
} tk_gaussian;

/* The radius for a standard deviation of `sigma` voxels; sigma is in 0 .. TK_GAUSSIAN_SIGMA_MAX. */
#define TK_GAUSSIAN_SIGMA_MAX 10000.0
int64_t tk_gaussian_radius(double sigma);

/* Fills radius + 1 normalised weights, computed in double and rounded once. */
void tk_gaussian_taps(double sigma, int64_t radius, float *taps);

/* The same for the derivative of that order (0, 1, 2): that of exp(-k^2 / 2 sigma^2), over the sum of the exponentials
 * (scipy.ndimage.gaussian_filter's `order`), and over `unit` to the power of the order, the size of a voxel in the unit
 * that it is per. Order 1 is odd: the weights of k > 0, for the differences in(i + k) - in(i - k). sigma > 0 unless the
 * order is 0. */
void tk_gaussian_derivative(double sigma, int order, double unit, int64_t radius, float *taps);

/* Scratch bytes that one call on an input block of `in` voxels (z y x) needs to run on `threads` threads. With less it
 * uses as many threads as there is scratch for. */
size_t tk_gaussian_scratch(const tk_gaussian *gaussian, const int64_t in[3], int threads);

/* Filters. `in` covers in_box and `out` covers out_box of an image that covers `image`; in_box holds out_box grown by
 * the radius and clipped to the image. Errors: TK_FAILED when it does not, TK_NO_MEMORY when the scratch is too small.
 */
tk_status tk_gaussian_apply(const tk_gaussian *gaussian, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                            const tk_box *out_box, tk_view_f32 out, tk_work *work);

#endif
