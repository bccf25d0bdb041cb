/* Runs of object voxels in the rows of a mask, and of equal labels: found, and painted. */
#ifndef TK_KERNELS_SEGMENT_RUNS_H
#define TK_KERNELS_SEGMENT_RUNS_H

#include <stdint.h>

#include "kernels/common/cpu.h"

typedef struct tk_run_kernels {
    /* Writes start and end (half open) of each run of non-zero voxels in a row of `size` < 2^32 voxels, from left to
     * right: edges[0] <= x < edges[1] is the first run. Returns how many runs there are, at most (size + 1) / 2. */
    int64_t (*find)(const uint8_t *row, int64_t size, uint32_t *edges);

    /* The same for runs of equal label other than 0, which can follow each other without a gap: at most `size`. */
    int64_t (*find_equal)(const uint32_t *row, int64_t size, uint32_t *edges);

    /* Writes a row of `size` labels: those of its runs, 0 between. Run r, edges[2r] <= x < edges[2r+1], gets
     * label[component[r] - 1], or component[r] itself when label is NULL. */
    void (*paint)(const uint32_t *edges, const uint32_t *component, const uint32_t *label, int64_t runs, int64_t size,
                  uint32_t *out);
} tk_run_kernels;

TK_ISA_DECLARE(tk_run_kernels, tk_runs);

#endif
