/* tarkka run */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/commands.h"
#include "engine/keeping/identity.h"
#include "engine/keeping/output.h"
#include "engine/run.h"
#include "engine/syntax/json.h"

static const double GRACE_S = 25, WATCHDOG_S = 120, CHECKPOINT_S = 300, GIVE_UP = 0.25;

static const tk_option options[] = {
    TK_JOB_OPTIONS,
    TK_PLAN_OPTIONS,
    {"threads", "N", "threads of each rank (default: the machine's, shared among its ranks)"},
    {"resume", NULL, "go on from what an interrupted run has left, where it has left something"},
    {"overwrite", NULL, "replace an existing result, and what an interrupted run has left"},
    {"max-time", "TIME", "stop early so that the run ends within this time, as in 35h or 90min"},
    {"grace", "TIME", "how long tiles in flight may take once the run is to stop (default: 25s)"},
    {"watchdog", "TIME", "end the run when a rank gives no sign of life for so long (default: 120s)"},
    {"checkpoint", "TIME", "how often a step that computes on the whole image saves its state (default: 5min)"},
    {"scheduler", "auto|rma|server|static", "how ranks share tiles (default: auto)"},
    {"give-up", "N%", "share of tiles that may fail for good before the run fails (default: 25%)"},
    {"picture", NULL, "draw RESULT.png when done: the image with the outlines of the objects"},
    {"json", NULL, "print a summary as JSON when done"},
    TK_OPTION_END,
};

/* --- What the command line asks for ------------------------------------------------------------------------------- */

static tk_status read_isa(tk_isa *isa, tk_error *error) {
    const char *forced = getenv("TARKKA_CPU");
    const tk_isa best = tk_isa_detect();
    *isa = best;
    if (!forced) return TK_OK;
    if (!tk_isa_from_text(forced, isa))
        return tk_fail(error, TK_USAGE, "TARKKA_CPU=%s: expected baseline, avx2 or avx512", forced);
    if (*isa > best)
        return tk_fail(error, TK_USAGE, "TARKKA_CPU=%s: this machine has only %s", forced, tk_isa_text(best));
    return TK_OK;
}

static tk_status read_share(const tk_arguments *arguments, double *share, tk_error *error) {
    const char *text = tk_option_value(arguments, "give-up");
    char *end = NULL;
    *share = GIVE_UP;
    if (!text) return TK_OK;
    *share = strtod(text, &end) / 100;
    if (end != text && *share >= 0 && *share <= 1 && (!strcmp(end, "%") || !strcmp(text, "0"))) return TK_OK;
    return tk_fail(error, TK_USAGE, "--give-up %s: expected a share of the tiles, as in 10%% (0: none)", text);
}

static tk_status read_request(const tk_arguments *arguments, tk_run_request *request, tk_error *error) {
    int64_t threads = 0;
    const char *scheduler = tk_option_value(arguments, "scheduler");
    request->resume = tk_option_value(arguments, "resume") != NULL;
    request->overwrite = tk_option_value(arguments, "overwrite") != NULL;
    if (request->resume && request->overwrite)
        return tk_fail(error, TK_USAGE, "--resume goes on and --overwrite begins anew: give one of them");
    TK_TRY(tk_option_integer(arguments, "threads", 1, 4096, 0, &threads, error));
    request->threads = (int)threads;
    TK_TRY(tk_option_duration(arguments, "max-time", 0, &request->keep.max_time, error));
    TK_TRY(tk_option_duration(arguments, "grace", GRACE_S, &request->keep.grace, error));
    TK_TRY(tk_option_duration(arguments, "watchdog", WATCHDOG_S, &request->keep.watchdog, error));
    TK_TRY(tk_option_duration(arguments, "checkpoint", CHECKPOINT_S, &request->checkpoint, error));
    if (scheduler && !tk_scheduler_from_text(scheduler, &request->scheduler))
        return tk_fail(error, TK_USAGE, "--scheduler %s: expected auto, rma, server or static", scheduler);
    TK_TRY(read_share(arguments, &request->give_up, error));
    return read_isa(&request->isa, error);
}

/* --- What all ranks agree on before they plan --------------------------------------------------------------------- */

typedef struct shared {
    int64_t memory, tile[3], halo[3];
    int64_t isa;
} shared;

static tk_status take_least(void *user, const tk_bytes *theirs) {
    shared *least = user, other;
    memcpy(&other, theirs->data, sizeof other);
    if (other.memory < least->memory) least->memory = other.memory;
    if (other.isa < least->isa) least->isa = other.isa;
    return TK_OK;
}

/* A run that is resumed takes what shaped its grid, and its instruction set, from the one that began it, as far as the
 * command line does not say otherwise. */
static void take_from_past(const tk_arguments *arguments, const char *output, shared *s) {
    char *folder = tk_run_folder(output);
    json_t *header = folder ? tk_past_header(folder) : NULL;
    const json_t *asked = json_object_get(header, "request");
    tk_isa isa;
    if (asked && !tk_option_value(arguments, "memory"))
        s->memory = json_integer_value(json_object_get(asked, "memory"));
    if (asked && !tk_option_value(arguments, "tile")) tk_json_read_triple(json_object_get(asked, "tile"), s->tile);
    if (asked && !tk_option_value(arguments, "halo")) tk_json_read_triple(json_object_get(asked, "halo"), s->halo);
    if (tk_identity_isa(json_object_get(header, "job"), &isa) && (int64_t)isa < s->isa && !getenv("TARKKA_CPU"))
        s->isa = isa;
    json_decref(header);
    free(folder);
}

/* Collective. */
static tk_status agree_on_request(tk_comm *comm, const tk_arguments *arguments, const tk_workflow *workflow,
                                  tk_run_request *request, tk_error *error) {
    shared s = {.memory = request->plan_request.memory, .isa = request->isa};
    memcpy(s.tile, request->plan_request.tile, sizeof s.tile);
    memcpy(s.halo, request->plan_request.halo, sizeof s.halo);
    tk_bytes bytes = {0};
    if (tk_bytes_append(&bytes, &s, sizeof s) != TK_OK) tk_fail_memory(error, "the request");
    TK_TRY(tk_comm_agree(comm, error));
    (void)tk_comm_collect(comm, &bytes, take_least, &s);
    if (tk_comm_rank(comm) == 0 && request->resume) take_from_past(arguments, workflow->output, &s);
    memcpy(bytes.data, &s, sizeof s);
    (void)tk_comm_broadcast(comm, &bytes);
    memcpy(&s, bytes.data, sizeof s);
    tk_bytes_free(&bytes);
    request->plan_request.memory = s.memory;
    memcpy(request->plan_request.tile, s.tile, sizeof s.tile);
    memcpy(request->plan_request.halo, s.halo, sizeof s.halo);
    request->isa = (tk_isa)s.isa;
    return TK_OK;
}

/* --- The run ------------------------------------------------------------------------------------------------------ */

static tk_status print_summary(const tk_workflow *workflow, int64_t tiles, bool json, tk_error *error) {
    char *provenance = tk_output_provenance_file(workflow->output);
    if (!provenance) return tk_fail_memory(error, "the summary");
    tk_status status = TK_OK;
    if (json)
        status = tk_print_json(json_pack("{s:s, s:s, s:I}", "result", workflow->output, "provenance", provenance,
                                         "tiles", (json_int_t)tiles),
                               error);
    else
        printf("result      %s\nprovenance  %s\n", workflow->output, provenance);
    free(provenance);
    return status;
}

/* Binds; every rank does so by itself, from the same files. */
static tk_status open_job(const tk_comm *comm, const tk_arguments *arguments, const int64_t tile[3],
                          tk_workflow *workflow, tk_job *job, tk_run_request *request, tk_error *error) {
    TK_TRY(read_request(arguments, request, error));
    if (!workflow->output || !*workflow->output)
        return tk_fail(error, TK_INVALID, "%s: no output: give output: FILE.h5, or --output FILE.h5", workflow->file);
    int64_t memory;
    TK_TRY(tk_read_memory(arguments, tk_comm_local_size(comm), &memory, error));
    const bool from_past = request->resume && !tk_option_value(arguments, "memory"); /* how much is told later */
    TK_TRY(tk_job_open(workflow, from_past ? 0 : memory, job, error));
    tk_plan_request *plan = &request->plan_request;
    TK_TRY(tk_read_plan_request(arguments, job->geometry.size, memory, plan, error));
    if (tile && !tk_option_value(arguments, "tile")) memcpy(plan->tile, tile, sizeof plan->tile);
    return TK_OK;
}

tk_status tk_run_job(tk_comm *comm, const tk_arguments *arguments, const int64_t tile[3], tk_workflow *workflow,
                     int64_t *tiles, tk_error *error) {
    tk_job job = {0};
    tk_plan plan = {0};
    tk_run_request request = {0};
    if (error->status == TK_OK) open_job(comm, arguments, tile, workflow, &job, &request, error);
    tk_status status = tk_comm_agree(comm, error);
    if (status == TK_OK) status = agree_on_request(comm, arguments, workflow, &request, error);
    if (status == TK_OK) tk_plan_make(&job, &request.plan_request, &plan, error);
    if (error->status == TK_OK)
        tk_plan_check_ranks(&job, &plan, tk_comm_size(comm), request.plan_request.memory, error);
    status = tk_comm_agree(comm, error);
    if (status == TK_OK) tk_run_workflow(&job, &plan, &request, comm, error);
    *tiles = plan.tiles;
    tk_plan_free(&plan);
    tk_job_close(&job);
    return error->status;
}

static tk_status run_on(tk_comm *comm, const tk_arguments *arguments, tk_error *error) {
    tk_workflow workflow = {0};
    int64_t tiles = 0;
    tk_read_workflow(arguments, &workflow, error);
    const tk_status status = tk_run_job(comm, arguments, NULL, &workflow, &tiles, error);
    if ((status == TK_OK || status == TK_GIVEN_UP) && tk_comm_rank(comm) == 0)
        print_summary(&workflow, tiles, tk_option_value(arguments, "json") != NULL, error);
    if (status == TK_OK && tk_comm_rank(comm) == 0 && tk_option_value(arguments, "picture"))
        tk_draw_result(workflow.output, error);
    tk_workflow_free(&workflow);
    return error->status;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) { return tk_on_ranks(arguments, run_on, error); }

const tk_command tk_command_run = {
    .name = "run",
    .summary = "Runs a workflow on an image and writes the result with its provenance.",
    .synopsis = "WORKFLOW [OPTION]...",
    .details =
        "Alone, or on several ranks: mpirun -n 4 tarkka run WORKFLOW. The result is the same, bit for bit.\n"
        "Relative files in a workflow are taken from the workflow's folder, those on the command line from here.\n"
        "\n"
        "SIGTERM, SIGUSR1 and SIGINT end a run politely: no further tile is begun, and --resume goes on later.\n"
        "Under mpirun send SIGUSR1, which it passes on. A second signal ends the run at once, losing no more.\n"
        "\n"
        "Exit codes: 0 done, 1 failed, 2 usage, invalid workflow, or not the job that is to be resumed, 3 input\n"
        "unreadable, 4 finished, with tiles given up, 75 stopped early: resume it.\n"
        "TARKKA_CPU=baseline|avx2|avx512 forces an instruction set; TARKKA_CACHE names the folder for FFT plans.",
    .options = options,
    .least = 1,
    .most = 1,
    .ranks = true,
    .run = run,
};
