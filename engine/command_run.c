/* tarkka run */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/commands.h"
#include "engine/output.h"
#include "engine/run.h"

static const tk_option options[] = {
    TK_JOB_OPTIONS,
    TK_PLAN_OPTIONS,
    {"threads", "N", "threads of each rank (default: the machine's, shared among its ranks)"},
    {"overwrite", NULL, "replace an existing result"},
    {"json", NULL, "print a summary as JSON when done"},
    TK_OPTION_END,
};

static tk_status read_request(const tk_arguments *arguments, tk_run_request *request, tk_error *error) {
    int64_t threads = 0;
    const char *forced = getenv("TARKKA_CPU");
    TK_TRY(tk_option_integer(arguments, "threads", 1, 4096, 0, &threads, error));
    *request = (tk_run_request){
        .threads = (int)threads, .isa = tk_isa_detect(), .overwrite = tk_option_value(arguments, "overwrite") != NULL};
    if (!forced) return TK_OK;
    const tk_isa best = request->isa;
    if (!tk_isa_from_text(forced, &request->isa))
        return tk_fail(error, TK_USAGE, "TARKKA_CPU=%s: expected baseline, avx2 or avx512", forced);
    if (request->isa > best)
        return tk_fail(error, TK_USAGE, "TARKKA_CPU=%s: this machine has only %s", forced, tk_isa_text(best));
    return TK_OK;
}

static tk_status print_summary(const tk_workflow *workflow, const tk_plan *plan, bool json, tk_error *error) {
    char *provenance = tk_output_provenance_file(workflow->output);
    if (!provenance) return tk_fail_memory(error, "the summary");
    tk_status status = TK_OK;
    if (json)
        status = tk_print_json(json_pack("{s:s, s:s, s:I}", "result", workflow->output, "provenance", provenance,
                                         "tiles", (json_int_t)plan->tiles),
                               error);
    else
        printf("result      %s\nprovenance  %s\n", workflow->output, provenance);
    free(provenance);
    return status;
}

/* Reads, binds and plans; every rank does so by itself, from the same files. */
static tk_status plan_job(const tk_arguments *arguments, tk_workflow *workflow, tk_job *job, tk_plan *plan,
                          tk_error *error) {
    tk_plan_request request;
    TK_TRY(tk_read_workflow(arguments, workflow, error));
    if (!workflow->output || !*workflow->output)
        return tk_fail(error, TK_INVALID, "%s: no output: give output: FILE.h5, or --output FILE.h5", workflow->file);
    TK_TRY(tk_job_open(workflow, job, error));
    TK_TRY(tk_read_plan_request(arguments, job->geometry.size, &request, error));
    return tk_plan_make(job, &request, plan, error);
}

static tk_status run_on(tk_comm *comm, const tk_arguments *arguments, tk_error *error) {
    tk_workflow workflow = {0};
    tk_job job = {0};
    tk_plan plan = {0};
    tk_run_request request = {0};
    if (read_request(arguments, &request, error) == TK_OK) plan_job(arguments, &workflow, &job, &plan, error);
    tk_status status = tk_comm_agree(comm, error);
    if (status == TK_OK) status = tk_run_workflow(&job, &plan, &request, comm, error);
    if (status == TK_OK && tk_comm_rank(comm) == 0)
        status = print_summary(&workflow, &plan, tk_option_value(arguments, "json") != NULL, error);
    tk_plan_free(&plan);
    tk_job_close(&job);
    tk_workflow_free(&workflow);
    return status;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    tk_comm *comm = NULL;
    TK_TRY(tk_comm_open(&comm, error));
    const tk_status status = run_on(comm, arguments, error);
    tk_comm_close(comm);
    return status;
}

const tk_command tk_command_run = {
    .name = "run",
    .summary = "Runs a workflow on an image and writes the result with its provenance.",
    .synopsis = "WORKFLOW [OPTION]...",
    .details =
        "Alone, or on several ranks: mpirun -n 4 tarkka run WORKFLOW. The result is the same, bit for bit.\n"
        "Relative files in a workflow are taken from the workflow's folder, those on the command line from here.\n"
        "\n"
        "Exit codes: 0 done, 1 failed, 2 usage or invalid workflow, 3 input unreadable.\n"
        "TARKKA_CPU=baseline|avx2|avx512 forces an instruction set; TARKKA_CACHE names the folder for FFT plans.",
    .options = options,
    .least = 1,
    .most = 1,
    .ranks = true,
    .run = run,
};
