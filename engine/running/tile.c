/* The way of a tile: its block is read from the input or the work store, goes through the stage's steps from one buffer
 * to another while the halo shrinks to nothing, its core is written, and the next step surveys it. */
#include "engine/running/tile.h"

#include <string.h>

#include "engine/running/emit.h"
#include "engine/running/guard.h"
#include "engine/running/names.h"
#include "engine/running/values.h"
#include "io/checksum.h"

/* What stays the same through one tile. */
typedef struct passage {
    tk_run *run;
    const tk_sweep *sweep;
    const tk_stage *stage;
    bool make;    /* values are written */
    int64_t time; /* counted from 0 among those of the run */
    tk_box core;
    tk_error *error;
    tk_stored stored[TK_STORED_MOST]; /* what this tile has put into the work store */
    int stores;
    int sides_taken; /* of run->sides */
} passage;

static tk_status step_failed(const passage *p, int step, tk_status status) {
    const tk_workflow_step *s = &p->run->job->workflow->steps[step];
    if (status == TK_NO_MEMORY) return tk_fail_memory(p->error, s->name);
    char place[TK_PLACE_ROOM];
    tk_name_place(p->run->job, s->channel, tk_job_time(p->run->job, p->time), p->core.lo, place);
    return tk_fail(p->error, status, "%s: failed on the tile at %s: %s", s->name, place, tk_status_text(status));
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
    *block = (tk_block){.kind = kind,
                        .image = tk_box_of_size(p->run->plan->size),
                        .box = *box,
                        .core = p->core,
                        .time = tk_job_time(p->run->job, p->time)};
    if (kind == TK_KIND_IMAGE) block->f32 = tk_dense_f32(data, size);
    if (kind == TK_KIND_MASK) block->u8 = tk_dense_u8(data, size);
    if (kind == TK_KIND_LABELS) block->u32 = tk_dense_u32(data, size);
    return TK_OK;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static tk_status read_value(const passage *p, int value, const tk_box *box, tk_scratch *arena, tk_block *block) {
    const tk_kind kind = tk_workflow_value_kind(p->run->job->workflow, value);
    const size_t bytes = tk_scratch_cost(tk_box_count(box), tk_kind_bytes(kind));
    if (make_room(arena, bytes) != TK_OK) return tk_fail_memory(p->error, "a block");
    TK_TRY(make_block(p, kind, box, arena, block));
    /* The members of the union are views of the same layout: data first, then size and stride. */
    return tk_value_read(p->run, value, p->time, box, block->u8.data, block->u8.stride, p->error);
}

/* The tile's core widened by what the steps from `first` on still need. */
static tk_box box_before(const passage *p, int first) {
    int64_t halo[3];
    const tk_box image = tk_box_of_size(p->run->plan->size);
    tk_plan_halo(p->run->plan, p->stage, first, halo);
    return tk_box_grow(&p->core, halo, &image);
}

static int sides_of(const passage *p, int step) { return p->run->job->workflow->steps[step].inputs - 1; }

static bool is_applied(const passage *p, int step) { return p->run->job->workflow->steps[step].step->apply != NULL; }

/* Who takes side inputs on the way from value `first`: the steps that are applied, then (place = last) the survey. */
static int taker_at(const passage *p, int place) {
    if (place == p->stage->last) return p->sweep->survey ? p->stage->survey : -1;
    return is_applied(p, place) ? place : -1;
}

/* The box of side inputs at a place. */
static tk_box side_box(const passage *p, int place, int step) {
    if (p->run->job->workflow->steps[step].step->wide_sides) return box_before(p, place);
    return place == p->stage->last ? p->core : box_before(p, place + 1);
}

/* How many side inputs there are on the way from value `first`, and the bytes that they take. */
static int count_sides(const passage *p, int first, size_t *bytes) {
    int count = 0;
    *bytes = 0;
    for (int place = first; place <= p->stage->last; place++) {
        const int step = taker_at(p, place);
        if (step < 0) continue;
        const tk_workflow_step *s = &p->run->job->workflow->steps[step];
        const tk_box box = side_box(p, place, step);
        for (int k = 1; k < s->inputs; k++) {
            const tk_kind kind = tk_workflow_value_kind(p->run->job->workflow, s->input[k]);
            *bytes = tk_size_add(*bytes, tk_scratch_cost(tk_box_count(&box), tk_kind_bytes(kind)));
        }
        count += s->inputs - 1;
    }
    return count;
}

/* Reads the side inputs at a place. */
static tk_status read_side(const passage *p, int place, tk_sides *sides, int *next) {
    const int step = taker_at(p, place);
    if (step < 0) return TK_OK;
    const tk_workflow_step *s = &p->run->job->workflow->steps[step];
    const tk_box box = side_box(p, place, step);
    for (int k = 1; k < s->inputs; k++)
        TK_TRY(read_value(p, s->input[k], &box, &sides->arena, &sides->block[(*next)++]));
    return TK_OK;
}

/* Reads the side inputs of all steps on the way from value `first`, then those of the survey. */
static tk_status read_sides(const passage *p, int first, tk_sides *sides) {
    size_t bytes;
    const int count = count_sides(p, first, &bytes);
    int next = 0;
    tk_scratch_rewind(&sides->arena, 0);
    sides->block = NULL;
    if (count == 0) return TK_OK;
    if (make_room(&sides->arena, tk_size_add(bytes, tk_scratch_cost(count, sizeof(tk_block)))) != TK_OK)
        return tk_fail_memory(p->error, "side inputs");
    sides->block = tk_scratch_take(&sides->arena, count, sizeof(tk_block));
    if (!sides->block) return tk_fail_memory(p->error, "side inputs");
    for (int place = first; place <= p->stage->last; place++) TK_TRY(read_side(p, place, sides, &next));
    return TK_OK;
}

/* in[1] … point to a step's side inputs, which were read in this order. */
static void take_sides(passage *p, int step, const tk_block *in[TK_MAX_INPUTS]) {
    for (int k = 0; k < sides_of(p, step); k++) in[k + 1] = &p->run->sides.block[p->sides_taken++];
}

/* --- Steps -------------------------------------------------------------------------------------------------------- */

static tk_status lend_scratch(const passage *p, int step, const tk_block *in) {
    const tk_step *s = p->run->job->workflow->steps[step].step;
    const int64_t size[3] = {tk_box_size(&in->box, 0), tk_box_size(&in->box, 1), tk_box_size(&in->box, 2)};
    const size_t bytes = s->bytes ? s->bytes(p->run->job->state[step], size).scratch : 0;
    tk_scratch_rewind(&p->run->work.scratch, 0);
    return make_room(&p->run->work.scratch, bytes) == TK_OK ? TK_OK : tk_fail_memory(p->error, s->name);
}

/* Applies one step: *block is its input and becomes its output, in the other arena. */
static tk_status apply_step(passage *p, int step, int turn, tk_block *block) {
    tk_run *run = p->run;
    const tk_step *s = run->job->workflow->steps[step].step;
    const tk_block *in[TK_MAX_INPUTS] = {block};
    tk_block out;
    const tk_box box = box_before(p, step + 1);
    take_sides(p, step, in);
    TK_TRY(lend_scratch(p, step, block));
    tk_scratch *arena = &run->block[turn];
    if (make_room(arena, tk_scratch_cost(tk_box_count(&box), tk_kind_bytes(s->output))) != TK_OK)
        return tk_fail_memory(p->error, s->name);
    TK_TRY(make_block(p, s->output, &box, arena, &out));
    const tk_guard guard = tk_guard_inputs(in, run->job->workflow->steps[step].inputs);
    const double start = tk_progress_now();
    const tk_status status = s->apply(run->job->state[step], in, &out, &run->work);
    run->times.compute += tk_progress_now() - start;
    tk_guard_check(&guard, in);
    if (status != TK_OK) return step_failed(p, step, status);
    tk_scratch_rewind(&run->block[1 - turn], 0);
    *block = out;
    return TK_OK;
}

/* The CRC-32 of a core's voxels, densely packed. */
static uint32_t crc_of(const tk_view_u8 *core, size_t element) {
    uint32_t crc = 0;
    for (int64_t z = 0; z < core->size[0]; z++)
        for (int64_t y = 0; y < core->size[1]; y++)
            crc = tk_crc32(crc, core->data + (z * core->stride[0] + y * core->stride[1]) * (int64_t)element,
                           (size_t)core->size[2] * element);
    return crc;
}

static tk_status store_value(passage *p, int step, const tk_block *block) {
    const tk_view_u8 core = tk_emit_core(block);
    const double start = tk_progress_now();
    if (p->stores == TK_STORED_MOST)
        return tk_fail(p->error, TK_FAILED, "a stage can store %d intermediate images at most", TK_STORED_MOST);
    TK_TRY(tk_rawstore_write(p->run->store[step + 1], p->time, &p->core, core.data, core.stride, p->error));
    p->stored[p->stores++] = (tk_stored){step + 1, crc_of(&core, tk_kind_bytes(block->kind))};
    p->run->times.store += tk_progress_now() - start;
    return TK_OK;
}

/* To the result, where it is to be kept. */
static tk_status emit_value(const passage *p, int step, const tk_block *block) {
    tk_run *run = p->run;
    if (run->image[step] < 0) return TK_OK;
    const double start = tk_progress_now(), waited = tk_writer_waited(run->writer);
    const tk_status status = tk_emit_block(run, run->image[step], block, p->error);
    run->times.encode += tk_progress_now() - start - (tk_writer_waited(run->writer) - waited);
    return status;
}

static tk_status write_value(passage *p, int step, const tk_block *block) {
    if (!p->make || step < p->stage->fresh) return TK_OK;
    if (p->run->store[step + 1]) TK_TRY(store_value(p, step, block));
    return emit_value(p, step, block);
}

static tk_status apply_chain(passage *p, int first, tk_block *block) {
    int turn = 1;
    if (p->make && p->stage->solve >= 0) TK_TRY(emit_value(p, p->stage->solve, block));
    for (int i = first; i < p->stage->last; i++) {
        if (!is_applied(p, i)) continue;
        TK_TRY(apply_step(p, i, turn, block));
        TK_TRY(write_value(p, i, block));
        turn = 1 - turn;
    }
    return TK_OK;
}

/* The block cut down to a box. */
static tk_block part_of(const tk_block *block, const tk_box *box) {
    tk_block part = *block;
    part.box = *box;
    if (block->kind == TK_KIND_IMAGE) part.f32 = tk_crop_f32(block->f32, &block->box, box);
    if (block->kind == TK_KIND_MASK) part.u8 = tk_crop_u8(block->u8, &block->box, box);
    if (block->kind == TK_KIND_LABELS) part.u32 = tk_crop_u32(block->u32, &block->box, box);
    return part;
}

static tk_status survey_tile(passage *p, const tk_block *block, tk_fold *fold) {
    const int round = p->sweep->round;
    tk_run *run = p->run;
    const int step = p->stage->survey;
    const tk_step *s = run->job->workflow->steps[step].step;
    const void *state = run->job->state[step];
    const tk_box box = box_before(p, p->stage->last);
    const tk_block seen = part_of(block, &box), *in[TK_MAX_INPUTS] = {&seen};
    tk_bytes mine = {0};
    take_sides(p, step, in);
    TK_TRY(lend_scratch(p, step, &seen));
    const double start = tk_progress_now();
    tk_status status = s->survey(state, round, in, &run->work, &mine);
    if (status == TK_OK) status = tk_fold_add(fold, s, state, round, &mine);
    run->times.compute += tk_progress_now() - start;
    tk_bytes_free(&mine);
    return status == TK_OK ? TK_OK : step_failed(p, step, status);
}

/* --- The whole way ------------------------------------------------------------------------------------------------ */

/* Can the stage start from value `again` for one tile while other tiles of this stage are not made yet? */
static bool is_complete(const tk_sweep *sweep, int value) {
    int64_t halo[3];
    const int made = sweep->stage->solve >= 0 ? sweep->stage->solve + 1 : sweep->stage->fresh;
    if (value <= made) return true;
    tk_plan_halo(sweep->run->plan, sweep->stage, value, halo);
    return !halo[0] && !halo[1] && !halo[2];
}

/* The value from which a task starts. */
static int source_of(const tk_sweep *sweep, const tk_task *task) {
    if (task->action == TK_ACTION_MAKE) return sweep->stage->source;
    return sweep->round > 0 || is_complete(sweep, sweep->stage->again) ? sweep->stage->again : sweep->stage->source;
}

static passage begin(const tk_sweep *sweep, const tk_task *task, tk_error *error) {
    return (passage){.run = sweep->run,
                     .sweep = sweep,
                     .stage = sweep->stage,
                     .make = task->action == TK_ACTION_MAKE,
                     .time = tk_plan_time(sweep->run->plan, task->tile),
                     .core = tk_plan_tile(sweep->run->plan, task->tile),
                     .error = error};
}

tk_status tk_tile_read(const tk_sweep *sweep, const tk_task *task, tk_scratch *arena, tk_sides *sides, tk_block *block,
                       tk_error *error) {
    const passage p = begin(sweep, task, error);
    const int source = source_of(sweep, task);
    const tk_box box = box_before(&p, source);
    tk_scratch_rewind(arena, 0);
    TK_TRY(read_value(&p, source, &box, arena, block));
    return read_sides(&p, source, sides);
}

tk_status tk_tile_work(tk_sweep *sweep, const tk_task *task, tk_block *block, tk_error *error) {
    tk_run *run = sweep->run;
    passage p = begin(sweep, task, error);
    tk_scratch_rewind(&run->block[1], 0);
    TK_TRY(apply_chain(&p, source_of(sweep, task), block));
    if (sweep->survey) TK_TRY(survey_tile(&p, block, &sweep->fold));
    if (!p.make) return tk_writer_check(run->writer, error);
    return tk_writer_tile_done(run->writer, sweep->number, task->tile, p.stored, p.stores, error);
}
