/* Cells of 2 x 2 x 2 voxels: in which configuration objects meet them (T. Schladitz, J. Ohser, W. Nagel, Measuring
 * intrinsic volumes in digital 3d images, DGCI 2006). Bit 4 dz + 2 dy + dx of a configuration is set where that voxel
 * of the cell is in the object. A cell whose voxels are all of one object, or none, adds nothing to any number. */
#ifndef TK_KERNELS_MEASURE_CELLS_H
#define TK_KERNELS_MEASURE_CELLS_H

#include "kernels/measure/collect.h"

/* What each configuration adds to the numbers of tk_object_cells. */
typedef struct tk_cells_table {
    int64_t number[256][TK_OBJECTS_LANES];
} tk_cells_table;

void tk_cells_table_make(tk_cells_table *table);

/* Scratch bytes of tk_cells_measure for a core of `size` voxels. */
size_t tk_cells_scratch(const int64_t size[3]);

/* How many rows of cells a block has; rows are counted along y, then z. */
int64_t tk_cells_rows(const tk_objects_block *block);

/* Measures the rows of cells from … to-1 into the collector. Errors: those of its sink; TK_NO_MEMORY. */
tk_status tk_cells_measure(const tk_objects_block *block, const tk_cells_table *table, int64_t from, int64_t to,
                           tk_isa isa, tk_scratch *scratch, tk_collector *into);

typedef struct tk_rows_kernels {
    /* flag[x] = 1 where the cell of the rows' voxels x and x + 1 holds more than one label, else 0; 0 <= x < count. */
    void (*cells)(const uint32_t *const row[4], int64_t count, uint8_t *flag);
    /* flag[x] = 1 where row[x] != row[x + 1], else 0; 0 <= x < count. */
    void (*ends)(const uint32_t *row, int64_t count, uint8_t *flag);
    /* In each direction takes the outermost voxel of a run along x, z y first … last, if it lies further out than the
     * one that is known: tk_object_reach for all directions at once. */
    void (*reach)(const int32_t direction[3][TK_OBJECTS_EXTREMES], const int32_t z_y_first_last[4],
                  tk_object_extremes *e);
} tk_rows_kernels;

TK_ISA_DECLARE(tk_rows_kernels, tk_rows);

#endif
