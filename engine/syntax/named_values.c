/* Scalars with a $ are replaced by what they amount to, as text, before anything else reads them. */
#include "engine/syntax/named_values.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/syntax/suggest.h"

enum { NAME_ROOM = 64, UNIT_ROOM = 8, TEXT_ROOM = 64 };

/* Units and how many micrometres they are; 0: not a length that can be converted. */
static const struct {
    const char *text;
    double um;
} units[] = {{"", 0}, {"px", 0}, {"%", 0}, {"nm", 1e-3}, {"um", 1}, {"\xc2\xb5m", 1}, {"\xce\xbcm", 1}, {"mm", 1e3}};
enum { UNITS = sizeof units / sizeof units[0] };

typedef struct named_value {
    const tk_node *key;
    double number;
    int unit; /* of `units` */
    bool used;
} named_value;

/* The values of one workflow. */
typedef struct reading {
    const char *file;
    named_value *value;
    int count;
    tk_error *error;
} reading;

#define FAIL(r, node, ...) tk_node_fail((r)->file, node, (r)->error, __VA_ARGS__)

static const char *skip(const char *text) { return text + strspn(text, " "); }

static int unit_of(const char *text) {
    for (int u = 0; u < UNITS; u++)
        if (!strcmp(text, units[u].text)) return u;
    return -1;
}

/* --- The values --------------------------------------------------------------------------------------------------- */

/* "10 um", "0.5", "5 %". */
static bool parse_quantity(const char *text, named_value *value) {
    char *end = NULL;
    value->number = strtod(text, &end);
    if (end == text || !isfinite(value->number)) return false;
    value->unit = unit_of(skip(end));
    return value->unit >= 0;
}

static bool is_name(const char *text) {
    if (!isalpha((unsigned char)*text) || strlen(text) >= NAME_ROOM) return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '_') return false;
    return true;
}

static tk_status read_values(reading *r, const tk_node *values) {
    if (values->type != TK_NODE_MAP) return FAIL(r, values, "values: expected {NAME: QUANTITY, …}");
    r->value = calloc((size_t)values->count + 1, sizeof *r->value);
    if (!r->value) return tk_fail_memory(r->error, "the workflow's values");
    for (r->count = 0; r->count < values->count; r->count++) {
        const tk_node *key = &values->keys[r->count], *item = &values->items[r->count];
        if (!is_name(key->text))
            return FAIL(r, key, "a value's name has letters, digits and _, and begins with a letter");
        r->value[r->count].key = key;
        if (item->type != TK_NODE_SCALAR || !parse_quantity(item->text, &r->value[r->count]))
            return FAIL(r, item, "values.%s: expected a number, alone or with nm, um, mm, px or %%", key->text);
    }
    return TK_OK;
}

static named_value *find(const reading *r, const char *name) {
    for (int i = 0; i < r->count; i++)
        if (!strcmp(r->value[i].key->text, name)) return &r->value[i];
    return NULL;
}

/* The known name next to this one; NULL: none is near. */
static const char *nearest(const reading *r, const char *name) {
    const char *best = NULL;
    int apart = 0;
    for (int i = 0; i < r->count; i++) tk_suggest(name, r->value[i].key->text, &best, &apart);
    return tk_suggest_is_near(name, best, apart) ? best : NULL;
}

/* One --set NAME=VALUE. */
static tk_status override(const reading *r, const char *set) {
    const char *equals = strchr(set, '=');
    char name[NAME_ROOM] = "";
    if (!equals || equals == set) return tk_fail(r->error, TK_USAGE, "--set %s: expected NAME=VALUE", set);
    snprintf(name, sizeof name, "%.*s", (int)(equals - set), set);
    named_value *value = find(r, name);
    const char *near = nearest(r, name);
    if (!value && near)
        return tk_fail(r->error, TK_USAGE, "--set %s: the workflow has no value '%s'; did you mean '%s'?", set, name,
                       near);
    if (!value)
        return tk_fail(r->error, TK_USAGE, "--set %s: expected STEP.PARAMETER=VALUE, or one of the workflow's values",
                       set);
    if (parse_quantity(equals + 1, value)) return TK_OK;
    return tk_fail(r->error, TK_USAGE, "--set %s: expected a number, alone or with nm, um, mm, px or %%", set);
}

bool tk_named_values_is_set(const char *set) {
    const char *equals = strchr(set, '='), *dot = strchr(set, '.');
    return !dot || (equals && dot > equals);
}

/* --- Where they are used ------------------------------------------------------------------------------------------ */

/* An expression: factor * $name / unit. */
typedef struct expression {
    double factor;
    char name[NAME_ROOM], unit[UNIT_ROOM]; /* unit "": the value's own */
    bool bare;
} expression;

static bool parse_expression(const char *text, expression *e) {
    const char *at = skip(text);
    *e = (expression){.factor = 1};
    if (*at != '$') {
        char *end = NULL;
        e->factor = strtod(at, &end);
        if (end == at || !isfinite(e->factor)) return false;
        at = skip(end);
        if (*at++ != '*') return false;
        at = skip(at);
    }
    if (*at++ != '$') return false;
    const size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (length == 0 || length >= sizeof e->name) return false;
    memcpy(e->name, at, length);
    at = skip(at + length);
    if (!*at) return true;
    if (*at++ != '/') return false;
    e->bare = true;
    return snprintf(e->unit, sizeof e->unit, "%s", skip(at)) < (int)sizeof e->unit;
}

/* The number of a value in a unit; false: it cannot be told. */
static bool in_unit(const named_value *value, const char *text, double *number) {
    const int unit = unit_of(text);
    *number = value->number;
    if (unit <= 0) return false;
    if (unit == value->unit) return true;
    if (units[unit].um == 0 || units[value->unit].um == 0) return false;
    *number = value->number * units[value->unit].um / units[unit].um;
    return true;
}

static tk_status no_such_value(const reading *r, const tk_node *node, const char *name) {
    const char *near = nearest(r, name);
    if (near) return FAIL(r, node, "the workflow has no value '%s'; did you mean '%s'?", name, near);
    return FAIL(r, node, "the workflow has no value '%s'; name it in values: {%s: …}", name, name);
}

static tk_status replace(const reading *r, tk_node *node) {
    expression e;
    char text[TEXT_ROOM];
    if (!parse_expression(node->text, &e))
        return FAIL(r, node, "'%s': expected [NUMBER *] $NAME [/ UNIT], as in 0.5 * $diameter", node->text);
    named_value *value = find(r, e.name);
    if (!value) return no_such_value(r, node, e.name);
    double number = value->number;
    if (e.bare && !in_unit(value, e.unit, &number))
        return FAIL(r, node, "'%s': $%s is given in '%s', which has no number of '%s'", node->text, e.name,
                    units[value->unit].text, e.unit);
    value->used = true;
    snprintf(text, sizeof text, "%.9g%s%s", e.factor * number, e.bare || !value->unit ? "" : " ",
             e.bare ? "" : units[value->unit].text);
    char *copy = strdup(text);
    if (!copy) return tk_fail_memory(r->error, "the workflow's values");
    free(node->text);
    node->text = copy;
    return TK_OK;
}

static tk_status replace_all(const reading *r, tk_node *node) {
    if (node->type == TK_NODE_SCALAR && !strchr(node->text, '$')) return TK_OK;
    if (node->type == TK_NODE_SCALAR) return replace(r, node);
    for (int i = 0; i < node->count; i++) TK_TRY(replace_all(r, &node->items[i]));
    return TK_OK;
}

static tk_node *item_of(tk_node *map, const char *key) {
    for (int i = 0; map->type == TK_NODE_MAP && i < map->count; i++)
        if (!strcmp(map->keys[i].text, key)) return &map->items[i];
    return NULL;
}

static tk_status apply(reading *r, tk_node *root, const char *const *set) {
    const tk_node *values = item_of(root, "values");
    tk_node *steps = item_of(root, "steps");
    if (values) TK_TRY(read_values(r, values));
    for (int i = 0; set && set[i]; i++)
        if (tk_named_values_is_set(set[i])) TK_TRY(override(r, set[i]));
    if (steps) TK_TRY(replace_all(r, steps));
    for (int i = 0; i < r->count; i++)
        if (!r->value[i].used) return FAIL(r, r->value[i].key, "no step uses the value $%s", r->value[i].key->text);
    return TK_OK;
}

tk_status tk_named_values_apply(const char *file, tk_node *root, const char *const *set, tk_error *error) {
    reading r = {.file = file, .error = error};
    const tk_status status = apply(&r, root, set);
    free(r.value);
    return status;
}
