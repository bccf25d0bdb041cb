/* The runner: prepare, then stage by stage sweep all tiles and settle what the next step must know, then merge.
 *
 * Ranks claim tiles from a shared counter, the largest first. They agree on errors at named points: after preparing,
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

#include "engine/emit.h"
#include "engine/merge.h"
#include "engine/output.h"
#include "engine/survey.h"
#include "engine/tile.h"

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
        char *path = tk_merge_path(&w->steps[i]);
        if (!path) return tk_fail_memory(error, "the result");
        tk_result_image image = {path, tk_kind_text(kind), w->steps[i].step->summary, types[kind], {0}, {0}, {0}};
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

static tk_status open_store(tk_run *run, int value, tk_error *error) {
    const tk_workflow_step *s = &run->job->workflow->steps[value - 1];
    char *file = NULL;
    if (asprintf(&file, "%s/%s.raw", run->folder, s->name) < 0) return tk_fail_memory(error, "the work store");
    const tk_status status = tk_rawstore_open(file, tk_kind_bytes(s->step->output), run->plan->size, run->plan->tile,
                                              true, &run->store[value], error);
    free(file);
    return status;
}

static tk_status open_stores(tk_run *run, tk_error *error) {
    for (int value = 1; value <= run->plan->steps && error->status == TK_OK; value++)
        if (run->plan->stored[value]) open_store(run, value, error);
    return tk_comm_agree(run->comm, error);
}

static tk_status prepare_steps(tk_run *run, tk_error *error) {
    for (int i = 0; i < run->plan->steps; i++) {
        const tk_step *s = run->job->workflow->steps[i].step;
        int64_t largest[3];
        tk_plan_largest(run->plan, i, run->plan->tile, largest);
        if (s->prepare) TK_TRY(s->prepare(run->job->state[i], largest, &run->work, error));
    }
    return tk_emit_reserve(run, error);
}

static tk_status prepare(tk_run *run, tk_error *error) {
    if (tk_comm_rank(run->comm) == 0) tk_output_claim(run, error);
    TK_TRY(tk_comm_agree(run->comm, error));
    add_images(run, error);
    TK_TRY(tk_comm_agree(run->comm, error));
    TK_TRY(share_numbers(run, error));
    prepare_steps(run, error);
    TK_TRY(tk_comm_agree(run->comm, error));
    TK_TRY(open_stores(run, error));
    return tk_writer_start(run->comm, run->result, &run->writer, error);
}

/* --- Sweeps ------------------------------------------------------------------------------------------------------- */

typedef struct place {
    int64_t tile, voxels;
} place;

static int larger_first(const void *a, const void *b) {
    const place *p = a, *q = b;
    if (p->voxels != q->voxels) return p->voxels < q->voxels ? 1 : -1;
    return p->tile < q->tile ? -1 : p->tile > q->tile;
}

/* The order in which tiles are claimed: the dearest first, so that none is left alone at the end. */
static place *order_tiles(const tk_run *run, const tk_stage *stage, tk_error *error) {
    const tk_box image = tk_box_of_size(run->plan->size);
    int64_t halo[3];
    tk_plan_halo(run->plan, stage->first, stage->last, halo);
    place *order = calloc((size_t)run->plan->tiles, sizeof *order);
    if (!order) {
        tk_fail_memory(error, "the order of tiles");
        return NULL;
    }
    for (int64_t i = 0; i < run->plan->tiles; i++) {
        const tk_box core = tk_plan_tile(run->plan, i), box = tk_box_grow(&core, halo, &image);
        order[i] = (place){i, tk_box_count(&box)};
    }
    qsort(order, (size_t)run->plan->tiles, sizeof *order, larger_first);
    return order;
}

/* The tiles that this rank claims, until there are none left; after an error no rank gets another. */
static void claim_tiles(tk_run *run, const tk_stage *stage, int round, const place *order, tk_fold *fold,
                        tk_error *error) {
    for (int64_t next; (next = tk_comm_claim(run->comm)) < run->plan->tiles;) {
        tk_progress_tiles(&run->progress, next);
        if (tk_tile_run(run, stage, round, order[next].tile, fold, error) == TK_OK) continue;
        tk_comm_claim_stop(run->comm);
        return;
    }
}

/* All tiles once, over all ranks; this rank's share of the survey goes to `partial`. Collective. */
static tk_status sweep(tk_run *run, const tk_stage *stage, int round, tk_bytes *partial, tk_error *error) {
    tk_fold fold = {0};
    place *order = order_tiles(run, stage, error);
    if (tk_comm_agree(run->comm, error) == TK_OK) {
        tk_comm_claim_reset(run->comm);
        claim_tiles(run, stage, round, order, &fold, error);
        if (error->status == TK_OK && stage->survey >= 0)
            tk_fold_finish(&fold, run->job->workflow->steps[stage->survey].step, run->job->state[stage->survey], round,
                           partial, error);
        tk_comm_agree(run->comm, error);
    }
    tk_fold_free(&fold);
    free(order);
    return error->status;
}

/* Makes what this stage has stored readable on other machines. */
static tk_status share_stores(tk_run *run, const tk_stage *stage, tk_error *error) {
    if (tk_comm_local_size(run->comm) == tk_comm_size(run->comm)) return TK_OK;
    for (int value = stage->fresh + 1; value <= stage->last; value++)
        if (run->store[value]) tk_rawstore_sync(run->store[value], error);
    TK_TRY(tk_comm_agree(run->comm, error));
    for (int value = stage->fresh + 1; value <= stage->last; value++) {
        if (!run->store[value]) continue;
        tk_rawstore_close(run->store[value], error); /* a network file system looks anew when a file is opened */
        run->store[value] = NULL;
        open_store(run, value, error);
    }
    return tk_comm_agree(run->comm, error);
}

/* Decisions that need no voxels, of steps that this stage applies for the first time. */
static tk_status decide_unseen(tk_run *run, const tk_stage *stage, tk_error *error) {
    for (int i = stage->fresh; i < stage->last; i++) {
        const tk_step *s = run->job->workflow->steps[i].step;
        const int rounds = s->rounds ? s->rounds(run->job->state[i]) : 1;
        if (!s->agree || s->survey || rounds == 0) continue;
        tk_bytes nothing = {0};
        bool more = true;
        for (int round = 0; more; round++) TK_TRY(tk_survey_settle(run, i, round, &nothing, &more, error));
    }
    return TK_OK;
}

static tk_status run_stage(tk_run *run, int number, tk_error *error) {
    const tk_stage *stage = &run->plan->stage[number];
    for (int i = 0; i < 2; i++) tk_scratch_release(&run->block[i]); /* another stage, other sizes */
    tk_scratch_release(&run->side);
    TK_TRY(decide_unseen(run, stage, error));
    bool more = true;
    for (int round = 0; more; round++) {
        tk_bytes partial = {0};
        tk_progress_stage(&run->progress, number, run->plan->tiles);
        tk_status status = sweep(run, stage, round, &partial, error);
        if (status == TK_OK && round == 0) status = share_stores(run, stage, error);
        more = false;
        if (status == TK_OK && stage->survey >= 0)
            status = tk_survey_settle(run, stage->survey, round, &partial, &more, error);
        tk_bytes_free(&partial);
        TK_TRY(status);
    }
    return TK_OK;
}

/* --- After -------------------------------------------------------------------------------------------------------- */

static void close_stores(tk_run *run) {
    tk_error ignored = TK_ERROR_NONE;
    for (int value = 0; run->store && value <= run->plan->steps; value++)
        tk_rawstore_close(run->store[value], &ignored);
    tk_comm_barrier(run->comm); /* no rank reads on while rank 0 removes them */
}

static void release(tk_run *run) {
    for (int i = 0; run->table && i < run->plan->steps; i++) tk_table_free(&run->table[i]);
    for (int i = 0; i < 2; i++) tk_scratch_release(&run->block[i]);
    tk_scratch_release(&run->side);
    tk_scratch_release(&run->work.scratch);
    tk_bytes_free(&run->chunks);
    json_decref(run->decisions);
    json_decref(run->outputs);
    free(run->store);
    free(run->image);
    free(run->table);
    free(run->part);
    free(run->folder);
}

static tk_status begin(tk_run *run, tk_error *error) {
    const char *output = run->job->workflow->output;
    const size_t count = (size_t)run->plan->steps;
    run->store = calloc(count + 1, sizeof(tk_rawstore *));
    run->image = calloc(count, sizeof *run->image);
    run->table = calloc(count, sizeof *run->table);
    run->decisions = json_array();
    run->outputs = json_array();
    if (!run->store || !run->image || !run->table || !run->decisions || !run->outputs ||
        asprintf(&run->part, "%s.part", output) < 0 || asprintf(&run->folder, "%s.work", output) < 0)
        return tk_fail_memory(error, "the run");
    run->work = (tk_work){.threads = tk_run_threads(run->request, run->comm), .isa = run->request->isa};
    run->progress = tk_progress_start(tk_comm_rank(run->comm) == 0, run->plan->stages);
    return TK_OK;
}

static tk_status finish(tk_run *run, tk_error *error) {
    tk_writer_finish(run->writer, error);
    run->writer = NULL;
    TK_TRY(tk_comm_agree(run->comm, error));
    if (tk_comm_rank(run->comm) == 0) tk_merge(run, error);
    return tk_comm_agree(run->comm, error);
}

/* Lets go of an unfinished result. */
static void give_up(tk_run *run) {
    tk_error ignored = TK_ERROR_NONE;
    tk_writer_finish(run->writer, &ignored);
    run->writer = NULL;
    if (run->result) tk_result_abandon(run->result);
    run->result = NULL;
}

tk_status tk_run_workflow(const tk_job *job, const tk_plan *plan, const tk_run_request *request, tk_comm *comm,
                          tk_error *error) {
    tk_run run = {.job = job, .plan = plan, .request = request, .comm = comm};
    begin(&run, error);
    tk_status status = tk_comm_agree(comm, error);
    if (status == TK_OK) status = prepare(&run, error);
    for (int i = 0; i < plan->stages && status == TK_OK; i++) status = run_stage(&run, i, error);
    if (status == TK_OK) status = finish(&run, error);
    if (status != TK_OK) give_up(&run);
    close_stores(&run);
    tk_output_clean(&run, status == TK_OK);
    release(&run);
    return status;
}
