/* tarkka plan, tarkka check */
#include <stdio.h>

#include "engine/commands.h"

static const tk_option plan_options[] = {
    TK_JOB_OPTIONS, TK_PLAN_OPTIONS, {"json", NULL, "print the plan as JSON"}, TK_OPTION_END};

static tk_status print_plan(const tk_arguments *arguments, const tk_workflow *workflow, tk_error *error) {
    tk_job job = {0};
    tk_plan plan = {0};
    tk_plan_request request;
    TK_TRY(tk_job_open(workflow, &job, error));
    tk_status status = tk_read_plan_request(arguments, job.geometry.size, &request, error);
    if (status == TK_OK) status = tk_plan_make(&job, &request, &plan, error);
    if (status == TK_OK && tk_option_value(arguments, "json"))
        status = tk_print_json(tk_plan_to_json(&plan, workflow), error);
    else if (status == TK_OK)
        tk_plan_print(&plan, workflow);
    tk_plan_free(&plan);
    tk_job_close(&job);
    return status;
}

static tk_status run_plan(const tk_arguments *arguments, tk_error *error) {
    tk_workflow workflow;
    TK_TRY(tk_read_workflow(arguments, &workflow, error));
    const tk_status status = print_plan(arguments, &workflow, error);
    tk_workflow_free(&workflow);
    return status;
}

const tk_command tk_command_plan = {
    .name = "plan",
    .summary = "Shows what a run would do: tiles, halos, stages, memory and disk.",
    .synopsis = "WORKFLOW [OPTION]...",
    .details = "Nothing is computed; the image's header is read. Exit code 2 when nothing fits the memory.",
    .options = plan_options,
    .least = 1,
    .most = 1,
    .run = run_plan,
};

static const tk_option check_options[] = {
    TK_JOB_OPTIONS, {"json", NULL, "print the workflow with all defaults written out, as JSON"}, TK_OPTION_END};

static tk_status run_check(const tk_arguments *arguments, tk_error *error) {
    tk_workflow workflow;
    tk_status status = TK_OK;
    TK_TRY(tk_read_workflow(arguments, &workflow, error));
    if (tk_option_value(arguments, "json"))
        status = tk_print_json(tk_workflow_to_json(&workflow), error);
    else
        printf("%s: a valid workflow of %d steps\n", workflow.file, workflow.count);
    tk_workflow_free(&workflow);
    return status;
}

const tk_command tk_command_check = {
    .name = "check",
    .summary = "Validates a workflow without touching any image.",
    .synopsis = "WORKFLOW [OPTION]...",
    .details = "Every message has file:line:column. Exit code 0 when valid, 2 when not, 3 when it cannot be read.",
    .options = check_options,
    .least = 1,
    .most = 1,
    .run = run_check,
};
