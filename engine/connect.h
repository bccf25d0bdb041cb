/* What each step of a workflow reads: the value before it, and those that its parameters name. */
#ifndef TK_ENGINE_CONNECT_H
#define TK_ENGINE_CONNECT_H

#include "engine/syntax/document.h"
#include "engine/workflow.h"

/* Fills inputs and input[] of step i; the steps before it are connected already. `node` is blamed for what does not
 * fit. Errors: TK_INVALID with file:line:column, TK_NO_MEMORY. */
tk_status tk_connect_step(tk_workflow *workflow, int i, const tk_node *node, tk_error *error);

#endif
