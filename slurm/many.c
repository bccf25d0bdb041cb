/* Many images in one submission: which, and the list that the script reads. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/commands/arguments.h"
#include "io/publish.h"
#include "slurm/batch.h"

static tk_status make_absolute(const tk_batch_job *batch, char **path, tk_error *error) {
    char *made = NULL;
    const tk_status status = tk_batch_path(batch, *path, &made, error);
    if (status != TK_OK) return free(made), status;
    free(*path);
    *path = made;
    return TK_OK;
}

/* The script is laid out for the largest image. */
static int64_t largest(const tk_images *images) {
    int64_t found = 0;
    off_t most = -1;
    for (int64_t i = 0; i < images->count; i++) {
        struct stat status;
        if (stat(images->image[i], &status) != 0 || status.st_size <= most) continue;
        most = status.st_size;
        found = i;
    }
    return found;
}

/* The script is called after the workflow and lies beside the first result. */
static tk_status name_base(tk_batch_job *batch, tk_error *error) {
    const char *first = batch->images.output[0], *slash = strrchr(first, '/'), *name = strrchr(batch->file, '/');
    const char *dot = strrchr(name + 1, '.');
    const int length = dot && dot != name + 1 ? (int)(dot - name) : (int)strlen(name);
    if (asprintf(&batch->base, "%.*s%.*s", (int)(slash - first), first, length, name) >= 0) return TK_OK;
    batch->base = NULL;
    return tk_fail_memory(error, "the batch job");
}

/* Reads the workflow again, for this image. */
static tk_status reopen(const tk_arguments *arguments, int64_t image, tk_batch_job *batch, tk_error *error) {
    const tk_overrides overrides = {.input = batch->images.image[image],
                                    .output = tk_option_value(arguments, "output"),
                                    .set = tk_option_all(arguments, "set")};
    tk_workflow again;
    TK_TRY(tk_workflow_read(tk_positional(arguments, 0), &overrides, &again, error));
    tk_workflow_free(&batch->workflow);
    batch->workflow = again;
    batch->result = strdup(batch->images.output[image]);
    return batch->result ? TK_OK : tk_fail_memory(error, "the batch job");
}

tk_status tk_batch_find_images(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    if (tk_option_value(arguments, "array") && tk_option_value(arguments, "pack"))
        return tk_fail(error, TK_USAGE, "--array and --pack: give one of them");
    TK_TRY(tk_option_integer(arguments, "at-once", 1, 100000, 20, &batch->at_once, error));
    TK_TRY(tk_images_find(batch->workflow.images, batch->workflow.output, &batch->images, error));
    for (int64_t i = 0; i < batch->images.count; i++) {
        TK_TRY(make_absolute(batch, &batch->images.image[i], error));
        TK_TRY(make_absolute(batch, &batch->images.output[i], error));
    }
    TK_TRY(name_base(batch, error));
    return reopen(arguments, largest(&batch->images), batch, error);
}

static tk_status write_lines(const tk_images *images, tk_part *part, tk_error *error) {
    for (int64_t i = 0; i < images->count; i++) {
        const char *const pieces[] = {images->image[i], "\t", images->output[i], "\n"};
        for (int k = 0; k < 4; k++) TK_TRY(tk_part_write(part, pieces[k], strlen(pieces[k]), error));
    }
    return TK_OK;
}

tk_status tk_batch_write_list(const tk_batch_job *batch, tk_error *error) {
    char *file = NULL;
    tk_part part;
    if (!batch->images.count) return TK_OK;
    if (asprintf(&file, "%s.list", batch->base) < 0) return tk_fail_memory(error, "the list of images");
    tk_status status = tk_part_open(file, &part, error);
    free(file);
    TK_TRY(status);
    status = write_lines(&batch->images, &part, error);
    if (status != TK_OK) return tk_part_discard(&part), status;
    return tk_part_publish(&part, error);
}
