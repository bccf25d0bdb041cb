/* Claiming, naming and cleaning up. A name is given by a hard link, which fails when the name is taken, on every file
 * system; where there are no hard links, by renaming. */
#include "engine/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/inputs.h"
#include "io/publish.h"

char *tk_output_provenance_file(const char *output) {
    const char *dot = strrchr(output, '.'), *slash = strrchr(output, '/');
    const size_t stem = dot && dot != output && (!slash || dot > slash + 1) ? (size_t)(dot - output) : strlen(output);
    char *file = NULL;
    return asprintf(&file, "%.*s.provenance.json", (int)stem, output) < 0 ? NULL : file;
}

/* May this name be written? */
static tk_status refuse_existing(const tk_run *run, const char *name, tk_error *error) {
    struct stat status;
    if (stat(name, &status) != 0) return TK_OK;
    if (!S_ISREG(status.st_mode)) return tk_fail(error, TK_UNWRITABLE, "%s: is no ordinary file; name another", name);
    const char *role = tk_inputs_role_of(&run->job->inputs, &status);
    if (role)
        return tk_fail(error, TK_UNWRITABLE, "%s: is an input of this run (%s); give another --output", name, role);
    if (run->request->overwrite) return TK_OK;
    return tk_fail(error, TK_UNWRITABLE, "%s: exists already; give --overwrite to replace it, or another --output",
                   name);
}

static tk_status refuse_another_run(const tk_run *run, tk_error *error) {
    if (run->request->overwrite || access(run->part, F_OK) != 0) return TK_OK;
    return tk_fail(
        error, TK_UNWRITABLE,
        "%s: another run is writing this result, or one was killed; wait for it, or give --overwrite to begin "
        "anew",
        run->part);
}

/* Removes the intermediate images in the folder: this run's, or those of one that was killed. */
static void empty_folder(const tk_run *run) {
    DIR *folder = opendir(run->folder);
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        const size_t length = strlen(entry->d_name);
        if (length > 4 && !strcmp(entry->d_name + length - 4, ".raw")) (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
}

tk_status tk_output_claim(tk_run *run, tk_error *error) {
    const char *output = run->job->workflow->output;
    char *beside = tk_output_provenance_file(output);
    if (!beside) return tk_fail_memory(error, "the result");
    tk_status status = refuse_existing(run, output, error);
    if (status == TK_OK) status = refuse_existing(run, beside, error);
    free(beside);
    TK_TRY(status);
    TK_TRY(refuse_another_run(run, error));
    TK_TRY(tk_result_create(run->part, &run->result, error));
    run->claimed = true;
    if (mkdir(run->folder, 0777) != 0 && errno != EEXIST)
        return tk_fail_errno(error, TK_UNWRITABLE, run->folder, "the folder for intermediate images cannot be made");
    empty_folder(run);
    return TK_OK;
}

/* Links never replace: a result that has appeared under the name meanwhile stays. */
static tk_status give_new_name(const char *part, const char *name, tk_error *error) {
    if (link(part, name) == 0) {
        (void)unlink(part);
        return TK_OK;
    }
    if (errno != EEXIST && access(name, F_OK) != 0 && rename(part, name) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, name, "the finished result could not be given its name");
}

static tk_status give_name(const tk_run *run, tk_error *error) {
    const char *output = run->job->workflow->output;
    if (!run->request->overwrite) return give_new_name(run->part, output, error);
    if (rename(run->part, output) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, output, "the finished result could not be given its name");
}

static tk_status write_text_file(const char *file, const char *text, tk_error *error) {
    tk_part part;
    TK_TRY(tk_part_open(file, &part, error));
    const tk_status status = tk_part_write(&part, text, strlen(text), error);
    if (status == TK_OK) return tk_part_publish(&part, error);
    tk_part_discard(&part);
    return status;
}

tk_status tk_output_publish(tk_run *run, const char *provenance, tk_error *error) {
    char *beside = tk_output_provenance_file(run->job->workflow->output);
    if (!beside) return tk_fail_memory(error, "the result");
    tk_status status = give_name(run, error);
    if (status == TK_OK) status = write_text_file(beside, provenance, error);
    free(beside);
    return status;
}

void tk_output_clean(tk_run *run, bool succeeded) {
    if (!run->claimed) return;
    if (!succeeded) (void)unlink(run->part);
    empty_folder(run);
    (void)rmdir(run->folder);
}
