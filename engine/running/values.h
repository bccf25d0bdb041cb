/* The values that a run can read: the input, and what is kept in the work store. */
#ifndef TK_ENGINE_VALUES_H
#define TK_ENGINE_VALUES_H

#include "engine/run.h"

/* Opens the work store of every value that is stored: by the plan's tiles, or by planes when a solve makes it.
 * Collective, with agreement on errors. */
tk_status tk_values_open(tk_run *run, tk_error *error);

/* Makes the values first … last, which this run has stored, readable on other machines. Collective, with agreement on
 * errors. */
tk_status tk_values_share(tk_run *run, int first, int last, tk_error *error);

/* Reads a box of a value at a time point, counted from 0 among those of the run: elements of its kind; `stride` counts
 * elements, stride[TK_X] == 1. From any thread. Errors: TK_UNREADABLE, also for an input that holds anything but
 * numbers. */
tk_status tk_value_read(tk_run *run, int value, int64_t time, const tk_box *box, void *out, const int64_t stride[3],
                        tk_error *error);

/* Closes them all. Collective: no rank reads on while rank 0 removes them. */
void tk_values_close(tk_run *run);

#endif
