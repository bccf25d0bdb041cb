/* Basins that go through several tiles: where each path that leaves a tile goes on.
 *
 * Of the voxels beside another tile's core, each tile tells the basin of those that a path from there may enter: that
 * have a ghost beside them which comes later in the order. Voxels in a row that are of one basin are one run. */
#ifndef TK_KERNELS_SEGMENT_BASIN_LINKS_H
#define TK_KERNELS_SEGMENT_BASIN_LINKS_H

#include "kernels/segment/flood.h"

/* Voxels first … first + length − 1 of the whole image belong to the basin. */
typedef struct tk_basin_run {
    int64_t first, basin;   /* basin: its name in the whole image */
    uint32_t length, label; /* label: filled by tk_basin_runs_label */
} tk_basin_run;

/* At most so many runs has a tile. */
int64_t tk_basin_runs_most(const tk_basin_tile *tile);

/* Fills the tile's runs, ascending; returns how many. */
int64_t tk_basin_runs(const tk_basin_tile *tile, const uint32_t *parent, tk_basin_run *run);

/* Sorts the runs of all tiles and follows them, so that none leads beyond; then gives passes the names of the basins
 * that they connect, and drops those inside one basin. *passes: how many there are, and are left. Errors: TK_FAILED
 * when a path leads nowhere. */
tk_status tk_basin_runs_follow(tk_basin_run *run, int64_t runs, tk_basin_pass *pass, int64_t *passes);

/* Gives each run the label of its basin (ascending by index). Errors: TK_FAILED when it is not there. */
tk_status tk_basin_runs_label(tk_basin_run *run, int64_t runs, const tk_basin *basins, int64_t count);

/* The run with that voxel, of runs in ascending order; NULL: there is none. */
const tk_basin_run *tk_basin_run_of(const tk_basin_run *run, int64_t runs, int64_t voxel);

/* What all tiles have agreed on: basins in ascending order and runs, with their labels, below TK_BASIN_OUTSIDE. */
typedef struct tk_basin_labels {
    const tk_basin *basins;
    const tk_basin_run *run;
    int64_t count, runs;
} tk_basin_labels;

/* out (over the tile's core) := the label of each voxel's basin, 0 outside the mask. `order` is the tile's own; the
 * labels of paths' ends take the place of their orders. */
void tk_basins_paint(const tk_basin_tile *tile, const uint32_t *parent, const tk_basin_labels *labels, uint32_t *order,
                     tk_view_u32 out, const tk_work *work);

#endif
