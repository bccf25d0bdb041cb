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
#include "engine/survey.h"
#include "engine/tile.h"

int tk_run_threads(const tk_run_request *request, const tk_comm *comm) {
    if (request->threads > 0) return request->threads;
    const int share = omp_get_num_procs() / tk_comm_sharers(comm);
    return share > 1 ? share : 1;
}

/* --- Before ------------------------------------------------------------------------------------------------------- */

/* A result may not replace a file that it is made from. */
static tk_status refuse_own_inputs(const tk_run *run, const struct stat *output, tk_error *error) {
    const tk_workflow *w = run->job->workflow;
    struct stat input;
    char *image = tk_image_file(w->image);
    const bool is_image =
        image && stat(image, &input) == 0 && input.st_dev == output->st_dev && input.st_ino == output->st_ino;
    free(image);
    const bool is_workflow =
        stat(w->file, &input) == 0 && input.st_dev == output->st_dev && input.st_ino == output->st_ino;
    if (!is_image && !is_workflow) return TK_OK;
    return tk_fail(error, TK_UNWRITABLE, "%s: is the %s itself; give another --output", w->output,
                   is_image ? "input image" : "workflow");
}

static tk_status refuse_existing(const tk_run *run, tk_error *error) {
    const char *output = run->job->workflow->output;
    struct stat status;
    if (stat(output, &status) == 0) {
        if (S_ISDIR(status.st_mode)) return tk_fail(error, TK_UNWRITABLE, "%s: is a folder; name a file", output);
        TK_TRY(refuse_own_inputs(run, &status, error));
        if (!run->request->overwrite)
            return tk_fail(error, TK_UNWRITABLE,
                           "%s: exists already; give --overwrite to replace it, or another --output", output);
    }
    /* begin() made the name, or the ranks have agreed to stop, which the analyser cannot see.
     * NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    if (stat(run->part, &status) == 0 && !run->request->overwrite)
        return tk_fail(error, TK_UNWRITABLE,
                       "%s: another run is writing this result, or one was killed; wait for it, or give --overwrite to "
                       "begin anew",
                       run->part);
    return TK_OK;
}

/* Refuses to overwrite, and finds out now rather than at the end whether the result can be written. */
static tk_status claim_output(tk_run *run, tk_error *error) {
    TK_TRY(refuse_existing(run, error));
    TK_TRY(tk_result_create(run->part, &run->result, error));
    run->claimed = true;
    if (mkdir(run->folder, 0777) != 0 && errno != EEXIST)
        return tk_fail_errno(error, TK_UNWRITABLE, run->folder, "the folder for intermediate images cannot be made");
    return TK_OK;
}

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
    TK_TRY(tk_comm_agree(run->comm, error));
    if (tk_comm_broadcast(run->comm, &numbers) != TK_OK) tk_fail_memory(error, "the result");
    if (error->status == TK_OK) memcpy(run->image, numbers.data, size);
    tk_bytes_free(&numbers);
    return tk_comm_agree(run->comm, error);
}

static tk_status open_stores(tk_run *run, tk_error *error) {
    for (int value = 1; value <= run->plan->steps; value++) {
        const tk_workflow_step *s = &run->job->workflow->steps[value - 1];
        char *file = NULL;
        if (!run->plan->stored[value]) continue;
        if (asprintf(&file, "%s/%s.raw", run->folder, s->name) < 0) return tk_fail_memory(error, "the work store");
        if (tk_comm_rank(run->comm) == 0) unlink(file);
        tk_comm_barrier(run->comm);
        tk_rawstore_open(file, tk_kind_bytes(s->step->output), run->plan->size, run->plan->tile, true,
                         &run->store[value], error);
        free(file);
        TK_TRY(tk_comm_agree(run->comm, error));
    }
    return TK_OK;
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
    if (tk_comm_rank(run->comm) == 0) claim_output(run, error);
    TK_TRY(tk_comm_agree(run->comm, error));
    add_images(run, error);
    TK_TRY(tk_comm_agree(run->comm, error));
    TK_TRY(share_numbers(run, error));
    prepare_steps(run, error);
    TK_TRY(tk_comm_agree(run->comm, error));
    TK_TRY(open_stores(run, error));
    tk_writer_start(run->comm, run->result, &run->writer, error);
    return tk_comm_agree(run->comm, error);
}

/* --- Sweeps ----------------------------------------------------------------------------------------------------------
 */

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

/* All tiles once, over all ranks; this rank's share of the survey goes to `partial`. Collective. */
static tk_status sweep(tk_run *run, const tk_stage *stage, int round, tk_bytes *partial, tk_error *error) {
    place *order = order_tiles(run, stage, error);
    TK_TRY(tk_comm_agree(run->comm, error));
    tk_comm_claim_reset(run->comm);
    for (int64_t next; (next = tk_comm_claim(run->comm)) < run->plan->tiles;) {
        tk_progress_tiles(&run->progress, next);
        if (tk_tile_run(run, stage, round, order[next].tile, partial, error) == TK_OK) continue;
        tk_comm_claim_stop(run->comm);
        break;
    }
    free(order);
    return tk_comm_agree(run->comm, error);
}

/* Makes what this stage has stored readable on other machines. */
static tk_status share_stores(tk_run *run, const tk_stage *stage, tk_error *error) {
    if (tk_comm_local_size(run->comm) == tk_comm_size(run->comm)) return TK_OK;
    for (int value = stage->fresh + 1; value <= stage->last; value++)
        if (run->store[value]) tk_rawstore_sync(run->store[value], error);
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

/* --- After ---------------------------------------------------------------------------------------------------------
 */

static void close_stores(tk_run *run) {
    tk_error ignored = TK_ERROR_NONE;
    for (int value = 0; run->store && value <= run->plan->steps; value++)
        tk_rawstore_close(run->store[value], &ignored);
    tk_comm_barrier(run->comm);
    if (!run->claimed) return;
    for (int value = 1; value <= run->plan->steps; value++) {
        char *file = NULL;
        if (!run->plan->stored[value]) continue;
        if (asprintf(&file, "%s/%s.raw", run->folder, run->job->workflow->steps[value - 1].name) < 0) continue;
        unlink(file);
        free(file);
    }
    rmdir(run->folder);
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
    run->seconds_total = tk_progress_now() - run->progress.begin;
    if (tk_comm_rank(run->comm) == 0) tk_merge(run, error);
    return tk_comm_agree(run->comm, error);
}

/* Removes what an unsuccessful run has made. */
static void undo(tk_run *run) {
    tk_error ignored = TK_ERROR_NONE;
    tk_writer_finish(run->writer, &ignored);
    run->writer = NULL;
    if (!run->result) return;
    tk_result_abandon(run->result);
    run->result = NULL;
    unlink(run->part);
}

tk_status tk_run_workflow(const tk_job *job, const tk_plan *plan, const tk_run_request *request, tk_comm *comm,
                          tk_error *error) {
    tk_run run = {.job = job, .plan = plan, .request = request, .comm = comm};
    begin(&run, error);
    tk_status status = tk_comm_agree(comm, error);
    if (status == TK_OK) status = prepare(&run, error);
    for (int i = 0; i < plan->stages && status == TK_OK; i++) status = run_stage(&run, i, error);
    if (status == TK_OK) status = finish(&run, error);
    if (status != TK_OK) undo(&run);
    if (run.folder && run.store) close_stores(&run);
    release(&run);
    return status;
}
