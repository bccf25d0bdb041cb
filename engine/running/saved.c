/* Saved states of a solve: one file for each of the two last, pieces one after the other, planes densely packed, each
 * with its checksum in the journal: {"saved": [step, time point, generation], "done": iterations, "note": hexadecimal,
 * "pieces":
 * [[name, planes, bytes of a plane], …], "crc": [of every plane of every piece]}. A state counts once its record is
 * there, which is after all ranks' planes are on the disk; the record of the state that is being overwritten no longer
 * fits what the file holds, and so does not count. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/running/names.h"
#include "engine/running/solve.h"
#include "io/checksum.h"

enum { NOTE_MOST = 64 << 10 };

char *tk_saved_file(const tk_field *field, int generation) {
    char *file = NULL, *name = tk_name_of_work(field->run->job, field->step);
    const bool named = name && asprintf(&file, "%s/saved-%s-%lld-%d.bin", field->run->folder, name,
                                        (long long)field->time, generation) >= 0;
    free(name);
    return named ? file : NULL;
}

/* --- Planes in the file ------------------------------------------------------------------------------------------- */

static int64_t plane_bytes(const tk_field_piece *p) { return p->rows * p->row_bytes; }

/* Where a piece begins in the file, and what number its first plane has among all. */
static int64_t offset_of(const tk_field_piece *pieces, int piece) {
    int64_t offset = 0;
    for (int i = 0; i < piece; i++) offset += pieces[i].planes * plane_bytes(&pieces[i]);
    return offset;
}

static int64_t planes_before(const tk_field_piece *pieces, int piece) {
    int64_t planes = 0;
    for (int i = 0; i < piece; i++) planes += pieces[i].planes;
    return planes;
}

static tk_status write_at(int fd, const char *file, const unsigned char *data, int64_t bytes, int64_t offset,
                          tk_error *error) {
    while (bytes > 0) {
        const ssize_t done = pwrite(fd, data, (size_t)bytes, offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return tk_fail_errno(error, TK_UNWRITABLE, file, "a state could not be saved");
        data += done;
        bytes -= done;
        offset += done;
    }
    return TK_OK;
}

static bool read_at(int fd, unsigned char *data, int64_t bytes, int64_t offset) {
    while (bytes > 0) {
        const ssize_t done = pread(fd, data, (size_t)bytes, offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        data += done;
        bytes -= done;
        offset += done;
    }
    return true;
}

/* One plane in memory, densely packed or not. */
static unsigned char *row_of(const tk_field_piece *p, int64_t own, int64_t row) {
    return (unsigned char *)p->data + own * p->plane_stride + row * p->row_stride;
}

static tk_status write_piece(tk_field *field, int fd, const char *file, const tk_field_piece *pieces, int piece,
                             tk_bytes *crcs, tk_error *error) {
    const tk_field_piece *p = &pieces[piece];
    const int64_t bytes = plane_bytes(p), base = offset_of(pieces, piece), first = planes_before(pieces, piece);
    tk_bytes packed = {0};
    if (tk_bytes_resize(&packed, (size_t)bytes) != TK_OK) return tk_fail_memory(error, "a saved state");
    tk_status status = TK_OK;
    for (int64_t i = 0; i < p->own && status == TK_OK; i++) {
        tk_keeper_turn(field->run->keeper);
        for (int64_t y = 0; y < p->rows; y++)
            memcpy(packed.data + y * p->row_bytes, row_of(p, i, y), (size_t)p->row_bytes);
        const tk_plane_crc c = {first + p->plane[i], tk_crc32(0, packed.data, (size_t)bytes)};
        status = write_at(fd, file, packed.data, bytes, base + p->plane[i] * bytes, error);
        if (status == TK_OK && tk_bytes_append(crcs, &c, sizeof c) != TK_OK)
            status = tk_fail_memory(error, "a saved state");
    }
    tk_bytes_free(&packed);
    return status;
}

/* This rank's planes of all pieces. */
static tk_status write_planes(tk_field *field, const tk_field_piece *pieces, int count, tk_bytes *crcs,
                              tk_error *error) {
    char *file = tk_saved_file(field, field->generation);
    if (!file) return tk_fail_memory(error, "a saved state");
    const int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) tk_fail_errno(error, TK_UNWRITABLE, file, "a state could not be saved");
    for (int i = 0; i < count && error->status == TK_OK; i++) write_piece(field, fd, file, pieces, i, crcs, error);
    if (error->status == TK_OK && fsync(fd) != 0)
        tk_fail_errno(error, TK_UNWRITABLE, file, "a state could not be saved");
    if (fd >= 0 && close(fd) != 0) tk_fail_errno(error, TK_UNWRITABLE, file, "a state could not be saved");
    free(file);
    return error->status;
}

/* False: the file does not hold what the record says. */
static bool read_piece(tk_field *field, int fd, const tk_field_piece *pieces, int piece, const json_t *crcs,
                       tk_bytes *packed) {
    const tk_field_piece *p = &pieces[piece];
    const int64_t bytes = plane_bytes(p), base = offset_of(pieces, piece), first = planes_before(pieces, piece);
    for (int64_t i = 0; i < p->own; i++) {
        const json_t *crc = json_array_get(crcs, (size_t)(first + p->plane[i]));
        tk_keeper_turn(field->run->keeper);
        if (!read_at(fd, packed->data, bytes, base + p->plane[i] * bytes)) return false;
        if (!crc || json_integer_value(crc) != tk_crc32(0, packed->data, (size_t)bytes)) return false;
        for (int64_t y = 0; y < p->rows; y++)
            memcpy(row_of(p, i, y), packed->data + y * p->row_bytes, (size_t)p->row_bytes);
    }
    return true;
}

static bool read_planes(tk_field *field, int generation, const tk_field_piece *pieces, int count, const json_t *crcs,
                        tk_error *error) {
    char *file = tk_saved_file(field, generation);
    tk_bytes packed = {0};
    bool sound = true;
    const int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    for (int i = 0; i < count && fd >= 0 && sound; i++) {
        if (tk_bytes_resize(&packed, (size_t)plane_bytes(&pieces[i])) != TK_OK) tk_fail_memory(error, "a saved state");
        sound = error->status == TK_OK && read_piece(field, fd, pieces, i, crcs, &packed);
    }
    if (fd >= 0) close(fd);
    tk_bytes_free(&packed);
    free(file);
    return sound && fd >= 0;
}

/* --- Notes -------------------------------------------------------------------------------------------------------- */

static json_t *to_hex(const tk_bytes *note) {
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * note->size + 1);
    if (!text) return NULL;
    for (size_t i = 0; i < note->size; i++) {
        text[2 * i] = digits[note->data[i] >> 4];
        text[2 * i + 1] = digits[note->data[i] & 15];
    }
    text[2 * note->size] = 0;
    json_t *string = json_string(text);
    free(text);
    return string;
}

static unsigned digit(char c) { return (unsigned)(c >= 'a' ? c - 'a' + 10 : c - '0'); }

/* Is it text of whole bytes, as to_hex makes it? */
static bool is_hex(const char *text) {
    return text && strlen(text) % 2 == 0 && strspn(text, "0123456789abcdef") == strlen(text);
}

static tk_status from_hex(const char *text, tk_bytes *note) {
    const size_t size = strlen(text) / 2;
    TK_TRY(tk_bytes_resize(note, size));
    for (size_t i = 0; i < size; i++) note->data[i] = (unsigned char)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    return TK_OK;
}

static json_t *describe(const tk_field_piece *pieces, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_pack("[s, I, I]", pieces[i].name, (json_int_t)pieces[i].planes,
                                              (json_int_t)plane_bytes(&pieces[i])));
    return list;
}

/* --- Saving ------------------------------------------------------------------------------------------------------- */

/* On rank 0. */
static tk_status note_saved(tk_field *field, int64_t done, const tk_field_piece *pieces, int count,
                            const tk_bytes *note, json_t *crcs, tk_error *error) {
    tk_run *run = field->run;
    json_t *record =
        json_pack("{s:[i, I, i], s:I, s:o, s:o, s:o}", "saved", field->step, (json_int_t)field->time, field->generation,
                  "done", (json_int_t)done, "note", to_hex(note), "pieces", describe(pieces, count), "crc", crcs);
    run->saved = true;
    TK_TRY(tk_journal_add(run->journal, record, error));
    return tk_journal_sync(run->journal, error);
}

tk_status tk_field_save(tk_field *field, int64_t done, const tk_field_piece *pieces, int count, const tk_bytes *note,
                        tk_error *error) {
    tk_run *run = field->run;
    tk_bytes mine = {0};
    json_t *crcs = NULL;
    const double start = tk_progress_now();
    if (note->size > NOTE_MOST) tk_fail(error, TK_FAILED, "a saved state's note is too long");
    if (error->status == TK_OK) write_planes(field, pieces, count, &mine, error);
    tk_keeper_wait(run->keeper);
    tk_status status = tk_comm_agree(run->comm, error);
    if (status == TK_OK)
        status = tk_solve_collect_crcs(run, "a saved state", planes_before(pieces, count), &mine, &crcs, error);
    tk_bytes_free(&mine);
    if (status == TK_OK && tk_comm_rank(run->comm) == 0) note_saved(field, done, pieces, count, note, crcs, error);
    status = tk_comm_agree(run->comm, error);
    field->generation = 1 - field->generation;
    field->saved = tk_progress_now();
    field->save_time = field->saved - start;
    run->times.store += field->save_time;
    tk_keeper_turn(run->keeper);
    return status;
}

/* --- Restoring ---------------------------------------------------------------------------------------------------- */

/* On rank 0: the record number `back` of this field, counted from the last one back; NULL: there is none. Borrowed. */
static const json_t *find_record(const tk_field *field, int back) {
    const json_t *notes = field->run->past.notes;
    for (size_t i = json_array_size(notes); i-- > 0;) {
        const json_t *note = json_array_get(notes, i), *of = json_object_get(note, "saved");
        if (!of || json_integer_value(json_array_get(of, 0)) != field->step) continue;
        if (json_integer_value(json_array_get(of, 1)) == field->time && back-- == 0) return note;
    }
    return NULL;
}

/* Does a record fit, and do this rank's planes? */
static bool take_record(tk_field *field, const json_t *record, const tk_field_piece *pieces, int count, tk_bytes *note,
                        tk_error *error) {
    json_t *expected = describe(pieces, count);
    const json_t *crcs = json_object_get(record, "crc");
    const char *hex = json_string_value(json_object_get(record, "note"));
    const int generation = json_integer_value(json_array_get(json_object_get(record, "saved"), 2)) == 1;
    const bool fits = expected && json_equal(expected, json_object_get(record, "pieces")) && is_hex(hex) &&
                      json_array_size(crcs) == (size_t)planes_before(pieces, count);
    json_decref(expected);
    if (!fits || !read_planes(field, generation, pieces, count, crcs, error)) return false;
    if (from_hex(hex, note) != TK_OK) tk_fail_memory(error, "a saved state");
    field->generation = 1 - generation;
    return error->status == TK_OK;
}

/* Tries one record on all ranks. *there: there is one. Collective. */
static tk_status try_record(tk_field *field, int back, const tk_field_piece *pieces, int count, tk_bytes *note,
                            bool *there, int64_t *done, tk_error *error) {
    tk_run *run = field->run;
    json_t *record = NULL;
    const bool first = tk_comm_rank(run->comm) == 0 && run->past.header;
    TK_TRY(tk_solve_spread(run, first ? find_record(field, back) : NULL, &record, error));
    *there = record != NULL;
    if (!record) return TK_OK;
    double damaged = !take_record(field, record, pieces, count, note, error);
    const int64_t iterations = json_integer_value(json_object_get(record, "done"));
    json_decref(record);
    tk_field_sum(field, &damaged, 1);
    *done = damaged == 0 && iterations > 0 ? iterations : 0;
    return tk_comm_agree(run->comm, error);
}

tk_status tk_field_restore(tk_field *field, int64_t *done, const tk_field_piece *pieces, int count, tk_bytes *note,
                           tk_error *error) {
    bool there = true;
    *done = 0;
    tk_status status = TK_OK;
    for (int back = 0; back < 2 && there && *done == 0 && status == TK_OK; back++)
        status = try_record(field, back, pieces, count, note, &there, done, error);
    if (*done == 0) field->generation = 0;
    field->done = field->restored = *done;
    field->turned = tk_progress_now();
    if (*done > 0)
        tk_progress_say(&field->run->progress, "%s: goes on after iteration %lld",
                        field->run->job->workflow->steps[field->step].name, (long long)*done);
    return status;
}
