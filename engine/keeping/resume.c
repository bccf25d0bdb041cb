/* Taking over what an earlier attempt has left: intermediate tiles are checked by all ranks, chunks by rank 0 while it
 * copies them. */
#include "engine/keeping/resume.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/keeping/output.h"
#include "engine/running/sweep.h"
#include "engine/syntax/json.h"
#include "io/checksum.h"

typedef struct place {
    int64_t stage, tile;
} place;

/* --- Intermediate tiles, on all ranks ----------------------------------------------------------------------------- */

static bool is_possible(const tk_run *run, const tk_store_record *s) {
    return s->stage >= 0 && s->stage < run->plan->stages && s->tile >= 0 && s->tile < run->plan->tiles &&
           s->value >= 1 && s->value <= run->plan->steps && run->store[s->value];
}

static bool is_sound(const tk_run *run, const tk_store_record *s, tk_bytes *voxels) {
    if (!is_possible(run, s)) return false;
    const tk_box core = tk_plan_tile(run->plan, s->tile);
    const size_t bytes =
        (size_t)tk_box_count(&core) * tk_kind_bytes(tk_workflow_value_kind(run->job->workflow, (int)s->value));
    const int64_t row = tk_box_size(&core, 2), stride[3] = {row * tk_box_size(&core, 1), row, 1};
    tk_error ignored = TK_ERROR_NONE;
    return tk_bytes_resize(voxels, bytes) == TK_OK &&
           tk_rawstore_read(run->store[s->value], tk_plan_time(run->plan, s->tile), &core, voxels->data, stride,
                            &ignored) == TK_OK &&
           tk_crc32(0, voxels->data, bytes) == s->crc;
}

/* This rank's share of the intermediate tiles; those that are not sound go to `bad`. */
static tk_status check_share(tk_run *run, const tk_bytes *stores, tk_bytes *bad) {
    tk_bytes voxels = {0};
    tk_status status = TK_OK;
    const size_t count = stores->size / sizeof(tk_store_record), ranks = (size_t)tk_comm_size(run->comm);
    for (size_t i = (size_t)tk_comm_rank(run->comm); i < count && status == TK_OK; i += ranks) {
        tk_store_record s;
        memcpy(&s, stores->data + i * sizeof s, sizeof s);
        if (!is_sound(run, &s, &voxels)) status = tk_bytes_append(bad, &(place){s.stage, s.tile}, sizeof(place));
    }
    tk_bytes_free(&voxels);
    return status;
}

static tk_status append(void *user, const tk_bytes *bytes) { return tk_bytes_append(user, bytes->data, bytes->size); }

/* On rank 0 `all` gets the tiles whose intermediate images are not sound. Collective. */
static tk_status check_stores(tk_run *run, tk_bytes *all, tk_error *error) {
    tk_bytes stores = {0}, bad = {0};
    if (tk_bytes_append(&stores, run->past.stores.data, run->past.stores.size) != TK_OK)
        tk_fail_memory(error, "what an earlier run has left");
    tk_status status = tk_comm_agree(run->comm, error);
    if (status == TK_OK && tk_comm_broadcast(run->comm, &stores) != TK_OK)
        tk_fail_memory(error, "what an earlier run has left");
    if (error->status == TK_OK && check_share(run, &stores, &bad) != TK_OK)
        tk_fail_memory(error, "what an earlier run has left");
    status = tk_comm_agree(run->comm, error);
    if (status == TK_OK) status = append(all, &bad);
    if (error->status == TK_OK && (tk_comm_collect(run->comm, &bad, append, all) != TK_OK || status != TK_OK))
        tk_fail_memory(error, "what an earlier run has left");
    tk_bytes_free(&stores);
    tk_bytes_free(&bad);
    return tk_comm_agree(run->comm, error);
}

/* --- Chunks, on rank 0 -------------------------------------------------------------------------------------------- */

/* Copies a chunk; *sound says whether it was what the journal says. */
static tk_status copy_chunk(tk_run *run, int from, int64_t time, tk_chunk_record *c, tk_bytes *encoded, bool *sound,
                            tk_error *error) {
    *sound = false;
    const int64_t most = (int64_t)tk_chunk_bound(
        (size_t)(run->plan->chunk[0] * run->plan->chunk[1] * run->plan->chunk[2]) * tk_kind_bytes(TK_KIND_LABELS));
    if (c->bytes < 1 || c->bytes > most || c->offset < 0) return TK_OK;
    if (tk_bytes_resize(encoded, (size_t)c->bytes) != TK_OK) return tk_fail_memory(error, "a chunk");
    if (pread(from, encoded->data, encoded->size, c->offset) != c->bytes) return TK_OK;
    if (tk_crc32(0, encoded->data, encoded->size) != c->crc) return TK_OK;
    *sound = true;
    return tk_result_write_chunk(run->result, (int)c->image, time, c->origin, encoded->data, encoded->size, &c->offset,
                                 error);
}

/* Are these the chunks of a tile's core in one image, from chunk[*next] on, in their order? Moves *next behind them. */
static bool has_chunks(const tk_run *run, int image, const tk_box *core, const tk_chunk_record *chunks, int64_t count,
                       int64_t *next) {
    const int64_t *size = run->plan->chunk;
    int64_t at[3];
    for (at[0] = core->lo[0]; at[0] < core->hi[0]; at[0] += size[0])
        for (at[1] = core->lo[1]; at[1] < core->hi[1]; at[1] += size[1])
            for (at[2] = core->lo[2]; at[2] < core->hi[2]; at[2] += size[2]) {
                if (*next >= count) return false;
                const tk_chunk_record *c = &chunks[(*next)++];
                if (c->image != image || memcmp(c->origin, at, sizeof at) != 0) return false;
            }
    return true;
}

/* Does a record speak of all that its tile writes in this stage, and of nothing else? */
static bool is_whole(const tk_run *run, const tk_tile_done *t) {
    const tk_stage *stage = &run->plan->stage[t->stage];
    const tk_box core = tk_plan_tile(run->plan, t->tile);
    const tk_chunk_record *chunks = (const tk_chunk_record *)(const void *)t->chunks.data;
    const int64_t count = (int64_t)(t->chunks.size / sizeof *chunks);
    int64_t next = 0;
    int store = 0;
    if (t->stores > TK_STORED_MOST) return false;
    for (int step = stage->fresh; step < stage->last; step++) {
        if (run->image[step] >= 0 && !has_chunks(run, run->image[step], &core, chunks, count, &next)) return false;
        if (!run->store[step + 1] || step == stage->solve) continue;
        if (store >= t->stores || t->stored[store].value != step + 1) return false;
        store++;
    }
    return next == count && store == t->stores;
}

/* What goes over the records of the old journal. */
typedef struct keeping {
    tk_run *run;
    int from; /* the old unfinished result */
    tk_tile_done tile;
    tk_bytes encoded;
    tk_error *error;
} keeping;

/* Copies a tile's chunks and notes it in the new journal, when all of it is there and sound. */
static tk_status keep_tile(keeping *k) {
    tk_run *run = k->run;
    const tk_tile_done *t = &k->tile;
    tk_chunk_record *chunks = (tk_chunk_record *)(void *)t->chunks.data;
    const int64_t count = (int64_t)(t->chunks.size / sizeof *chunks);
    const int64_t time = tk_job_time(run->job, tk_plan_time(run->plan, t->tile));
    bool sound = is_whole(run, t);
    for (int64_t i = 0; i < count && sound; i++)
        TK_TRY(copy_chunk(run, k->from, time, &chunks[i], &k->encoded, &sound, k->error));
    if (!sound) return TK_OK;
    run->done[t->stage * run->plan->tiles + t->tile] = TK_TILE_DONE;
    return tk_journal_add(run->journal, tk_tile_record((int)t->stage, t->tile, chunks, count, t->stored, t->stores),
                          k->error);
}

static tk_status keep_record(void *user, const json_t *record) {
    keeping *k = user;
    const tk_plan *plan = k->run->plan;
    if (!json_object_get(record, "tile")) return TK_OK;
    if (tk_tile_read_record(record, &k->tile) != TK_OK) return tk_fail_memory(k->error, "what an earlier run has left");
    const int64_t stage = k->tile.stage, tile = k->tile.tile;
    const bool possible = stage >= 0 && stage < plan->stages && tile >= 0 && tile < plan->tiles;
    return possible && tk_run_done(k->run, (int)stage, tile) == TK_TILE_OPEN ? keep_tile(k) : TK_OK;
}

/* Marks the tiles that are not to be kept: those whose intermediate images are not sound. */
static void mark_bad(tk_run *run, const tk_bytes *bad) {
    for (size_t at = 0; at < bad->size; at += sizeof(place)) {
        place p;
        memcpy(&p, bad->data + at, sizeof p);
        if (p.stage >= 0 && p.stage < run->plan->stages && p.tile >= 0 && p.tile < run->plan->tiles)
            run->done[p.stage * run->plan->tiles + p.tile] = TK_TILE_GIVEN_UP; /* until keep_tiles has passed */
    }
}

/* Reads the old journal once more: the chunks of a large run are more than fit into the memory. */
static tk_status keep_tiles(tk_run *run, int from, tk_error *error) {
    char *file = NULL;
    keeping k = {.run = run, .from = from, .error = error};
    if (asprintf(&file, "%s/journal", run->folder) < 0) return tk_fail_memory(error, "the journal");
    const tk_status status = tk_journal_read(file, keep_record, &k, NULL, error);
    tk_bytes_free(&k.tile.chunks);
    tk_bytes_free(&k.encoded);
    free(file);
    return status;
}

static void unmark_bad(tk_run *run) {
    for (int64_t i = 0; i < run->plan->stages * run->plan->tiles; i++)
        if (run->done[i] == TK_TILE_GIVEN_UP) run->done[i] = TK_TILE_OPEN;
}

/* Is this the record of a saved state that two later ones have taken the place of? */
static bool is_overwritten(const json_t *notes, size_t i) {
    const json_t *saved = json_object_get(json_array_get(notes, i), "saved");
    int later = 0;
    for (size_t k = i + 1; saved && k < json_array_size(notes); k++) {
        const json_t *of = json_object_get(json_array_get(notes, k), "saved");
        later += of && json_equal(json_array_get(of, 0), json_array_get(saved, 0)) &&
                 json_equal(json_array_get(of, 1), json_array_get(saved, 1));
    }
    return later >= 2;
}

/* Decisions, what was measured, what is solved and saved, tiles given up. */
static tk_status keep_notes(tk_run *run, tk_error *error) {
    json_t *note = NULL;
    size_t i = 0;
    json_array_foreach(run->past.notes, i, note) {
        const json_t *of = json_object_get(note, "given_up");
        const int64_t stage = json_integer_value(json_array_get(of, 0));
        const int64_t tile = json_integer_value(json_array_get(of, 1));
        if (is_overwritten(run->past.notes, i)) continue;
        if (of && (stage < 0 || stage >= run->plan->stages || tile < 0 || tile >= run->plan->tiles)) continue;
        if (of) {
            tk_sweep_give_up(run, (int)stage, tile);
            json_array_append(run->given, note);
        }
        TK_TRY(tk_journal_add(run->journal, json_incref(note), error));
    }
    return TK_OK;
}

static tk_status keep_past(tk_run *run, const tk_bytes *bad, tk_error *error) {
    char *old = tk_output_part(run, run->part_number - 1);
    if (!old) return tk_fail_memory(error, "the result");
    const int from = open(old, O_RDONLY | O_CLOEXEC); /* −1: its chunks are made again */
    mark_bad(run, bad);
    tk_status status = keep_tiles(run, from, error);
    if (from >= 0) close(from);
    free(old);
    unmark_bad(run);
    return status == TK_OK ? keep_notes(run, error) : status;
}

/* --- The new journal ---------------------------------------------------------------------------------------------- */

static json_t *header(const tk_run *run) {
    const tk_plan_request *asked = &run->request->plan_request;
    return json_pack("{s:O, s:i, s:b, s:{s:o, s:o, s:I}}", "job", run->identity, "part", run->part_number, "overwrite",
                     run->request->overwrite, "request", "tile", tk_json_triple(run->plan->tile), "halo",
                     tk_json_triple(asked->halo), "memory", (json_int_t)asked->memory);
}

/* On rank 0. */
static tk_status begin_journal(tk_run *run, const tk_bytes *bad, tk_error *error) {
    char *file = NULL;
    if (asprintf(&file, "%s/journal", run->folder) < 0) return tk_fail_memory(error, "the journal");
    tk_status status = tk_journal_create(file, &run->journal, error);
    free(file);
    if (status == TK_OK) status = tk_journal_add(run->journal, header(run), error);
    if (status == TK_OK && run->past.header) status = keep_past(run, bad, error);
    if (status == TK_OK && run->past.header) status = tk_result_sync(run->result, error);
    if (status == TK_OK) status = tk_journal_publish(run->journal, error);
    if (status == TK_OK) tk_output_forget_older(run);
    return status;
}

static tk_status share_done(tk_run *run, tk_error *error) {
    const size_t size = (size_t)(run->plan->stages * run->plan->tiles);
    tk_bytes done = {0};
    if (tk_bytes_append(&done, run->done, size) != TK_OK) tk_fail_memory(error, "what is done");
    tk_status status = tk_comm_agree(run->comm, error);
    if (status == TK_OK && tk_comm_broadcast(run->comm, &done) != TK_OK) status = tk_fail_memory(error, "what is done");
    if (status == TK_OK) memcpy(run->done, done.data, size);
    tk_bytes_free(&done);
    return tk_comm_agree(run->comm, error);
}

/* A tile that is given up is so in all further stages of its channel. */
static void count_given_up(tk_run *run) {
    run->given_up = 0;
    for (int k = 0; k < run->plan->stages; k++) {
        const int64_t channel = tk_plan_channel(run->job->workflow, &run->plan->stage[k]);
        const bool last =
            k + 1 == run->plan->stages || tk_plan_channel(run->job->workflow, &run->plan->stage[k + 1]) != channel;
        for (int64_t tile = 0; last && tile < run->plan->tiles; tile++)
            run->given_up += tk_run_done(run, k, tile) == TK_TILE_GIVEN_UP;
    }
}

static void say_what_is_done(tk_run *run) {
    const int64_t all = run->plan->stages * run->plan->tiles;
    int64_t done = 0;
    for (int64_t i = 0; i < all; i++) done += run->done[i] == TK_TILE_DONE;
    if (run->part_number > 1)
        tk_progress_say(&run->progress, "resumed: %lld of %lld tiles (over %d stages) are done already",
                        (long long)done, (long long)all, run->plan->stages);
}

tk_status tk_resume(tk_run *run, tk_error *error) {
    tk_bytes bad = {0};
    tk_status status = check_stores(run, &bad, error);
    if (status == TK_OK && tk_comm_rank(run->comm) == 0) begin_journal(run, &bad, error);
    tk_bytes_free(&bad);
    tk_bytes_free(&run->past.stores); /* the notes are still of use */
    TK_TRY(tk_comm_agree(run->comm, error));
    TK_TRY(share_done(run, error));
    count_given_up(run);
    say_what_is_done(run);
    return TK_OK;
}
