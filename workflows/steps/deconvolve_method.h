/* Which method, how many iterations, which halo: what the parameters of the step deconvolve amount to. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_METHOD_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_METHOD_H

#include "workflows/steps/deconvolve_state.h"

/* Is it a method of one linear pass? */
bool tk_deconvolve_is_linear(const tk_params *params);

/* Do the parameters fit each other? */
tk_status tk_deconvolve_method_check(const tk_params *params, tk_error *error);

/* Takes method, iterations, warm start, regularisation, memory and halo over into the state, which has its PSF and
 * camera. Errors: TK_INVALID, when no halo keeps the tolerance, or the preset makes fewer iterations than
 * the warm start wants; TK_NO_MEMORY. */
tk_status tk_deconvolve_method_take(const tk_params *params, tk_deconvolve_state *state, tk_error *error);

/* Notes the method and, unless they are still to be found out, iterations and warm start. */
tk_status tk_deconvolve_method_note(const tk_deconvolve_state *state, tk_facts *facts);

#endif
