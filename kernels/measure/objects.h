/* Measurements of labelled objects that add up exactly over blocks, in any order.
 *
 * Counts, boxes, sums of coordinates and extremes are exact. Intensities are summed in fixed point: each is cut,
 * towards zero, to a multiple of the quantum 2^(e-62), where 2^e exceeds the largest magnitude in the whole image, and
 * added in 128-bit integers. So every float not smaller than 2^-39 of the largest enters the sum exactly. */
#ifndef TK_KERNELS_MEASURE_OBJECTS_H
#define TK_KERNELS_MEASURE_OBJECTS_H

#include "kernels/common/view.h"
#include "kernels/common/work.h"

__extension__ typedef __int128 tk_int128;

/* What is known of one object; made of exact parts only, without padding. */
typedef struct tk_object {
    tk_int128 coordinates[3]; /* sums of z, y, x in the whole image */
    tk_int128 intensity;      /* sum, in quanta, of the finite intensities */
    int64_t count;            /* voxels */
    int64_t lo[3], hi[3];     /* bounding box in the whole image, half open, z y x */
    int64_t not_finite;       /* voxels whose intensity is infinite or NaN */
    uint32_t label;
    float intensity_min, intensity_max; /* NaN left out; +inf, -inf when there is none */
    uint32_t reserved;                  /* 0 */
} tk_object;

/* Takes objects over. They come in any order, and an object may come in several parts. */
typedef tk_status (*tk_object_sink)(void *user, const tk_object *objects, int64_t count);

/* The exponent e for a largest magnitude: 2^(e-1) <= largest < 2^e; 0 when it is 0. */
int tk_intensity_exponent(float largest);

/* The sum as a double. */
double tk_intensity_sum(const tk_object *object, int exponent);

/* Scratch bytes to measure a block of this size on `threads` threads; with less, as many threads are used as there is
 * scratch for. */
size_t tk_objects_scratch(const int64_t size[3], int threads);

/* Measures the objects (labels > 0) of a block that covers `box`. `intensity` has the same size, or data == NULL: its
 * columns are then 0 and empty. `sink` is called by one thread at a time. Errors: those of the sink; TK_NO_MEMORY when
 * the scratch is too small. */
tk_status tk_objects_measure(tk_cview_u32 labels, tk_cview_f32 intensity, const tk_box *box, int exponent,
                             tk_object_sink sink, void *user, tk_work *work);

/* The largest finite magnitude of an intensity in an object; 0 when there is none. */
float tk_objects_largest(tk_cview_u32 labels, tk_cview_f32 intensity, const tk_work *work);

/* Sorts by label and joins the parts of each object, in place; returns how many are left. */
int64_t tk_objects_unite(tk_object *objects, int64_t count);

/* Merges two sorted lists without doubles into `out`, which has room for both; returns how many it holds. */
int64_t tk_objects_merge(const tk_object *a, int64_t a_count, const tk_object *b, int64_t b_count, tk_object *out);

#endif
