/* Basins of a landscape: each voxel belongs to the minimum that steepest descent leads to.
 *
 * Voxels are in a total order: by value, equal ones by their depth in the plateau where that was asked for (plateau.h),
 * then by their index in the whole image. Descent goes to the first of the
 * six neighbours in that order, if it comes before the voxel itself. So basins, and the passes between them, are
 * unique, and can be found tile by tile with one voxel more on each side (F. Meyer, Signal Processing 38, 1994: the
 * watershed is the minimum spanning forest of the graph of basins). Only voxels of the mask take part. Where there are
 * markers, a marked voxel is a minimum, and all voxels of one mark are one minimum. */
#ifndef TK_KERNELS_SEGMENT_BASINS_H
#define TK_KERNELS_SEGMENT_BASINS_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* Where a voxel stands in the order: ascending by value, then by depth, then by index. */
typedef struct tk_rank_of_voxel {
    uint32_t value, depth; /* ordered: see tk_basin_order; 0 where depths were not asked for */
    int64_t index;         /* in the whole image, (z Y + y) X + x; in a tile, the same of its box: their orders agree */
} tk_rank_of_voxel;

/* The ordered values of voxels outside the mask, and of NaN: above all others. */
#define TK_BASIN_OUTSIDE 0xffffffffu
#define TK_BASIN_NAN     0xfffffffeu

/* A tile of the landscape: its core, and one voxel more at each side that is not the image's: ghosts, cores of others.
 * Arrays are dense over the box. */
typedef struct tk_basin_tile {
    tk_box image, box, core;
    const uint32_t *order;   /* ordered values */
    const uint8_t *depth;    /* in plateaus; NULL: all alike */
    const uint32_t *markers; /* NULL: there are none; 0: no marker; outside the mask, of no account */
} tk_basin_tile;

/* A basin's name. In a tile: the voxel of the box that descent ends at, a minimum or a ghost; or −label of its marker.
 * In the whole image: the index of the minimum, or TK_BASIN_BEYOND + that of the ghost through which descent leaves the
 * tile, or −label. TK_BASIN_NONE: not in the mask. */
#define TK_BASIN_BEYOND ((int64_t)1 << 61)
#define TK_BASIN_NONE   INT64_MAX

/* Turns values into numbers that ascend with them, or (from_maxima) descend: order is dense, of the size of the values
 * and of the mask (data NULL: everything). NaN and what is outside the mask are above all. */
void tk_basin_order(tk_cview_f32 values, tk_cview_u8 mask, bool from_maxima, uint32_t *order, const tk_work *work);

/* The value that an ordered one stands for; NaN for those above all. */
float tk_basin_value(uint32_t ordered, bool from_maxima);

/* Descends: parent[i] := the box's voxel, of the core or a ghost, that descent from voxel i of the box ends at. Ghosts
 * are their own; parents of voxels outside the mask are not filled in. Errors: TK_FAILED when the box has 2^32 voxels
 * or more. */
tk_status tk_basins_descend(const tk_basin_tile *tile, uint32_t *parent, const tk_work *work);

/* Lets ghosts descend too, inside the box, so that few basins are left for tk_basins_passes. Each step of a ghost is
 * the first pass that it has, so in the forest anyway, and its later voxel is another tile's to tell. */
void tk_basins_join_ghosts(const tk_basin_tile *tile, uint32_t *parent, const tk_work *work);

/* The name in the whole image of the basin that descent from voxel i of the box, until it leaves the core, leads to. */
int64_t tk_basin_end(const tk_basin_tile *tile, int64_t i);

/* Is voxel i of the box one of the core? *index: where it is in the whole image. */
bool tk_basin_is_own(const tk_basin_tile *tile, int64_t i, int64_t *index);

/* Where voxel i of the box stands in the order; its index is the box's. */
static inline tk_rank_of_voxel tk_basin_rank(const tk_basin_tile *tile, int64_t i) {
    return (tk_rank_of_voxel){tile->order[i], tile->depth ? tile->depth[i] : 0, i};
}

/* < 0: a comes before b; > 0: behind it. */
static inline int tk_rank_compare(const tk_rank_of_voxel *a, const tk_rank_of_voxel *b) {
    if (a->value != b->value) return a->value < b->value ? -1 : 1;
    if (a->depth != b->depth) return a->depth < b->depth ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* The name in the tile of voxel i's basin. */
static inline int64_t tk_basin_at(const tk_basin_tile *tile, const uint32_t *parent, int64_t i) {
    if (tile->order[i] == TK_BASIN_OUTSIDE) return TK_BASIN_NONE;
    if (tile->markers && tile->markers[parent[i]]) return -(int64_t)tile->markers[parent[i]];
    return parent[i];
}

/* The name in the whole image of the basin with this name in the tile. */
int64_t tk_basin_name(const tk_basin_tile *tile, int64_t basin);

#endif
