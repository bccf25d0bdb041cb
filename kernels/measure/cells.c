/* Configurations of cells, row of cells by row of cells; most cells hold one label alone and are passed over.
 *
 * Euler numbers are those of the union of closed voxels (26 neighbours) and of open ones (6): vertices - edges + faces
 * - voxels, of which a cell has one whole vertex, six halves of edges, twelve quarters of faces and eight eighths of
 * voxels. */
#include "kernels/measure/cells.h"

#include <stdlib.h>
#include <string.h>

const int tk_object_direction[TK_OBJECTS_DIRECTIONS][3] = {{1, 0, 0},  {0, 1, 0},  {0, 0, 1},  {0, 1, 1},  {0, 1, -1},
                                                           {1, 0, 1},  {1, 0, -1}, {1, 1, 0},  {1, -1, 0}, {1, 1, 1},
                                                           {1, 1, -1}, {1, -1, 1}, {1, -1, -1}};

enum { CORNERS = 8, NOT_INSIDE = -1 };

/* The corner at a step from another; NOT_INSIDE the cell: NOT_INSIDE. */
static int corner_beyond(int corner, const int step[3]) {
    const int z = (corner >> 2) + step[0], y = (corner >> 1 & 1) + step[1], x = (corner & 1) + step[2];
    return z < 0 || z > 1 || y < 0 || y > 1 || x < 0 || x > 1 ? NOT_INSIDE : 4 * z + 2 * y + x;
}

/* How many pairs of voxels along a direction have one inside the configuration and one outside. */
static int64_t crossings(int configuration, const int step[3]) {
    int64_t count = 0;
    for (int i = 0; i < CORNERS; i++) {
        const int k = corner_beyond(i, step);
        count += k != NOT_INSIDE && ((configuration >> i ^ configuration >> k) & 1);
    }
    return count;
}

/* The corners that share the coordinates of `corner` along the axes that are not in `spread`: pairs where spread is
 * one axis, squares where it is two. */
static int corners_along(int corner, int spread) {
    int set = 0;
    for (int i = 0; i < CORNERS; i++)
        if (((i ^ corner) & ~spread) == 0) set |= 1 << i;
    return set;
}

/* In how many of a cell's pairs (faces of voxels), squares (edges) or in its cube (vertex) the configuration has any
 * voxel, or all of them. */
static int64_t parts_met(int configuration, int axes, bool all) {
    int64_t count = 0;
    for (int spread = 1; spread < CORNERS; spread++)
        for (int corner = 0; corner < CORNERS && __builtin_popcount((unsigned)spread) == axes; corner++) {
            const int set = corners_along(corner, spread), met = configuration & set;
            if ((corner & spread) == 0) count += all ? met == set : met != 0;
        }
    return count;
}

/* Eight times the Euler number's share. */
static int64_t euler_share(int configuration, bool open) {
    const int64_t voxels = __builtin_popcount((unsigned)configuration);
    const int64_t sum = 8 * parts_met(configuration, 3, open) - 4 * parts_met(configuration, 2, open) +
                        2 * parts_met(configuration, 1, open) - voxels;
    return open ? -sum : sum;
}

void tk_cells_table_make(tk_cells_table *table) {
    memset(table, 0, sizeof *table);
    for (int c = 0; c < 256; c++) {
        for (int d = 0; d < TK_OBJECTS_DIRECTIONS; d++) table->number[c][d] = crossings(c, tk_object_direction[d]);
        table->number[c][TK_OBJECTS_DIRECTIONS] = euler_share(c, false);
        table->number[c][TK_OBJECTS_DIRECTIONS + 1] = euler_share(c, true);
    }
}

/* The boxes of cells' first voxels: the core, and where it begins at the image's border one voxel more. */
static tk_box cells_of(const tk_objects_block *block) {
    tk_box cells = block->core;
    for (int a = 0; a < 3; a++) cells.lo[a] -= cells.lo[a] == block->image.lo[a];
    return cells;
}

int64_t tk_cells_rows(const tk_objects_block *block) {
    const tk_box cells = cells_of(block);
    return tk_box_size(&cells, TK_Z) * tk_box_size(&cells, TK_Y);
}

/* Room for the voxels of a row of cells, and for the flags, whole words of them. */
static int64_t row_room(int64_t size) { return (size + 2 + 7) / 8 * 8; }

size_t tk_cells_scratch(const int64_t size[3]) {
    const int64_t room = row_room(size[TK_X]);
    return tk_size_add(tk_scratch_cost(4 * room, sizeof(uint32_t)), tk_scratch_cost(room, 1));
}

/* What one thread works with. */
typedef struct walker {
    const tk_objects_block *block;
    const tk_cells_table *table;
    tk_collector *into;
    tk_box cells;
    uint32_t *row[4]; /* z y, z y+1, z+1 y, z+1 y+1: voxels from the first of the cells on */
    uint8_t *flag;
} walker;

/* Copies a row of voxels; outside the image there is background. */
static void load_row(const walker *w, int64_t z, int64_t y, uint32_t *to) {
    const tk_box *box = &w->block->box;
    const int64_t first = w->cells.lo[TK_X], behind = w->cells.hi[TK_X] + 1;
    memset(to, 0, (size_t)(behind - first) * sizeof *to);
    if (z < box->lo[TK_Z] || z >= box->hi[TK_Z] || y < box->lo[TK_Y] || y >= box->hi[TK_Y]) return;
    const int64_t from = first > box->lo[TK_X] ? first : box->lo[TK_X];
    const int64_t end = behind < box->hi[TK_X] ? behind : box->hi[TK_X];
    const tk_cview_u32 *v = &w->block->labels;
    memcpy(to + (from - first),
           v->data + (z - box->lo[TK_Z]) * v->stride[TK_Z] + (y - box->lo[TK_Y]) * v->stride[TK_Y] + from -
               box->lo[TK_X],
           (size_t)(end - from) * sizeof *to);
}

static void add_surface(const walker *w, tk_object *o, unsigned in) {
    tk_object_cells *cells = (tk_object_cells *)(void *)((char *)o + w->into->spec->layout.surface);
    const int64_t *add = w->table->number[in];
    for (int d = 0; d < TK_OBJECTS_LANES; d++) cells->number[d] += add[d];
}

/* Crossings between two sets of voxels are half of: those around one, and around the other, less those around both. */
static void add_contact(const walker *w, tk_object *o, unsigned in, unsigned others) {
    tk_object_cells *cells = (tk_object_cells *)(void *)((char *)o + w->into->spec->layout.contact);
    const int64_t *one = w->table->number[in], *other = w->table->number[others], *both = w->table->number[in | others];
    for (int d = 0; d < TK_OBJECTS_DIRECTIONS; d++) cells->number[d] += (one[d] + other[d] - both[d]) / 2;
}

typedef uint64_t two __attribute__((vector_size(16)));
typedef uint32_t four __attribute__((vector_size(16)));

/* The labels of a cell's corners. */
typedef union cell {
    two pairs[2];
    four fours[2];
    uint32_t label[CORNERS];
} cell;

/* The corners of a cell where there is this label: four are compared at once, each sets its own bit. */
static unsigned corners_with(const cell *c, uint32_t wanted) {
    const four all = {wanted, wanted, wanted, wanted}, bits[2] = {{1, 2, 4, 8}, {16, 32, 64, 128}};
    const four set = ((four)(c->fours[0] == all) & bits[0]) | ((four)(c->fours[1] == all) & bits[1]);
    return set[0] | set[1] | set[2] | set[3];
}

/* The cell of the rows' voxels x and x + 1, by two voxels at a time. */
static cell load_cell(const walker *w, int64_t x) {
    uint64_t pair[4];
    for (int i = 0; i < 4; i++) memcpy(&pair[i], w->row[i] + x, sizeof pair[i]);
    return (cell){.pairs = {{pair[0], pair[1]}, {pair[2], pair[3]}}};
}

static tk_status touch_others(tk_collector *into, const cell *c, uint32_t one, unsigned others) {
    for (unsigned left = others; left; left &= left - 1) {
        const uint32_t other = c->label[__builtin_ctz(left)];
        if (other > one) TK_TRY(tk_collector_touch(into, one, other));
    }
    return TK_OK;
}

static tk_status measure_cell(const walker *w, int64_t x) {
    const tk_object_layout *layout = &w->into->spec->layout;
    const cell c = load_cell(w, x);
    const unsigned inside = 255U & ~corners_with(&c, 0);
    TK_TRY(tk_collector_room(w->into, CORNERS));
    for (unsigned left = inside; left;) {
        const uint32_t one = c.label[__builtin_ctz(left)];
        const unsigned in = corners_with(&c, one), others = inside & ~in;
        left &= ~in;
        tk_object *o = tk_collector_find(w->into, one);
        if (layout->surface) add_surface(w, o, in);
        if (!layout->contact || !others) continue;
        add_contact(w, o, in, others);
        TK_TRY(touch_others(w->into, &c, one, others));
    }
    return TK_OK;
}

static tk_status measure_flagged(const walker *w, int64_t count) {
    for (int64_t x = 0; x < count; x += 8) {
        uint64_t word;
        memcpy(&word, w->flag + x, sizeof word);
        for (; word; word &= word - 1) TK_TRY(measure_cell(w, x + __builtin_ctzll(word) / 8));
    }
    return TK_OK;
}

static void load_rows(walker *w, int64_t z, int64_t y, bool new_plane) {
    if (new_plane) {
        load_row(w, z, y, w->row[0]);
        load_row(w, z + 1, y, w->row[2]);
    } else { /* what was behind is now before */
        for (int i = 0; i < 4; i += 2) {
            uint32_t *before = w->row[i];
            w->row[i] = w->row[i + 1];
            w->row[i + 1] = before;
        }
    }
    load_row(w, z, y + 1, w->row[1]);
    load_row(w, z + 1, y + 1, w->row[3]);
}

static tk_status walk(walker *w, int64_t from, int64_t to, const tk_rows_kernels *kernels) {
    const int64_t height = tk_box_size(&w->cells, TK_Y), count = tk_box_size(&w->cells, TK_X);
    for (int64_t r = from; r < to; r++) {
        load_rows(w, w->cells.lo[TK_Z] + r / height, w->cells.lo[TK_Y] + r % height, r == from || r % height == 0);
        kernels->cells((const uint32_t *const *)w->row, count, w->flag);
        TK_TRY(measure_flagged(w, count));
    }
    return TK_OK;
}

tk_status tk_cells_measure(const tk_objects_block *block, const tk_cells_table *table, int64_t from, int64_t to,
                           tk_isa isa, tk_scratch *scratch, tk_collector *into) {
    walker w = {.block = block, .table = table, .into = into, .cells = cells_of(block)};
    const int64_t room = row_room(tk_box_size(&block->core, TK_X));
    const size_t mark = tk_scratch_mark(scratch);
    uint32_t *rows = tk_scratch_take(scratch, 4 * room, sizeof *rows);
    w.flag = tk_scratch_take(scratch, room, 1);
    if (!rows || !w.flag) return TK_NO_MEMORY;
    for (int i = 0; i < 4; i++) w.row[i] = rows + i * room;
    memset(w.flag, 0, (size_t)room);
    const tk_status status = walk(&w, from, to, TK_ISA_SELECT(tk_rows, isa));
    tk_scratch_rewind(scratch, mark);
    return status;
}
