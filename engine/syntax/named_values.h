/* Values that a workflow gives a name, to be used in its steps:
 *
 *   values: {diameter: 10 um}
 *   steps:
 *     - STEP: {PARAMETER: 0.1 * $diameter, OTHER: 0.05 * $diameter / um}      # 1 um, and 0.5
 *
 * $NAME stands for the value; it may follow a factor, and / UNIT takes it as a bare number of this unit (nm, um, mm,
 * px). The command line replaces a value by --set NAME=VALUE. */
#ifndef TK_ENGINE_NAMED_VALUES_H
#define TK_ENGINE_NAMED_VALUES_H

#include <stdbool.h>

#include "engine/syntax/document.h"

/* Is this what --set gives a value, and not a step's parameter (STEP.PARAMETER=VALUE)? */
bool tk_named_values_is_set(const char *set);

/* Puts the values of the workflow `root` into its steps' scalars, so that no $ is left. `set` (ended by NULL, or NULL)
 * is what --set gives, parameters of steps among it. Errors: TK_INVALID with the place: no such value, one that is no
 * quantity, one that no step uses, a unit that does not fit; TK_USAGE for a --set of a value that there is not;
 * TK_NO_MEMORY. */
tk_status tk_named_values_apply(const char *file, tk_node *root, const char *const *set, tk_error *error);

#endif
