/* Facts as a JSON object. */
#include "engine/running/facts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_TEXT = 80 }; /* longer ones are for the provenance alone */

static tk_status set(tk_facts *facts, const char *name, json_t *value) {
    return json_object_set_new(facts->object, name, value) == 0 ? TK_OK : TK_NO_MEMORY;
}

tk_status tk_facts_number(tk_facts *facts, const char *name, double value, const char *unit) {
    if (!*unit) return set(facts, name, json_real(value));
    return set(facts, name, json_pack("{s:f, s:s}", "value", value, "unit", unit));
}

tk_status tk_facts_text(tk_facts *facts, const char *name, const char *value) {
    return set(facts, name, json_string(value));
}

void tk_facts_line(json_t *object, char *text, size_t room) {
    const char *name = NULL;
    json_t *value = NULL;
    *text = 0;
    json_object_foreach(object, name, value) {
        const size_t used = strlen(text);
        const char *comma = used ? ", " : "", *unit = json_string_value(json_object_get(value, "unit"));
        if (json_is_string(value) && json_string_length(value) > LONGEST_TEXT) continue;
        if (json_is_string(value)) {
            snprintf(text + used, room - used, "%s%s %s", comma, name, json_string_value(value));
            continue;
        }
        const double number = json_number_value(unit ? json_object_get(value, "value") : value);
        const int digits = number == floor(number) && fabs(number) < 1e15 ? 15 : 6; /* counts in full */
        snprintf(text + used, room - used, "%s%s %.*g%s%s", comma, name, digits, number, unit ? " " : "",
                 unit ? unit : "");
    }
}
