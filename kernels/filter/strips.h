/* What filters of finite support share that walk over a box strip by strip: the strips, and mirroring at the border. */
#ifndef TK_KERNELS_FILTER_STRIPS_H
#define TK_KERNELS_FILTER_STRIPS_H

#include "kernels/common/view.h"

static inline int64_t tk_least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t tk_most(int64_t a, int64_t b) { return a > b ? a : b; }

/* The voxel of 0 .. size-1 that mirrors index i (d c b a | a b c d | d c b a): period 2 size, each half the other
 * backwards. */
static inline int64_t tk_mirror(int64_t i, int64_t size) {
    if (i >= 0 && i < size) return i;
    if (size <= 1) return 0;
    int64_t m = i % (2 * size);
    if (m < 0) m += 2 * size;
    return m < size ? m : 2 * size - 1 - m;
}

/* Fills the parts of a line that lie beyond the image: line[0] is column `start`, columns lo .. hi-1 are there. */
static inline void tk_mirror_ends(float *line, int64_t start, int64_t stop, int64_t lo, int64_t hi, int64_t size) {
    for (int64_t x = start; x < lo; x++) line[x - start] = line[tk_mirror(x, size) - start];
    for (int64_t x = hi; x < stop; x++) line[x - start] = line[tk_mirror(x, size) - start];
}

/* How many strips of this size (z y x) cover a box, in all and along each axis. */
static inline int64_t tk_strips(const tk_box *box, const int64_t strip[3], int64_t grid[3]) {
    for (int a = 0; a < 3; a++) grid[a] = (tk_box_size(box, a) + strip[a] - 1) / strip[a];
    return grid[0] * grid[1] * grid[2];
}

/* The n-th of them, x fastest. */
static inline tk_box tk_strip_at(const tk_box *box, const int64_t strip[3], const int64_t grid[3], int64_t n) {
    const int64_t at[3] = {n / (grid[1] * grid[2]), n / grid[2] % grid[1], n % grid[2]};
    tk_box part;
    for (int a = 0; a < 3; a++) {
        part.lo[a] = box->lo[a] + at[a] * strip[a];
        part.hi[a] = tk_least(part.lo[a] + strip[a], box->hi[a]);
    }
    return part;
}

#endif
