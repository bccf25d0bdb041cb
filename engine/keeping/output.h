/* The names a run writes under: claimed at the start, given to the finished result at the end, given up on failure. All
 * unfinished work lies in the folder OUTPUT.work. All of this happens on rank 0. */
#ifndef TK_ENGINE_OUTPUT_H
#define TK_ENGINE_OUTPUT_H

#include "engine/run.h"

/* Refuses what may not be replaced (an input, what is there already without --overwrite, the folder of another run or,
 * without --resume, of one that was interrupted), and finds out now rather than at the end whether the result can be
 * written: makes and locks the folder, reads what an earlier run has left (run->past), and creates the unfinished
 * result. run->finished: the very same job has been finished already. Errors: TK_UNWRITABLE, TK_INVALID when another
 * job is to be resumed, with the difference. */
tk_status tk_output_claim(tk_run *run, tk_error *error);

/* Gives the finished and closed result its name, and puts the provenance beside it. */
tk_status tk_output_publish(tk_run *run, const char *provenance, tk_error *error);

/* Lets go of the folder. A run that can be resumed leaves it; any other leaves nothing. */
void tk_output_release(tk_run *run, bool keep);

/* The unfinished result of attempt `number`, in the folder, allocated; NULL: no memory. */
char *tk_output_part(const tk_run *run, int number);

/* Removes the unfinished results of earlier attempts. */
void tk_output_forget_older(const tk_run *run);

/* "result.h5" → "result.provenance.json", allocated; NULL: no memory. */
char *tk_output_provenance_file(const char *output);

#endif
