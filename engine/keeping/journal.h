/* The journal of a run: what is done, one record a line, so that a run that was killed at any moment goes on from
 * there.
 *
 * A line is the CRC-32 of a JSON text as eight hexadecimal digits, a blank, and the text. A line that is torn or
 * damaged counts as absent: what it says is then done again. Records are only ever appended; nothing in them is
 * believed before what they speak of has been read and its checksum compared (see resume.h). */
#ifndef TK_ENGINE_JOURNAL_H
#define TK_ENGINE_JOURNAL_H

#include <jansson.h>

#include "io/error.h"

typedef struct tk_journal tk_journal;

/* Begins the journal `file`. It is written as FILE.new until tk_journal_publish. Errors: TK_UNWRITABLE. */
tk_status tk_journal_create(const char *file, tk_journal **journal, tk_error *error);

/* Appends a record, which is taken over (NULL: there was no memory for it). From any thread. Errors: TK_UNWRITABLE. */
tk_status tk_journal_add(tk_journal *journal, json_t *record, tk_error *error);

/* Writes to the disk what was appended. Errors: TK_UNWRITABLE. */
tk_status tk_journal_sync(tk_journal *journal, tk_error *error);

/* From now on this journal counts, and an older one of that name no longer. Errors: TK_UNWRITABLE. */
tk_status tk_journal_publish(tk_journal *journal, tk_error *error);

/* Closes the journal; NULL is allowed. */
void tk_journal_close(tk_journal *journal);

/* Gives every sound record of a journal to `take`, in order, until one returns an error; *damaged (may be NULL) counts
 * the lines that were not sound. A journal that is not there has no records. Errors: those of take, TK_UNREADABLE. */
tk_status tk_journal_read(const char *file, tk_status (*take)(void *user, const json_t *record), void *user,
                          int64_t *damaged, tk_error *error);

#endif
