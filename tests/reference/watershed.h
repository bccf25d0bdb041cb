/* The watershed by definition: all pairs of neighbouring voxels, joined one after the other. */
#ifndef TK_TESTS_REFERENCE_WATERSHED_H
#define TK_TESTS_REFERENCE_WATERSHED_H

#include <stdbool.h>
#include <stdint.h>

/* label (z y x, dense): pairs of face neighbours inside the mask (NULL: everywhere) are taken in the order of (later,
 * earlier) voxel, voxels being ordered by value, depth (NULL: all alike) and index; two sets are joined unless both
 * have a seed. Seeds are the markers, or (markers NULL) the minima that dynamics of at least h, and more than 0, leave,
 * numbered by index. */
void ref_watershed(const float *values, const uint8_t *depth, const uint8_t *mask, const uint32_t *markers,
                   const int64_t size[3], double h, uint32_t *label);

/* depth (z y x, dense): the steps, between face neighbours of one value inside the mask, to one that has a lower
 * neighbour or a marker; `limit` when there are none as near, 0 outside the mask. */
void ref_plateau_depth(const float *values, const uint8_t *mask, const uint32_t *markers, const int64_t size[3],
                       int limit, uint8_t *depth);

#endif
