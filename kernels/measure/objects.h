/* Measurements of labelled objects that add up exactly over blocks, in any order.
 *
 * Counts, boxes, sums of coordinates and of their products, extremes and configurations of 2 x 2 x 2 voxels are exact.
 * Intensities are summed in fixed point: each is cut, towards zero, to a multiple of the quantum 2^(e-62), where 2^e
 * exceeds the largest magnitude in the whole image, and added in 128-bit integers. So every float not smaller than
 * 2^-39 of the largest enters the sum exactly. Squares are of multiples of 2^(e-44), cut downwards: floats down to
 * 2^-21 of the largest, and integers of 44 bits, enter exactly.
 *
 * Sums of 128 bits hold images whose voxels, times their longest axis, are fewer than 2^64.
 *
 * A record holds what is known of one object: a tk_object, and behind it the parts that are asked for, where the
 * layout says. Records lie one behind the other, `layout.size` bytes each. */
#ifndef TK_KERNELS_MEASURE_OBJECTS_H
#define TK_KERNELS_MEASURE_OBJECTS_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

__extension__ typedef __int128 tk_int128;

enum {
    TK_OBJECTS_CHANNELS = 8,    /* intensity images at most */
    TK_OBJECTS_EXTREMES = 32,   /* directions in which the outermost voxels are kept */
    TK_OBJECTS_DIRECTIONS = 13, /* of neighbours: 3 along axes, 6 along diagonals of faces, 4 of cubes */
    TK_OBJECTS_LANES = 16       /* of a configuration's numbers, unused ones included */
};

/* Parts of a record. */
typedef enum tk_object_part {
    TK_OBJECT_MOMENTS = 1,  /* tk_object_moments */
    TK_OBJECT_SURFACE = 2,  /* tk_object_cells */
    TK_OBJECT_CONTACT = 4,  /* tk_object_cells, and pairs of neighbours */
    TK_OBJECT_EXTREMES = 8, /* tk_object_extremes */
    TK_OBJECT_SPREAD = 16   /* tk_object_spread of each channel */
} tk_object_part;

/* What is always known. Made of exact parts only, without padding, as are all that follow. An object without voxels
 * (count 0) may come from a neighbouring block whose cells it reaches into. */
typedef struct tk_object {
    tk_int128 coordinates[3]; /* sums of z, y, x in the whole image */
    int64_t count;            /* voxels */
    int64_t lo[3], hi[3];     /* bounding box in the whole image, half open, z y x */
    uint32_t label;
    uint32_t time; /* the caller's own: objects of different time points are different ones; made as 0 */
} tk_object;

typedef struct tk_object_moments {
    tk_int128 products[6]; /* sums of zz, yy, xx, zy, zx, yx in the whole image */
} tk_object_moments;

/* Sums over cells of 2 x 2 x 2 voxels. number[d] for d < 13: how many pairs of voxels, neighbours along
 * tk_object_direction[d], have one in the object and the other outside (surface) or in another object (contact); a pair
 * counts once in each cell that holds it: 4 times along axes, twice along faces' diagonals. number[13] and [14], of
 * surfaces: eight times the Euler number of the object with 26 and with 6 neighbours. */
typedef struct tk_object_cells {
    int64_t number[TK_OBJECTS_LANES];
} tk_object_cells;

/* The outermost voxel in each direction; of several, the first. axis[0][0] == -1: there is none yet. */
typedef struct tk_object_extremes {
    int32_t axis[3][TK_OBJECTS_EXTREMES]; /* z y x */
} tk_object_extremes;

/* Of one intensity image. */
typedef struct tk_object_intensity {
    tk_int128 sum;      /* in quanta, of the finite intensities */
    int64_t not_finite; /* voxels whose intensity is infinite or NaN */
    float min, max;     /* NaN left out; +inf, -inf when there is none */
} tk_object_intensity;

typedef struct tk_object_spread {
    tk_int128 coarse, squares; /* sums of intensities and of their squares, in the coarser quanta */
    tk_int128 weighted[3];     /* sums of intensity times coordinate, in the finer quanta */
} tk_object_spread;

/* Where the parts of a record lie, in bytes from its beginning; 0: it has none. */
typedef struct tk_object_layout {
    int channels;
    size_t size, moments, surface, contact, extremes, intensity, spread;
} tk_object_layout;

/* What to measure. */
typedef struct tk_objects_spec {
    tk_object_layout layout;
    int exponent[TK_OBJECTS_CHANNELS];         /* of each channel: tk_intensity_exponent */
    int32_t direction[3][TK_OBJECTS_EXTREMES]; /* z y x: outermost is what has the largest scalar product with it */
} tk_objects_spec;

/* Two objects that touch: voxels of both are in one cell. a < b. */
typedef struct tk_object_pair {
    uint32_t time, a, b, unused;
} tk_object_pair;

/* Take records and pairs over. They come in any order; an object may come in several parts, a pair several times.
 * Called by one thread at a time. */
typedef struct tk_object_sink {
    tk_status (*objects)(void *user, const void *records, int64_t count);
    tk_status (*pairs)(void *user, const tk_object_pair *pairs, int64_t count); /* only for TK_OBJECT_CONTACT */
    void *user;
} tk_object_sink;

/* A block to be measured. */
typedef struct tk_objects_block {
    tk_cview_u32 labels;                         /* over `box` */
    tk_box image, box, core;                     /* whose objects are measured: those in `core`, which is inside box */
    tk_cview_f32 intensity[TK_OBJECTS_CHANNELS]; /* over core */
} tk_objects_block;

/* Steps from a voxel to its neighbour in each direction, z y x. */
extern const int tk_object_direction[TK_OBJECTS_DIRECTIONS][3];

/* `parts` is a sum of tk_object_part. */
tk_object_layout tk_object_layout_of(unsigned parts, int channels);

/* The exponent e for a largest magnitude: 2^(e-1) <= largest < 2^e; 0 when it is 0. */
int tk_intensity_exponent(float largest);

/* Scratch bytes to measure a block of this size on `threads` threads; with less, as many threads are used as there is
 * scratch for. */
size_t tk_objects_scratch(const tk_object_layout *layout, const int64_t size[3], int threads);

/* Measures the objects (labels > 0) in the core of a block. Each cell is counted where its first voxel is in the core,
 * and where the core begins at the image's border also those that begin one voxel before; for them the box must reach
 * one voxel beyond the core, except at the image's border. Outside the image is background. Errors: those of the sink;
 * TK_NO_MEMORY when the scratch is too small; TK_INVALID when the box is too small. */
tk_status tk_objects_measure(const tk_objects_spec *spec, const tk_objects_block *block, const tk_object_sink *sink,
                             tk_work *work);

/* The largest finite magnitude of an intensity in an object; 0 when there is none. */
float tk_objects_largest(tk_cview_u32 labels, tk_cview_f32 intensity, const tk_work *work);

/* Sorts records by time, then label, and joins the parts of each object, in place; returns how many are left. */
int64_t tk_objects_unite(const tk_objects_spec *spec, void *records, int64_t count);

/* Merges two sorted lists without doubles into `out`, which has room for both; returns how many it holds. */
int64_t tk_objects_merge(const tk_objects_spec *spec, const void *a, int64_t a_count, const void *b, int64_t b_count,
                         void *out);

/* The same for pairs. */
int64_t tk_pairs_unite(tk_object_pair *pairs, int64_t count);
int64_t tk_pairs_merge(const tk_object_pair *a, int64_t a_count, const tk_object_pair *b, int64_t b_count,
                       tk_object_pair *out);

/* A part of a record; the layout must have it. `channel` counts from 0. */
static inline const tk_object_moments *tk_object_moments_of(const tk_object_layout *l, const void *record) {
    return (const void *)((const char *)record + l->moments);
}
static inline const tk_object_cells *tk_object_surface_of(const tk_object_layout *l, const void *record) {
    return (const void *)((const char *)record + l->surface);
}
static inline const tk_object_cells *tk_object_contact_of(const tk_object_layout *l, const void *record) {
    return (const void *)((const char *)record + l->contact);
}
static inline const tk_object_extremes *tk_object_extremes_of(const tk_object_layout *l, const void *record) {
    return (const void *)((const char *)record + l->extremes);
}
static inline const tk_object_intensity *tk_object_intensity_of(const tk_object_layout *l, const void *record,
                                                                int channel) {
    return (const tk_object_intensity *)(const void *)((const char *)record + l->intensity) + channel;
}
static inline const tk_object_spread *tk_object_spread_of(const tk_object_layout *l, const void *record, int channel) {
    return (const tk_object_spread *)(const void *)((const char *)record + l->spread) + channel;
}

#endif
