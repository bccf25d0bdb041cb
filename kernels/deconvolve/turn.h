/* Images of one plane, turned: their rows along y become planes of one row each (deconvolver.h), so that threads and
 * workers share the rows, and what is called a column along z is one along y. */
#ifndef TK_KERNELS_DECONVOLVE_TURN_H
#define TK_KERNELS_DECONVOLVE_TURN_H

#include "kernels/deconvolve/deconvolve.h"

/* Exchanges z and y in a triple. */
static inline void tk_turn_triple(int64_t triple[3]) {
    const int64_t z = triple[TK_Z];
    triple[TK_Z] = triple[TK_Y];
    triple[TK_Y] = z;
}

static inline tk_box tk_turn_box(tk_box box) {
    tk_turn_triple(box.lo);
    tk_turn_triple(box.hi);
    return box;
}

static inline tk_view_f32 tk_turn_view(tk_view_f32 view) {
    tk_turn_triple(view.size);
    tk_turn_triple(view.stride);
    return view;
}

static inline tk_cview_f32 tk_turn_cview(tk_cview_f32 view) {
    tk_turn_triple(view.size);
    tk_turn_triple(view.stride);
    return view;
}

static inline tk_deconvolve_data tk_turn_data(const tk_deconvolve_data *data) {
    tk_deconvolve_data turned = *data;
    turned.image = tk_turn_cview(data->image);
    turned.background_map = tk_turn_cview(data->background_map);
    tk_turn_triple(turned.dead.size);
    tk_turn_triple(turned.dead.stride);
    return turned;
}

static inline tk_deconvolve_options tk_turn_options(const tk_deconvolve_options *options) {
    tk_deconvolve_options turned = *options;
    turned.back_projector.cutoff[TK_Z] = options->back_projector.cutoff[TK_Y];
    turned.back_projector.cutoff[TK_Y] = options->back_projector.cutoff[TK_Z];
    return turned;
}

#endif
