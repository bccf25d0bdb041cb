/* What a plan takes on each partition of a site, in words and as JSON. */
#ifndef TK_ENGINE_SITE_PRINT_H
#define TK_ENGINE_SITE_PRINT_H

#include <jansson.h>

#include "engine/planning/site.h"

/* Prints one line for each partition: nodes, ranks and threads, wall time, billing units, or why it cannot be done.
 * Errors: TK_NO_MEMORY. */
tk_status tk_site_print(const tk_site *site, const tk_job *job, const tk_plan *plan, const tk_probe *probe,
                        tk_error *error);

/* The same as JSON: a new reference in *object. Errors: TK_NO_MEMORY. */
tk_status tk_site_to_json(const tk_site *site, const tk_job *job, const tk_plan *plan, const tk_probe *probe,
                          json_t **object, tk_error *error);

#endif
