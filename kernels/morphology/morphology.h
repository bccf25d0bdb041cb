/* Grey-value morphology: erosion, dilation and what is made of them (J. Serra, Image Analysis and Mathematical
 * Morphology, 1982).
 *
 *   erode   e(x) = min over d of f(x + d) + b(d)       open    dilate(erode f)      tophat     f - open f
 *   dilate  the same with max and f(x + d) - b(d)      close   erode(dilate f)      bottomhat  close f - f
 *
 * d goes over a structuring element, which is symmetric:
 *   box         all d at most `radius` away along each axis                              b = 0
 *   ball        of these, (dz / rz)^2 + (dy / ry)^2 + (dx / rx)^2 <= 1                   b = 0
 *   paraboloid  the box                      b(d) = height ((dz / rz)^2 + (dy / ry)^2 + (dx / rx)^2)
 * A paraboloid is separable, exactly but for the rounding of its three sums: opened with it, an image keeps what a bowl
 * that rolls below the grey values reaches, as with the rolling ball (S. R. Sternberg, Computer 16, 1983, 22), whose
 * top it is.
 *
 * Beyond the image's border the image is mirrored (d c b a | a b c d | d c b a): scipy.ndimage, mode = "reflect".
 * Voxels that are not finite are left out; where nothing is left, the result is NaN. The result has the same bits for
 * any tile, thread count and instruction set. */
#ifndef TK_KERNELS_MORPHOLOGY_MORPHOLOGY_H
#define TK_KERNELS_MORPHOLOGY_MORPHOLOGY_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

enum { TK_MORPHOLOGY_RADIUS_MAX = 128 };

typedef enum tk_morphology_operation {
    TK_MORPHOLOGY_ERODE,
    TK_MORPHOLOGY_DILATE,
    TK_MORPHOLOGY_OPEN,
    TK_MORPHOLOGY_CLOSE,
    TK_MORPHOLOGY_TOPHAT,
    TK_MORPHOLOGY_BOTTOMHAT
} tk_morphology_operation;

typedef enum tk_morphology_shape {
    TK_MORPHOLOGY_BOX,
    TK_MORPHOLOGY_BALL,
    TK_MORPHOLOGY_PARABOLOID
} tk_morphology_shape;

typedef struct tk_morphology {
    tk_morphology_operation operation;
    tk_morphology_shape shape;
    int64_t radius[3]; /* voxels, z y x, 0 .. TK_MORPHOLOGY_RADIUS_MAX */
    double height;     /* of a paraboloid at the radius along an axis, in grey values, >= 0 */
} tk_morphology;

/* Voxels of input needed around an output voxel: the radius, or twice the radius for two operations in sequence. */
void tk_morphology_halo(const tk_morphology *how, int64_t halo[3]);

/* How many rows of voxels, along x, the structuring element has. */
int64_t tk_morphology_rows(const tk_morphology *how);

/* Scratch bytes for one call on an input block of `in` voxels of an image of `image` voxels (z y x). */
size_t tk_morphology_scratch(const tk_morphology *how, const int64_t image[3], const int64_t in[3], int threads);

/* Filters. `in` covers in_box and `out` covers out_box of an image that covers `image`; in_box holds out_box grown by
 * the halo and clipped to the image. Errors: TK_FAILED when it does not, TK_NO_MEMORY when the scratch is too small. */
tk_status tk_morphology_apply(const tk_morphology *how, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                              const tk_box *out_box, tk_view_f32 out, tk_work *work);

#endif
