/* Lines of the doctor's report, and gathering what ranks say. */
#include "engine/commands/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tk_verdict_text(tk_verdict verdict) {
    static const char *const texts[TK_VERDICT_COUNT] = {"ok", "note", "problem"};
    return texts[verdict];
}

void tk_doctor_note(tk_doctor *doctor, const char *name, tk_verdict verdict, const char *remedy, json_t *facts,
                    const char *format, ...) {
    char text[512];
    if (!doctor->checks) {
        json_decref(facts);
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    doctor->count[verdict]++;
    json_array_append_new(doctor->checks,
                          json_pack("{s:s, s:s, s:s, s:s?, s:o}", "name", name, "verdict", tk_verdict_text(verdict),
                                    "text", text, "remedy", remedy, "facts", facts ? facts : json_object()));
}

/* Appends one rank's text, which is JSON, to the array. */
static tk_status take(void *user, const tk_bytes *text) {
    json_t *entry = json_loadb((const char *)text->data, text->size, JSON_DECODE_ANY, NULL);
    return json_array_append_new(user, entry ? entry : json_null()) == 0 ? TK_OK : TK_NO_MEMORY;
}

json_t *tk_doctor_gather(tk_comm *comm, json_t *mine) {
    json_t *all = tk_comm_rank(comm) == 0 ? json_array() : NULL;
    char *text = mine ? json_dumps(mine, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    tk_bytes bytes = {0};
    if (text) (void)tk_bytes_append(&bytes, text, strlen(text)); /* without memory: said with nothing */
    if (all) (void)take(all, &bytes);
    if (tk_comm_collect(comm, &bytes, take, all) != TK_OK) {
        json_decref(all);
        all = NULL;
    }
    tk_bytes_free(&bytes);
    free(text);
    json_decref(mine);
    return all;
}
