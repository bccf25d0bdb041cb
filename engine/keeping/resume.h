/* Going on from what an earlier run of the same job has left in its folder.
 *
 * The journal's records: {"job": identity, "part", "overwrite", "request"} first; {"tile": [stage, tile], "chunks":
 * [[image, z, y, x, offset, bytes, crc], …], "stores": [[value, crc], …]}; {"decision": [step, round], "more",
 * "sha256", "facts"}; {"partial": [step, round], "sha256"}; {"given_up": [stage, tile], "reason"}; {"saved": …} and
 * {"solved": …} of steps on the whole image (engine/running/saved.c, solve.c).
 *
 * Nothing is believed: every chunk and every intermediate tile is read and its checksum compared, and what does not
 * match is made again. Chunks are copied from the old unfinished result, at the places the journal names, into a new
 * one, since HDF5 cannot be trusted to open a file that it has not closed; the old journal and the old file stay until
 * the new ones are whole. The journal is read twice: all but the chunks at first, then one tile's chunks at a time. */
#ifndef TK_ENGINE_RESUME_H
#define TK_ENGINE_RESUME_H

#include <jansson.h>

#include "engine/running/writer.h"

struct tk_run;

/* Intermediate images that one stage may store. */
enum { TK_STORED_MOST = 64 };

/* A chunk of a tile. */
typedef struct tk_chunk_record {
    int64_t image, origin[3]; /* z y x */
    int64_t offset, bytes;    /* in the unfinished result */
    int64_t crc;              /* CRC-32 of the encoded bytes */
} tk_chunk_record;

/* A tile's part of an intermediate image. */
typedef struct tk_store_record {
    int64_t stage, tile, value, crc;
} tk_store_record;

/* A tile that is done. */
typedef struct tk_tile_done {
    int64_t stage, tile;
    tk_bytes chunks; /* tk_chunk_record */
    tk_stored stored[TK_STORED_MOST];
    int stores; /* more than TK_STORED_MOST: not all of them are here */
} tk_tile_done;

/* What a journal says, but for the chunks, of which there may be too many for the memory. On rank 0. */
typedef struct tk_past {
    json_t *header;  /* its first record; NULL: there is nothing to go on from */
    json_t *notes;   /* decisions, partials, tiles given up, in order */
    tk_bytes stores; /* tk_store_record */
    int64_t lines;   /* of the journal, beside the first record; sound or not */
} tk_past;

/* The record of a tile that is done: a new reference; NULL: no memory. */
json_t *tk_tile_record(int stage, int64_t tile, const tk_chunk_record *chunks, int64_t count, const tk_stored *stored,
                       int stores);

/* Reads such a record; what was in `done` before is lost, but for the memory of its chunks, which the caller frees in
 * the end. Errors: TK_NO_MEMORY. */
tk_status tk_tile_read_record(const json_t *record, tk_tile_done *done);

/* Reads the journal of a folder. One that is not there, or has no header, is no past. Errors: TK_UNREADABLE,
 * TK_NO_MEMORY. The caller frees it. */
tk_status tk_past_read(const char *folder, tk_past *past, tk_error *error);

void tk_past_free(tk_past *past);

/* The first record of a folder's journal: a new reference; NULL: there is none. */
json_t *tk_past_header(const char *folder);

/* The note of this kind ("decision", "partial") about a step and round; NULL: there is none. Borrowed. */
const json_t *tk_past_note(const tk_past *past, const char *kind, int step, int round);

/* Takes the past over into a run whose result, stores and images stand: checks intermediate tiles on all ranks, copies
 * chunks, writes the new journal (of a run without a past as well) and tells all ranks what is done. Collective. */
tk_status tk_resume(struct tk_run *run, tk_error *error);

#endif
