/* Where labels change along rows, and what lies outermost of runs. */
#include "kernels/measure/cells.h"

static void cells(const uint32_t *const row[4], int64_t count, uint8_t *flag) {
    const uint32_t *restrict a = row[0], *restrict b = row[1], *restrict c = row[2], *restrict d = row[3];
    uint8_t *restrict out = flag;
#pragma omp simd
    for (int64_t x = 0; x < count; x++) {
        const uint32_t here = (a[x] ^ b[x]) | (a[x] ^ c[x]) | (a[x] ^ d[x]);
        const uint32_t next = (a[x] ^ a[x + 1]) | (a[x] ^ b[x + 1]) | (a[x] ^ c[x + 1]) | (a[x] ^ d[x + 1]);
        out[x] = (here | next) != 0;
    }
}

static void ends(const uint32_t *row, int64_t count, uint8_t *flag) {
    const uint32_t *restrict a = row;
    uint8_t *restrict out = flag;
#pragma omp simd
    for (int64_t x = 0; x < count; x++) out[x] = a[x] != a[x + 1];
}

/* Indices are below 2^31 and directions below 2^11, so that products have room in 64 bits. What is not known yet is at
 * -1, and whatever comes is taken. */
static void reach(const int32_t direction[3][TK_OBJECTS_EXTREMES], const int32_t z_y_first_last[4],
                  tk_object_extremes *e) {
    const int32_t z = z_y_first_last[0], y = z_y_first_last[1], first = z_y_first_last[2], last = z_y_first_last[3];
    const int32_t *restrict dz = direction[0], *restrict dy = direction[1], *restrict dx = direction[2];
    int32_t *restrict ez = e->axis[0], *restrict ey = e->axis[1], *restrict ex = e->axis[2];
#pragma omp simd
    for (int k = 0; k < TK_OBJECTS_EXTREMES; k++) {
        const int32_t x = dx[k] > 0 ? last : first;
        const int64_t ahead = (int64_t)dz[k] * ((int64_t)z - ez[k]) + (int64_t)dy[k] * ((int64_t)y - ey[k]) +
                              (int64_t)dx[k] * ((int64_t)x - ex[k]);
        const int earlier = (z < ez[k]) | ((z == ez[k]) & ((y < ey[k]) | ((y == ey[k]) & (x < ex[k]))));
        const int taken = (ez[k] < 0) | (ahead > 0) | ((ahead == 0) & earlier);
        ez[k] = taken ? z : ez[k];
        ey[k] = taken ? y : ey[k];
        ex[k] = taken ? x : ex[k];
    }
}

const tk_rows_kernels TK_ISA_NAME(tk_rows) = {cells, ends, reach};
