/* What the step deconvolve decides over the whole image; functions of the step contract (engine/step.h).
 *
 * Round 0: the start level, from the exact mean of all voxels; with it the weight of a linear method, the sample of
 * tiles for the automatic stop, and the FFT plans, as FFTW's wisdom text. Further rounds: trials on the sample. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_SURVEY_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_SURVEY_H

#include "workflows/steps/deconvolve_state.h"

tk_status tk_deconvolve_survey(const void *state, int round, const tk_block *const in[], tk_work *work,
                               tk_bytes *partial);
tk_status tk_deconvolve_combine(const void *state, int round, tk_bytes *into, const tk_bytes *from);
tk_status tk_deconvolve_agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                              tk_facts *facts, tk_error *error);
tk_status tk_deconvolve_adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error);

#endif
