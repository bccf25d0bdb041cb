/* Sealing: nothing counts as done before it has been read back. */
#include "engine/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/keeping/output.h"
#include "engine/keeping/provenance.h"
#include "engine/passes.h"
#include "engine/running/names.h"
#include "engine/running/tables.h"
#include "io/checksum.h"

/* Where tiles were given up there are zeros: chunks that are not there would read as anything, and those that a tile
 * had written before it failed are no longer there in a run that is resumed. */
static tk_status fill_chunk(tk_run *run, int image, int64_t time, const int64_t origin[3], size_t element,
                            tk_error *error) {
    const size_t raw = (size_t)(run->plan->chunk[0] * run->plan->chunk[1] * run->plan->chunk[2]) * element;
    const size_t room = tk_chunk_bound(raw);
    size_t encoded = 0;
    tk_bytes zeros = {0}, work = {0}, out = {0};
    tk_status status = tk_bytes_resize(&zeros, raw);
    if (status == TK_OK) status = tk_bytes_resize(&work, tk_chunk_work(raw));
    if (status == TK_OK) status = tk_bytes_resize(&out, room);
    if (status == TK_OK) status = tk_chunk_encode(zeros.data, raw, element, work.data, out.data, room, &encoded);
    if (status == TK_OK)
        status = tk_result_write_chunk(run->result, image, time, origin, out.data, encoded, NULL, error);
    else
        tk_fail(error, status, "a chunk of the result could not be encoded");
    tk_bytes_free(&zeros);
    tk_bytes_free(&work);
    tk_bytes_free(&out);
    return status;
}

static tk_status fill_tile(tk_run *run, int image, int64_t tile, size_t element, tk_error *error) {
    const tk_box core = tk_plan_tile(run->plan, tile);
    const int64_t *chunk = run->plan->chunk, time = tk_job_time(run->job, tk_plan_time(run->plan, tile));
    int64_t at[3];
    for (at[0] = core.lo[0]; at[0] < core.hi[0]; at[0] += chunk[0])
        for (at[1] = core.lo[1]; at[1] < core.hi[1]; at[1] += chunk[1])
            for (at[2] = core.lo[2]; at[2] < core.hi[2]; at[2] += chunk[2])
                TK_TRY(fill_chunk(run, image, time, at, element, error));
    return TK_OK;
}

/* The stage that makes what a step puts out. */
static int stage_of(const tk_plan *plan, int step) {
    int stage = 0;
    while (stage + 1 < plan->stages && step >= plan->stage[stage].last) stage++;
    return stage;
}

static tk_status fill_given_up(tk_run *run, int step, tk_error *error) {
    const size_t element = tk_kind_bytes(run->job->workflow->steps[step].step->output);
    const int stage = stage_of(run->plan, step);
    for (int64_t tile = 0; run->given_up > 0 && tile < run->plan->tiles; tile++)
        if (tk_run_done(run, stage, tile) == TK_TILE_GIVEN_UP)
            TK_TRY(fill_tile(run, run->image[step], tile, element, error));
    return TK_OK;
}

/* What an output is in the provenance; more than that is added to it afterwards. NULL: no memory. */
static json_t *note_output(tk_run *run, int step, const char *path, const char *sha256) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    json_t *output = json_pack("{s:s, s:s, s:s, s:s}", "step", s->name, "kind", tk_kind_text(s->step->output), "path",
                               path, "sha256", sha256);
    json_array_append_new(run->outputs, output);
    return output;
}

/* Seals the images of all time points. *sha256 is that of the only one, else the SHA-256 of all their SHA-256, one
 * text behind the other. */
static tk_status seal_times(tk_run *run, int step, char sha256[65], tk_error *error) {
    tk_sha256 *sum = NULL;
    tk_status status = tk_sha256_start(&sum, error);
    for (int64_t i = 0; i < run->job->times && status == TK_OK; i++) {
        status = tk_result_seal_image(run->result, run->image[step], tk_job_time(run->job, i), sha256, error);
        if (status == TK_OK) status = tk_sha256_feed(sum, sha256, strlen(sha256), error);
    }
    char of_all[65];
    const tk_status finished = tk_sha256_finish(&sum, status == TK_OK ? of_all : NULL, error);
    if (status == TK_OK && finished == TK_OK && run->job->times > 1) memcpy(sha256, of_all, sizeof of_all);
    return status == TK_OK ? finished : status;
}

static tk_status seal_image(tk_run *run, int step, tk_error *error) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    char sha256[65], *path = tk_name_of_output(s), *first = NULL;
    tk_status status = fill_given_up(run, step, error);
    if (status == TK_OK) status = seal_times(run, step, sha256, error);
    if (path) first = tk_result_series_path(path, tk_job_time(run->job, 0), s->channel);
    if (status == TK_OK && first) {
        json_t *output = note_output(run, step, tk_job_is_series(run->job) ? first : path, sha256);
        if (run->job->channels > 1) json_object_set_new(output, "channel", json_integer(s->channel));
        if (run->job->times > 1) json_object_set_new(output, "times", json_integer(run->job->times));
    }
    if (status == TK_OK && !first) status = tk_fail_memory(error, "the result");
    free(path);
    free(first);
    return status;
}

static tk_status write_table(tk_run *run, int step, const tk_table *table, tk_error *error) {
    char sha256[65], *path = tk_name_of_output(&run->job->workflow->steps[step]);
    if (!path) return tk_fail_memory(error, "the result");
    const tk_status status = tk_result_write_table(run->result, path, table, sha256, error);
    if (status == TK_OK) json_object_set_new(note_output(run, step, path, sha256), "rows", json_integer(table->rows));
    free(path);
    return status;
}

/* The tables of all channels, as one; `step` is that of the first channel. */
static tk_status seal_table(tk_run *run, int step, tk_error *error) {
    const int64_t count = run->job->channels;
    if (count == 1) return write_table(run, step, &run->table[step], error);
    const tk_table **table = calloc((size_t)count, sizeof(tk_table *));
    int64_t *channel = calloc((size_t)count, sizeof *channel);
    tk_table joined = {0};
    tk_status status = table && channel ? TK_OK : tk_fail_memory(error, "a table");
    for (int64_t c = 0; c < count && status == TK_OK; c++) {
        const int its = tk_passes_step(run->job->given, step, c);
        table[c] = &run->table[its];
        channel[c] = run->job->workflow->steps[its].channel;
    }
    if (status == TK_OK) status = tk_tables_join(table, channel, count, &joined, error);
    if (status == TK_OK) status = write_table(run, step, &joined, error);
    tk_table_free(&joined);
    free(table);
    free(channel);
    return status;
}

static tk_status seal_step(tk_run *run, int step, tk_error *error) {
    if (run->image[step] >= 0) return seal_image(run, step, error);
    const bool is_table = run->job->workflow->steps[step].step->output == TK_KIND_TABLE;
    return is_table && step < run->job->given->count ? seal_table(run, step, error) : TK_OK;
}

static tk_status finish_file(tk_run *run, const char *provenance, tk_error *error) {
    TK_TRY(tk_result_write_text(run->result, TK_PROVENANCE_PATH, provenance, error));
    TK_TRY(tk_result_close(&run->result, error));
    return tk_output_publish(run, provenance, error);
}

/* The source's own metadata, verbatim. */
static tk_status carry_metadata(tk_run *run, tk_error *error) {
    const char *metadata = tk_image_info_of(run->job->image)->metadata;
    return metadata ? tk_result_write_text(run->result, "/provenance/input_metadata", metadata, error) : TK_OK;
}

tk_status tk_merge(tk_run *run, tk_error *error) {
    TK_TRY(tk_inputs_unchanged(&run->job->inputs, error));
    for (int i = 0; i < run->job->workflow->count; i++) TK_TRY(seal_step(run, i, error));
    TK_TRY(carry_metadata(run, error));
    char *provenance = NULL;
    TK_TRY(tk_provenance_make(run, &provenance, error));
    const tk_status status = finish_file(run, provenance, error);
    free(provenance);
    return status;
}
