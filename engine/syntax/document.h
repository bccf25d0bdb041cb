/* A YAML document as a tree of nodes that know where they stand.
 *
 * A strict subset: scalars, lists and maps; no tags, anchors, aliases, duplicate keys or second documents. What a
 * scalar means is decided by the schema, never guessed. */
#ifndef TK_ENGINE_DOCUMENT_H
#define TK_ENGINE_DOCUMENT_H

#include <stdbool.h>

#include "io/error.h"

typedef enum tk_node_type { TK_NODE_SCALAR, TK_NODE_LIST, TK_NODE_MAP } tk_node_type;

typedef struct tk_node {
    tk_node_type type;
    char *text;            /* SCALAR */
    bool quoted;           /* SCALAR: written in quotes */
    int line, column;      /* 1-based */
    int count;             /* LIST: items; MAP: pairs */
    struct tk_node *keys;  /* MAP */
    struct tk_node *items; /* LIST, MAP: values */
} tk_node;

typedef struct tk_document {
    char *name; /* what stands before ":line:column" in messages */
    tk_node root;
} tk_document;

/* Reads and parses a file. The caller frees the document. Errors: TK_UNREADABLE, TK_INVALID (with place), TK_NO_MEMORY.
 */
tk_status tk_document_read(const char *file, tk_document *document, tk_error *error);

/* Parses a text; `name` stands for the file in messages. The caller frees the document. */
tk_status tk_document_parse(const char *name, const char *text, tk_document *document, tk_error *error);

void tk_document_free(tk_document *document);

/* The value of a key of a map, or NULL. */
const tk_node *tk_node_get(const tk_node *map, const char *key);

/* Notes "name:line:column: message" as TK_INVALID and returns that. */
__attribute__((format(printf, 4, 5))) tk_status tk_node_fail(const char *name, const tk_node *node, tk_error *error,
                                                             const char *format, ...);
#ifdef __clang_analyzer__ /* see io/error.h */
#define tk_node_fail(...) tk_never_ok((tk_node_fail)(__VA_ARGS__))
#endif

#endif
