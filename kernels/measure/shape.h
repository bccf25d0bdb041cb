/* Shape and intensity of an object from the exact sums of its record. Lengths are in the unit of `voxel` (z y x).
 * `planar`: the image is one plane, and the measures are those of the plane. */
#ifndef TK_KERNELS_MEASURE_SHAPE_H
#define TK_KERNELS_MEASURE_SHAPE_H

#include <stdbool.h>

#include "kernels/measure/objects.h"

/* The mean index along an axis. */
double tk_object_centroid(const tk_object *object, int axis);

/* The ellipsoid (planar: the ellipse) of the same second moments. */
typedef struct tk_object_axes {
    double inertia[3];   /* eigenvalues of the inertia tensor over the volume, the largest first; planar: two */
    double axis[3];      /* whole axes' lengths, the longest first; planar: two */
    double direction[3]; /* of the longest axis: z y x, length 1, its largest component positive */
    double orientation;  /* planar: angle of the longest axis to the axis y, as scikit-image's; > -pi/2, <= pi/2 */
} tk_object_axes;

tk_object_axes tk_object_axes_of(const tk_object *object, const tk_object_moments *moments, const double voxel[3],
                                 bool planar);

/* The diameter of a ball (planar: a disc) of the same volume. */
double tk_equivalent_diameter(double volume, bool planar);

/* How round: the surface of a ball of the same volume over the object's, pi^(1/3) (6 V)^(2/3) / S; planar: 4 pi A /
 * P^2. */
double tk_sphericity(double volume, double surface, bool planar);

/* Directions to find the outermost voxels in: the corners, faces and edges' ends of an icosahedron and their opposites,
 * 21 degrees or nearer to any direction in space; planar: 32 directions in the plane, 6 degrees or nearer. Scaled to
 * integers of about 1000. */
void tk_extreme_directions(const double voxel[3], bool planar, int32_t direction[3][TK_OBJECTS_EXTREMES]);

/* The largest distance between points of the object, from its outermost voxels: never more than that of all voxels, and
 * less by at most 2 % for ellipsoids (planar: 0.3 %), not at all for boxes along the axes. Voxels reach half a voxel
 * from their centre along each axis, as in scikit-image's feret_diameter_max. */
double tk_object_feret(const tk_object_extremes *extremes, const double voxel[3]);

/* Sum, mean square deviation's root, and centre along an axis of the intensities. NaN: there is none. */
double tk_intensity_sum(const tk_object_intensity *intensity, int exponent);
double tk_intensity_deviation(int64_t count, const tk_object_spread *spread, int exponent);
double tk_intensity_centre(const tk_object_intensity *intensity, const tk_object_spread *spread, int axis);

#endif
