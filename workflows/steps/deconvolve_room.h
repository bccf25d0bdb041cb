/* Is there memory for what the step deconvolve reads and computes when it is bound? */
#ifndef TK_WORKFLOWS_STEPS_DECONVOLVE_ROOM_H
#define TK_WORKFLOWS_STEPS_DECONVOLVE_ROOM_H

#include "engine/step.h"

/* To be asked before so many bytes are taken (all that bind holds at that moment together) for what the parameter
 * `name` says. Errors: TK_INVALID, with the numbers. */
tk_status tk_deconvolve_room(const tk_binding *binding, const char *name, size_t bytes, tk_error *error);

#endif
