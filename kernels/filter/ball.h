/* Which voxels a ball of voxels has: the ellipsoid within a box. */
#ifndef TK_KERNELS_FILTER_BALL_H
#define TK_KERNELS_FILTER_BALL_H

#include <stdbool.h>
#include <stdint.h>

/* Is this offset in the ball, (dz / rz)^2 + (dy / ry)^2 + (dx / rx)^2 <= 1? All in integers; an axis of radius 0 has no
 * offsets but 0. */
static inline bool tk_in_ball(const int64_t radius[3], const int64_t d[3]) {
    int64_t square[3], sum = 0, all = 1;
    for (int a = 0; a < 3; a++) {
        square[a] = radius[a] > 0 ? radius[a] * radius[a] : 1;
        all *= square[a];
    }
    for (int a = 0; a < 3; a++) sum += d[a] * d[a] * (all / square[a]);
    return sum <= all;
}

#endif
