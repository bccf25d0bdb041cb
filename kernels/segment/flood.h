/* The graph of basins: the lowest pass between each two, the seeds, and who floods whom.
 *
 * The first pass, in the total order of voxels, between each two basins that touch is an edge. Of a cycle of edges the
 * last one changes nothing and can be dropped anywhere, at any time: what is left is the minimum spanning forest,
 * whatever the parts in which the image was looked at. Seeds grow along it, and where two meet is the watershed. */
#ifndef TK_KERNELS_SEGMENT_FLOOD_H
#define TK_KERNELS_SEGMENT_FLOOD_H

#include "kernels/segment/basins.h"

/* A basin without a marker. */
typedef struct tk_basin {
    int64_t basin;
    uint32_t bottom; /* ordered value of its minimum */
    uint32_t label;  /* filled by tk_basin_flood */
} tk_basin;

/* A pass between two basins: the edge between two neighbours that comes first in the order of (later, earlier). */
typedef struct tk_basin_pass {
    tk_rank_of_voxel later, earlier;
    int64_t basin[2]; /* the smaller first */
} tk_basin_pass;

/* The passes, each pair of basins once: a hash table. Start with zeros; free with tk_basin_graph_free. */
typedef struct tk_basin_graph {
    tk_basin_pass *slot; /* owned; basin[0] == basin[1]: empty */
    int64_t slots, used; /* slots is 0 or a power of two */
    int64_t last;        /* the slot that was used last */
} tk_basin_graph;

/* Adds a pass, or puts it in the place of a later one of the same basins. Errors: TK_NO_MEMORY. */
tk_status tk_basin_graph_add(tk_basin_graph *graph, const tk_basin_pass *pass);

void tk_basin_graph_free(tk_basin_graph *graph);

/* Adds the passes between all neighbours in the tile's box, ghosts among themselves too, by their names and indices in
 * the tile; passes between two markers are left out. Of parents whose ghosts are joined (tk_basins_join_ghosts).
 * Errors: TK_NO_MEMORY. */
tk_status tk_basins_passes(const tk_basin_tile *tile, const uint32_t *parent, tk_basin_graph *graph,
                           const tk_work *work);

/* The basins that end in the tile's core, ascending, markers aside, under their names in the whole image; `basins`
 * NULL: they are counted only. Returns how many there are. */
int64_t tk_basins_minima(const tk_basin_tile *tile, const uint32_t *parent, tk_basin *basins, const tk_work *work);

/* Keeps the passes whose later voxel is in the core, so that each is one tile's, and gives them the names and indices
 * of the whole image. Returns how many are left. Of a tile's forest, what is dropped are passes that other tiles tell.
 */
int64_t tk_basins_own_passes(const tk_basin_tile *tile, tk_basin_pass *passes, int64_t count);

/* Sorts passes and keeps the minimum spanning forest, in which markers (negative basins) are joined from the start.
 * Returns how many are left; −1: no memory. */
int64_t tk_basin_forest(tk_basin_pass *passes, int64_t count);

/* The basin with that name, of basins in ascending order; NULL: it is not there. */
const tk_basin *tk_basin_find(const tk_basin *basins, int64_t count, int64_t basin);

/* Gives each basin its label: from the marker that reaches it first, 0 when none does; or, without markers (`marked`
 * false), from the seed that does. Seeds are the minima whose dynamics is at least h: how far one has to climb from the
 * minimum to get to a lower one (M. Grimaud, Proc. SPIE 1769, 1992), in units of the values; the lowest of those that
 * are connected always is one, unless it is NaN. They are numbered 1, 2, … in the order of their indices, *seeds in
 * all. basins ascending by index; all that passes name, markers aside passes   sorted: a forest (tk_basin_forest)
 * Errors: TK_NO_MEMORY; TK_FAILED when a pass names a basin that is not there; TK_UNSOLVABLE from 2^32 - 1 seeds on. */
tk_status tk_basin_flood(tk_basin *basins, int64_t count, const tk_basin_pass *passes, int64_t pass_count, bool marked,
                         bool from_maxima, double h, int64_t *seeds);

#endif
