/* Connected components by flood fill, slow and obvious. */
#ifndef TK_TESTS_REFERENCE_COMPONENTS_H
#define TK_TESTS_REFERENCE_COMPONENTS_H

#include <stdint.h>

/* Labels the non-zero voxels of a whole mask (z y x, dense) 1, 2, … in the order of each component's first voxel;
 * connectivity 6, 18 or 26. Returns how many there are. */
uint32_t ref_components(const uint8_t *mask, const int64_t size[3], int connectivity, uint32_t *labels);

/* The same for the connected voxels of equal value other than 0. */
uint32_t ref_components_of_labels(const uint32_t *values, const int64_t size[3], int connectivity, uint32_t *labels);

#endif
