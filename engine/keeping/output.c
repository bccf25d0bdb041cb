/* Claiming, naming and cleaning up. A name is given by a hard link, which fails when the name is taken, on every file
 * system; where there are no hard links, by renaming. */
#include "engine/keeping/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/inputs.h"
#include "engine/keeping/identity.h"
#include "engine/merge.h"
#include "io/publish.h"

char *tk_output_provenance_file(const char *output) {
    const char *dot = strrchr(output, '.'), *slash = strrchr(output, '/');
    const size_t stem = dot && dot != output && (!slash || dot > slash + 1) ? (size_t)(dot - output) : strlen(output);
    char *file = NULL;
    return asprintf(&file, "%.*s.provenance.json", (int)stem, output) < 0 ? NULL : file;
}

char *tk_run_folder(const char *output) {
    char *folder = NULL;
    return asprintf(&folder, "%s.work", output) < 0 ? NULL : folder;
}

char *tk_output_part(const tk_run *run, int number) {
    char *file = NULL;
    return asprintf(&file, "%s/part-%d.h5", run->folder, number) < 0 ? NULL : file;
}

/* --- The folder --------------------------------------------------------------------------------------------------- */

/* Removes what runs leave in a folder, as far as its names begin with `kind` ("" = all); never the lock, `except`, or
 * what is none of ours. */
static void empty_folder(const tk_run *run, const char *kind, const char *except) {
    static const char *const patterns[] = {"part-*.h5",       "*.raw",   "decision-*.bin", "partial-*.bin",
                                           "saved-*.bin",     "journal", "journal.new",    "status.json",
                                           "status.json.new", "stop",    "*.bin.part",     "lock.*",
                                           "provenance.json*"};
    DIR *folder = opendir(run->folder);
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        bool ours = false;
        for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
            ours = ours || fnmatch(patterns[i], entry->d_name, 0) == 0;
        if (ours && !strncmp(entry->d_name, kind, strlen(kind)) && (!except || strcmp(entry->d_name, except) != 0))
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
}

void tk_output_forget_older(const tk_run *run) {
    const char *name = strrchr(run->part, '/');
    empty_folder(run, "part-", name ? name + 1 : run->part);
}

void tk_output_release(tk_run *run, bool keep) {
    if (!run->lock.file) return;
    const bool clean = !keep && tk_lock_beat(&run->lock); /* what a run that has taken over does there is not ours */
    if (clean) empty_folder(run, "", NULL);
    tk_lock_release(&run->lock);
    if (clean) (void)rmdir(run->folder);
}

/* --- Claiming ----------------------------------------------------------------------------------------------------- */

static tk_status check_kind(const tk_run *run, const char *name, bool *exists, tk_error *error) {
    struct stat status;
    *exists = stat(name, &status) == 0;
    if (!*exists) return TK_OK;
    if (!S_ISREG(status.st_mode)) return tk_fail(error, TK_UNWRITABLE, "%s: is no ordinary file; name another", name);
    const char *role = tk_inputs_role_of(&run->job->inputs, &status);
    if (!role) return TK_OK;
    return tk_fail(error, TK_UNWRITABLE, "%s: is an input of this run (%s); give another --output", name, role);
}

/* Is the result there already, from this very job? Then the run takes over which tiles that one gave up. */
static bool is_this_job(tk_run *run, const char *output) {
    char *text = NULL, sha256[65] = "";
    tk_error ignored = TK_ERROR_NONE;
    tk_result_read_text(output, TK_PROVENANCE_PATH, &text);
    json_t *provenance = text ? json_loads(text, 0, NULL) : NULL;
    const char *was = json_string_value(json_object_get(provenance, "job_sha256"));
    json_t *given = json_object_get(provenance, "given_up");
    const bool same = was && tk_identity_sha256(run->identity, sha256, &ignored) == TK_OK && !strcmp(was, sha256);
    if (same && given) {
        json_array_extend(run->given, given);
        run->given_up = (int64_t)json_array_size(given);
    }
    json_decref(provenance);
    free(text);
    return same;
}

/* The attempt that wrote the journal; 0: there was none. */
static int past_part(const tk_run *run) {
    const json_int_t part = json_integer_value(json_object_get(run->past.header, "part"));
    return part > 0 && part < INT_MAX ? (int)part : 0;
}

/* Was the interrupted run to replace the result that is there? It has not yet while its own has not moved. */
static bool is_to_be_replaced(const tk_run *run) {
    if (!json_is_true(json_object_get(run->past.header, "overwrite"))) return false;
    char *part = tk_output_part(run, past_part(run));
    const bool there = part && access(part, F_OK) == 0;
    free(part);
    return there;
}

/* May the names be given at the end? */
static tk_status check_names(tk_run *run, tk_error *error) {
    const char *output = run->job->workflow->output;
    char *beside = tk_output_provenance_file(output);
    bool exists = false, exists_beside = false;
    if (!beside) return tk_fail_memory(error, "the result");
    tk_status status = check_kind(run, output, &exists, error);
    if (status == TK_OK) status = check_kind(run, beside, &exists_beside, error);
    if (status == TK_OK && run->request->resume && exists && !is_to_be_replaced(run))
        run->finished = is_this_job(run, output);
    if (status == TK_OK && (exists || exists_beside) && !run->finished && !run->replace)
        status =
            tk_fail(error, TK_UNWRITABLE, "%s: exists already%s; give --overwrite to replace it, or another --output",
                    exists ? output : beside, run->request->resume ? ", and is not this job's" : "");
    free(beside);
    return status;
}

static tk_status check_past(tk_run *run, tk_error *error) {
    char text[600];
    if (!run->past.header && run->past.lines > 0)
        return tk_fail(error, TK_UNREADABLE,
                       "%s: the journal's first line is damaged, so that nobody knows what run this was; begin anew "
                       "with --overwrite",
                       run->folder);
    if (!run->past.header) return TK_OK;
    if (!run->request->resume)
        return tk_fail(error, TK_UNWRITABLE,
                       "%s: an earlier run was interrupted here; go on with --resume, or begin anew with --overwrite",
                       run->folder);
    tk_identity_difference(json_object_get(run->past.header, "job"), run->identity, text, sizeof text);
    if (!*text) return TK_OK;
    return tk_fail(error, TK_INVALID,
                   "%s: cannot be resumed, since it was begun by another job: %s; run that one, or begin anew with "
                   "--overwrite",
                   run->folder, text);
}

/* With the lock held: what is there to go on from, and the names. */
static tk_status look_around(tk_run *run, tk_error *error) {
    if (!run->request->overwrite) TK_TRY(tk_past_read(run->folder, &run->past, error));
    run->replace = run->request->overwrite ||
                   (run->request->resume && json_is_true(json_object_get(run->past.header, "overwrite")));
    tk_status status = check_names(run, error);
    if (status == TK_OK && !run->finished) status = check_past(run, error);
    if (status != TK_OK) tk_past_free(&run->past); /* it is not this run's to go on from */
    if (status != TK_OK || run->finished) return status;
    if (!run->past.header) empty_folder(run, "", NULL);
    run->part_number = 1 + past_part(run);
    empty_folder(run, "stop", NULL);
    run->part = tk_output_part(run, run->part_number);
    if (!run->part) return tk_fail_memory(error, "the result");
    return tk_result_create(run->part, &run->result, error);
}

static tk_status write_whole(const char *file, const char *text, tk_error *error) {
    tk_part part;
    TK_TRY(tk_part_open(file, &part, error));
    const tk_status status = tk_part_write(&part, text, strlen(text), error);
    if (status == TK_OK) return tk_part_publish(&part, error);
    tk_part_discard(&part);
    return status;
}

/* The provenance beside the result is written in the folder, so that a kill leaves nothing elsewhere. */
static char *fresh_provenance(const tk_run *run) {
    char *file = NULL;
    return asprintf(&file, "%s/provenance.json", run->folder) < 0 ? NULL : file;
}

static tk_status write_provenance(const tk_run *run, const char *provenance, tk_error *error) {
    char *fresh = fresh_provenance(run);
    const tk_status status = fresh ? write_whole(fresh, provenance, error) : tk_fail_memory(error, "the provenance");
    free(fresh);
    return status;
}

static tk_status put_beside(const tk_run *run, tk_error *error) {
    char *beside = tk_output_provenance_file(run->job->workflow->output), *fresh = fresh_provenance(run);
    tk_status status = TK_OK;
    if (!beside || !fresh)
        status = tk_fail_memory(error, "the provenance");
    else if (rename(fresh, beside) != 0)
        status = tk_fail_errno(error, TK_UNWRITABLE, beside, "the provenance could not be given its name");
    free(fresh);
    free(beside);
    return status;
}

/* A result that was finished when its run was killed may lack the provenance beside it. */
static tk_status complete(const tk_run *run, tk_error *error) {
    const char *output = run->job->workflow->output;
    char *text = NULL;
    tk_result_read_text(output, TK_PROVENANCE_PATH, &text);
    if (!text) return tk_fail(error, TK_UNREADABLE, "%s: its provenance cannot be read", output);
    const tk_status status = write_provenance(run, text, error);
    free(text);
    return status == TK_OK ? put_beside(run, error) : status;
}

tk_status tk_output_claim(tk_run *run, tk_error *error) {
    const bool made = mkdir(run->folder, 0777) == 0;
    if (!made && errno != EEXIST)
        return tk_fail_errno(error, TK_UNWRITABLE, run->folder, "the folder for unfinished work cannot be made");
    tk_status status = tk_lock_take(run->folder, &run->lock, error);
    if (status == TK_OK) status = look_around(run, error);
    if (status == TK_OK && run->finished) status = complete(run, error);
    if (status == TK_OK && !run->finished) return TK_OK;
    const bool keep = !run->finished && !made;
    if (run->lock.file)
        tk_output_release(run, keep);
    else if (made)
        (void)rmdir(run->folder);
    return status;
}

/* --- The end ------------------------------------------------------------------------------------------------------ */

static bool are_one_file(const char *a, const char *b) {
    struct stat one, two;
    return stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* Links never replace: a result that has appeared under the name meanwhile stays. NFS may do as it was told and yet
 * say that the name was taken. */
static tk_status give_new_name(const char *part, const char *name, tk_error *error) {
    if (link(part, name) == 0) return TK_OK;
    if (errno == EEXIST && are_one_file(part, name)) return TK_OK;
    if (errno != EEXIST && access(name, F_OK) != 0 && rename(part, name) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, name, "the finished result could not be given its name");
}

static tk_status give_name(const tk_run *run, tk_error *error) {
    const char *output = run->job->workflow->output;
    if (!run->replace) return give_new_name(run->part, output, error);
    if (rename(run->part, output) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNWRITABLE, output, "the finished result could not be given its name");
}

tk_status tk_output_publish(tk_run *run, const char *provenance, tk_error *error) {
    if (!tk_lock_beat(&run->lock))
        return tk_fail(error, TK_FAILED, "%s: another run has taken this result over; this one ends", run->folder);
    TK_TRY(write_provenance(run, provenance, error)); /* a full disk is met before anything gets its name */
    TK_TRY(give_name(run, error));
    return put_beside(run, error);
}
