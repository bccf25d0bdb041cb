/* What the steps of tests share. How tests learn where a run is, and how steps count over processes: empty files in the
 * folder that the environment's TARKKA_TRIAL_MARKS names. Without it nothing is marked. */
#ifndef TK_TESTS_TRIAL_H
#define TK_TESTS_TRIAL_H

#include "engine/step.h"

/* Leaves the file EVENT-z_y_x-pid for the tile that begins at z y x. */
void tk_mark_tile(const char *event, const tk_box *core);

/* How often this event has been counted before, over all processes; 0 without a folder. */
int tk_mark_count(const char *event);

/* Holds a run up at a known place: from the tile number TARKKA_TRIAL_HOLD (of the environment) on, counted over all
 * processes from 0, leaves the mark `held` and waits until the folder has a file `go`. */
void tk_trial_hold(const tk_box *core);

/* Fills out with the part of the input that it covers. */
void tk_trial_copy(const tk_block *in, tk_block *out);

#endif
