/* Surface areas and perimeters from intersections with lines (the Cauchy-Crofton formula).
 *
 * S = 4 sum over d of c_d n_d a_d: n_d is how often lines along direction d enter the object, a_d the area of the
 * lattice's cross-section that belongs to one such line, and c_d the fraction of all directions to which d is the
 * nearest of the 13 (J. Ohser, F. Muecklich, Statistical Analysis of Microstructures in Materials Science, 2000; G.
 * Lehmann, D. Legland, Efficient N-dimensional surface estimation using Crofton formula and run-length encoding,
 * Insight Journal 2012). In a plane L = pi sum of c_d n_d a_d with four directions, a_d being a length: scikit-image's
 * perimeter_crofton. */
#ifndef TK_KERNELS_MEASURE_CROFTON_H
#define TK_KERNELS_MEASURE_CROFTON_H

#include <stdbool.h>

#include "kernels/measure/objects.h"

/* c_d of each of tk_object_direction, for voxels of this size (z y x, > 0). `planar`: among the four directions in the
 * plane; the others are 0. Their sum is 1. */
void tk_crofton_fractions(const double voxel[3], bool planar, double fraction[TK_OBJECTS_DIRECTIONS]);

/* Weights of the first 13 numbers of tk_object_cells: their weighted sum is the area of the surface (planar: the length
 * of the perimeter) in the unit of `voxel`, squared (planar: as it is). */
void tk_crofton_weights(const double voxel[3], bool planar, double weight[TK_OBJECTS_DIRECTIONS]);

/* The weighted sum. */
double tk_crofton_sum(const tk_object_cells *cells, const double weight[TK_OBJECTS_DIRECTIONS]);

#endif
