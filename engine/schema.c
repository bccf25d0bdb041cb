/* Parameter tables → JSON Schema. Quantities are strings with their unit, as in the workflow. */
#include "engine/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_PATTERN "^[-+]?[0-9]*\\.?[0-9]+([eE][-+]?[0-9]+)? ?"

const char *tk_schema_type_text(const tk_param *param) {
    static const char *const texts[] = {
        [TK_PARAM_NONE] = "",         [TK_PARAM_BOOL] = "true|false",    [TK_PARAM_INTEGER] = "whole number",
        [TK_PARAM_NUMBER] = "number", [TK_PARAM_PERCENT] = "percentage", [TK_PARAM_LENGTH] = "length",
        [TK_PARAM_CHOICE] = "choice", [TK_PARAM_FILE] = "file",          [TK_PARAM_IMAGE] = "image",
    };
    return param->type == TK_PARAM_CHOICE ? param->choices : texts[param->type];
}

static json_t *string_with(const char *pattern) {
    return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static json_t *length_schema(void) {
    const char *pattern = NUMBER_PATTERN "(px|nm|um|\xc2\xb5m|mm)$";
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

static json_t *bare_schema(const tk_param *param) {
    switch (param->type) {
    case TK_PARAM_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case TK_PARAM_INTEGER:
        return json_pack("{s:s}", "type", "integer");
    case TK_PARAM_NUMBER:
        return json_pack("{s:s}", "type", "number");
    case TK_PARAM_PERCENT:
        return string_with(NUMBER_PATTERN "%$");
    case TK_PARAM_LENGTH:
        return length_schema();
    case TK_PARAM_CHOICE:
        return choice_schema(param->choices);
    default:
        return json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
    }
}

static json_t *param_schema(const tk_param *param) {
    json_t *schema = bare_schema(param);
    const bool plain = param->type == TK_PARAM_INTEGER || param->type == TK_PARAM_NUMBER;
    json_object_set_new(schema, "description", json_string(param->help));
    if (param->fallback) json_object_set_new(schema, "default", json_string(param->fallback));
    if (plain && (param->least != 0 || param->most != 0)) {
        json_object_set_new(schema, "minimum", json_real(param->least));
        if (isfinite(param->most)) json_object_set_new(schema, "maximum", json_real(param->most));
    }
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
    json_object_set_new(schema, "description", json_string(step->summary));
    for (const tk_param *param = step->params; param->type != TK_PARAM_NONE; param++) {
        const char *last = NULL;
        json_t *properties = group_properties(schema, param->name, &last);
        json_object_set_new(properties, last, param_schema(param));
        if (param->required && last == param->name) json_array_append_new(required, json_string(param->name));
    }
    json_t *properties = json_object_get(schema, "properties");
    json_object_set_new(properties, "name", string_with("^[A-Za-z0-9_-]+$"));
    json_object_set_new(properties, "keep", json_pack("{s:s}", "type", "boolean"));
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

static json_t *input_schema(void) {
    json_t *text = json_pack("{s:s}", "type", "string"),
           *count = json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);
    json_t *map = json_pack("{s:s, s:{s:O, s:O, s:O, s:O}, s:b}", "type", "object", "properties", "image", text, "axes",
                            text, "channel", count, "time", count, "additionalProperties", 0);
    json_decref(count);
    return json_pack("{s:[o, o]}", "oneOf", text, map);
}

json_t *tk_schema_workflow(void) {
    json_t *steps = json_pack("{s:s, s:i, s:o}", "type", "array", "minItems", 1, "items", step_item());
    json_t *properties = json_pack("{s:{s:i}, s:o, s:{s:s}, s:o}", "tarkka", "const", 1, "input", input_schema(),
                                   "output", "type", "string", "steps", steps);
    return json_pack("{s:s, s:s, s:s, s:o, s:[s, s], s:b}", "$schema", "https://json-schema.org/draft/2020-12/schema",
                     "title", "tarkka workflow", "type", "object", "properties", properties, "required", "tarkka",
                     "steps", "additionalProperties", 0);
}
