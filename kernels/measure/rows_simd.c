/* Where labels change along rows. */
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

const tk_rows_kernels TK_ISA_NAME(tk_rows) = {cells, ends};
