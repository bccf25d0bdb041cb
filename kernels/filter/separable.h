/* Banks of separable filters of finite support, exact over tiles.
 *
 * A component is the image filtered along z, then y, then x, each with a symmetric or antisymmetric row of weights
 * (fir.h); a bank computes several at once and shares what they have in common. `combine` then makes the outputs of
 * each row out of its components, while these are still in the cache. Beyond the image's border the image is mirrored
 * (d c b a | a b c d | d c b a), again and again when a radius exceeds the image. Everything is float32 and every voxel
 * has one order of summation, so results are the same bit for bit for any tile, thread count and instruction set. */
#ifndef TK_KERNELS_FILTER_SEPARABLE_H
#define TK_KERNELS_FILTER_SEPARABLE_H

#include <stdbool.h>

#include "kernels/common/view.h"
#include "kernels/common/work.h"

/* A filter along one axis: out(i) = sum over k of taps[|k|] in(i + k), with the sign of k when it is odd. */
typedef struct tk_fir {
    int64_t radius;
    bool odd;
    const float *taps; /* radius + 1 weights, from the centre outwards; borrowed */
} tk_fir;

typedef struct tk_separable_component {
    int input;              /* which of the input images */
    const tk_fir *along[3]; /* z y x; borrowed. Work is shared where these pointers are the same */
} tk_separable_component;

enum { TK_SEPARABLE_MOST = 16 };

typedef struct tk_separable {
    /* Those with the same input and z filter stand together, and among these those with the same y filter. */
    tk_separable_component component[TK_SEPARABLE_MOST];
    int components;
    int outputs;
    /* Fills `count` voxels of each output; rows of outputs that nobody wants are NULL. NULL: components are outputs. */
    void (*combine)(const void *context, tk_isa isa, const float *const *component, int64_t count, float *const *out);
    const void *context; /* borrowed */
} tk_separable;

/* The largest radius along each axis. */
void tk_separable_radius(const tk_separable *bank, int64_t radius[3]);

/* Scratch bytes that one call on an input block of `in` voxels (z y x) needs to run on `threads` threads. With less it
 * uses as many threads as there is scratch for. */
size_t tk_separable_scratch(const tk_separable *bank, const int64_t in[3], int threads);

/* Filters. Each of `in` covers in_box and each of `out` covers out_box of an image that covers `image`; an output
 * without data is not computed where there is a `combine`, and is an error where there is none. in_box holds out_box
 * grown by the radius and clipped to the image. Errors: TK_FAILED when it does not, TK_NO_MEMORY when the scratch is
 * too small. */
tk_status tk_separable_apply(const tk_separable *bank, const tk_box *image, const tk_box *in_box,
                             const tk_cview_f32 in[], const tk_box *out_box, const tk_view_f32 out[], tk_work *work);

#endif
