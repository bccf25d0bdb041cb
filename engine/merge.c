/* Sealing: nothing counts as done before it has been read back. */
#include "engine/merge.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/output.h"
#include "engine/provenance.h"

char *tk_merge_path(const tk_workflow_step *step) {
    static const char *const groups[TK_KIND_COUNT] = {"images", "images", "labels", "tables"};
    char *path = NULL;
    return asprintf(&path, "/%s/%s", groups[step->step->output], step->name) < 0 ? NULL : path;
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
