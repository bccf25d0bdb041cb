/* The runner: prepare, then stage by stage sweep all tiles and settle what the next step must know, then merge.
 *
 * Ranks claim tiles from a shared list, the dearest first. They agree on errors at named points: after preparing,
 * after each sweep, after each decision, after the last write, after the merge. Whatever fails, nothing is left under
 * the result's name. */
#include "engine/run.h"

#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/keeping/identity.h"
#include "engine/keeping/output.h"
#include "engine/merge.h"
#include "engine/running/emit.h"
#include "engine/running/names.h"
#include "engine/running/solve.h"
#include "engine/running/survey.h"
#include "engine/running/sweep.h"
#include "engine/running/times.h"
#include "engine/running/values.h"
#include "engine/syntax/json.h"

int tk_run_threads(const tk_run_request *request, const tk_comm *comm) {
    if (request->threads > 0) return request->threads;
    const int share = omp_get_num_procs() / tk_comm_sharers(comm);
    return share > 1 ? share : 1;
}

/* --- Before ------------------------------------------------------------------------------------------------------- */

static tk_status add_images(tk_run *run, tk_error *error) {
    const tk_workflow *w = run->job->workflow;
    for (int i = 0; i < w->count; i++) {
        run->image[i] = -1;
        const tk_kind kind = w->steps[i].step->output;
        if (!w->steps[i].keep || kind == TK_KIND_TABLE) continue;
        static const tk_dtype types[TK_KIND_COUNT] = {TK_F32, TK_U8, TK_U32, TK_U8};
        char *path = tk_name_of_output(&w->steps[i]);
        if (!path) return tk_fail_memory(error, "the result");
        tk_result_image image = {.path = path,
                                 .kind = tk_kind_text(kind),
                                 .description = w->steps[i].step->summary,
                                 .type = types[kind],
                                 .series = tk_job_is_series(run->job),
                                 .channel = w->steps[i].channel};
        memcpy(image.size, run->plan->size, sizeof image.size);
        memcpy(image.chunk, run->plan->chunk, sizeof image.chunk);
        memcpy(image.voxel_um, run->job->geometry.voxel_um, sizeof image.voxel_um);
        run->image[i] = 0;
        tk_status status = TK_OK;
        if (run->result) status = tk_result_add_image(run->result, &image, &run->image[i], error);
        free(path);
        TK_TRY(status);
    }
    return TK_OK;
}

/* The other ranks learn how rank 0 numbered the images. */
static tk_status share_numbers(tk_run *run, tk_error *error) {
    tk_bytes numbers = {0};
    const size_t size = (size_t)run->plan->steps * sizeof *run->image;
    if (tk_bytes_append(&numbers, run->image, size) != TK_OK) tk_fail_memory(error, "the result");
    if (tk_comm_agree(run->comm, error) == TK_OK && tk_comm_broadcast(run->comm, &numbers) != TK_OK)
        tk_fail_memory(error, "the result");
    if (error->status == TK_OK) memcpy(run->image, numbers.data, size);
    tk_bytes_free(&numbers);
    return error->status;
}

/* The steps first … last − 1. */
static tk_status prepare_steps(tk_run *run, int first, int last, tk_error *error) {
    for (int i = first; i < last; i++) {
        const tk_step *s = run->job->workflow->steps[i].step;
        int64_t largest[3];
        tk_plan_largest(run->plan, i, run->plan->tile, largest);
        if (s->prepare && largest[0] > 0) TK_TRY(s->prepare(run->job->state[i], largest, &run->work, error));
    }
    return TK_OK;
}

/* The first stage of a channel prepares its steps, once those of the channel before it are released. */
static tk_status enter_channel(tk_run *run, const tk_stage *stage, tk_error *error) {
    const tk_workflow *w = run->job->workflow;
    const int first = run->prepared;
    while (run->prepared < w->count && w->steps[run->prepared].channel <= tk_plan_channel(w, stage)) run->prepared++;
    if (run->prepared == first) return TK_OK;
    tk_job_release(run->job, 0, first);
    prepare_steps(run, first, run->prepared, error);
    return tk_comm_agree(run->comm, error);
}

static tk_status create_result(tk_run *run, tk_error *error) {
    add_images(run, error);
    TK_TRY(tk_comm_agree(run->comm, error));
    TK_TRY(share_numbers(run, error));
    tk_emit_reserve(run, error);
    TK_TRY(tk_comm_agree(run->comm, error));
    return tk_values_open(run, error);
}

static tk_status start_keeper(tk_run *run, tk_error *error) {
    double work = 0, done = 0;
    tk_sweep_work(run, &work, &done);
    const tk_keeper_about about = {.output = run->job->workflow->output,
                                   .workflow = run->job->workflow->file,
                                   .folder = run->folder,
                                   .lock = &run->lock,
                                   .stages = run->plan->stages,
                                   .threads = run->work.threads,
                                   .attempt = run->part_number,
                                   .planned_bytes = run->planned,
                                   .begun = run->progress.begin,
                                   .work = work};
    return tk_keeper_start(run->comm, &run->request->keep, &about, &run->keeper, error);
}

static void say_how(tk_run *run) {
    const int ranks = tk_comm_size(run->comm), threads = run->work.threads;
    if (ranks == 1)
        tk_progress_say(&run->progress, "1 rank, %d thread%s", threads, threads == 1 ? "" : "s");
    else
        tk_progress_say(&run->progress, "%d ranks%s, %d thread%s each, scheduler %s%s", ranks,
                        tk_comm_local_size(run->comm) < ranks ? " on several machines" : "", threads,
                        threads == 1 ? "" : "s", tk_scheduler_text(run->schedule.kind), run->schedule.why);
}

static tk_status prepare(tk_run *run, tk_error *error) {
    double work = 0, done = 0;
    TK_TRY(start_keeper(run, error));
    TK_TRY(create_result(run, error));
    TK_TRY(tk_resume(run, error));
    tk_sweep_work(run, &work, &done);
    tk_keeper_done_before(run->keeper, done);
    TK_TRY(tk_schedule_open(run->request->scheduler, run->comm, run->keeper, &run->schedule, error));
    say_how(run);
    return tk_writer_start(run->comm, run->result, run->journal, &run->writer, error);
}

/* Rank 0 claims the names; all ranks learn whether there is anything to do. */
static tk_status claim(tk_run *run, tk_error *error) {
    tk_bytes bytes = {0};
    if (tk_comm_rank(run->comm) == 0) {
        run->identity = tk_identity_make(run->job, run->plan, run->request->isa);
        if (!run->identity) tk_fail_memory(error, "the identity of the run");
        if (error->status == TK_OK) tk_output_claim(run, error);
    }
    int64_t found[2] = {run->finished, run->given_up};
    if (tk_bytes_append(&bytes, found, sizeof found) != TK_OK) tk_fail_memory(error, "the run");
    tk_status status = tk_comm_agree(run->comm, error);
    if (status == TK_OK && tk_comm_broadcast(run->comm, &bytes) != TK_OK) status = tk_fail_memory(error, "the run");
    if (status == TK_OK) memcpy(found, bytes.data, sizeof found);
    run->finished = found[0] != 0;
    run->given_up = found[1];
    tk_bytes_free(&bytes);
    return tk_comm_agree(run->comm, error);
}

/* --- Stages ------------------------------------------------------------------------------------------------------- */

/* Decisions that need no voxels, of steps that this stage applies for the first time. */
static tk_status decide_unseen(tk_run *run, const tk_stage *stage, tk_error *error) {
    for (int i = stage->fresh; i < stage->last; i++) {
        const tk_step *s = run->job->workflow->steps[i].step;
        const int rounds = s->rounds ? s->rounds(run->job->state[i]) : 1;
        if (!s->agree || s->survey || rounds == 0) continue;
        tk_bytes nothing = {0};
        bool more = true;
        for (int round = 0; more; round++) {
            bool known = false;
            TK_TRY(tk_survey_known(run, i, round, &known, error));
            TK_TRY(tk_survey_settle(run, i, round, known, &nothing, &more, error));
            tk_bytes_free(&nothing);
        }
    }
    return TK_OK;
}

static tk_status run_round(tk_run *run, int number, int round, bool *more, tk_error *error) {
    const tk_stage *stage = &run->plan->stage[number];
    tk_bytes partial = {0};
    bool known = false;
    *more = false;
    if (stage->survey >= 0) TK_TRY(tk_survey_known(run, stage->survey, round, &known, error));
    tk_status status = TK_OK;
    if (round == 0 || !known) status = tk_sweep_run(run, number, round, stage->survey >= 0 && !known, &partial, error);
    if (status == TK_OK && round == 0) status = tk_values_share(run, stage->fresh + 1, stage->last, error);
    if (status == TK_OK && stage->survey >= 0)
        status = tk_survey_settle(run, stage->survey, round, known, &partial, more, error);
    tk_bytes_free(&partial);
    return status;
}

static void release_blocks(tk_run *run) {
    for (int i = 0; i < 2; i++) tk_scratch_release(&run->block[i]);
    tk_scratch_release(&run->ahead);
    tk_scratch_release(&run->sides.arena);
    tk_scratch_release(&run->sides_ahead.arena);
}

static tk_status run_stage(tk_run *run, int number, tk_error *error) {
    release_blocks(run); /* another stage, other sizes */
    run->progress.stage = number;
    TK_TRY(enter_channel(run, &run->plan->stage[number], error));
    TK_TRY(decide_unseen(run, &run->plan->stage[number], error));
    if (run->plan->stage[number].solve >= 0) TK_TRY(tk_solve_run(run, number, error));
    bool more = true;
    for (int round = 0; more; round++) TK_TRY(run_round(run, number, round, &more, error));
    return TK_OK;
}

/* --- After -------------------------------------------------------------------------------------------------------- */

static void release(tk_run *run) {
    for (int i = 0; run->table && i < run->plan->steps; i++) tk_table_free(&run->table[i]);
    release_blocks(run);
    tk_scratch_release(&run->work.scratch);
    tk_bytes_free(&run->chunks);
    tk_past_free(&run->past);
    json_decref(run->identity);
    json_decref(run->given);
    json_decref(run->decisions);
    json_decref(run->outputs);
    json_decref(run->timings);
    pthread_mutex_destroy(&run->input_lock);
    free(run->done);
    free(run->store);
    free(run->image);
    free(run->table);
    free(run->part);
    free(run->folder);
}

static tk_status begin(tk_run *run, tk_error *error) {
    const size_t count = (size_t)run->plan->steps;
    pthread_mutex_init(&run->input_lock, NULL);
    run->store = calloc(count + 1, sizeof(tk_rawstore *));
    run->image = calloc(count, sizeof *run->image);
    run->table = calloc(count, sizeof *run->table);
    run->done = calloc((size_t)run->plan->stages, (size_t)run->plan->tiles);
    run->planned = tk_plan_peak(run->job, run->plan, tk_comm_size(run->comm));
    run->decisions = json_array();
    run->given = json_array();
    run->outputs = json_array();
    run->timings = json_object();
    run->folder = tk_run_folder(run->job->workflow->output);
    if (!run->store || !run->image || !run->table || !run->done || !run->decisions || !run->given || !run->outputs ||
        !run->timings || !run->folder)
        return tk_fail_memory(error, "the run");
    run->work = (tk_work){.threads = tk_run_threads(run->request, run->comm), .isa = run->request->isa};
    run->progress = tk_progress_start(tk_comm_rank(run->comm) == 0, run->plan->stages);
    return TK_OK;
}

static tk_status finish(tk_run *run, tk_error *error) {
    TK_TRY(tk_times_sum(run, error));
    release_blocks(run); /* room for what reads the result back */
    tk_scratch_release(&run->work.scratch);
    tk_writer_finish(run->writer, error);
    run->writer = NULL;
    TK_TRY(tk_comm_agree(run->comm, error));
    if (tk_comm_rank(run->comm) == 0) tk_merge(run, error);
    return tk_comm_agree(run->comm, error);
}

/* Is there something of this run that is worth going on from? What an earlier run has left always is. On rank 0. */
static bool can_be_resumed(const tk_run *run, tk_status status) {
    if (run->past.header) return true;
    const bool passing = status == TK_STOPPED || status == TK_UNWRITABLE || status == TK_NO_MEMORY ||
                         status == TK_FAILED || status == TK_UNREADABLE;
    tk_error ignored = TK_ERROR_NONE;
    return passing && run->journal && (run->noted > 0 || run->saved || status == TK_STOPPED) &&
           tk_inputs_unchanged(&run->job->inputs, &ignored) == TK_OK;
}

/* Lets go of an unfinished result; says in the message what is left of it. On all ranks. */
static void give_up(tk_run *run, tk_status status, tk_error *error) {
    tk_error ignored = TK_ERROR_NONE;
    if (run->writer) run->noted = tk_writer_noted(run->writer);
    tk_writer_finish(run->writer, &ignored);
    run->writer = NULL;
    if (run->result) tk_result_abandon(run->result);
    run->result = NULL;
    run->keep = can_be_resumed(run, status);
    if (run->journal && run->keep) (void)tk_journal_sync(run->journal, &ignored);
    const size_t used = strlen(error->text);
    if (run->keep)
        snprintf(error->text + used, sizeof error->text - used, " (what is done is kept in %s: go on with --resume)",
                 run->folder);
    if (run->keeper && run->keep)
        tk_keeper_state(run->keeper, status == TK_STOPPED ? "stopped" : "failed", error->text);
}

/* Finished, but not all of it. */
static tk_status say_given_up(const tk_run *run, tk_error *error) {
    if (run->given_up == 0) return TK_OK;
    const json_t *first = json_array_get(run->given, 0), *origin = json_object_get(first, "origin_zyx");
    const char *reason = json_string_value(json_object_get(first, "reason"));
    char place[TK_PLACE_ROOM];
    int64_t at[3] = {0, 0, 0};
    tk_json_read_triple(origin, at);
    tk_name_place(run->job, json_integer_value(json_object_get(first, "channel")),
                  json_integer_value(json_object_get(first, "time")), at, place);
    return tk_fail(error, TK_GIVEN_UP,
                   "%s: finished, but %lld of %lld tiles were given up and hold zeros, the first at %s (%s); "
                   "/provenance/run lists them",
                   run->job->workflow->output, (long long)run->given_up,
                   (long long)(run->plan->tiles * run->job->channels), place, reason ? reason : "");
}

static tk_status run_all(tk_run *run, tk_error *error) {
    TK_TRY(prepare(run, error));
    for (int i = 0; i < run->plan->stages; i++) TK_TRY(run_stage(run, i, error));
    return finish(run, error);
}

tk_status tk_run_workflow(const tk_job *job, const tk_plan *plan, const tk_run_request *request, tk_comm *comm,
                          tk_error *error) {
    tk_run run = {.job = job, .plan = plan, .request = request, .comm = comm};
    begin(&run, error);
    tk_status status = tk_comm_agree(comm, error);
    if (status == TK_OK) status = claim(&run, error);
    if (status == TK_OK && !run.finished) status = run_all(&run, error);
    if (status != TK_OK) give_up(&run, status, error);
    tk_journal_close(run.journal);
    tk_values_close(&run);
    tk_keeper_finish(run.keeper);
    tk_output_release(&run, run.keep);
    if (status == TK_OK) status = say_given_up(&run, error);
    release(&run);
    return status;
}
