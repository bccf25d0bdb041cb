/* Which channels or time points of an image are meant: one, some, or all. A workflow writes 0, [0, 2, 5-9], "5-9" or
 * all. */
#ifndef TK_ENGINE_SELECTION_H
#define TK_ENGINE_SELECTION_H

#include <jansson.h>
#include <stdint.h>

#include "engine/syntax/document.h"

typedef struct tk_selection {
    bool given; /* by the workflow; when it is not, only an image that has one will do */
    bool all;
    int ranges;          /* none when not given, or all */
    int64_t (*range)[2]; /* first and last of each, ascending; owned */
} tk_selection;

/* Reads a selection of `what` ("channel", "time"); `document` stands before :line:column in messages. The caller frees
 * it, also after errors: TK_INVALID, TK_NO_MEMORY. */
tk_status tk_selection_read(const tk_node *node, const char *document, const char *what, tk_selection *selection,
                            tk_error *error);

void tk_selection_free(tk_selection *selection);

/* Checks it against an image that has `total`; `image` and `what` are for the message. Errors: TK_INVALID. */
tk_status tk_selection_check(const tk_selection *selection, int64_t total, const char *image, const char *what,
                             tk_error *error);

/* How many of `total` are chosen. */
int64_t tk_selection_count(const tk_selection *selection, int64_t total);

/* The i-th that is chosen, in ascending order, as the image numbers them from 0. */
int64_t tk_selection_at(const tk_selection *selection, int64_t i);

/* As a workflow would write it, the default when it is not given: a new reference; NULL: no memory. */
json_t *tk_selection_to_json(const tk_selection *selection);

/* The JSON Schema of a selection: a new reference; NULL: no memory. */
json_t *tk_selection_schema(const char *description);

#endif
