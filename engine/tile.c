/* The way of a tile: its block is read from the input or the work store, goes through the stage's steps from one buffer
 * to another while the halo shrinks to nothing, its core is written, and the next step surveys it. */
#include "engine/tile.h"

#include <math.h>
#include <string.h>

#include "engine/emit.h"
#include "engine/guard.h"

/* What stays the same through one tile. */
typedef struct passage {
    tk_run *run;
    const tk_stage *stage;
    int round;
    int64_t tile;
    tk_box core;
    tk_error *error;
} passage;

static tk_status step_failed(const passage *p, int step, tk_status status) {
    const tk_workflow_step *s = &p->run->job->workflow->steps[step];
    if (status == TK_NO_MEMORY) return tk_fail_memory(p->error, s->name);
    return tk_fail(p->error, status, "%s: failed on the tile at z %lld, y %lld, x %lld: %s", s->name,
                   (long long)p->core.lo[0], (long long)p->core.lo[1], (long long)p->core.lo[2],
                   tk_status_text(status));
}

/* Makes room in an arena, which must be empty when it has to grow. */
static tk_status make_room(tk_scratch *arena, size_t bytes) {
    if (arena->size - arena->used >= bytes) return TK_OK;
    if (arena->used > 0) return TK_NO_MEMORY;
    tk_scratch_release(arena);
    return tk_scratch_reserve(arena, bytes);
}

/* A block of this kind over a box, its buffer taken from the arena. */
static tk_status make_block(const passage *p, tk_kind kind, const tk_box *box, tk_scratch *arena, tk_block *block) {
    const int64_t size[3] = {tk_box_size(box, 0), tk_box_size(box, 1), tk_box_size(box, 2)};
    void *data = tk_scratch_take(arena, tk_box_count(box), tk_kind_bytes(kind));
    if (!data) return tk_fail_memory(p->error, "a block");
    *block = (tk_block){.kind = kind, .image = tk_box_of_size(p->run->plan->size), .box = *box, .core = p->core};
    if (kind == TK_KIND_IMAGE) block->f32 = tk_dense_f32(data, size);
    if (kind == TK_KIND_MASK) block->u8 = tk_dense_u8(data, size);
    if (kind == TK_KIND_LABELS) block->u32 = tk_dense_u32(data, size);
    return TK_OK;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

/* Steps compute with numbers: the input may not hold anything else. */
static tk_status check_finite(const passage *p, const tk_block *block) {
    const int64_t count = tk_box_count(&block->box);
    const float *data = block->f32.data;
    int64_t first = count;
#pragma omp parallel for num_threads(p->run->work.threads) reduction(min : first)
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(data[i]) && i < first) first = i;
    if (first == count) return TK_OK;
    const int64_t row = tk_box_size(&block->box, 2), plane = row * tk_box_size(&block->box, 1);
    const int64_t z = block->box.lo[0] + first / plane, y = block->box.lo[1] + first % plane / row;
    const int64_t x = block->box.lo[2] + first % row;
    return tk_fail(p->error, TK_UNREADABLE,
                   "%s: the voxel at z %lld, y %lld, x %lld is %s; replace such voxels before the run",
                   p->run->job->workflow->image, (long long)z, (long long)y, (long long)x,
                   isnan(data[first]) ? "not a number (NaN)" : "infinite");
}

static tk_status read_input(const passage *p, tk_block *block) {
    const tk_workflow *w = p->run->job->workflow;
    TK_TRY(tk_image_read(p->run->job->image, w->time, w->channel, &block->box, block->f32, p->error));
    return check_finite(p, block);
}

static tk_status read_value(const passage *p, int value, const tk_box *box, tk_scratch *arena, tk_block *block) {
    const tk_kind kind = tk_workflow_value_kind(p->run->job->workflow, value);
    const size_t bytes = tk_scratch_cost(tk_box_count(box), tk_kind_bytes(kind));
    if (make_room(arena, bytes) != TK_OK) return tk_fail_memory(p->error, "a block");
    TK_TRY(make_block(p, kind, box, arena, block));
    if (value == 0) return read_input(p, block);
    /* The members of the union are views of the same layout: data first, then size and stride. */
    return tk_rawstore_read(p->run->store[value], box, block->u8.data, block->u8.stride, p->error);
}

/* Reads a step's image parameters over `box`; in[1] … point to them. */
static tk_status read_sides(const passage *p, int step, const tk_box *box, tk_block sides[TK_MAX_INPUTS],
                            const tk_block *in[TK_MAX_INPUTS]) {
    const tk_workflow_step *s = &p->run->job->workflow->steps[step];
    const size_t each = tk_scratch_cost(tk_box_count(box), tk_kind_bytes(TK_KIND_IMAGE));
    tk_scratch_rewind(&p->run->side, 0);
    if (make_room(&p->run->side, (size_t)(s->inputs - 1) * each) != TK_OK)
        return tk_fail_memory(p->error, "image parameters");
    for (int k = 1; k < s->inputs; k++) {
        TK_TRY(read_value(p, s->input[k], box, &p->run->side, &sides[k]));
        in[k] = &sides[k];
    }
    return TK_OK;
}

/* --- Steps
 * ------------------------------------------------------------------------------------------------------------ */

/* The tile's core widened by what the steps from `first` on still need. */
static tk_box box_before(const passage *p, int first) {
    int64_t halo[3];
    const tk_box image = tk_box_of_size(p->run->plan->size);
    tk_plan_halo(p->run->plan, first, p->stage->last, halo);
    return tk_box_grow(&p->core, halo, &image);
}

static tk_status lend_scratch(const passage *p, int step, const tk_block *in) {
    const tk_step *s = p->run->job->workflow->steps[step].step;
    const int64_t size[3] = {tk_box_size(&in->box, 0), tk_box_size(&in->box, 1), tk_box_size(&in->box, 2)};
    const size_t bytes = s->bytes ? s->bytes(p->run->job->state[step], size).scratch : 0;
    tk_scratch_rewind(&p->run->work.scratch, 0);
    return make_room(&p->run->work.scratch, bytes) == TK_OK ? TK_OK : tk_fail_memory(p->error, s->name);
}

/* Applies one step: *block is its input and becomes its output, in the other arena. */
static tk_status apply_step(const passage *p, int step, int turn, tk_block *block) {
    tk_run *run = p->run;
    const tk_step *s = run->job->workflow->steps[step].step;
    const tk_block *in[TK_MAX_INPUTS] = {block};
    tk_block out, sides[TK_MAX_INPUTS];
    const tk_box box = box_before(p, step + 1);
    TK_TRY(read_sides(p, step, &box, sides, in));
    TK_TRY(lend_scratch(p, step, block));
    tk_scratch *arena = &run->block[turn];
    if (make_room(arena, tk_scratch_cost(tk_box_count(&box), tk_kind_bytes(s->output))) != TK_OK)
        return tk_fail_memory(p->error, s->name);
    TK_TRY(make_block(p, s->output, &box, arena, &out));
    const tk_guard guard = tk_guard_inputs(in, run->job->workflow->steps[step].inputs);
    const double start = tk_progress_now();
    const tk_status status = s->apply(run->job->state[step], in, &out, &run->work);
    run->seconds_kernel += tk_progress_now() - start;
    tk_guard_check(&guard, in);
    if (status != TK_OK) return step_failed(p, step, status);
    tk_scratch_rewind(&run->block[1 - turn], 0);
    *block = out;
    return TK_OK;
}

static tk_status write_value(const passage *p, int step, const tk_block *block) {
    tk_run *run = p->run;
    if (p->round > 0 || step < p->stage->fresh) return TK_OK;
    if (run->store[step + 1]) {
        const tk_view_u8 core = tk_emit_core(block);
        TK_TRY(tk_rawstore_write(run->store[step + 1], &p->core, core.data, core.stride, p->error));
    }
    return run->image[step] >= 0 ? tk_emit_block(run, run->image[step], block, p->error) : TK_OK;
}

static tk_status apply_chain(const passage *p, int first, tk_block *block) {
    int turn = 1;
    for (int i = first; i < p->stage->last; i++) {
        if (!p->run->job->workflow->steps[i].step->apply) continue;
        TK_TRY(apply_step(p, i, turn, block));
        TK_TRY(write_value(p, i, block));
        turn = 1 - turn;
    }
    return TK_OK;
}

/* The block cut down to its core. */
static tk_block core_of(const tk_block *block) {
    tk_block core = *block;
    core.box = block->core;
    if (block->kind == TK_KIND_IMAGE) core.f32 = tk_crop_f32(block->f32, &block->box, &block->core);
    if (block->kind == TK_KIND_MASK) core.u8 = tk_crop_u8(block->u8, &block->box, &block->core);
    if (block->kind == TK_KIND_LABELS) core.u32 = tk_crop_u32(block->u32, &block->box, &block->core);
    return core;
}

static tk_status survey_tile(const passage *p, const tk_block *block, tk_fold *fold) {
    tk_run *run = p->run;
    const int step = p->stage->survey;
    const tk_step *s = run->job->workflow->steps[step].step;
    const void *state = run->job->state[step];
    const tk_block core = core_of(block), *in[TK_MAX_INPUTS] = {&core};
    tk_block sides[TK_MAX_INPUTS];
    tk_bytes mine = {0};
    TK_TRY(read_sides(p, step, &p->core, sides, in));
    TK_TRY(lend_scratch(p, step, &core));
    const double start = tk_progress_now();
    tk_status status = s->survey(state, p->round, in, &run->work, &mine);
    if (status == TK_OK) status = tk_fold_add(fold, s, state, p->round, &mine);
    run->seconds_kernel += tk_progress_now() - start;
    tk_bytes_free(&mine);
    return status == TK_OK ? TK_OK : step_failed(p, step, status);
}

tk_status tk_tile_run(tk_run *run, const tk_stage *stage, int round, int64_t tile, tk_fold *fold, tk_error *error) {
    const passage p = {run, stage, round, tile, tk_plan_tile(run->plan, tile), error};
    const int source = round == 0 ? stage->source : stage->again;
    tk_block block;
    for (int i = 0; i < 2; i++) tk_scratch_rewind(&run->block[i], 0);
    const tk_box box = box_before(&p, source);
    TK_TRY(read_value(&p, source, &box, &run->block[0], &block));
    TK_TRY(apply_chain(&p, source, &block));
    if (stage->survey >= 0) TK_TRY(survey_tile(&p, &block, fold));
    return tk_writer_check(run->writer, error);
}
