/* Parameter tables → JSON Schema. Quantities are strings with their unit, as in the workflow. */
#include "engine/syntax/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/syntax/selection.h"

#define NUMBER_PATTERN "^[-+]?[0-9]*\\.?[0-9]+([eE][-+]?[0-9]+)? ?"

const char *tk_schema_type_text(const tk_param *param) {
    static const char *const texts[] = {
        [TK_PARAM_NONE] = "",         [TK_PARAM_BOOL] = "true|false",    [TK_PARAM_INTEGER] = "whole number",
        [TK_PARAM_NUMBER] = "number", [TK_PARAM_PERCENT] = "percentage", [TK_PARAM_LENGTH] = "length",
        [TK_PARAM_CHOICE] = "choice", [TK_PARAM_FILE] = "file",          [TK_PARAM_IMAGE] = "image",
        [TK_PARAM_MASK] = "mask",     [TK_PARAM_LABELS] = "labels",
    };
    return param->type == TK_PARAM_CHOICE ? param->choices : texts[param->type];
}

static json_t *string_with(const char *pattern) {
    return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static json_t *length_schema(void) {
    const char *pattern = NUMBER_PATTERN "(px|nm|um|\xc2\xb5m|mm)$|\\$"; /* or a value's name */
    json_t *one = string_with(pattern);
    json_t *three = json_pack("{s:s, s:O, s:i, s:i}", "type", "array", "items", one, "minItems", 3, "maxItems", 3);
    return json_pack("{s:[o, o]}", "oneOf", one, three);
}

static json_t *choice_schema(const char *choices) {
    json_t *words = json_array();
    bool numbers = true;
    for (const char *at = choices; *at;) {
        const size_t length = strcspn(at, "|");
        json_array_append_new(words, json_stringn(at, length));
        numbers = numbers && strspn(at, "0123456789") == length;
        if (numbers) json_array_append_new(words, json_integer(atoll(at)));
        at += length + (at[length] == '|');
    }
    return json_pack("{s:o}", "enum", words);
}

/* Names of earlier steps: one, or up to so many. */
static json_t *names_schema(int most) {
    json_t *one = json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
    if (most <= 1) return one;
    json_t *several = json_pack("{s:s, s:O, s:i, s:i}", "type", "array", "items", one, "minItems", 1, "maxItems", most);
    return json_pack("{s:[o, o]}", "oneOf", one, several);
}

static json_t *bare_schema(const tk_param *param) {
    switch (param->type) {
    case TK_PARAM_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case TK_PARAM_INTEGER:
        return json_pack("{s:[s, s], s:s}", "type", "integer", "string", "pattern", "\\$");
    case TK_PARAM_NUMBER:
        return json_pack("{s:[s, s], s:s}", "type", "number", "string", "pattern", "\\$");
    case TK_PARAM_PERCENT:
        return string_with(NUMBER_PATTERN "%$|\\$");
    case TK_PARAM_LENGTH:
        return length_schema();
    case TK_PARAM_CHOICE:
        return choice_schema(param->choices);
    case TK_PARAM_IMAGE:
        return names_schema((int)param->most);
    default:
        return names_schema(1);
    }
}

/* The default in the type that the schema says. */
static json_t *default_value(const tk_param *param) {
    switch (param->type) {
    case TK_PARAM_BOOL:
        return json_boolean(!strcmp(param->fallback, "true"));
    case TK_PARAM_INTEGER:
        return json_integer(atoll(param->fallback));
    case TK_PARAM_NUMBER:
        return json_real(strtod(param->fallback, NULL));
    default:
        return json_string(param->fallback);
    }
}

/* What a form needs and JSON Schema has no word for: the units of a quantity, and the range of its number; what the
 * steps make that are named. */
static void add_form_hints(json_t *schema, const tk_param *param) {
    if (param->type == TK_PARAM_IMAGE || param->type == TK_PARAM_MASK || param->type == TK_PARAM_LABELS)
        json_object_set_new(schema, "names", json_string(tk_schema_type_text(param)));
    if (param->type == TK_PARAM_LENGTH)
        json_object_set_new(schema, "units", json_pack("[s, s, s, s]", "um", "nm", "mm", "px"));
    if (param->type == TK_PARAM_PERCENT) json_object_set_new(schema, "units", json_pack("[s]", "%"));
    if (!json_object_get(schema, "units") || (param->least == 0 && param->most == 0)) return;
    json_object_set_new(schema, "least", json_real(param->least));
    if (isfinite(param->most)) json_object_set_new(schema, "most", json_real(param->most));
}

static json_t *param_schema(const tk_param *param) {
    json_t *schema = bare_schema(param);
    const bool plain = param->type == TK_PARAM_INTEGER || param->type == TK_PARAM_NUMBER;
    json_object_set_new(schema, "title", json_string(param->name));
    json_object_set_new(schema, "description", json_string(param->help));
    if (param->fallback) json_object_set_new(schema, "default", default_value(param));
    if (plain && (param->least != 0 || param->most != 0)) {
        json_object_set_new(schema, "minimum", json_real(param->least));
        if (isfinite(param->most)) json_object_set_new(schema, "maximum", json_real(param->most));
    }
    add_form_hints(schema, param);
    return schema;
}

static json_t *closed_object(void) {
    return json_pack("{s:s, s:{}, s:b}", "type", "object", "properties", "additionalProperties", 0);
}

/* Where a dotted parameter belongs: the properties of its group, made when missing. */
static json_t *group_properties(json_t *schema, const char *name, const char **last) {
    const char *dot = strchr(name, '.');
    char group[64];
    json_t *properties = json_object_get(schema, "properties");
    *last = name;
    if (!dot) return properties;
    snprintf(group, sizeof group, "%.*s", (int)(dot - name), name);
    *last = dot + 1;
    if (!json_object_get(properties, group)) json_object_set_new(properties, group, closed_object());
    return json_object_get(json_object_get(properties, group), "properties");
}

/* What a schema has no word for. */
static json_t *step_facts(const tk_step *step) {
    return json_pack("{s:s, s:s, s:b, s:i, s:s, s:s}", "input", tk_kind_text(step->input), "output",
                     tk_kind_text(step->output), "exact", step->exact, "version", step->version, "citation",
                     step->citation, "example", step->example);
}

json_t *tk_schema_step(const tk_step *step) {
    json_t *schema = closed_object(), *required = json_array();
    json_object_set_new(schema, "title", json_string(step->name));
    json_object_set_new(schema, "description", json_string(step->summary));
    for (const tk_param *param = step->params; param->type != TK_PARAM_NONE; param++) {
        const char *last = NULL;
        json_t *properties = group_properties(schema, param->name, &last);
        json_object_set_new(properties, last, param_schema(param));
        if (param->required && last == param->name) json_array_append_new(required, json_string(param->name));
    }
    json_t *properties = json_object_get(schema, "properties");
    json_t *name = string_with("^[A-Za-z0-9_-]+$");
    json_object_set_new(name, "description", json_string("results are called after it instead of the step"));
    json_object_set_new(properties, "name", name);
    json_object_set_new(properties, "keep",
                        json_pack("{s:s, s:s}", "type", "boolean", "description", "write the outcome to the result"));
    if (json_array_size(required) > 0) json_object_set(schema, "required", required);
    json_decref(required);
    json_object_set_new(schema, "tarkka", step_facts(step));
    return schema;
}

/* A step in a list: its name alone, or a map with the name as its only key. */
static json_t *step_item(void) {
    json_t *names = json_array(), *properties = json_object();
    for (int i = 0; tk_steps[i]; i++) {
        json_t *params = tk_schema_step(tk_steps[i]);
        json_array_append_new(names, json_string(tk_steps[i]->name));
        json_object_set_new(properties, tk_steps[i]->name,
                            json_pack("{s:[o, {s:s}]}", "oneOf", params, "type", "null"));
    }
    return json_pack("{s:[{s:o}, {s:s, s:o, s:b, s:i, s:i}]}", "oneOf", "enum", names, "type", "object", "properties",
                     properties, "additionalProperties", 0, "minProperties", 1, "maxProperties", 1);
}

static json_t *channels(void) { return tk_selection_schema("channels to work on, from 0: 1, [0, 2], 0-3 or all"); }

static json_t *times(void) { return tk_selection_schema("time points to work on, from 0: 1, [0, 5-9], 0-99 or all"); }

static json_t *inputs_schema(void) {
    return json_pack("{s:s, s:s, s:[s], s:{s:{s:s, s:s}, s:{s:s}, s:o, s:o}, s:b}", "type", "object", "description",
                     "many images, each with a result of its own", "required", "images", "properties", "images", "type",
                     "string", "description", "pattern of the images' files, as in raw/*.tif", "axes", "type", "string",
                     "channel", channels(), "time", times(), "additionalProperties", 0);
}

static json_t *input_schema(void) {
    json_t *text = json_pack("{s:s}", "type", "string");
    json_t *map = json_pack("{s:s, s:{s:O, s:O, s:o, s:o}, s:b}", "type", "object", "properties", "image", text, "axes",
                            text, "channel", channels(), "time", times(), "additionalProperties", 0);
    return json_pack("{s:[o, o]}", "oneOf", text, map);
}

json_t *tk_schema_workflow(void) {
    json_t *steps = json_pack("{s:s, s:i, s:o}", "type", "array", "minItems", 1, "items", step_item());
    json_t *values =
        json_pack("{s:s, s:s, s:{s:[s, s]}}", "type", "object", "description", "quantities that steps use as $NAME",
                  "additionalProperties", "type", "number", "string");
    json_t *properties =
        json_pack("{s:{s:i}, s:o, s:o, s:{s:s}, s:o, s:o}", "tarkka", "const", 1, "input", input_schema(), "inputs",
                  inputs_schema(), "output", "type", "string", "values", values, "steps", steps);
    return json_pack("{s:s, s:s, s:s, s:o, s:[s, s], s:b}", "$schema", "https://json-schema.org/draft/2020-12/schema",
                     "title", "tarkka workflow", "type", "object", "properties", properties, "required", "tarkka",
                     "steps", "additionalProperties", 0);
}
