/* What things of a run are called: files of work, places in the result, places of the image in messages. In a run over
 * several channels or time points the names say which. */
#ifndef TK_ENGINE_NAMES_H
#define TK_ENGINE_NAMES_H

#include "engine/job.h"

enum { TK_PLACE_ROOM = 160 };

/* What files of a step's work begin with: "NAME", with several channels "c01-NAME"; allocated; NULL: no memory. */
char *tk_name_of_work(const tk_job *job, int step);

/* The path of a step's outcome in the result, "/images/NAME"; allocated; NULL: no memory. */
char *tk_name_of_output(const tk_workflow_step *step);

/* "z 0, y 64, x 0", with ", time 3" and ", channel 1" where there are several. `time` as the image numbers it. */
void tk_name_place(const tk_job *job, int64_t channel, int64_t time, const int64_t origin[3], char text[TK_PLACE_ROOM]);

#endif
