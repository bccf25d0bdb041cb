/* Parameter tables and the values that a workflow gives: parsing, ranges, units. */
#include "engine/params.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/params_read.h"
#include "engine/syntax/suggest.h"
#include "io/image.h"

struct tk_params {
    const char *step, *document;
    int line, column; /* of the step */
    const tk_param *table;
    int count;
    tk_value *values; /* parallel to the table */
};

/* Where a value is being read from, for messages. */
typedef struct source {
    const tk_params *params;
    const tk_param *param;
    const tk_node *node;
    const char *document, *folder;
    tk_error *error;
} source;

static const struct {
    const char *text;
    tk_unit unit;
    double factor;
} length_units[] = {
    {"px", TK_UNIT_PIXEL, 1},     {"um", TK_UNIT_UM, 1},    {"\xc2\xb5m", TK_UNIT_UM, 1},
    {"\xce\xbcm", TK_UNIT_UM, 1}, {"nm", TK_UNIT_UM, 1e-3}, {"mm", TK_UNIT_UM, 1e3},
};
enum { LENGTH_UNITS = sizeof length_units / sizeof length_units[0] };

static int index_of(const tk_params *params, const char *name) {
    for (int i = 0; i < params->count; i++)
        if (!strcmp(params->table[i].name, name)) return i;
    return -1;
}

const tk_value *tk_params_get(const tk_params *params, const char *name) {
    const int i = index_of(params, name);
    assert(i >= 0);
    return &params->values[i];
}

bool tk_params_bool(const tk_params *params, const char *name) { return tk_params_get(params, name)->integer != 0; }

int64_t tk_params_integer(const tk_params *params, const char *name) { return tk_params_get(params, name)->integer; }

double tk_params_number(const tk_params *params, const char *name) { return tk_params_get(params, name)->number[0]; }

const char *tk_params_text(const tk_params *params, const char *name) {
    const tk_value *value = tk_params_get(params, name);
    return value->set ? value->text : NULL;
}

tk_status tk_params_fail(const tk_params *params, const char *name, tk_error *error, const char *format, ...) {
    char message[sizeof error->text - 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const tk_value *value = tk_params_get(params, name);
    if (value->given && value->line == 0)
        return tk_fail(error, TK_INVALID, "--set: %s.%s: %s", params->step, name, message);
    return tk_fail(error, TK_INVALID, "%s:%d:%d: %s.%s: %s", params->document, value->line ? value->line : params->line,
                   value->line ? value->column : params->column, params->step, name, message);
}

tk_status tk_params_voxels(const tk_params *params, const char *name, const double voxel_um[3], double voxels[3],
                           tk_error *error) {
    const tk_value *value = tk_params_get(params, name);
    for (int a = 0; a < 3; a++) {
        voxels[a] = value->number[a];
        if (value->unit != TK_UNIT_UM) continue;
        if (!(voxel_um[a] > 0))
            return tk_params_fail(
                params, name, error,
                "given in micrometres, but the image does not say how large a voxel is; give it in px");
        voxels[a] /= voxel_um[a];
    }
    return TK_OK;
}

char *tk_params_name(const tk_params *params, const char *name, int i) {
    const tk_value *value = tk_params_get(params, name);
    if (!value->set || i < 0 || i >= value->count) return NULL;
    if (*value->text != '[') return strdup(value->text);
    const char *at = value->text + 1;
    for (int k = 0; k < i; k++) at += strcspn(at, ",") + strlen(", ");
    return strndup(at, strcspn(at, ",]"));
}

/* --- Parsing of values ------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static tk_status bad_value(const source *s, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return tk_node_fail(s->document, s->node, s->error, "%s.%s: %s", s->params->step, s->param->name, message);
}

static tk_status need_scalar(const source *s, const char *expected) {
    if (s->node->type == TK_NODE_SCALAR && *s->node->text) return TK_OK;
    return bad_value(s, "expected %s", expected);
}

static tk_status check_range(const source *s, double number) {
    if (s->param->least == 0 && s->param->most == 0) return TK_OK;
    if (number >= s->param->least && number <= s->param->most) return TK_OK;
    if (isinf(s->param->most)) return bad_value(s, "%g is out of range (at least %g)", number, s->param->least);
    return bad_value(s, "%g is out of range (%g to %g)", number, s->param->least, s->param->most);
}

/* A number and what follows it, blanks skipped. */
static tk_status parse_number(const source *s, const tk_node *node, const char *expected, double *number,
                              const char **rest) {
    char *end = NULL;
    errno = 0;
    *number = strtod(node->text, &end);
    *rest = end;
    if (end == node->text || errno == ERANGE || !isfinite(*number))
        return bad_value(s, "'%s' is not %s", node->text, expected);
    *rest += strspn(*rest, " ");
    return TK_OK;
}

static tk_status read_bool(const source *s, tk_value *value) {
    TK_TRY(need_scalar(s, "true or false"));
    value->integer = !strcmp(s->node->text, "true");
    if (value->integer || !strcmp(s->node->text, "false")) return TK_OK;
    return bad_value(s, "'%s' is neither true nor false", s->node->text);
}

static tk_status read_integer(const source *s, tk_value *value) {
    TK_TRY(need_scalar(s, "a whole number"));
    char *end = NULL;
    errno = 0;
    const long long integer = strtoll(s->node->text, &end, 10);
    if (*end || errno) return bad_value(s, "'%s' is not a whole number", s->node->text);
    value->integer = integer;
    return check_range(s, (double)integer);
}

static tk_status read_number(const source *s, tk_value *value) {
    const char *rest = NULL;
    TK_TRY(need_scalar(s, "a number"));
    TK_TRY(parse_number(s, s->node, "a number", &value->number[0], &rest));
    if (*rest) return bad_value(s, "'%s': expected a bare number, without '%s'", s->node->text, rest);
    return check_range(s, value->number[0]);
}

static tk_status read_percent(const source *s, tk_value *value) {
    const char *rest = NULL;
    TK_TRY(need_scalar(s, "a percentage, as in '50 %'"));
    TK_TRY(parse_number(s, s->node, "a percentage, as in '50 %'", &value->number[0], &rest));
    if (strcmp(rest, "%") != 0) return bad_value(s, "'%s': expected a percentage, as in '50 %%'", s->node->text);
    return check_range(s, value->number[0]);
}

static tk_status read_one_length(const source *s, const tk_node *node, double *number, tk_unit *unit) {
    const char *expected = "a length, as in '2 px', '0.3 um' or '525 nm'", *rest = NULL;
    if (node->type != TK_NODE_SCALAR) return bad_value(s, "expected %s", expected);
    TK_TRY(parse_number(s, node, expected, number, &rest));
    TK_TRY(check_range(s, *number));
    if (!*rest) return bad_value(s, "'%s' has no unit; write %s", node->text, expected);
    for (int i = 0; i < LENGTH_UNITS; i++) {
        if (strcmp(rest, length_units[i].text) != 0) continue;
        *unit = length_units[i].unit;
        *number *= length_units[i].factor;
        return TK_OK;
    }
    return bad_value(s, "'%s' is not a unit of length; write %s", rest, expected);
}

static tk_status read_length(const source *s, tk_value *value) {
    if (s->node->type == TK_NODE_SCALAR) {
        TK_TRY(read_one_length(s, s->node, &value->number[0], &value->unit));
        value->number[1] = value->number[2] = value->number[0];
        return TK_OK;
    }
    if (s->node->type != TK_NODE_LIST || s->node->count != 3)
        return bad_value(s, "expected one length, or three of them: [z, y, x]");
    for (int a = 0; a < 3; a++) {
        tk_unit unit = TK_UNIT_NONE;
        TK_TRY(read_one_length(s, &s->node->items[a], &value->number[a], &unit));
        if (a > 0 && unit != value->unit) return bad_value(s, "do not mix px with other units");
        value->unit = unit;
    }
    return TK_OK;
}

/* Copies the next word of "a|b|c" and returns what follows it; NULL when there is none left. */
static const char *next_choice(const char *choices, char word[64]) {
    if (!*choices) return NULL;
    const size_t length = strcspn(choices, "|");
    snprintf(word, 64, "%.*s", (int)length, choices);
    return choices + length + (choices[length] == '|');
}

static tk_status unknown_choice(const source *s) {
    char word[64] = "", best[64] = "";
    const char *near = NULL;
    int apart = 0;
    for (const char *at = s->param->choices; (at = next_choice(at, word));) {
        const char *nearest = near ? best : NULL;
        tk_suggest(s->node->text, word, &nearest, &apart);
        if (nearest == word) near = memcpy(best, word, sizeof best);
    }
    if (!tk_suggest_is_near(s->node->text, near, apart))
        return bad_value(s, "'%s' is not one of %s", s->node->text, s->param->choices);
    return bad_value(s, "'%s' is not one of %s; did you mean '%s'?", s->node->text, s->param->choices, best);
}

static tk_status read_choice(const source *s, tk_value *value) {
    char word[64];
    TK_TRY(need_scalar(s, s->param->choices));
    for (const char *at = s->param->choices; (at = next_choice(at, word)); value->integer++)
        if (!strcmp(word, s->node->text)) return TK_OK;
    return unknown_choice(s);
}

static tk_status read_file(const source *s, tk_value *value) {
    TK_TRY(need_scalar(s, "the name of a file"));
    value->text = tk_path_from(s->folder, s->node->text);
    return value->text ? TK_OK : tk_fail_memory(s->error, s->param->name);
}

static tk_status read_names(const source *s, tk_value *value) {
    const tk_node *node = s->node;
    value->count = node->type == TK_NODE_LIST ? node->count : 1;
    if (node->type != TK_NODE_LIST || s->param->most <= 1)
        return need_scalar(s, "'input' or the name of an earlier step");
    if (node->count < 1 || node->count > (int)s->param->most)
        return bad_value(s, "expected one name, or a list of at most %d", (int)s->param->most);
    for (int i = 0; i < node->count; i++)
        if (node->items[i].type != TK_NODE_SCALAR || !*node->items[i].text)
            return bad_value(s, "expected names of earlier steps, or 'input'");
    return TK_OK;
}

static tk_status read_value(const source *s, tk_value *value) {
    switch (s->param->type) {
    case TK_PARAM_BOOL:
        return read_bool(s, value);
    case TK_PARAM_INTEGER:
        return read_integer(s, value);
    case TK_PARAM_NUMBER:
        return read_number(s, value);
    case TK_PARAM_PERCENT:
        return read_percent(s, value);
    case TK_PARAM_LENGTH:
        return read_length(s, value);
    case TK_PARAM_CHOICE:
        return read_choice(s, value);
    case TK_PARAM_FILE:
        return read_file(s, value);
    case TK_PARAM_IMAGE:
        return read_names(s, value);
    case TK_PARAM_MASK:
    case TK_PARAM_LABELS:
        value->count = 1;
        return need_scalar(s, "the name of an earlier step");
    case TK_PARAM_NONE:
        break;
    }
    return bad_value(s, "has no type");
}

/* What the value was written as: "[1 px, 2 px, 2 px]" for a list. NULL: no memory. */
static char *written(const tk_node *node) {
    char *text = strdup(node->type == TK_NODE_SCALAR ? node->text : "[");
    if (node->type == TK_NODE_SCALAR) return text;
    for (int i = 0; text && i < node->count; i++) {
        char *longer = NULL;
        const char *next = i + 1 < node->count ? ", " : "]";
        if (asprintf(&longer, "%s%s%s", text, node->items[i].text, next) < 0) longer = NULL;
        free(text);
        text = longer;
    }
    return text;
}

static tk_status assign(const source *s, tk_value *value) {
    tk_value fresh = {.set = true, .line = s->node->line, .column = s->node->column};
    tk_status status = read_value(s, &fresh);
    if (status == TK_OK && !fresh.text && !(fresh.text = written(s->node))) status = tk_fail_memory(s->error, "values");
    if (status != TK_OK) {
        free(fresh.text);
        return status;
    }
    free(value->text);
    *value = fresh;
    return TK_OK;
}

/* --- The engine's side -------------------------------------------------------------------------------------------- */

char *tk_path_from(const char *folder, const char *path) {
    char *joined = NULL;
    if (*path == '/' || !*folder || tk_image_is_computed(path)) return strdup(path);
    return asprintf(&joined, "%s/%s", folder, path) < 0 ? NULL : joined;
}

static tk_status set_default(tk_params *params, int i, tk_error *error) {
    tk_document document;
    if (!params->table[i].fallback) return TK_OK;
    TK_TRY(tk_document_parse("default", params->table[i].fallback, &document, error));
    document.root.line = 0;
    const source s = {params, &params->table[i], &document.root, "default", "", error};
    const tk_status status = assign(&s, &params->values[i]);
    tk_document_free(&document);
    return status;
}

tk_status tk_params_make(const char *step, const tk_param *table, const char *document, const tk_node *place,
                         tk_params **params, tk_error *error) {
    int count = 0;
    while (table[count].type != TK_PARAM_NONE) count++;
    tk_params *made = calloc(1, sizeof *made);
    if (made) made->values = calloc((size_t)count + 1, sizeof *made->values);
    if (!made || !made->values) {
        free(made);
        return tk_fail_memory(error, "parameters");
    }
    made->step = step;
    made->document = document;
    made->line = place->line;
    made->column = place->column;
    made->table = table;
    made->count = count;
    tk_status status = TK_OK;
    for (int i = 0; i < count && status == TK_OK; i++) status = set_default(made, i, error);
    if (status != TK_OK) {
        tk_params_free(made);
        return status;
    }
    *params = made;
    return TK_OK;
}

void tk_params_free(tk_params *params) {
    if (!params) return;
    for (int i = 0; params->values && i < params->count; i++) free(params->values[i].text);
    free(params->values);
    free(params);
}

/* `text` with every {channel} replaced, allocated; NULL: no memory. */
static char *with_channel(const char *text, int64_t channel) {
    static const char place[] = "{channel}";
    const char *at = strstr(text, place);
    char *rest = at ? with_channel(at + strlen(place), channel) : NULL, *made = NULL;
    if (!at) return strdup(text);
    if (!rest || asprintf(&made, "%.*s%lld%s", (int)(at - text), text, (long long)channel, rest) < 0) made = NULL;
    free(rest);
    return made;
}

tk_status tk_params_of_channel(const tk_params *params, int64_t channel, tk_params **copy) {
    tk_params *made = malloc(sizeof *made);
    if (!made) return TK_NO_MEMORY;
    *made = *params;
    made->values = calloc((size_t)params->count + 1, sizeof *made->values);
    *copy = made;
    for (int i = 0; made->values && i < params->count; i++) {
        const tk_value *from = &params->values[i];
        made->values[i] = *from;
        made->values[i].text = NULL;
        if (!from->text) continue;
        made->values[i].text =
            params->table[i].type == TK_PARAM_FILE ? with_channel(from->text, channel) : strdup(from->text);
        if (!made->values[i].text) return TK_NO_MEMORY;
    }
    return made->values ? TK_OK : TK_NO_MEMORY;
}

/* Is `name` the map that holds dotted parameters ("psf" of "psf.file")? */
static bool is_group(const tk_params *params, const char *name) {
    const size_t length = strlen(name);
    for (int i = 0; i < params->count; i++)
        if (!strncmp(params->table[i].name, name, length) && params->table[i].name[length] == '.') return true;
    return false;
}

static tk_status unknown_name(const tk_params *params, const char *name, const tk_node *node, const char *document,
                              tk_error *error) {
    const char *best = NULL;
    int apart = 0;
    for (int i = 0; i < params->count; i++) tk_suggest(name, params->table[i].name, &best, &apart);
    if (tk_suggest_is_near(name, best, apart))
        return tk_node_fail(document, node, error, "%s has no parameter '%s'; did you mean '%s'?", params->step, name,
                            best);
    return tk_node_fail(document, node, error, "%s has no parameter '%s' (see: tarkka steps)", params->step, name);
}

tk_status tk_params_set(tk_params *params, const char *name, const tk_node *key, const tk_node *node,
                        const char *document, const char *folder, tk_error *error) {
    const int i = index_of(params, name);
    if (i >= 0) {
        const source s = {params, &params->table[i], node, document, folder, error};
        TK_TRY(assign(&s, &params->values[i]));
        params->values[i].given = true;
        return TK_OK;
    }
    if (!is_group(params, name)) return unknown_name(params, name, key, document, error);
    if (node->type != TK_NODE_MAP)
        return tk_node_fail(document, node, error, "%s.%s: expected a map, as in %s: {…}", params->step, name, name);
    for (int k = 0; k < node->count; k++) {
        char full[128];
        snprintf(full, sizeof full, "%s.%s", name, node->keys[k].text);
        TK_TRY(tk_params_set(params, full, &node->keys[k], &node->items[k], document, folder, error));
    }
    return TK_OK;
}

tk_status tk_params_complete(const tk_params *params, const tk_node *step, tk_error *error) {
    for (int i = 0; i < params->count; i++)
        if (params->table[i].required && !params->values[i].set)
            return tk_node_fail(params->document, step, error, "%s needs the parameter '%s' (%s)", params->step,
                                params->table[i].name, params->table[i].help);
    return TK_OK;
}

/* "[1 px, 2 px, 2 px]" as a list of strings. */
static json_t *list_to_json(const char *text) {
    json_t *list = json_array();
    for (const char *at = text + 1; *at && *at != ']';) {
        const size_t length = strcspn(at, ",]");
        json_array_append_new(list, json_stringn(at, length));
        at += length + strspn(at + length, ", ");
    }
    return list;
}

static json_t *value_to_json(const tk_param *param, const tk_value *value) {
    switch (param->type) {
    case TK_PARAM_BOOL:
        return json_boolean(value->integer);
    case TK_PARAM_INTEGER:
        return json_integer(value->integer);
    case TK_PARAM_NUMBER:
        return json_real(value->number[0]);
    case TK_PARAM_LENGTH:
    case TK_PARAM_IMAGE:
        return *value->text == '[' ? list_to_json(value->text) : json_string(value->text);
    default:
        return json_string(value->text);
    }
}

json_t *tk_params_to_json(const tk_params *params, bool defaults) {
    json_t *object = json_object();
    for (int i = 0; object && i < params->count; i++) {
        if (!(defaults ? params->values[i].set : params->values[i].given)) continue;
        const char *name = params->table[i].name, *dot = strchr(name, '.');
        json_t *group = object;
        if (dot) {
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)(dot - name), name);
            group = json_object_get(object, key);
            if (!group) json_object_set_new(object, key, group = json_object());
            name = dot + 1;
        }
        json_object_set_new(group, name, value_to_json(&params->table[i], &params->values[i]));
    }
    return object;
}

const tk_param *tk_params_at(const tk_params *params, int i, const tk_value **value) {
    if (i >= params->count) return NULL;
    if (value) *value = &params->values[i];
    return &params->table[i];
}
