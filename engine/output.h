/* The names a run writes under: claimed at the start, given to the finished result at the end, given up on failure.
 * All of this happens on rank 0. */
#ifndef TK_ENGINE_OUTPUT_H
#define TK_ENGINE_OUTPUT_H

#include "engine/run.h"

/* Refuses what may not be replaced (an input, what is there already without --overwrite, the unfinished result of
 * another run), and finds out now rather than at the end whether the result can be written: creates it under its
 * unfinished name, and the empty folder for intermediate images. Errors: TK_UNWRITABLE. */
tk_status tk_output_claim(tk_run *run, tk_error *error);

/* Gives the finished and closed result its name, and puts the provenance beside it. */
tk_status tk_output_publish(tk_run *run, const char *provenance, tk_error *error);

/* Removes the folder for intermediate images; of a run that did not succeed also the unfinished result. */
void tk_output_clean(tk_run *run, bool succeeded);

/* "result.h5" → "result.provenance.json", allocated; NULL: no memory. */
char *tk_output_provenance_file(const char *output);

#endif
