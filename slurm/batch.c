/* From the command line to a laid-out job. */
#include "slurm/batch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/commands.h"
#include "engine/commands/arguments.h"
#include "engine/params_read.h"
#include "engine/syntax/quantity.h"
#include "slurm/quote.h"

/* --- The site ----------------------------------------------------------------------------------------------------- */

static bool is_generic(const tk_batch_job *batch) { return !strcmp(batch->site.name, "generic"); }

static tk_status read_site(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    const char *name = tk_option_value(arguments, "site");
    if (!name)
        return tk_fail(error, TK_USAGE, "--site is missing: one of " TK_BATCH_SITES ", or a profile of one's own");
    TK_TRY(tk_site_read(name, &batch->site, error));
    if (batch->site.closed) return tk_fail(error, TK_USAGE, "--site %s: %s", name, batch->site.closed);
    return TK_OK;
}

static tk_status read_account(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    batch->account = tk_option_value(arguments, "account");
    if (!batch->account && batch->site.account_required)
        return tk_fail(error, TK_USAGE, "%s wants to know who pays: give --account PROJECT", batch->site.name);
    if (batch->account && !tk_quote_is_plain(batch->account))
        return tk_fail(error, TK_USAGE, "--account %s: expected letters, digits and . _ - +", batch->account);
    return TK_OK;
}

/* The figures of a node of a cluster without profile. */
static tk_status read_figures(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    tk_partition *p = &batch->partition;
    const char *memory = tk_option_value(arguments, "node-memory"), *cores = tk_option_value(arguments, "cores");
    if ((memory || cores) && !is_generic(batch))
        return tk_fail(error, TK_USAGE, "--%s is for --site generic; the profile of %s knows it already",
                       memory ? "node-memory" : "cores", batch->site.name);
    if (memory && !tk_quantity_bytes(memory, &p->memory))
        return tk_fail(error, TK_USAGE, "--node-memory %s: expected a size with its unit, as in 120GiB", memory);
    TK_TRY(tk_option_integer(arguments, "cores", 1, 100000, p->cores, &p->cores, error));
    if (memory) p->memory_most = p->memory;
    if (cores) p->cores_most = p->cores;
    if (p->threads > p->cores) p->threads = p->cores;
    return TK_OK;
}

static tk_status read_time(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    const char *text = tk_option_value(arguments, "time");
    double seconds = 0;
    if (!text) return TK_OK;
    if (!tk_quantity_seconds(text, &seconds) || seconds < 60)
        return tk_fail(error, TK_USAGE, "--time %s: expected a time of a minute or more, as in 90min or 36h", text);
    if (seconds > batch->partition.seconds_most && !is_generic(batch))
        return tk_fail(error, TK_USAGE, "--time %s: %s allows %g h at most", text, batch->partition.name,
                       batch->partition.seconds_most / 3600);
    batch->partition.seconds_most = seconds;
    return TK_OK;
}

/* Operators want no arrays of short jobs. */
static void choose_many(const tk_arguments *arguments, tk_batch_job *batch) {
    const double short_job = 1800;
    const bool array = tk_option_value(arguments, "array") != NULL, pack = tk_option_value(arguments, "pack") != NULL;
    batch->many = array || (!pack && batch->layout.seconds > short_job) ? TK_ARRAY : TK_PACKED;
}

static tk_status lay_out(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    const tk_probe probe = tk_probe_reference(); /* this machine is not the one that the job runs on */
    int64_t nodes = 0;
    TK_TRY(read_figures(arguments, batch, error));
    TK_TRY(read_time(arguments, batch, error));
    TK_TRY(tk_option_integer(arguments, "nodes", 1, 1000000, 0, &nodes, error));
    TK_TRY(tk_site_layout(&batch->site, &batch->partition, &batch->job, &batch->plan, &probe, nodes, &batch->layout,
                          error));
    if (batch->images.count && !*batch->layout.why_not) choose_many(arguments, batch);
    if (batch->many == TK_PACKED)
        TK_TRY(tk_site_layout_images(&batch->site, &batch->partition, &batch->job, &batch->plan, &probe,
                                     batch->images.count, nodes, &batch->layout, error));
    if (tk_option_value(arguments, "time")) batch->layout.seconds_limit = batch->partition.seconds_most;
    return TK_OK;
}

static tk_status take_partition(const tk_arguments *arguments, const char *name, const tk_partition *partition,
                                tk_batch_job *batch, tk_error *error) {
    batch->partition = *partition;
    batch->partition_name = name;
    return lay_out(arguments, batch, error);
}

static tk_status named_partition(const tk_arguments *arguments, const char *name, tk_batch_job *batch,
                                 tk_error *error) {
    const tk_partition *partition = is_generic(batch) ? batch->site.partition : tk_site_partition(&batch->site, name);
    if (!tk_quote_is_plain(name))
        return tk_fail(error, TK_USAGE, "--partition %s: expected letters, digits and . _ - +", name);
    if (!partition)
        return tk_fail(error, TK_USAGE, "--partition %s: the profile of %s does not have it", name, batch->site.name);
    TK_TRY(take_partition(arguments, name, partition, batch, error));
    if (*batch->layout.why_not)
        return tk_fail(error, TK_USAGE, "%s, partition %s: %s", batch->site.name, name, batch->layout.why_not);
    return TK_OK;
}

/* The first partition of the profile that needs one attempt, else the one that needs fewest. */
static tk_status first_partition(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    const tk_partition *best = NULL;
    int64_t fewest = INT64_MAX;
    char why_not[sizeof batch->layout.why_not] = "";
    for (int i = 0; i < batch->site.partitions && fewest > 1; i++) {
        const tk_partition *partition = &batch->site.partition[i];
        if (partition->only_named) continue;
        TK_TRY(take_partition(arguments, partition->name, partition, batch, error));
        if (*batch->layout.why_not && !*why_not) memcpy(why_not, batch->layout.why_not, sizeof why_not);
        if (*batch->layout.why_not || batch->layout.attempts >= fewest) continue;
        best = partition;
        fewest = batch->layout.attempts;
    }
    if (!best) return tk_fail(error, TK_USAGE, "%s: %s", batch->site.name, why_not);
    return take_partition(arguments, best->name, best, batch, error);
}

/* --- What is run -------------------------------------------------------------------------------------------------- */

static tk_status refuse_path(tk_error *error) {
    return tk_fail(error, TK_USAGE,
                   "a path with line breaks or other control characters cannot go into a batch script");
}

tk_status tk_batch_path(const tk_batch_job *batch, const char *path, char **made, tk_error *error) {
    while (!strncmp(path, "./", 2)) path += 2;
    *made = tk_path_from(batch->folder, path);
    if (!*made) return tk_fail_memory(error, "the batch job");
    if (tk_quote_is_unfit(*made)) return refuse_path(error);
    return TK_OK;
}

static tk_status find_places(tk_batch_job *batch, tk_error *error) {
    char program[4096];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) return tk_fail_errno(error, TK_FAILED, "/proc/self/exe", "cannot be read");
    program[length] = 0;
    batch->program = strdup(program);
    batch->folder = getcwd(NULL, 0);
    if (!batch->folder) return tk_fail_errno(error, TK_FAILED, "the present folder", "cannot be told");
    if (!batch->program) return tk_fail_memory(error, "the batch job");
    if (tk_quote_is_unfit(batch->program) || tk_quote_is_unfit(batch->folder)) return refuse_path(error);
    return TK_OK;
}

static tk_status add_argument(tk_batch_job *batch, const char *text, tk_error *error) {
    if (tk_quote_is_unfit(text))
        return tk_fail(error, TK_USAGE, "line breaks and other control characters cannot go into a batch script");
    batch->argument[batch->arguments] = strdup(text);
    return batch->argument[batch->arguments++] ? TK_OK : tk_fail_memory(error, "the batch job");
}

static tk_status add_option(const tk_arguments *arguments, const char *name, tk_batch_job *batch, tk_error *error) {
    char option[32];
    (void)snprintf(option, sizeof option, "--%s", name);
    const char *value = NULL;
    for (int i = 0; (value = tk_option_repeated(arguments, name, i)); i++) {
        TK_TRY(add_argument(batch, option, error));
        TK_TRY(add_argument(batch, value, error));
    }
    return TK_OK;
}

/* What stands after "--" is for run; it must know it, and the script must not say otherwise. */
static tk_status check_passed_on(const tk_arguments *arguments, tk_error *error) {
    static const char *const own[] = {"input", "output",  "set",       "memory", "tile",
                                      "halo",  "threads", "overwrite", "resume", "max-time"};
    enum { MOST = 256 };
    char *words[MOST];
    int count = 0;
    bool help = false;
    tk_arguments *parsed = NULL;
    for (; count < MOST && tk_positional(arguments, count); count++)
        words[count] = strdup(tk_positional(arguments, count));
    tk_status status = count < MOST ? TK_OK : tk_fail(error, TK_USAGE, "too many arguments");
    if (status == TK_OK) status = tk_arguments_parse(&tk_command_run, count, words, &parsed, &help, error);
    for (size_t i = 0; status == TK_OK && i < sizeof own / sizeof own[0]; i++)
        if (tk_option_value(parsed, own[i]))
            status = tk_fail(error, TK_USAGE, "after --: --%s is for the script to say%s", own[i],
                             i < 7 ? "; give it before the --" : "");
    tk_arguments_free(parsed);
    for (int i = 0; i < count; i++) free(words[i]);
    return status;
}

static tk_status collect_arguments(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    static const char *const handed_on[] = {"set", "tile", "halo"};
    size_t words = 2; /* --input FILE */
    for (int i = 0; tk_positional(arguments, i); i++) words++;
    for (size_t i = 0; i < sizeof handed_on / sizeof handed_on[0]; i++)
        for (int k = 0; tk_option_repeated(arguments, handed_on[i], k); k++) words += 2;
    batch->argument = calloc(words, sizeof *batch->argument);
    if (!batch->argument) return tk_fail_memory(error, "the batch job");
    TK_TRY(check_passed_on(arguments, error));
    const bool chosen = tk_option_value(arguments, "input") || tk_option_value(arguments, "item");
    const char *input = chosen ? batch->workflow.image : NULL;
    if (input) {
        char *path = NULL;
        tk_status status = tk_batch_path(batch, input, &path, error);
        if (status == TK_OK) status = add_argument(batch, "--input", error);
        if (status == TK_OK) status = add_argument(batch, path, error);
        free(path);
        TK_TRY(status);
    }
    for (size_t i = 0; i < sizeof handed_on / sizeof handed_on[0]; i++)
        TK_TRY(add_option(arguments, handed_on[i], batch, error));
    for (int i = 1; tk_positional(arguments, i); i++) TK_TRY(add_argument(batch, tk_positional(arguments, i), error));
    return TK_OK;
}

static tk_status read_workflow(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    static const char *const for_many[] = {"array", "pack", "at-once"};
    TK_TRY(tk_read_workflow(arguments, &batch->workflow, error));
    if (!batch->workflow.output || !*batch->workflow.output)
        return tk_fail(error, TK_INVALID, "%s: no output: give output: FILE.h5, or --output FILE.h5",
                       batch->workflow.file);
    TK_TRY(tk_batch_path(batch, batch->workflow.file, &batch->file, error));
    if (batch->workflow.images && !batch->workflow.image) return tk_batch_find_images(arguments, batch, error);
    for (size_t i = 0; i < sizeof for_many / sizeof for_many[0]; i++)
        if (tk_option_value(arguments, for_many[i]))
            return tk_fail(error, TK_USAGE, "--%s is for workflows with inputs:", for_many[i]);
    TK_TRY(tk_batch_path(batch, batch->workflow.output, &batch->result, error));
    batch->base = strdup(batch->result);
    return batch->base ? TK_OK : tk_fail_memory(error, "the batch job");
}

/* The job is called after the result, or after the workflow for many. */
static void name_job(tk_batch_job *batch) {
    const char *slash = strrchr(batch->base, '/'), *base = slash ? slash + 1 : batch->base;
    const char *dot = strrchr(base, '.');
    const int length = dot && dot != base ? (int)(dot - base) : (int)strlen(base);
    (void)snprintf(batch->name, sizeof batch->name, "tarkka-%.*s", length < 64 ? length : 64, base);
    for (char *c = batch->name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *c)) *c = '_';
}

/* The memory of a rank, and with it the grid of tiles, is that of `tarkka run`, whatever this machine has. */
static tk_status make_plan(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    const char *memory = tk_option_value(arguments, "memory");
    int64_t bytes;
    tk_plan_request request;
    TK_TRY(tk_read_memory(arguments, 1, &bytes, error));
    if (!memory) bytes = TK_DEFAULT_MEMORY;
    TK_TRY(tk_job_open(&batch->workflow, bytes, &batch->job, error));
    TK_TRY(tk_read_plan_request(arguments, batch->job.geometry.size, bytes, &request, error));
    if (memory && strlen(memory) >= sizeof batch->memory)
        return tk_fail(error, TK_USAGE, "--memory %s: too long", memory);
    (void)snprintf(batch->memory, sizeof batch->memory, "%lldMiB", (long long)(TK_DEFAULT_MEMORY >> 20));
    if (memory) (void)snprintf(batch->memory, sizeof batch->memory, "%s", memory);
    return tk_plan_make(&batch->job, &request, &batch->plan, error);
}

tk_status tk_batch_make(const tk_arguments *arguments, tk_batch_job *batch, tk_error *error) {
    *batch = (tk_batch_job){0};
    TK_TRY(read_site(arguments, batch, error));
    TK_TRY(read_account(arguments, batch, error));
    TK_TRY(find_places(batch, error));
    TK_TRY(read_workflow(arguments, batch, error));
    TK_TRY(collect_arguments(arguments, batch, error));
    TK_TRY(make_plan(arguments, batch, error));
    name_job(batch);
    const char *partition = tk_option_value(arguments, "partition");
    return partition ? named_partition(arguments, partition, batch, error) : first_partition(arguments, batch, error);
}

void tk_batch_free(tk_batch_job *batch) {
    for (int i = 0; i < batch->arguments; i++) free(batch->argument[i]);
    free(batch->argument);
    free(batch->program);
    free(batch->folder);
    free(batch->file);
    free(batch->result);
    free(batch->base);
    tk_images_free(&batch->images);
    tk_plan_free(&batch->plan);
    if (batch->job.workflow) tk_job_close(&batch->job);
    tk_workflow_free(&batch->workflow);
    tk_site_free(&batch->site);
    *batch = (tk_batch_job){0};
}
