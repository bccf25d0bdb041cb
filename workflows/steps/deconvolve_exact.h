/* The step deconvolve on the whole image at once (distribution: exact): all ranks iterate on one estimate, so that the
 * result is that of a single tile, bit for bit, for any number of ranks. Functions of the step contract. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_EXACT_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_EXACT_H

#include "workflows/steps/deconvolve_state.h"

/* Fixes the padded size of the whole image, where the state wants it. Errors: TK_INVALID when it cannot be addressed.
 */
tk_status tk_deconvolve_exact_take(tk_deconvolve_state *state, tk_error *error);

bool tk_deconvolve_exact_whole(const void *state);
tk_solve_need tk_deconvolve_exact_bytes(const void *state, const int64_t image[3], int ranks);
double tk_deconvolve_exact_cost(const void *state, const int64_t image[3]);
tk_status tk_deconvolve_exact_solve(const void *state, tk_field *field, tk_work *work, tk_error *error);

#endif
