/* Sealing: nothing counts as done before it has been read back. */
#include "engine/merge.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/provenance.h"
#include "io/publish.h"

char *tk_merge_path(const tk_workflow_step *step) {
    static const char *const groups[TK_KIND_COUNT] = {"images", "images", "labels", "tables"};
    char *path = NULL;
    return asprintf(&path, "/%s/%s", groups[step->step->output], step->name) < 0 ? NULL : path;
}

char *tk_merge_provenance_file(const char *output) {
    const char *dot = strrchr(output, '.'), *slash = strrchr(output, '/');
    const size_t stem = dot && (!slash || dot > slash + 1) && dot != output ? (size_t)(dot - output) : strlen(output);
    char *file = NULL;
    return asprintf(&file, "%.*s.provenance.json", (int)stem, output) < 0 ? NULL : file;
}

static void note_output(tk_run *run, int step, const char *path, const char *sha256, int64_t rows) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    json_t *output = json_pack("{s:s, s:s, s:s, s:s}", "step", s->name, "kind", tk_kind_text(s->step->output), "path",
                               path, "sha256", sha256);
    if (rows >= 0) json_object_set_new(output, "rows", json_integer(rows));
    json_array_append_new(run->outputs, output);
}

static tk_status seal_step(tk_run *run, int step, tk_error *error) {
    const tk_workflow_step *s = &run->job->workflow->steps[step];
    const bool table = s->step->output == TK_KIND_TABLE;
    char sha256[65];
    if (!table && run->image[step] < 0) return TK_OK;
    char *path = tk_merge_path(s);
    if (!path) return tk_fail_memory(error, "the result");
    const tk_status status = table ? tk_result_write_table(run->result, path, &run->table[step], sha256, error)
                                   : tk_result_seal_image(run->result, run->image[step], sha256, error);
    if (status == TK_OK) note_output(run, step, path, sha256, table ? run->table[step].rows : -1);
    free(path);
    return status;
}

static tk_status write_text_file(const char *file, const char *text, tk_error *error) {
    tk_part part;
    TK_TRY(tk_part_open(file, &part, error));
    const tk_status status = tk_part_write(&part, text, strlen(text), error);
    if (status != TK_OK) {
        tk_part_discard(&part);
        return status;
    }
    return tk_part_publish(&part, error);
}

static tk_status name_result(tk_run *run, tk_error *error) {
    const char *output = run->job->workflow->output;
    const unsigned flags = run->request->overwrite ? 0 : RENAME_NOREPLACE;
    if (renameat2(AT_FDCWD, run->part, AT_FDCWD, output, flags) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, output, "the finished result could not be given its name");
}

static tk_status publish(tk_run *run, const char *provenance, tk_error *error) {
    char *file = tk_merge_provenance_file(run->job->workflow->output);
    if (!file) return tk_fail_memory(error, "the result");
    tk_status status = tk_result_write_text(run->result, TK_PROVENANCE_PATH, provenance, error);
    if (status == TK_OK) status = tk_result_close(&run->result, error);
    if (status == TK_OK) status = write_text_file(file, provenance, error);
    if (status == TK_OK) status = name_result(run, error);
    free(file);
    return status;
}

/* The source's own metadata, verbatim. */
static tk_status carry_metadata(tk_run *run, tk_error *error) {
    const char *metadata = tk_image_info_of(run->job->image)->metadata;
    return metadata ? tk_result_write_text(run->result, "/provenance/input_metadata", metadata, error) : TK_OK;
}

tk_status tk_merge(tk_run *run, tk_error *error) {
    for (int i = 0; i < run->job->workflow->count; i++) TK_TRY(seal_step(run, i, error));
    TK_TRY(carry_metadata(run, error));
    char *provenance = NULL;
    TK_TRY(tk_provenance_make(run, &provenance, error));
    const tk_status status = publish(run, provenance, error);
    free(provenance);
    return status;
}
