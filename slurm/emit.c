/* slurmrestd's and TES's job descriptions. */
#include "slurm/emit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/keeping/output.h"
#include "engine/params_read.h"

/* --- slurmrestd ----------------------------------------------------------------------------------------------------
 */

/* An option of sbatch as a property; false: there is none. */
static bool add_property(json_t *job, const char *option) {
    if (!strcmp(option, "--hint=nomultithread"))
        return json_object_set_new(job, "threads_per_core", json_integer(1)) == 0;
    if (!strcmp(option, "--mem=0")) return json_object_set_new(job, "memory_per_node", json_integer(0)) == 0;
    if (!strcmp(option, "--exclusive")) return json_object_set_new(job, "exclusive", json_string("true")) == 0;
    return false;
}

/* What the job needs of this environment: where the cache of FFT plans is, on which the last bits depend. */
static json_t *environment(void) {
    static const char *const names[] = {"HOME", "XDG_CACHE_HOME", "TARKKA_CACHE", "TARKKA_CPU"};
    json_t *object = json_pack("{s:s}", "PATH", "/usr/local/bin:/usr/bin:/bin");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (getenv(names[i])) json_object_set_new(object, names[i], json_string(getenv(names[i])));
    return object;
}

/* slurmrestd does not read #SBATCH lines: what they say is said again as properties. */
static json_t *properties(const tk_batch_job *b) {
    const tk_layout *layout = &b->layout;
    const int64_t tasks = layout->nodes * layout->ranks_per_node;
    char notice[32];
    (void)snprintf(notice, sizeof notice, "USR1@%lld", (long long)tk_batch_notice(b));
    json_t *job = json_pack("{s:s, s:[I, I], s:I, s:I, s:I, s:I}", "name", b->name, "nodes", (json_int_t)layout->nodes,
                            (json_int_t)layout->nodes, "tasks", (json_int_t)tasks, "tasks_per_node",
                            (json_int_t)layout->ranks_per_node, "cpus_per_task", (json_int_t)layout->threads,
                            "time_limit", (json_int_t)ceil(layout->seconds_limit / 60));
    if (b->account) json_object_set_new(job, "account", json_string(b->account));
    if (*b->partition_name) json_object_set_new(job, "partition", json_string(b->partition_name));
    if (!b->partition.whole_nodes && !b->partition.memory_by_cores)
        json_object_set_new(job, "memory_per_cpu", json_integer(layout->memory_per_rank / layout->threads >> 20));
    json_object_set_new(job, "signal", json_string(notice));
    json_object_set_new(job, "requeue", json_true());
    json_object_set_new(job, "open_mode", json_string("append"));
    json_object_set_new(job, "current_working_directory", json_string(b->folder));
    json_object_set_new(job, "standard_output", json_string("slurm-%j.out"));
    json_object_set_new(job, "environment", environment());
    return job;
}

tk_status tk_emit_slurmrestd(const tk_batch_job *batch, const char *script, json_t **body, tk_error *error) {
    json_t *job = properties(batch);
    *body = NULL;
    for (int i = 0; i < batch->site.options + batch->partition.options; i++) {
        const int k = i - batch->site.options;
        const char *option = k < 0 ? batch->site.option[i] : batch->partition.option[k];
        if (add_property(job, option)) continue;
        json_decref(job);
        return tk_fail(error, TK_USAGE, "%s: slurmrestd has no word for %s", batch->site.name, option);
    }
    *body = json_pack("{s:o, s:s}", "job", job, "script", script);
    return *body ? TK_OK : tk_fail_memory(error, "the job");
}

/* --- Task Execution Service ----------------------------------------------------------------------------------------
 */

static tk_status add_file(json_t *list, const tk_batch_job *b, const tk_emit_tes *tes, const char *name,
                          const char *path, tk_error *error) {
    char *inside = tk_path_from(b->folder, path), *url = NULL;
    json_t *file = NULL;
    if (inside && asprintf(&url, "%s%s", tes->prefix, inside) >= 0)
        file = json_pack("{s:s, s:s, s:s, s:s}", "name", name, "path", inside, "url", url, "type", "FILE");
    else
        url = NULL;
    const bool added = file && json_array_append_new(list, file) == 0;
    free(inside);
    free(url);
    return added ? TK_OK : tk_fail_memory(error, "the task");
}

static tk_status add_files(const tk_batch_job *b, const tk_emit_tes *tes, json_t *task, tk_error *error) {
    json_t *inputs = json_object_get(task, "inputs"), *outputs = json_object_get(task, "outputs");
    for (int i = 0; i < b->job.inputs.count; i++) {
        const tk_input *input = &b->job.inputs.input[i];
        if (!input->computed) TK_TRY(add_file(inputs, b, tes, input->role, input->file, error));
    }
    char *provenance = tk_output_provenance_file(b->result);
    if (!provenance) return tk_fail_memory(error, "the task");
    tk_status status = add_file(outputs, b, tes, "result", b->result, error);
    if (status == TK_OK) status = add_file(outputs, b, tes, "provenance", provenance, error);
    free(provenance);
    return status;
}

static json_t *command(const tk_batch_job *b) {
    char threads[32];
    (void)snprintf(threads, sizeof threads, "%lld", (long long)b->layout.threads);
    json_t *words = json_pack("[s, s, s, s, s, s, s, s, s]", "tarkka", "run", b->file, "--output", b->result,
                              "--memory", b->memory, "--threads", threads);
    for (int i = 0; i < b->arguments; i++) json_array_append_new(words, json_string(b->argument[i]));
    return words;
}

/* Inputs, intermediate images and the result, in GB. */
static double disk_gb(const tk_batch_job *b) {
    double bytes = (double)b->plan.store_bytes + (double)b->plan.result_bytes;
    for (int i = 0; i < b->job.inputs.count; i++) bytes += (double)b->job.inputs.input[i].identity.st_size;
    return ceil(bytes / 1e8 + 1) / 10;
}

static json_t *number_text(int64_t number) { return json_sprintf("%lld", (long long)number); }

static json_t *resources(const tk_batch_job *b) {
    char clock[32];
    tk_batch_clock(b->layout.seconds_limit, clock);
    json_t *hints =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:s}", "site", b->site.name, "partition", b->partition_name, "nodes",
                  number_text(b->layout.nodes), "ranks_per_node", number_text(b->layout.ranks_per_node),
                  "threads_per_rank", number_text(b->layout.threads), "time", clock);
    return json_pack("{s:I, s:f, s:f, s:b, s:o, s:b}", "cpu_cores", (json_int_t)b->layout.threads, "ram_gb",
                     ceil((double)b->layout.memory_per_rank / 1e8) / 10, "disk_gb", disk_gb(b), "preemptible", 0,
                     "backend_parameters", hints, "backend_parameters_strict", 0);
}

tk_status tk_emit_task(const tk_batch_job *batch, const tk_emit_tes *tes, json_t **task, tk_error *error) {
    json_t *executor =
        json_pack("{s:s, s:o, s:s}", "image", tes->image, "command", command(batch), "workdir", batch->folder);
    *task = json_pack("{s:s, s:s, s:[], s:[], s:o, s:[o]}", "name", batch->name, "description",
                      "tarkka: exact image analysis of a microscope volume", "inputs", "outputs", "resources",
                      resources(batch), "executors", executor);
    if (!*task) return tk_fail_memory(error, "the task");
    const tk_status status = add_files(batch, tes, *task, error);
    if (status == TK_OK) return TK_OK;
    json_decref(*task);
    *task = NULL;
    return status;
}
