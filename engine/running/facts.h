/* Facts that steps report about their decisions (see tk_facts_number in step.h), from the engine's side. */
#ifndef TK_ENGINE_FACTS_H
#define TK_ENGINE_FACTS_H

#include <jansson.h>

#include "engine/step.h"

struct tk_facts {
    json_t *object; /* name → value, or {"value": …, "unit": …}; owned by whoever made the facts */
};

/* One line "name value unit, …" for the log; written into `text` of `room` bytes. */
void tk_facts_line(json_t *object, char *text, size_t room);

#endif
