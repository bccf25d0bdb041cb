/* Boxes of voxels and strided views of memory.
 *
 * Axis order is z, y, x everywhere; sizes, indices and strides are int64_t; strides count elements.
 * A view owns nothing. Rows are contiguous: stride[TK_X] == 1 always. */
#ifndef TK_KERNELS_COMMON_VIEW_H
#define TK_KERNELS_COMMON_VIEW_H

#include <stdbool.h>
#include <stdint.h>

enum { TK_Z, TK_Y, TK_X };

/* A half-open box of voxels: lo <= index < hi on each axis. */
typedef struct tk_box {
    int64_t lo[3], hi[3];
} tk_box;

/* The box that starts at the origin and has this size. */
tk_box tk_box_of_size(const int64_t size[3]);

/* The extent of a box along an axis. */
static inline int64_t tk_box_size(const tk_box *box, int axis) { return box->hi[axis] - box->lo[axis]; }

/* The number of voxels in a box; 0 when it is empty. */
int64_t tk_box_count(const tk_box *box);

/* `box` widened by `halo` voxels on both sides of each axis and clipped to `limits`. */
tk_box tk_box_grow(const tk_box *box, const int64_t halo[3], const tk_box *limits);

/* Is `inner` wholly inside `outer`? */
bool tk_box_contains(const tk_box *outer, const tk_box *inner);

/* The common part of two boxes; empty (lo == hi on some axis) when they do not meet. */
tk_box tk_box_intersect(const tk_box *a, const tk_box *b);

/* tk_view_f32, tk_cview_f32 (read only), and for each:
 *   tk_read_f32(view)              the read-only view of the same memory
 *   tk_dense_f32(data, size)       a view of densely packed memory
 *   tk_crop_f32(view, from, to)    the part `to` of a view that covers the box `from` (from contains to)
 *   tk_ccrop_f32(cview, from, to)  the same for a read-only view */
#define TK_DEFINE_VIEW(T, tag)                                                                                         \
    typedef struct tk_view_##tag {                                                                                     \
        T *data;                                                                                                       \
        int64_t size[3], stride[3];                                                                                    \
    } tk_view_##tag;                                                                                                   \
    typedef struct tk_cview_##tag {                                                                                    \
        const T *data;                                                                                                 \
        int64_t size[3], stride[3];                                                                                    \
    } tk_cview_##tag;                                                                                                  \
    static inline tk_cview_##tag tk_read_##tag(tk_view_##tag v) {                                                      \
        return (tk_cview_##tag){v.data, {v.size[0], v.size[1], v.size[2]}, {v.stride[0], v.stride[1], v.stride[2]}};   \
    }                                                                                                                  \
    static inline tk_view_##tag tk_dense_##tag(T *data, const int64_t size[3]) {                                       \
        return (tk_view_##tag){data, {size[0], size[1], size[2]}, {size[1] * size[2], size[2], 1}};                    \
    }                                                                                                                  \
    static inline int64_t tk_offset_##tag(const int64_t stride[3], const tk_box *from, const tk_box *to) {             \
        return (to->lo[0] - from->lo[0]) * stride[0] + (to->lo[1] - from->lo[1]) * stride[1] + to->lo[2] -             \
               from->lo[2];                                                                                            \
    }                                                                                                                  \
    static inline tk_view_##tag tk_crop_##tag(tk_view_##tag v, const tk_box *from, const tk_box *to) {                 \
        return (tk_view_##tag){v.data + tk_offset_##tag(v.stride, from, to),                                           \
                               {tk_box_size(to, 0), tk_box_size(to, 1), tk_box_size(to, 2)},                           \
                               {v.stride[0], v.stride[1], v.stride[2]}};                                               \
    }                                                                                                                  \
    static inline tk_cview_##tag tk_ccrop_##tag(tk_cview_##tag v, const tk_box *from, const tk_box *to) {              \
        return (tk_cview_##tag){v.data + tk_offset_##tag(v.stride, from, to),                                          \
                                {tk_box_size(to, 0), tk_box_size(to, 1), tk_box_size(to, 2)},                          \
                                {v.stride[0], v.stride[1], v.stride[2]}};                                              \
    }

TK_DEFINE_VIEW(float, f32)
TK_DEFINE_VIEW(uint8_t, u8)
TK_DEFINE_VIEW(uint32_t, u32)

#endif
