/* Measurements of one labelled object, slow and obvious. */
#ifndef TK_TESTS_REFERENCE_MEASURE_H
#define TK_TESTS_REFERENCE_MEASURE_H

#include <stdint.h>

typedef struct ref_object {
    int64_t count, lo[3], hi[3]; /* bounding box, half open, z y x */
    double centroid[3];          /* mean index, z y x */
    float intensity_min, intensity_max;
    double intensity_sum;
} ref_object;

/* Measures the voxels of a whole image (z y x, dense) that have this label. */
ref_object ref_measure(const uint32_t *labels, const float *intensity, const int64_t size[3], uint32_t label);

#endif
