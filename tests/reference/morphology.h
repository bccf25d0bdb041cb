/* Grey-value erosion and dilation, slow and obvious. */
#ifndef TK_TESTS_REFERENCE_MORPHOLOGY_H
#define TK_TESTS_REFERENCE_MORPHOLOGY_H

#include <stdint.h>

enum { REF_BOX, REF_BALL, REF_PARABOLOID };

/* Of a whole image (z y x, dense), mirrored at the border; voxels that are not finite are left out, and where nothing
 * is left the result is NaN. sign: 1 erodes, -1 dilates. `height` is that of a paraboloid at its radius. */
void ref_erode(const double *in, const int64_t size[3], int shape, const int64_t radius[3], double height, double sign,
               double *out);

#endif
