/* Reading the journal of an earlier attempt, and the records that it is made of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/keeping/resume.h"

json_t *tk_tile_record(int stage, int64_t tile, const tk_chunk_record *chunks, int64_t count, const tk_stored *stored,
                       int stores) {
    json_t *of_chunks = json_array(), *of_stores = json_array();
    for (int64_t i = 0; i < count; i++) {
        const tk_chunk_record *c = &chunks[i];
        json_array_append_new(of_chunks,
                              json_pack("[I, I, I, I, I, I, I]", (json_int_t)c->image, (json_int_t)c->origin[0],
                                        (json_int_t)c->origin[1], (json_int_t)c->origin[2], (json_int_t)c->offset,
                                        (json_int_t)c->bytes, (json_int_t)c->crc));
    }
    for (int i = 0; i < stores; i++)
        json_array_append_new(of_stores, json_pack("[I, I]", (json_int_t)stored[i].value, (json_int_t)stored[i].crc));
    return json_pack("{s:[i, I], s:o, s:o}", "tile", stage, (json_int_t)tile, "chunks", of_chunks, "stores", of_stores);
}

/* Integers of a record's array; missing ones are 0, which the checks on them refuse or which do no harm. */
static int64_t integer(const json_t *array, size_t i) { return json_integer_value(json_array_get(array, i)); }

tk_status tk_tile_read_record(const json_t *record, tk_tile_done *done) {
    const json_t *place = json_object_get(record, "tile"), *entry = NULL;
    size_t i = 0;
    done->stage = integer(place, 0);
    done->tile = integer(place, 1);
    done->chunks.size = 0;
    done->stores = 0;
    json_array_foreach(json_object_get(record, "chunks"), i, entry) {
        const tk_chunk_record c = {integer(entry, 0),
                                   {integer(entry, 1), integer(entry, 2), integer(entry, 3)},
                                   integer(entry, 4),
                                   integer(entry, 5),
                                   integer(entry, 6)};
        TK_TRY(tk_bytes_append(&done->chunks, &c, sizeof c));
    }
    json_array_foreach(json_object_get(record, "stores"), i, entry) {
        if (done->stores < TK_STORED_MOST)
            done->stored[done->stores] = (tk_stored){integer(entry, 0), integer(entry, 1)};
        done->stores += done->stores <= TK_STORED_MOST;
    }
    return TK_OK;
}

static tk_status take_stores(tk_past *past, const json_t *record) {
    const json_t *place = json_object_get(record, "tile"), *entry = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(record, "stores"), i, entry) {
        const tk_store_record s = {integer(place, 0), integer(place, 1), integer(entry, 0), integer(entry, 1)};
        TK_TRY(tk_bytes_append(&past->stores, &s, sizeof s));
    }
    return TK_OK;
}

static tk_status take(void *user, const json_t *record) {
    tk_past *past = user;
    if (json_object_get(record, "job")) {
        if (!past->header) past->header = json_deep_copy(record);
        return TK_OK;
    }
    past->lines++;
    if (json_object_get(record, "tile")) return take_stores(past, record);
    return json_array_append_new(past->notes, json_deep_copy(record)) == 0 ? TK_OK : TK_NO_MEMORY;
}

tk_status tk_past_read(const char *folder, tk_past *past, tk_error *error) {
    char *file = NULL;
    int64_t damaged = 0;
    *past = (tk_past){.notes = json_array()};
    if (!past->notes || asprintf(&file, "%s/journal", folder) < 0) return tk_fail_memory(error, "the journal");
    const tk_status status = tk_journal_read(file, take, past, &damaged, error);
    past->lines += damaged;
    free(file);
    return status == TK_NO_MEMORY ? tk_fail_memory(error, "the journal") : status;
}

void tk_past_free(tk_past *past) {
    json_decref(past->header);
    json_decref(past->notes);
    tk_bytes_free(&past->stores);
    *past = (tk_past){0};
}

static tk_status take_header(void *user, const json_t *record) {
    json_t **header = user;
    if (!*header && json_object_get(record, "job")) *header = json_deep_copy(record);
    return *header ? TK_STOPPED : TK_OK;
}

json_t *tk_past_header(const char *folder) {
    char *file = NULL;
    json_t *header = NULL;
    tk_error ignored = TK_ERROR_NONE;
    if (asprintf(&file, "%s/journal", folder) < 0) return NULL;
    (void)tk_journal_read(file, take_header, &header, NULL, &ignored);
    free(file);
    return header;
}

const json_t *tk_past_note(const tk_past *past, const char *kind, int step, int round) {
    const json_t *note = NULL;
    size_t i = 0;
    json_array_foreach(past->notes, i, note) {
        const json_t *of = json_object_get(note, kind);
        if (of && integer(of, 0) == step && integer(of, 1) == round) return note;
    }
    return NULL;
}
