/* Provenance as one JSON document, section by section. */
#include "engine/keeping/provenance.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "build_info.h"
#include "engine/keeping/identity.h"
#include "engine/planning/limits.h"
#include "engine/syntax/json.h"
#include "io/checksum.h"
#include "io/versions.h"

/* A file that cannot be read to its end has no checksum; that is no error where tiles were given up for it. */
static tk_status input(const tk_run *run, const tk_input *from, json_t *list, tk_error *error) {
    char sha256[65] = "";
    int64_t bytes = from->identity.st_size;
    tk_error unread = TK_ERROR_NONE;
    if (!from->computed) tk_file_sha256(from->file, sha256, &bytes, &unread);
    if (unread.status != TK_OK && (unread.status != TK_UNREADABLE || run->given_up == 0))
        return tk_fail(error, unread.status, "%s", unread.text);
    json_t *entry = json_pack("{s:s, s:s}", "role", from->role, "file", from->spec);
    if (from->computed) {
        json_object_set_new(entry, "computed", json_true());
    } else {
        json_object_set_new(entry, "bytes", json_integer(bytes));
        json_object_set_new(entry, "sha256", unread.status == TK_OK ? json_string(sha256) : json_null());
    }
    if (unread.status != TK_OK) json_object_set_new(entry, "error", json_string(unread.text));
    return json_array_append_new(list, entry) == 0 ? TK_OK : tk_fail_memory(error, "provenance");
}

/* Each file that was read, with its SHA-256; afterwards they must still be the files that the run began with. */
static tk_status inputs(const tk_run *run, json_t *root, tk_error *error) {
    const tk_inputs *files = &run->job->inputs;
    json_t *list = json_array();
    json_object_set_new(root, "inputs", list);
    for (int i = 0; i < files->count; i++) TK_TRY(input(run, &files->input[i], list, error));
    return tk_inputs_unchanged(files, error);
}

static json_t *voxel_sizes(const double voxel_um[3]) {
    return json_pack("[f, f, f]", voxel_um[0], voxel_um[1], voxel_um[2]);
}

/* What the source says of the channels that were worked on. */
static json_t *channels(const tk_run *run) {
    const tk_image_info *info = tk_image_info_of(run->job->image);
    json_t *list = json_array();
    for (int64_t i = 0; i < run->job->channels; i++) {
        const int64_t number = tk_selection_at(&run->job->given->channel, i);
        json_t *entry = json_pack("{s:I}", "channel", (json_int_t)number);
        const tk_channel *c = info->channel ? &info->channel[number] : NULL;
        if (c && c->name) json_object_set_new(entry, "name", tk_json_any_text(c->name));
        if (c && c->emission_nm > 0) json_object_set_new(entry, "emission_nm", json_real(c->emission_nm));
        if (c && c->excitation_nm > 0) json_object_set_new(entry, "excitation_nm", json_real(c->excitation_nm));
        json_array_append_new(list, entry);
    }
    return list;
}

static void image(const tk_run *run, json_t *root) {
    const tk_image_info *info = tk_image_info_of(run->job->image);
    json_t *object =
        json_pack("{s:s, s:s, s:[I, I, I], s:o}", "format", info->format, "type", tk_dtype_text(info->type), "size_zyx",
                  (json_int_t)info->size[0], (json_int_t)info->size[1], (json_int_t)info->size[2], "voxel_um_zyx",
                  voxel_sizes(info->voxel_um));
    json_object_set_new(object, "times", json_integer(run->job->times));
    json_object_set_new(object, "channels", channels(run));
    if (info->time_step_s > 0) json_object_set_new(object, "time_step_s", json_real(info->time_step_s));
    json_object_set_new(root, "image", object);
}

static void steps(const tk_run *run, json_t *root) {
    json_t *list = json_array();
    for (int i = 0; i < run->job->given->count; i++) {
        const tk_workflow_step *s = &run->job->given->steps[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:i, s:b, s:s}", "name", s->name, "step", s->step->name, "version",
                                        s->step->version, "exact", s->step->exact, "citation", s->step->citation));
    }
    json_object_set_new(root, "steps", list);
}

static void program(const tk_run *run, json_t *root) {
    char version[64];
    const char *name = NULL;
    json_t *libraries = json_pack("{s:s}", "mpi", tk_comm_library());
    for (int i = 0; (name = tk_io_version(i, version, sizeof version)); i++)
        json_object_set_new(libraries, name, json_string(version));
    json_object_set_new(root, "program",
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", "tarkka", "version", TK_VERSION, "commit",
                                  TK_COMMIT, "compiler", TK_COMPILER, "flags", TK_FLAGS, "libraries", libraries));
    (void)run;
}

/* The variables of a batch job that say where it ran; nothing else of the environment. */
static json_t *slurm_job(void) {
    static const char *const names[] = {"SLURM_JOB_ID",       "SLURM_JOB_NAME",     "SLURM_JOB_PARTITION",
                                        "SLURM_JOB_NODELIST", "SLURM_CLUSTER_NAME", "SLURM_ARRAY_TASK_ID",
                                        "SLURM_RESTART_COUNT"};
    json_t *job = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value) json_object_set_new(job, names[i], json_string(value));
    }
    return job;
}

static void machine(const tk_run *run, json_t *root) {
    struct utsname name = {0};
    uname(&name);
    json_object_set_new(root, "machine",
                        json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:o}", "host", name.nodename, "system", name.sysname,
                                  "architecture", name.machine, "instruction_set", tk_isa_text(run->work.isa), "ranks",
                                  tk_comm_size(run->comm), "threads_per_rank", run->work.threads, "slurm",
                                  slurm_job()));
}

static void resources(const tk_run *run, json_t *root) {
    const double now = tk_progress_now();
    const time_t end = time(NULL);
    const double seconds = now - run->progress.begin;
    json_object_set_new(root, "start", tk_json_time(end - (time_t)seconds));
    json_object_set_new(root, "end", tk_json_time(end));
    json_object_set_new(root, "resources",
                        json_pack("{s:f, s:i, s:s, s:O, s:I, s:I}", "seconds", seconds, "attempt", run->part_number,
                                  "scheduler", tk_scheduler_text(run->schedule.kind), "seconds_over_ranks",
                                  run->timings, "peak_bytes_rank0", (json_int_t)tk_memory_peak(),
                                  "planned_bytes_per_rank", (json_int_t)run->planned));
}

static tk_status job(const tk_run *run, json_t *root, tk_error *error) {
    char sha256[65] = "";
    TK_TRY(tk_identity_sha256(run->identity, sha256, error));
    json_object_set_new(root, "job_sha256", json_string(sha256));
    return TK_OK;
}

tk_status tk_provenance_make(tk_run *run, char **text, tk_error *error) {
    json_t *root = json_pack("{s:i}", "tarkka_provenance", 1);
    if (!root) return tk_fail_memory(error, "provenance");
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof folder)) json_object_set_new(root, "folder", json_string(folder));
    program(run, root);
    json_object_set_new(root, "workflow", tk_workflow_to_json(run->job->given, true));
    json_object_set_new(root, "workflow_given", tk_workflow_to_json(run->job->given, false));
    tk_status status = job(run, root, error);
    if (status == TK_OK) status = inputs(run, root, error);
    image(run, root);
    steps(run, root);
    json_object_set_new(root, "plan", tk_plan_to_json(run->plan, run->job->workflow));
    json_object_set(root, "decisions", run->decisions);
    json_object_set(root, "given_up", run->given);
    machine(run, root);
    resources(run, root);
    json_object_set(root, "outputs", run->outputs);
    if (status == TK_OK) *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    json_decref(root);
    TK_TRY(status);
    return *text ? TK_OK : tk_fail_memory(error, "provenance");
}
