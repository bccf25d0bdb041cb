/* Provenance as one JSON document, section by section. */
#include "engine/provenance.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "build_info.h"
#include "io/checksum.h"
#include "io/versions.h"

static json_t *time_text(time_t when) {
    char text[32];
    struct tm utc;
    gmtime_r(&when, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

/* Each file that was read, with its SHA-256; afterwards they must still be the files that the run began with. */
static tk_status inputs(const tk_run *run, json_t *root, tk_error *error) {
    const tk_inputs *files = &run->job->inputs;
    json_t *list = json_array();
    json_object_set_new(root, "inputs", list);
    for (int i = 0; i < files->count; i++) {
        char sha256[65];
        int64_t bytes = 0;
        TK_TRY(tk_file_sha256(files->input[i].file, sha256, &bytes, error));
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "role", files->input[i].role, "file",
                                              files->input[i].spec, "bytes", (json_int_t)bytes, "sha256", sha256));
    }
    return tk_inputs_unchanged(files, error);
}

static json_t *voxel_sizes(const double voxel_um[3]) {
    return json_pack("[f, f, f]", voxel_um[0], voxel_um[1], voxel_um[2]);
}

static void image(const tk_run *run, json_t *root) {
    const tk_image_info *info = tk_image_info_of(run->job->image);
    json_t *object =
        json_pack("{s:s, s:s, s:[I, I, I], s:o}", "format", info->format, "type", tk_dtype_text(info->type), "size_zyx",
                  (json_int_t)info->size[0], (json_int_t)info->size[1], (json_int_t)info->size[2], "voxel_um_zyx",
                  voxel_sizes(info->voxel_um));
    json_object_set_new(root, "image", object);
}

static void steps(const tk_run *run, json_t *root) {
    json_t *list = json_array();
    for (int i = 0; i < run->job->workflow->count; i++) {
        const tk_workflow_step *s = &run->job->workflow->steps[i];
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
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    const double now = tk_progress_now();
    const time_t end = time(NULL);
    const double seconds = now - run->progress.begin;
    json_object_set_new(root, "start", time_text(end - (time_t)seconds));
    json_object_set_new(root, "end", time_text(end));
    json_object_set_new(root, "resources",
                        json_pack("{s:f, s:f, s:I, s:I}", "seconds", seconds, "seconds_in_steps_rank0",
                                  run->seconds_kernel, "peak_bytes_rank0", (json_int_t)usage.ru_maxrss * 1024,
                                  "planned_bytes_per_rank", (json_int_t)run->plan->memory.total));
}

tk_status tk_provenance_make(tk_run *run, char **text, tk_error *error) {
    json_t *root = json_pack("{s:i}", "tarkka_provenance", 1);
    if (!root) return tk_fail_memory(error, "provenance");
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof folder)) json_object_set_new(root, "folder", json_string(folder));
    program(run, root);
    json_object_set_new(root, "workflow", tk_workflow_to_json(run->job->workflow));
    const tk_status status = inputs(run, root, error);
    image(run, root);
    steps(run, root);
    json_object_set_new(root, "plan", tk_plan_to_json(run->plan, run->job->workflow));
    json_object_set(root, "decisions", run->decisions);
    machine(run, root);
    resources(run, root);
    json_object_set(root, "outputs", run->outputs);
    if (status == TK_OK) *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    json_decref(root);
    TK_TRY(status);
    return *text ? TK_OK : tk_fail_memory(error, "provenance");
}
