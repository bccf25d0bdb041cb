/* Sweeping: the list of tasks, claiming them, trying again what has failed. */
#include "engine/running/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/planning/forecast.h"
#include "engine/planning/stages.h"
#include "engine/running/ahead.h"
#include "engine/running/names.h"
#include "engine/running/tile.h"
#include "engine/syntax/json.h"

enum { ATTEMPTS = 3, TOLERATED = 8 };

/* --- The list ----------------------------------------------------------------------------------------------------- */

static int dearer_first(const void *a, const void *b) {
    const tk_task *p = a, *q = b;
    if (p->work != q->work) return p->work < q->work ? 1 : -1;
    return p->tile < q->tile ? -1 : p->tile > q->tile;
}

/* What a tile needs in this sweep; false: nothing. */
static bool find_action(const tk_sweep *sweep, int64_t tile, tk_action *action) {
    const unsigned char done = tk_run_done(sweep->run, sweep->number, tile);
    if (done == TK_TILE_GIVEN_UP) return false;
    *action = sweep->round == 0 && done == TK_TILE_OPEN ? TK_ACTION_MAKE : TK_ACTION_SURVEY;
    return *action == TK_ACTION_MAKE || sweep->survey;
}

static tk_status list_tasks(tk_sweep *sweep, tk_error *error) {
    const tk_run *run = sweep->run;
    sweep->task = calloc((size_t)run->plan->tiles, sizeof *sweep->task);
    if (!sweep->task) return tk_fail_memory(error, "the list of tiles");
    for (int64_t tile = 0; tile < run->plan->tiles; tile++) {
        tk_action action;
        if (!find_action(sweep, tile, &action)) continue;
        const int round = action == TK_ACTION_MAKE ? 0 : 1;
        const double work = tk_forecast_tile_ns(run->job, run->plan, sweep->number, round, tile);
        sweep->task[sweep->tasks++] = (tk_task){tile, work, action};
    }
    qsort(sweep->task, (size_t)sweep->tasks, sizeof *sweep->task, dearer_first);
    return TK_OK;
}

/* --- Failures ----------------------------------------------------------------------------------------------------- */

/* A tile that has failed on a rank. */
typedef struct failed_tile {
    int64_t tile, rank, status;
    char text[512];
} failed_tile;

/* Is this the fault of a tile, so that the others may go on? */
static bool is_of_tile(tk_status status) {
    return status == TK_UNREADABLE || status == TK_FAILED || status == TK_UNSOLVABLE;
}

static int64_t allowed_failures(const tk_run *run) {
    return (int64_t)floor(run->request->give_up * (double)run->plan->tiles * (double)run->job->channels) -
           run->given_up;
}

/* Notes a tile's failure among this rank's, or makes it the run's. */
static void take_failure(tk_sweep *sweep, const tk_task *task, const tk_error *of, tk_bytes *failures,
                         tk_error *error) {
    tk_run *run = sweep->run;
    failed_tile f = {.tile = task->tile, .rank = tk_comm_rank(run->comm), .status = of->status};
    memcpy(f.text, of->text, sizeof f.text - 1);
    const int64_t count = (int64_t)(failures->size / sizeof f) + 1;
    tk_writer_tile_failed(run->writer, error);
    if (is_of_tile(of->status) && count <= allowed_failures(run) + TOLERATED) {
        if (tk_bytes_append(failures, &f, sizeof f) != TK_OK) tk_fail_memory(error, "failed tiles");
    } else {
        tk_fail(error, of->status, "%s", of->text);
    }
}

static tk_status append(void *user, const tk_bytes *bytes) { return tk_bytes_append(user, bytes->data, bytes->size); }

/* Everybody gets everybody's. */
static tk_status share(tk_comm *comm, tk_bytes *failures, tk_error *error) {
    tk_bytes all = {0};
    if (tk_bytes_append(&all, failures->data, failures->size) != TK_OK) tk_fail_memory(error, "failed tiles");
    if (tk_comm_collect(comm, failures, append, &all) != TK_OK) tk_fail_memory(error, "failed tiles");
    if (tk_comm_agree(comm, error) == TK_OK && tk_comm_broadcast(comm, &all) != TK_OK)
        tk_fail_memory(error, "failed tiles");
    tk_bytes_free(failures);
    *failures = all;
    return tk_comm_agree(comm, error);
}

/* One tile, read and worked on right here. */
static tk_status run_task(tk_sweep *sweep, const tk_task *task, tk_error *failure) {
    tk_block block;
    TK_TRY(tk_tile_read(sweep, task, &sweep->run->block[0], &sweep->run->sides, &block, failure));
    return tk_tile_work(sweep, task, &block, failure);
}

static const tk_task *find_task(const tk_sweep *sweep, int64_t tile) {
    for (int64_t i = 0; i < sweep->tasks; i++)
        if (sweep->task[i].tile == tile) return &sweep->task[i];
    return NULL;
}

/* Tries this rank's share of the failed tiles again: each goes to the rank after the one where it failed. */
static void try_again(tk_sweep *sweep, const tk_bytes *all, tk_bytes *failures, tk_error *error) {
    const tk_run *run = sweep->run;
    for (size_t at = 0; at < all->size && error->status == TK_OK; at += sizeof(failed_tile)) {
        failed_tile f;
        memcpy(&f, all->data + at, sizeof f);
        if ((f.rank + 1) % tk_comm_size(run->comm) != tk_comm_rank(run->comm)) continue;
        const tk_task *task = find_task(sweep, f.tile);
        tk_error again = TK_ERROR_NONE;
        tk_keeper_tile_begins(run->keeper, f.tile, 1e-9 * task->work);
        if (run_task(sweep, task, &again) != TK_OK) take_failure(sweep, task, &again, failures, error);
        tk_keeper_tile_ends(run->keeper, 0);
    }
    tk_keeper_idle(run->keeper);
}

static int by_tile(const void *a, const void *b) {
    const failed_tile *p = a, *q = b;
    return p->tile < q->tile ? -1 : p->tile > q->tile;
}

static void note_given_up(tk_run *run, int stage, const failed_tile *f, tk_error *error) {
    const tk_box core = tk_plan_tile(run->plan, f->tile);
    const int64_t time = tk_job_time(run->job, tk_plan_time(run->plan, f->tile));
    const int64_t channel = tk_plan_channel(run->job->workflow, &run->plan->stage[stage]);
    char place[TK_PLACE_ROOM];
    json_t *note = json_pack("{s:[i, I], s:[I, I, I], s:o}", "given_up", stage, (json_int_t)f->tile, "origin_zyx",
                             (json_int_t)core.lo[0], (json_int_t)core.lo[1], (json_int_t)core.lo[2], "reason",
                             tk_json_any_text(f->text));
    if (run->job->times > 1) json_object_set_new(note, "time", json_integer(time));
    if (run->job->channels > 1) json_object_set_new(note, "channel", json_integer(channel));
    json_array_append(run->given, note);
    tk_name_place(run->job, channel, time, core.lo, place);
    tk_progress_say(&run->progress, "the tile at %s is given up after %d attempts: %s", place, ATTEMPTS, f->text);
    tk_journal_add(run->journal, note, error);
}

void tk_sweep_give_up(tk_run *run, int stage, int64_t tile) {
    const tk_workflow *w = run->job->workflow;
    const int64_t channel = tk_plan_channel(w, &run->plan->stage[stage]);
    for (int k = stage; k < run->plan->stages && tk_plan_channel(w, &run->plan->stage[k]) == channel; k++)
        run->done[k * run->plan->tiles + tile] = TK_TILE_GIVEN_UP;
    run->given_up++;
}

/* Gives up what has failed for good, or fails when that is too much. */
static tk_status give_up(tk_sweep *sweep, tk_bytes *failures, tk_error *error) {
    tk_run *run = sweep->run;
    failed_tile *f = (failed_tile *)(void *)failures->data;
    const int64_t count = (int64_t)(failures->size / sizeof *f);
    if (count == 0) return TK_OK;
    qsort(f, (size_t)count, sizeof *f, by_tile);
    if (count > allowed_failures(run)) return tk_fail(error, (tk_status)f->status, "%s", f->text);
    for (int64_t i = 0; i < count; i++) {
        if (tk_comm_rank(run->comm) == 0) note_given_up(run, sweep->number, &f[i], error);
        tk_sweep_give_up(run, sweep->number, f[i].tile);
    }
    return tk_comm_agree(run->comm, error);
}

/* Collective. */
static tk_status mend(tk_sweep *sweep, tk_bytes *failures, tk_error *error) {
    TK_TRY(share(sweep->run->comm, failures, error));
    for (int attempt = 2; attempt <= ATTEMPTS && failures->size > 0; attempt++) {
        tk_bytes again = {0};
        try_again(sweep, failures, &again, error);
        tk_writer_settle(sweep->run->writer, error);
        tk_bytes_free(failures);
        *failures = again;
        TK_TRY(tk_comm_agree(sweep->run->comm, error));
        TK_TRY(share(sweep->run->comm, failures, error));
    }
    return give_up(sweep, failures, error);
}

/* --- The sweep ---------------------------------------------------------------------------------------------------- */

/* The tiles that this rank claims, until there are none left or the run is to stop. */
static void run_tasks(tk_sweep *sweep, tk_ahead *ahead, tk_bytes *failures, tk_error *error) {
    tk_run *run = sweep->run;
    tk_block block;
    tk_error failure = TK_ERROR_NONE;
    for (const tk_task *task; error->status == TK_OK && (task = tk_ahead_next(ahead, &block, &failure));
         failure = TK_ERROR_NONE) {
        tk_keeper_tile_begins(run->keeper, task->tile, 1e-9 * task->work);
        if (failure.status == TK_OK) tk_tile_work(sweep, task, &block, &failure);
        if (failure.status != TK_OK) take_failure(sweep, task, &failure, failures, error);
        tk_keeper_tile_ends(run->keeper, task->work);
        run->times.work += task->work;
        tk_progress_tile(&run->progress, run->keeper);
    }
    tk_keeper_idle(run->keeper);
}

/* Has somebody asked for an early end? */
static void check_stop(const tk_run *run, tk_error *error) {
    char reason[256];
    tk_keeper_stop_reason(run->keeper, reason, sizeof reason);
    if (*reason) tk_fail(error, TK_STOPPED, "%s", reason);
}

static void sweep_once(tk_sweep *sweep, tk_bytes *failures, tk_error *error) {
    tk_run *run = sweep->run;
    tk_ahead *ahead = NULL;
    if (tk_ahead_start(sweep, &ahead, error) == TK_OK) run_tasks(sweep, ahead, failures, error);
    if (error->status != TK_OK) {
        tk_keeper_failed(run->keeper, error);
        tk_schedule_stop(&run->schedule);
    }
    tk_ahead_stop(ahead);
    check_stop(run, error);
}

/* Collective. */
static tk_status sweep_all(tk_sweep *sweep, tk_bytes *partial, tk_error *error) {
    tk_run *run = sweep->run;
    tk_bytes failures = {0};
    const double start = tk_progress_now();
    tk_schedule_reset(&run->schedule);
    tk_keeper_sweep(run->keeper, sweep->number, sweep->round, sweep->tasks);
    sweep_once(sweep, &failures, error);
    run->times.sweeps += tk_progress_now() - start;
    tk_writer_settle(run->writer, error);
    tk_status status = tk_comm_agree(run->comm, error);
    if (status != TK_OK) tk_keeper_agreed(run->keeper);
    if (status == TK_OK) status = mend(sweep, &failures, error);
    if (status == TK_OK && sweep->survey)
        tk_fold_finish(&sweep->fold, run->job->workflow->steps[sweep->stage->survey].step,
                       run->job->state[sweep->stage->survey], sweep->round, partial, error);
    tk_bytes_free(&failures);
    return tk_comm_agree(run->comm, error);
}

tk_status tk_sweep_run(tk_run *run, int stage, int round, bool survey, tk_bytes *partial, tk_error *error) {
    tk_sweep sweep = {.run = run, .stage = &run->plan->stage[stage], .number = stage, .round = round, .survey = survey};
    list_tasks(&sweep, error);
    tk_status status = tk_comm_agree(run->comm, error);
    if (status == TK_OK && sweep.tasks > 0) status = sweep_all(&sweep, partial, error);
    tk_fold_free(&sweep.fold);
    free(sweep.task);
    return status;
}

void tk_sweep_work(const tk_run *run, double *all, double *done) {
    *all = *done = 0;
    for (int k = 0; k < run->plan->stages; k++) {
        const int survey = run->plan->stage[k].survey;
        const int rounds = survey >= 0 ? tk_stages_rounds(run->job, survey) : 1, solve = run->plan->stage[k].solve;
        if (solve >= 0) *all += (double)run->plan->times * tk_stages_solve_cost(run->job, solve, run->plan->size);
        for (int64_t tile = 0; tile < run->plan->tiles; tile++) {
            const double work = tk_forecast_tile_ns(run->job, run->plan, k, 0, tile);
            *all += work;
            if (tk_run_done(run, k, tile)) *done += work;
            if (rounds > 1) *all += (rounds - 1) * tk_forecast_tile_ns(run->job, run->plan, k, 1, tile);
        }
    }
}
