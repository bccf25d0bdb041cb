/* Looking up steps and naming kinds. */
#include "engine/step.h"

#include <string.h>

const tk_step *tk_step_find(const char *name) {
    for (int i = 0; tk_steps[i]; i++)
        if (!strcmp(tk_steps[i]->name, name)) return tk_steps[i];
    return NULL;
}

const char *tk_kind_text(tk_kind kind) {
    static const char *const texts[TK_KIND_COUNT] = {"image", "mask", "labels", "table"};
    return texts[kind];
}
