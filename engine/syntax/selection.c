/* Selections as ascending ranges, so that a million time points take no room. */
#include "engine/syntax/selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that a table's column and a file's axis can hold. */
static const int64_t MOST = 0xfffffffe;

typedef struct reading {
    const char *document, *what;
    tk_selection *selection;
    tk_error *error;
} reading;

static tk_status expected(const reading *r, const tk_node *node) {
    return tk_node_fail(r->document, node, r->error,
                        "%s: expected a number from 0 on, a range as 2-5, a list of those, or all", r->what);
}

/* A whole number at *text, which moves behind it. */
static bool read_number(const char **text, int64_t *number) {
    char *end = NULL;
    if (**text < '0' || **text > '9') return false;
    *number = strtoll(*text, &end, 10);
    *text = end;
    return *number <= MOST;
}

static tk_status add_range(const reading *r, const tk_node *node, int64_t first, int64_t last) {
    tk_selection *s = r->selection;
    const int64_t before = s->ranges ? s->range[s->ranges - 1][1] : -1;
    if (last < first || first <= before)
        return tk_node_fail(r->document, node, r->error, "%s: give the numbers in ascending order, each once", r->what);
    if (s->ranges && first == before + 1) return s->range[s->ranges - 1][1] = last, TK_OK;
    int64_t(*grown)[2] = realloc(s->range, ((size_t)s->ranges + 1) * sizeof *grown);
    if (!grown) return tk_fail_memory(r->error, "the workflow");
    s->range = grown;
    grown[s->ranges][0] = first;
    grown[s->ranges][1] = last;
    s->ranges++;
    return TK_OK;
}

/* "3" or "3-9". */
static tk_status read_one(const reading *r, const tk_node *node) {
    const char *at = node->text;
    int64_t first = 0, last = 0;
    if (node->type != TK_NODE_SCALAR || !read_number(&at, &first)) return expected(r, node);
    last = first;
    if (*at == '-') {
        at++;
        if (!read_number(&at, &last)) return expected(r, node);
    }
    return *at ? expected(r, node) : add_range(r, node, first, last);
}

tk_status tk_selection_read(const tk_node *node, const char *document, const char *what, tk_selection *selection,
                            tk_error *error) {
    const reading r = {document, what, selection, error};
    *selection = (tk_selection){.given = true};
    if (node->type == TK_NODE_SCALAR && !strcmp(node->text, "all")) return selection->all = true, TK_OK;
    if (node->type == TK_NODE_SCALAR) return read_one(&r, node);
    if (node->type != TK_NODE_LIST || node->count == 0) return expected(&r, node);
    for (int i = 0; i < node->count; i++) TK_TRY(read_one(&r, &node->items[i]));
    return TK_OK;
}

void tk_selection_free(tk_selection *selection) {
    free(selection->range);
    *selection = (tk_selection){0};
}

tk_status tk_selection_check(const tk_selection *selection, int64_t total, const char *image, const char *what,
                             tk_error *error) {
    if (!selection->given && total > 1)
        return tk_fail(error, TK_INVALID,
                       "%s: has %lld %ss, and the workflow chooses none: input: {image: …, %s: 0}, or %s: all", image,
                       (long long)total, what, what, what);
    const int64_t last = selection->ranges ? selection->range[selection->ranges - 1][1] : 0;
    if (last < total && total <= MOST) return TK_OK;
    return tk_fail(error, TK_INVALID, "%s: has %lld %s%s, numbered from 0; there is no %s %lld", image,
                   (long long)total, what, total == 1 ? "" : "s", what, (long long)last);
}

int64_t tk_selection_count(const tk_selection *selection, int64_t total) {
    int64_t count = selection->all ? total : selection->given ? 0 : 1;
    for (int i = 0; i < selection->ranges; i++) count += selection->range[i][1] - selection->range[i][0] + 1;
    return count;
}

int64_t tk_selection_at(const tk_selection *selection, int64_t i) {
    for (int k = 0; k < selection->ranges; k++) {
        const int64_t here = selection->range[k][1] - selection->range[k][0] + 1;
        if (i < here) return selection->range[k][0] + i;
        i -= here;
    }
    return i;
}

static json_t *range_to_json(const int64_t range[2]) {
    char text[48];
    if (range[0] == range[1]) return json_integer(range[0]);
    snprintf(text, sizeof text, "%lld-%lld", (long long)range[0], (long long)range[1]);
    return json_string(text);
}

json_t *tk_selection_to_json(const tk_selection *selection) {
    if (!selection->given) return json_integer(0);
    if (selection->all) return json_string("all");
    if (selection->ranges == 1) return range_to_json(selection->range[0]);
    json_t *list = json_array();
    for (int i = 0; i < selection->ranges; i++) json_array_append_new(list, range_to_json(selection->range[i]));
    return list;
}

json_t *tk_selection_schema(const char *description) {
    json_t *number = json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);
    return json_pack("{s:s, s:[o, {s:s, s:s}, {s:s, s:i, s:{s:[O, {s:s, s:s}]}}]}", "description", description, "oneOf",
                     number, "type", "string", "pattern", "^(all|[0-9]+(-[0-9]+)?)$", "type", "array", "minItems", 1,
                     "items", "oneOf", number, "type", "string", "pattern", "^[0-9]+(-[0-9]+)?$");
}
