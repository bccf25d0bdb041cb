/* The FFT plans of the step deconvolve: measured by one rank, kept in the machine's cache, the same for all ranks. */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_PLANS_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_PLANS_H

#include "io/bytes.h"
#include "io/error.h"
#include "kernels/fft/fft.h"

/* Appends FFTW's wisdom text for this layout, with its final 0, to the decision: the cached one, else a measured one,
 * which is then cached. A cache that cannot be read or written only costs the next run its time. Errors:
 * TK_NO_MEMORY. */
tk_status tk_deconvolve_plans_decide(const tk_fft *layout, tk_bytes *decision, tk_error *error);

#endif
