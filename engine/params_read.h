/* Parameters from the engine's side: made from a table and a workflow's nodes, listed, freed. */
#ifndef TK_ENGINE_PARAMS_READ_H
#define TK_ENGINE_PARAMS_READ_H

#include <jansson.h>

#include "engine/params.h"
#include "engine/syntax/document.h"

/* Makes the parameters of a step from its table, all at their defaults. `step` (the step's name in the workflow),
 * `table` and `document` (what stands before :line:column) must outlive them; `place` is where the step stands, to be
 * blamed for what is not given. The caller frees them. */
tk_status tk_params_make(const char *step, const tk_param *table, const char *document, const tk_node *place,
                         tk_params **params, tk_error *error);

void tk_params_free(tk_params *params);

/* A copy for one channel: in files, {channel} becomes its number. The caller frees it; the table and the names that
 * were given to tk_params_make must outlive it. Errors: TK_NO_MEMORY. */
tk_status tk_params_of_channel(const tk_params *params, int64_t channel, tk_params **copy);

/* Gives the parameter of that dotted name a value from a node; relative files are taken from `folder` ("" = here).
 * `document` stands in messages for where the nodes are from; `key` is blamed for a wrong name, `node` for a wrong
 * value. Unknown names get the nearest known one. Errors: TK_INVALID. */
tk_status tk_params_set(tk_params *params, const char *name, const tk_node *key, const tk_node *node,
                        const char *document, const char *folder, tk_error *error);

/* Errors when a required parameter is missing; `step` is the node to blame. */
tk_status tk_params_complete(const tk_params *params, const tk_node *step, tk_error *error);

/* All values that were given and, if wanted, all defaults, as a workflow would write them (nested maps, units): a new
 * reference; NULL: no memory. */
json_t *tk_params_to_json(const tk_params *params, bool defaults);

/* The i-th parameter's description and value; NULL past the end. */
const tk_param *tk_params_at(const tk_params *params, int i, const tk_value **value);

/* `path` as seen from `folder`, allocated; absolute paths and "" folders leave it as it is. NULL: no memory. */
char *tk_path_from(const char *folder, const char *path);

#endif
