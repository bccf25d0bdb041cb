/* YAML through libyaml's events, one recursive function per kind of node. */
#include "engine/syntax/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH_LIMIT = 32 };

typedef struct reader {
    yaml_parser_t parser;
    const char *name;
    tk_error *error;
} reader;

tk_status(tk_node_fail)(const char *name, const tk_node *node, tk_error *error, const char *format, ...) {
    char message[sizeof error->text - 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (node->line == 0) return tk_fail(error, TK_INVALID, "%s: %s", name, message);
    return tk_fail(error, TK_INVALID, "%s:%d:%d: %s", name, node->line, node->column, message);
}

static tk_status fail_at(const reader *r, yaml_mark_t mark, const char *message) {
    const tk_node place = {.line = (int)mark.line + 1, .column = (int)mark.column + 1};
    return tk_node_fail(r->name, &place, r->error, "%s", message);
}

static tk_status next_event(reader *r, yaml_event_t *event) {
    if (yaml_parser_parse(&r->parser, event)) return TK_OK;
    if (r->parser.error == YAML_MEMORY_ERROR) return tk_fail_memory(r->error, r->name);
    char message[256];
    const char *problem = r->parser.problem ? r->parser.problem : "not valid YAML";
    const char *context = r->parser.context ? r->parser.context : "";
    snprintf(message, sizeof message, "YAML syntax: %s%s%s", problem, *context ? " " : "", context);
    return fail_at(r, r->parser.problem_mark, message);
}

static void free_node(tk_node *node) {
    free(node->text);
    for (int i = 0; i < node->count; i++) {
        if (node->keys) free_node(&node->keys[i]);
        free_node(&node->items[i]);
    }
    free(node->keys);
    free(node->items);
    *node = (tk_node){0};
}

/* Appends an empty pair (or item) to a map (or list). */
static tk_status grow(tk_node *node, const reader *r) {
    const size_t count = (size_t)node->count + 1;
    tk_node *items = realloc(node->items, count * sizeof *items);
    if (!items) return tk_fail_memory(r->error, r->name);
    node->items = items;
    items[count - 1] = (tk_node){0};
    if (node->type == TK_NODE_MAP) {
        tk_node *keys = realloc(node->keys, count * sizeof *keys);
        if (!keys) return tk_fail_memory(r->error, r->name);
        node->keys = keys;
        keys[count - 1] = (tk_node){0};
    }
    node->count++;
    return TK_OK;
}

static tk_status read_node(reader *r, yaml_event_t *event, int depth, tk_node *node);

/* Takes the event that begins the next entry of a list or map and makes room for the entry, or sees the end. */
static tk_status next_entry(reader *r, yaml_event_type_t end, tk_node *node, yaml_event_t *event, bool *ended) {
    TK_TRY(next_event(r, event));
    *ended = event->type == end;
    const tk_status status = *ended ? TK_OK : grow(node, r);
    if (*ended || status != TK_OK) yaml_event_delete(event);
    return status;
}

static tk_status read_list(reader *r, int depth, tk_node *node) {
    yaml_event_t event;
    bool ended = false;
    for (;;) {
        TK_TRY(next_entry(r, YAML_SEQUENCE_END_EVENT, node, &event, &ended));
        if (ended) return TK_OK;
        TK_TRY(read_node(r, &event, depth, &node->items[node->count - 1]));
    }
}

static tk_status check_key(const reader *r, const tk_node *map) {
    const tk_node *key = &map->keys[map->count - 1];
    if (key->type != TK_NODE_SCALAR) return tk_node_fail(r->name, key, r->error, "a key must be a plain word");
    for (int i = 0; i < map->count - 1; i++)
        if (!strcmp(map->keys[i].text, key->text))
            return tk_node_fail(r->name, key, r->error, "'%s' is given twice (first in line %d)", key->text,
                                map->keys[i].line);
    return TK_OK;
}

static tk_status read_map(reader *r, int depth, tk_node *node) {
    yaml_event_t event;
    bool ended = false;
    for (;;) {
        TK_TRY(next_entry(r, YAML_MAPPING_END_EVENT, node, &event, &ended));
        if (ended) return TK_OK;
        TK_TRY(read_node(r, &event, depth, &node->keys[node->count - 1]));
        TK_TRY(check_key(r, node));
        TK_TRY(next_event(r, &event));
        TK_TRY(read_node(r, &event, depth, &node->items[node->count - 1]));
    }
}

static tk_status refuse_extras(const reader *r, const yaml_event_t *event) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
    if (event->type == YAML_SEQUENCE_START_EVENT)
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
    if (event->type == YAML_MAPPING_START_EVENT)
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
    if (event->type == YAML_ALIAS_EVENT || anchor)
        return fail_at(r, event->start_mark, "anchors and aliases (& and *) are not allowed; write the value out");
    if (tag) return fail_at(r, event->start_mark, "tags (!) are not allowed; the parameter gives the type");
    return TK_OK;
}

static tk_status read_scalar(const reader *r, const yaml_event_t *event, tk_node *node) {
    node->type = TK_NODE_SCALAR;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
        return fail_at(r, event->start_mark, "a NUL character in a value");
    node->text = strdup((const char *)event->data.scalar.value);
    return node->text ? TK_OK : tk_fail_memory(r->error, r->name);
}

/* Takes the event over, and deletes it. */
static tk_status read_node(reader *r, yaml_event_t *event, int depth, tk_node *node) {
    node->line = (int)event->start_mark.line + 1;
    node->column = (int)event->start_mark.column + 1;
    const yaml_event_type_t type = event->type;
    tk_status status = refuse_extras(r, event);
    if (status == TK_OK && depth > DEPTH_LIMIT) status = fail_at(r, event->start_mark, "nested too deeply");
    if (status == TK_OK && type == YAML_SCALAR_EVENT) status = read_scalar(r, event, node);
    yaml_event_delete(event);
    TK_TRY(status);
    if (type == YAML_SEQUENCE_START_EVENT) {
        node->type = TK_NODE_LIST;
        return read_list(r, depth + 1, node);
    }
    if (type == YAML_MAPPING_START_EVENT) {
        node->type = TK_NODE_MAP;
        return read_map(r, depth + 1, node);
    }
    return TK_OK;
}

/* Skips an event that must be of this type. */
static tk_status expect(reader *r, yaml_event_type_t type, const char *otherwise) {
    yaml_event_t event;
    TK_TRY(next_event(r, &event));
    const bool right = event.type == type;
    const yaml_mark_t mark = event.start_mark;
    yaml_event_delete(&event);
    return right ? TK_OK : fail_at(r, mark, otherwise);
}

static tk_status read_stream(reader *r, tk_node *root) {
    TK_TRY(expect(r, YAML_STREAM_START_EVENT, "not a YAML stream"));
    TK_TRY(expect(r, YAML_DOCUMENT_START_EVENT, "the file is empty"));
    yaml_event_t event;
    TK_TRY(next_event(r, &event));
    TK_TRY(read_node(r, &event, 0, root));
    TK_TRY(expect(r, YAML_DOCUMENT_END_EVENT, "the document does not end"));
    return expect(r, YAML_STREAM_END_EVENT, "only one document is allowed in a file");
}

tk_status tk_document_parse(const char *name, const char *text, tk_document *document, tk_error *error) {
    *document = (tk_document){.name = strdup(name)};
    reader r = {.name = name, .error = error};
    if (!document->name || !yaml_parser_initialize(&r.parser)) {
        tk_document_free(document);
        return tk_fail_memory(error, name);
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    if (!strncmp(text, "\xef\xbb\xbf", 3)) text += 3; /* a byte order mark says nothing more */
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, strlen(text));
    const tk_status status = read_stream(&r, &document->root);
    yaml_parser_delete(&r.parser);
    if (status != TK_OK) tk_document_free(document);
    return status;
}

/* The contents of a text file, NUL-terminated; the caller frees them. */
static tk_status read_text(const char *file, char **text, tk_error *error) {
    enum { LARGEST = 1 << 20 };
    FILE *stream = fopen(file, "rb");
    if (!stream) return tk_fail_errno(error, TK_UNREADABLE, file, "cannot be opened");
    char *buffer = malloc(LARGEST + 1);
    const size_t size = buffer ? fread(buffer, 1, LARGEST + 1, stream) : 0;
    const bool failed = ferror(stream);
    if (failed) tk_fail_errno(error, TK_UNREADABLE, file, "cannot be read");
    fclose(stream);
    if (!buffer) return tk_fail_memory(error, file);
    if (!failed && size > LARGEST) tk_fail(error, TK_UNREADABLE, "%s: larger than 1 MiB: not a workflow", file);
    if (!failed && size <= LARGEST && memchr(buffer, 0, size))
        tk_fail(error, TK_INVALID, "%s: holds NUL bytes: not a text file", file);
    if (error->status != TK_OK) {
        free(buffer);
        return error->status;
    }
    buffer[size] = 0;
    *text = buffer;
    return TK_OK;
}

tk_status tk_document_read(const char *file, tk_document *document, tk_error *error) {
    char *text = NULL;
    TK_TRY(read_text(file, &text, error));
    const tk_status status = tk_document_parse(file, text, document, error);
    free(text);
    return status;
}

void tk_document_free(tk_document *document) {
    free(document->name);
    free_node(&document->root);
    document->name = NULL;
}

const tk_node *tk_node_get(const tk_node *map, const char *key) {
    if (map->type != TK_NODE_MAP) return NULL;
    for (int i = 0; i < map->count; i++)
        if (!strcmp(map->keys[i].text, key)) return &map->items[i];
    return NULL;
}
