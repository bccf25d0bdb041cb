/* Measurements of one labelled object, slow and obvious. Images are whole, dense, z y x. */
#ifndef TK_TESTS_REFERENCE_MEASURE_H
#define TK_TESTS_REFERENCE_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ref_object {
    int64_t count, lo[3], hi[3]; /* bounding box, half open, z y x */
    double centroid[3];          /* mean index, z y x */
    double covariance[3][3];     /* mean products of deviations from it */
    float intensity_min, intensity_max;
    double intensity_sum, intensity_std;
    double weighted[3]; /* mean index, weighted by intensity */
} ref_object;

/* Measures the voxels that have this label. */
ref_object ref_measure(const uint32_t *labels, const float *intensity, const int64_t size[3], uint32_t label);

/* How many pairs of voxels, one step from each other, have one in the object and the other outside (or in another
 * object); outside the image there is background. */
int64_t ref_crossings(const uint32_t *labels, const int64_t size[3], uint32_t label, const int step[3], bool other);

/* Euler number: vertices - edges + faces - cubes of the union of closed voxels. With `open`, of the union of open ones,
 * which are joined by faces alone: faces, edges and vertices count where all voxels around are in the object. */
int64_t ref_euler(const uint32_t *labels, const int64_t size[3], uint32_t label, bool open);

/* How many other objects have a voxel among the 26 neighbours of one of the object's. */
int64_t ref_neighbours(const uint32_t *labels, const int64_t size[3], uint32_t label);

/* The largest distance between two voxels of the object, one voxel longer along the axis where that adds most. */
double ref_feret(const uint32_t *labels, const int64_t size[3], uint32_t label, const double voxel[3]);

#endif
