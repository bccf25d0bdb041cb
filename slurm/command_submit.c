/* tarkka submit */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/commands.h"
#include "io/publish.h"
#include "slurm/batch.h"
#include "slurm/commands.h"
#include "slurm/process.h"
#include "slurm/submitted.h"

static const tk_option options[] = {
    TK_BATCH_OPTIONS, {"print", NULL, "show the batch script instead of submitting it"},
    TK_JOB_OPTIONS,   TK_PLAN_OPTIONS,
    TK_OPTION_END,
};

/* What sbatch says, and what it means. */
static const struct {
    const char *said, *meaning;
} refusals[] = {
    {"AssocMaxSubmitJobLimit",
     "the account is missing or wrong, or it has too many jobs already: give --account PROJECT"},
    {"violates accounting/QOS policy",
     "the account is missing or wrong, or not for this partition: give --account PROJECT"},
    {"Invalid account", "there is no such account, or you are not in it: give another --account"},
    {"invalid partition", "there is no such partition here: give another --partition (sinfo lists them)"},
    {"node configuration is not available",
     "no node of the partition has so many cores or so much memory: check --site, "
     "--partition, --cores and --node-memory"},
    {"Requested time limit is invalid", "the partition allows less time: give a shorter --time"},
    {"CPU count per node can not be satisfied",
     "no node of the partition has so many cores: check --partition and --cores"},
    {"Memory specification can not be satisfied", "no node of the partition has so much memory: check --node-memory"},
    {"Unable to contact slurm controller", "Slurm does not answer: is this a login node?"},
    {"Could not establish a configuration source", "this machine belongs to no cluster: submit from a login node"},
};

static tk_status explain(const char *output, const char *script, tk_error *error) {
    const char *first = strstr(output, "sbatch: error:"); /* a site may have said something before */
    if (first) output = first;
    const size_t length = strcspn(output, "\n");
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (strstr(output, refusals[i].said))
            return tk_fail(error, TK_FAILED, "sbatch refuses %s: %s (\"%.*s\")", script, refusals[i].meaning,
                           (int)(length < 300 ? length : 300), output);
    return tk_fail(error, TK_FAILED, "sbatch refuses %s: %.*s", script, (int)(length < 700 ? length : 700), output);
}

/* "1234", or "1234;CLUSTER". */
static tk_status take_number(tk_process *process, const char *script, tk_error *error) {
    char *number = tk_process_line(process, "0123456789");
    if (!number)
        return tk_fail(error, TK_FAILED, "sbatch has not said the number of the job; the script is %s", script);
    number[strcspn(number, ";")] = 0;
    tk_submitted_note(script, number);
    printf("job     %s\nscript  %s\n", number, script);
    return TK_OK;
}

static tk_status submit(const char *script, tk_error *error) {
    const char *const command[] = {"sbatch", "--parsable", "--", script, NULL};
    tk_process process;
    tk_status status = tk_process_run(command, 60, &process, error);
    if (status == TK_OK && process.exit_code == 127)
        status = tk_fail(error, TK_FAILED, "sbatch: not found: this machine has no Slurm; the script is %s", script);
    else if (status == TK_OK && process.exit_code)
        status = explain(process.output, script, error);
    if (status == TK_OK) status = take_number(&process, script, error);
    free(process.output);
    return status;
}

static tk_status write_script(const char *file, const char *script, tk_error *error) {
    tk_part part;
    TK_TRY(tk_part_open(file, &part, error));
    const tk_status status = tk_part_write(&part, script, strlen(script), error);
    if (status != TK_OK) return tk_part_discard(&part), status;
    return tk_part_publish(&part, error);
}

static tk_status submit_batch(const tk_batch_job *batch, const char *script, tk_error *error) {
    char *file = NULL;
    if (batch->many == TK_ONE_IMAGE && access(batch->result, F_OK) == 0)
        return tk_fail(error, TK_FAILED, "%s: exists already; give another --output, or remove it first",
                       batch->result);
    if (asprintf(&file, "%s.sbatch", batch->base) < 0) return tk_fail_memory(error, "the batch script");
    tk_status status = tk_batch_write_list(batch, error);
    if (status == TK_OK) status = write_script(file, script, error);
    if (status == TK_OK) status = submit(file, error);
    free(file);
    return status;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    tk_batch_job batch;
    char *script = NULL;
    tk_status status = tk_batch_make(arguments, &batch, error);
    if (status == TK_OK) status = tk_batch_script(&batch, &script, error);
    if (status == TK_OK && tk_option_value(arguments, "print"))
        fputs(script, stdout);
    else if (status == TK_OK)
        status = submit_batch(&batch, script, error);
    free(script);
    tk_batch_free(&batch);
    return status;
}

const tk_command tk_command_submit = {
    .name = "submit",
    .summary = "Writes a batch script by the rules of a cluster, and submits it.",
    .synopsis = "WORKFLOW --site NAME [OPTION]... [-- OPTION of run]...",
    .details =
        "The plan gives ranks, threads, nodes and time. The script is RESULT.sbatch beside the result; it resumes "
        "after\n"
        "the time limit and after a node's failure, until the result is there or `tarkka stop RESULT` is called.\n"
        "\n"
        "  tarkka submit workflow.yaml --site roihu --account project_2001234 --print\n"
        "\n"
        "Exit codes: 0 submitted, 1 Slurm refuses, 2 usage, invalid workflow or nothing fits, 3 input unreadable.",
    .options = options,
    .least = 1,
    .most = 200,
    .run = run,
};
