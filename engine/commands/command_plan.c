/* tarkka plan, tarkka check */
#include <libgen.h>
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "engine/commands.h"
#include "engine/planning/forecast_print.h"
#include "engine/planning/halo_errors.h"
#include "engine/planning/site_print.h"

static const tk_option plan_options[] = {
    TK_JOB_OPTIONS,
    TK_PLAN_OPTIONS,
    {"ranks", "N", "forecast the time for N ranks, each on cores like this machine's (default: the fewest that do)"},
    {"threads", "N", "threads of each rank (default: this machine's, shared by --ranks-per-node)"},
    {"ranks-per-node", "N", "share a machine like this among N ranks (default: 1)"},
    {"site", "NAME", "also what it takes on each partition of a cluster: nodes, time, billing units"},
    {"json", NULL, "print the plan as JSON"},
    TK_OPTION_END,
};

enum { RANKS_MOST = 10000000, RANKS_PER_NODE_MOST = 65536, THREADS_MOST = 4096 };

/* What is asked of the forecast; ranks 0: the fewest that have room. */
typedef struct question {
    int64_t ranks, ranks_per_node, threads;
} question;

static tk_status read_question(const tk_arguments *arguments, question *q, tk_error *error) {
    TK_TRY(tk_option_integer(arguments, "ranks-per-node", 1, RANKS_PER_NODE_MOST, 1, &q->ranks_per_node, error));
    TK_TRY(tk_option_integer(arguments, "ranks", 1, RANKS_MOST, 0, &q->ranks, error));
    const int64_t share = omp_get_num_procs() / q->ranks_per_node;
    return tk_option_integer(arguments, "threads", 1, THREADS_MOST, share > 1 ? share : 1, &q->threads, error);
}

/* Probes this machine, and the disk of the folder where the result would go. */
static tk_status probe(const tk_workflow *workflow, tk_probe *found, tk_error *error) {
    char file[PATH_MAX];
    if (!workflow->output || strlen(workflow->output) >= sizeof file) return tk_probe_machine(NULL, found, error);
    memcpy(file, workflow->output, strlen(workflow->output) + 1);
    return tk_probe_machine(dirname(file), found, error);
}

static tk_status print_json(const tk_job *job, const tk_plan *plan, const tk_outlook *outlook, const tk_site *site,
                            tk_error *error) {
    json_t *object = tk_plan_to_json(plan, job->workflow);
    if (!object) return tk_print_json(object, error);
    json_object_set_new(object, "forecast", tk_outlook_to_json(outlook));
    json_t *errors = NULL;
    const tk_status known = tk_halo_errors_to_json(job, &errors, error);
    json_object_set_new(object, "halo_errors", errors);
    if (known != TK_OK) {
        json_decref(object);
        return known;
    }
    if (site) {
        json_t *found = NULL;
        const tk_status status = tk_site_to_json(site, job, plan, &outlook->probe, &found, error);
        json_object_set_new(object, "site", found);
        if (status != TK_OK) {
            json_decref(object);
            return status;
        }
    }
    return tk_print_json(object, error);
}

static tk_status print_all(const tk_arguments *arguments, const tk_job *job, const tk_plan *plan,
                           const tk_outlook *outlook, const tk_site *site, tk_error *error) {
    if (tk_option_value(arguments, "json")) return print_json(job, plan, outlook, site, error);
    tk_plan_print(plan, job->workflow);
    TK_TRY(tk_halo_errors_print(job, error));
    tk_outlook_print(outlook);
    return site ? tk_site_print(site, job, plan, &outlook->probe, error) : TK_OK;
}

static tk_status print_plan(const tk_arguments *arguments, const tk_job *job, const tk_plan *plan, const question *q,
                            tk_error *error) {
    tk_probe machine;
    tk_outlook outlook;
    tk_site site = {0};
    const char *name = tk_option_value(arguments, "site");
    TK_TRY(probe(job->workflow, &machine, error));
    TK_TRY(tk_outlook_make(job, plan, &machine, q->ranks, (int)q->threads, &outlook, error));
    if (name) TK_TRY(tk_site_read(name, &site, error));
    const tk_status status = print_all(arguments, job, plan, &outlook, name ? &site : NULL, error);
    if (name) tk_site_free(&site);
    return status;
}

static tk_status settle_ranks(const tk_job *job, const tk_plan *plan, int64_t memory, question *q, tk_error *error) {
    if (q->ranks == 0) q->ranks = tk_plan_least_ranks(job, plan, memory);
    if (q->ranks == 0) q->ranks = 1;
    return tk_plan_check_ranks(job, plan, q->ranks, memory, error);
}

static tk_status plan_workflow(const tk_arguments *arguments, const tk_workflow *workflow, tk_error *error) {
    tk_job job = {0};
    tk_plan plan = {0};
    tk_plan_request request;
    question q;
    int64_t memory;
    TK_TRY(read_question(arguments, &q, error));
    TK_TRY(tk_read_memory(arguments, (int)q.ranks_per_node, &memory, error));
    TK_TRY(tk_job_open(workflow, memory, &job, error));
    tk_status status = tk_read_plan_request(arguments, job.geometry.size, memory, &request, error);
    if (status == TK_OK) status = tk_plan_make(&job, &request, &plan, error);
    if (status == TK_OK) status = settle_ranks(&job, &plan, request.memory, &q, error);
    if (status == TK_OK) status = print_plan(arguments, &job, &plan, &q, error);
    tk_plan_free(&plan);
    tk_job_close(&job);
    return status;
}

static tk_status run_plan(const tk_arguments *arguments, tk_error *error) {
    tk_workflow workflow;
    TK_TRY(tk_read_workflow(arguments, &workflow, error));
    const tk_status status = plan_workflow(arguments, &workflow, error);
    tk_workflow_free(&workflow);
    return status;
}

const tk_command tk_command_plan = {
    .name = "plan",
    .summary = "Shows what a run would do: tiles, halos, stages, memory, disk and time.",
    .synopsis = "WORKFLOW [OPTION]...",
    .details =
        "Nothing of the image is computed; its header is read. Times are forecast for machines like this one, from\n"
        "what its cores and its disk do in about a second (kept in the cache), by playing the schedule through\n"
        "without MPI: --ranks 10000 needs no cluster. Exit code 2 when nothing fits the memory.",
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
        status = tk_print_json(tk_workflow_to_json(&workflow, true), error);
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
