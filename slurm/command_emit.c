/* tarkka emit */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/commands.h"
#include "slurm/batch.h"
#include "slurm/commands.h"
#include "slurm/emit.h"

static const tk_option options[] = {
    {"format", "NAME", "sbatch (a script), slurmrestd or tes (JSON)"},
    TK_BATCH_OPTIONS,
    {"image", "NAME", "tes: the container with tarkka in it"},
    {"url-prefix", "URL", "tes: put before the absolute path of each file (default: file://)"},
    TK_JOB_OPTIONS,
    TK_PLAN_OPTIONS,
    TK_OPTION_END,
};

static tk_status emit_sbatch(const tk_arguments *arguments, const tk_batch_job *batch, tk_error *error) {
    char *script = NULL;
    (void)arguments;
    TK_TRY(tk_batch_script(batch, &script, error));
    fputs(script, stdout);
    free(script);
    return TK_OK;
}

static tk_status emit_slurmrestd(const tk_arguments *arguments, const tk_batch_job *batch, tk_error *error) {
    char *script = NULL;
    json_t *body = NULL;
    (void)arguments;
    TK_TRY(tk_batch_script(batch, &script, error));
    tk_status status = tk_emit_slurmrestd(batch, script, &body, error);
    free(script);
    if (status == TK_OK) status = tk_print_json(body, error);
    return status;
}

static tk_status emit_tes(const tk_arguments *arguments, const tk_batch_job *batch, tk_error *error) {
    const char *prefix = tk_option_value(arguments, "url-prefix");
    const tk_emit_tes tes = {tk_option_value(arguments, "image"), prefix ? prefix : "file://"};
    json_t *task = NULL;
    if (!tes.image) return tk_fail(error, TK_USAGE, "--format tes needs a container: --image NAME");
    TK_TRY(tk_emit_task(batch, &tes, &task, error));
    return tk_print_json(task, error);
}

typedef tk_status emitter(const tk_arguments *arguments, const tk_batch_job *batch, tk_error *error);

static tk_status find_format(const char *name, emitter **emit, tk_error *error) {
    static const struct {
        const char *name;
        emitter *emit;
    } formats[] = {{"sbatch", emit_sbatch}, {"slurmrestd", emit_slurmrestd}, {"tes", emit_tes}};
    for (size_t i = 0; name && i < sizeof formats / sizeof formats[0]; i++)
        if (!strcmp(formats[i].name, name)) return *emit = formats[i].emit, TK_OK;
    return tk_fail(error, TK_USAGE, "--format %s: expected sbatch, slurmrestd or tes", name ? name : "is missing");
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    emitter *emit = NULL;
    tk_batch_job batch;
    TK_TRY(find_format(tk_option_value(arguments, "format"), &emit, error));
    tk_status status = tk_batch_make(arguments, &batch, error);
    if (status == TK_OK) status = emit(arguments, &batch, error);
    tk_batch_free(&batch);
    return status;
}

const tk_command tk_command_emit = {
    .name = "emit",
    .summary = "Prints a job for portals: a batch script, a slurmrestd request, a TES task.",
    .synopsis = "WORKFLOW --format NAME --site NAME [OPTION]... [-- OPTION of run]...",
    .details =
        "Nothing is submitted, and no token is read or printed.\n"
        "  sbatch      the script that submit would write\n"
        "  slurmrestd  the body of POST /slurm/v0.0.38/job/submit\n"
        "  tes         a task of GA4GH's Task Execution Service 1.1, for one machine; files keep their absolute paths\n"
        "              in the container\n"
        "\n"
        "  tarkka emit workflow.yaml --format slurmrestd --site generic > job.json",
    .options = options,
    .least = 1,
    .most = 200,
    .run = run,
};
