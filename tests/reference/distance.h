/* Distances to the background, by looking at every voxel of it. */
#ifndef TK_TESTS_REFERENCE_DISTANCE_H
#define TK_TESTS_REFERENCE_DISTANCE_H

#include <stdbool.h>
#include <stdint.h>

/* out (z y x, dense): the distance between the centres of a voxel and of the nearest one with mask 0, for voxels of
 * these edges; INFINITY when there is none. With a border, voxels beyond the image have mask 0, along axes of more than
 * one voxel. */
void ref_distance(const uint8_t *mask, const int64_t size[3], const double spacing[3], bool border, double *out);

#endif
