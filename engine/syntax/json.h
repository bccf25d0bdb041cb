/* Small pieces of JSON that several records are made of. */
#ifndef TK_ENGINE_SYNTAX_JSON_H
#define TK_ENGINE_SYNTAX_JSON_H

#include <jansson.h>
#include <stdint.h>
#include <time.h>

/* Three numbers, z y x, as an array: a new reference; NULL: no memory. */
json_t *tk_json_triple(const int64_t v[3]);

/* Reads such an array; one that is not of three leaves `v` as it is. */
void tk_json_read_triple(const json_t *array, int64_t v[3]);

/* A time as ISO 8601 says it, UTC: a new reference; NULL: no memory. */
json_t *tk_json_time(time_t when);

/* A text as a JSON string: a new reference. One that is no UTF-8, as a message that was cut or that names a file of
 * another time, loses all that is not ASCII, rather than all. NULL: no memory. */
json_t *tk_json_any_text(const char *text);

#endif
