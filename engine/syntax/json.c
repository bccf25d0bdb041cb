/* Arrays of three, times, texts of any origin. */
#include "engine/syntax/json.h"

#include <stdlib.h>
#include <string.h>

json_t *tk_json_triple(const int64_t v[3]) {
    return json_pack("[I, I, I]", (json_int_t)v[0], (json_int_t)v[1], (json_int_t)v[2]);
}

void tk_json_read_triple(const json_t *array, int64_t v[3]) {
    for (size_t a = 0; a < 3 && json_array_size(array) == 3; a++) v[a] = json_integer_value(json_array_get(array, a));
}

json_t *tk_json_time(time_t when) {
    char text[32];
    struct tm utc;
    gmtime_r(&when, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

json_t *tk_json_any_text(const char *text) {
    json_t *string = json_string(text);
    char *plain = string ? NULL : strdup(text);
    for (char *c = plain; c && *c; c++)
        if ((unsigned char)*c >= 128) *c = '?';
    if (plain) string = json_string(plain);
    free(plain);
    return string;
}
