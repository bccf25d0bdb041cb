/* Median of a neighbourhood, slow and obvious: by sorting. */
#ifndef TK_TESTS_REFERENCE_MEDIAN_H
#define TK_TESTS_REFERENCE_MEDIAN_H

#include <stdbool.h>
#include <stdint.h>

/* Of a whole image (z y x, dense), mirrored at the border: a box or, with `ball`, the ellipsoid within it. NaN is
 * larger than all numbers. */
void ref_median(const float *in, const int64_t size[3], const int64_t radius[3], bool ball, float *out);

#endif
