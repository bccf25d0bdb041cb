/* The exact Euclidean distance of each voxel of an object to the nearest voxel of the background.
 *
 * Squared distances, separable: along x by counting, then along y and along z as the lower envelope of parabolas
 * (T. Saito, J. Toriwaki, Pattern Recognition 27, 1994; A. Meijster et al., 2000; P. Felzenszwalb, D. Huttenlocher,
 * Theory of Computing 8, 2012), between centres of voxels. What lies beyond the volume is background where
 * tk_distance.outside says so, else it does not count.
 *
 * Where the squares of the voxel's edges are in a ratio of small whole numbers, squared distances are whole numbers
 * (int32) in a common unit; else the squares are rounded to a quantum so small that float32 does not see it, and so
 * large that sums of them are exact in double. Either way no order of operations, tile or instruction set changes a
 * value. */
#ifndef TK_KERNELS_DISTANCE_DISTANCE_H
#define TK_KERNELS_DISTANCE_DISTANCE_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

typedef struct tk_distance {
    bool whole;         /* int32, else double */
    double weight[3];   /* square of a step along z y x, in units of unit^2: whole numbers */
    double unit;        /* square root of the common unit, in the unit of the spacing */
    size_t element;     /* bytes of a squared distance */
    bool outside[3][2]; /* is there background before and behind the volume, along z y x? */
} tk_distance;

/* For voxels of these edges (z y x, > 0) in an image of this size; nothing outside is background. */
tk_distance tk_distance_of(const double spacing[3], const int64_t image[3]);

/* Scratch bytes of the two passes below; with less, fewer threads are used. */
size_t tk_distance_planes_scratch(const tk_distance *distance, const int64_t size[3], int threads);
size_t tk_distance_columns_scratch(const tk_distance *distance, int64_t planes, int threads);

/* The squared distances within each plane: `squared` has the mask's voxels, densely packed z y x. Where a plane has no
 * background they are endless (see tk_distance_root). Errors: TK_NO_MEMORY (too little scratch). */
tk_status tk_distance_planes(const tk_distance *distance, tk_cview_u8 mask, void *squared, tk_work *work);

/* The squared distances in the volume, from those within planes, in place: `squared` has `planes` (all of the image's
 * along z) of `rows` x `width` voxels. Errors: TK_NO_MEMORY. */
tk_status tk_distance_columns(const tk_distance *distance, int64_t planes, int64_t rows, int64_t width, void *squared,
                              tk_work *work);

/* Distances in the unit of the spacing, at most `limit` (INFINITY: none); endless ones are the limit. */
void tk_distance_root(const tk_distance *distance, const void *squared, int64_t count, float limit, float *out,
                      const tk_work *work);

#endif
