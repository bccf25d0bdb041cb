/* Parameters that belong to some methods of a step alone. */
#ifndef TK_WORKFLOWS_STEPS_ONLY_H
#define TK_WORKFLOWS_STEPS_ONLY_H

#include "engine/params.h"

/* TK_INVALID when the workflow gives a parameter that does not belong; `methods` says to which it does. */
static inline tk_status tk_params_only(const tk_params *given, const char *name, bool belongs, const char *methods,
                                       tk_error *error) {
    if (belongs || !tk_params_get(given, name)->given) return TK_OK;
    return tk_params_fail(given, name, error, "is only for method: %s", methods);
}

/* A number that is not set has this value: a default in the table would be recorded for methods it does not belong to.
 */
static inline double tk_params_number_or(const tk_params *given, const char *name, double otherwise) {
    return tk_params_get(given, name)->set ? tk_params_number(given, name) : otherwise;
}

static inline int64_t tk_params_integer_or(const tk_params *given, const char *name, int64_t otherwise) {
    return tk_params_get(given, name)->set ? tk_params_integer(given, name) : otherwise;
}

#endif
