/* Local thresholds by visiting every voxel's box (kernels/segment/local_threshold.h). */
#ifndef TK_TESTS_REFERENCE_LOCAL_THRESHOLD_H
#define TK_TESTS_REFERENCE_LOCAL_THRESHOLD_H

#include <stdint.h>

/* Mean and standard deviation around each voxel of a dense z y x image of levels 0 … 65535, mirrored about its
 * outermost voxels. */
void ref_local_moments(const int64_t *levels, const int64_t size[3], const int64_t radius[3], double *mean,
                       double *deviation);

#endif
