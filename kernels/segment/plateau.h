/* How deep voxels lie in plateaus, so that plateaus are divided by distance instead of by index.
 *
 * A plateau is what face neighbours of one value connect. Its depth counts the steps inside it to the nearest voxel
 * that has a lower neighbour or a marker, and stops at a limit: then a voxel's depth is known from those no further
 * away than that, and any tile that is wider by it finds the same. Ordered by (value, depth, index), paths cross a
 * plateau on the shortest way (the lower completion of F. Meyer, Signal Processing 38, 1994; J. Roerdink and A.
 * Meijster, Fundamenta Informaticae 41, 2000). */
#ifndef TK_KERNELS_SEGMENT_PLATEAU_H
#define TK_KERNELS_SEGMENT_PLATEAU_H

#include "kernels/segment/basins.h"

enum { TK_PLATEAU_MOST = 100 };

/* depth[i] := the steps from voxel i to the border of its plateau, 0 … limit; `limit` also where there is none that
 * near. order and markers (NULL: there are none), dense, of that size z y x; limit 1 … TK_PLATEAU_MOST. NaN and voxels
 * outside the mask have depth 0. Depths of voxels fewer than limit + 1 steps from a face of the volume are those of a
 * larger one only where nothing lies beyond the face. */
void tk_plateau_depth(const uint32_t *order, const uint32_t *markers, const int64_t size[3], int limit, uint8_t *depth,
                      const tk_work *work);

#endif
