/* Morphology of masks with the ball of all voxels (dz / rz)^2 + (dy / ry)^2 + (dx / rx)^2 <= 1 away, by distances: a
 * voxel stays in an erosion when no background is in the ball around it, and is in a dilation when an object is. The
 * time hardly depends on the radius. What lies beyond the image does not count: it is neither object nor background.
 * Whole numbers: the same for any tile, thread count and instruction set. */
#ifndef TK_KERNELS_MORPHOLOGY_MASK_H
#define TK_KERNELS_MORPHOLOGY_MASK_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"
#include "kernels/distance/distance.h"

typedef enum tk_mask_operation { TK_MASK_ERODE, TK_MASK_DILATE, TK_MASK_OPEN, TK_MASK_CLOSE } tk_mask_operation;

typedef struct tk_mask_morphology {
    tk_mask_operation operation;
    tk_distance distance; /* in units of the radius */
    double most;          /* squared distances up to this are within the ball */
    int64_t halo[3];      /* voxels of input needed around an output voxel */
} tk_mask_morphology;

/* For a ball of these radii (voxels, z y x, >= 0) in an image of this size. */
tk_mask_morphology tk_mask_morphology_of(tk_mask_operation operation, const int64_t radius[3], const int64_t image[3]);

/* Scratch bytes for an input block of `in` voxels on `threads` threads; with less, fewer threads are used. */
size_t tk_mask_morphology_scratch(const tk_mask_morphology *morphology, const int64_t in[3], int threads);

/* `in` covers in_box and `out` covers out_box of an image that covers `image`; in_box holds out_box grown by the halo
 * and clipped to the image. Errors: TK_FAILED when it does not, TK_NO_MEMORY when the scratch is too small. */
tk_status tk_mask_morphology_apply(const tk_mask_morphology *morphology, const tk_box *image, const tk_box *in_box,
                                   tk_cview_u8 in, const tk_box *out_box, tk_view_u8 out, tk_work *work);

#endif
