/* The JSON Schema (draft 2020-12) of workflow files, made from the list of steps. */
#ifndef TK_ENGINE_SCHEMA_H
#define TK_ENGINE_SCHEMA_H

#include <jansson.h>

#include "engine/step.h"

/* The schema of whole workflows: a new reference; NULL: no memory. */
json_t *tk_schema_workflow(void);

/* The schema of one step's parameters: a new reference; NULL: no memory. */
json_t *tk_schema_step(const tk_step *step);

/* The name of a parameter's type for people: "length", "percentage". */
const char *tk_schema_type_text(const tk_param *param);

#endif
