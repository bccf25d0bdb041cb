/* The memory of a rank, part by part, as the run takes it (tile.c, ahead.c, emit.c, writer.c). Each part is what it can
 * grow to, so that the sum is not exceeded. */
#include <math.h>
#include <stdio.h>

#include "engine/plan.h"
#include "io/result.h"

/* More than any machine has; small enough that a sum of a few thousand of them fits an int64_t. */
static const int64_t MOST_BYTES = 1000000000000000;

static const int64_t MIB = 1 << 20;

/* Pieces in which images are converted, the work store is packed and results are read back. */
static const int64_t CONVERT_PIECE = (int64_t)16 << 20, STORE_PIECE = (int64_t)8 << 20, SEAL_PIECE = (int64_t)32 << 20;

/* MPI's own buffers where ranks move large volumes, measured. */
static const int64_t EXCHANGE = (int64_t)16 << 20;

/* Of each tile, in the order of claims and the notes of what is done. */
enum { TILE_BYTES = 64 };

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static double voxels(const int64_t size[3]) { return (double)size[0] * (double)size[1] * (double)size[2]; }

/* Of all time points. */
static double all_voxels(const tk_plan *plan) { return voxels(plan->size) * (double)plan->times; }

static int64_t clamp_bytes(double bytes) { return bytes > (double)MOST_BYTES ? MOST_BYTES : (int64_t)bytes; }

/* An arena of this size: large ones are whole huge pages. */
static int64_t arena_bytes(int64_t bytes) {
    return bytes >= 2 * MIB ? (bytes + 2 * MIB - 1) / (2 * MIB) * (2 * MIB) : bytes + 4096;
}

static int64_t block_bytes(const tk_job *job, int value, const int64_t block[3]) {
    return clamp_bytes(voxels(block) * (double)tk_kind_bytes(tk_workflow_value_kind(job->workflow, value)));
}

static tk_need step_need(const tk_job *job, int step, const int64_t in[3]) {
    const tk_step *s = job->workflow->steps[step].step;
    return s->bytes ? s->bytes(job->state[step], in) : (tk_need){0};
}

/* The arenas of one stage. */
typedef struct arenas {
    int64_t turn[2]; /* blocks of the chain lie in one and the other by turns; the source in the first */
    int64_t side;    /* side inputs of all steps */
    int64_t scratch;
} arenas;

/* A step that is given a block `in`, and side inputs over that or over `out`. */
static void add_needs(const tk_job *job, int step, const int64_t in[3], const int64_t out[3], arenas *a) {
    const tk_workflow_step *s = &job->workflow->steps[step];
    for (int k = 1; k < s->inputs; k++) a->side += block_bytes(job, s->input[k], s->step->wide_sides ? in : out);
    a->scratch = most(a->scratch, clamp_bytes((double)step_need(job, step, in).scratch));
}

static arenas arenas_of(const tk_job *job, const tk_plan *plan, const tk_stage *stage) {
    arenas a = {{0, 0}, 0, 0};
    int64_t in[3], out[3];
    int turn = 1;
    tk_plan_block(plan, plan->tile, stage, stage->first, in);
    a.turn[0] = block_bytes(job, stage->source, in);
    for (int i = stage->first; i < stage->last; i++) {
        if (!job->workflow->steps[i].step->apply) continue;
        tk_plan_block(plan, plan->tile, stage, i, in);
        tk_plan_block(plan, plan->tile, stage, i + 1, out);
        add_needs(job, i, in, out, &a);
        a.turn[turn] = most(a.turn[turn], block_bytes(job, i + 1, out));
        turn = 1 - turn;
    }
    tk_plan_block(plan, plan->tile, stage, stage->last, in);
    if (stage->survey >= 0) add_needs(job, stage->survey, in, plan->tile, &a);
    return a;
}

/* Blocks, side inputs and scratch: arenas of blocks are made anew for each stage, scratch stays. */
static void add_arenas(const tk_job *job, const tk_plan *plan, tk_memory *memory) {
    for (int k = 0; k < plan->stages; k++) {
        const arenas a = arenas_of(job, plan, &plan->stage[k]);
        const int64_t read = arena_bytes(a.turn[0]) + arena_bytes(a.side), blocks = read + arena_bytes(a.turn[1]);
        const int64_t ahead = plan->tiles > 1 ? read : 0; /* by turns the arenas of the tile before */
        if (blocks + ahead > memory->blocks + memory->ahead) {
            memory->blocks = blocks;
            memory->ahead = ahead;
        }
        memory->scratch = most(memory->scratch, arena_bytes(a.scratch));
    }
}

/* What all channels' steps bind, and what those of the channel that keeps most reserve: the steps of one are released
 * before those of the next are prepared. Returns the peak while they are bound, one after the other. */
static int64_t add_resident(const tk_job *job, const tk_plan *plan, tk_memory *memory) {
    int64_t block[3], pass = 0, reserved = 0, bound = 0, binding = 0;
    for (int i = 0; i < job->workflow->count; i++) {
        if (tk_passes_is_input(job->workflow, i + 1)) pass = 0;
        tk_plan_largest(plan, i, plan->tile, block);
        const bool none = block[0] == 0; /* it is given none */
        const tk_need need = step_need(job, i, none ? plan->tile : block);
        binding = most(binding, bound + clamp_bytes((double)need.binding));
        bound += clamp_bytes((double)need.bound);
        if (!none) pass += clamp_bytes((double)need.resident);
        reserved = most(reserved, pass);
    }
    memory->resident = bound + reserved;
    return binding;
}

static double input_element(const tk_job *job) {
    return job->image ? (double)tk_dtype_size(tk_image_info_of(job->image)->type) : 1;
}

/* What the open input keeps decoded: all of a small image, else as much as it may. */
static int64_t decoded_bytes(const tk_job *job, const tk_plan *plan) {
    return (int64_t)fmin(all_voxels(plan) * input_element(job), TK_IMAGE_CACHE);
}

/* That, and what is being converted. */
static int64_t input_bytes(const tk_job *job, const tk_plan *plan) {
    int64_t block[3];
    tk_plan_block(plan, plan->tile, &plan->stage[0], plan->stage[0].first, block);
    for (int k = 1; k < plan->stages; k++)
        if (tk_passes_is_input(job->workflow, plan->stage[k].source)) {
            int64_t other[3];
            tk_plan_block(plan, plan->tile, &plan->stage[k], plan->stage[k].first, other);
            for (int a = 0; a < 3; a++) block[a] = most(block[a], other[a]);
        }
    return decoded_bytes(job, plan) + least(clamp_bytes(voxels(block) * input_element(job)), CONVERT_PIECE);
}

int tk_plan_batch(const tk_plan *plan) {
    double chunks = 1;
    for (int a = 0; a < 3; a++) chunks *= ceil((double)plan->tile[a] / (double)plan->chunk[a]);
    return (int)fmin(chunks, TK_ENCODE_BATCH);
}

/* Chunks being encoded, and those that wait to be written. */
static void add_chunks(const tk_job *job, const tk_plan *plan, tk_memory *memory) {
    double kept = 0;
    bool stored = false;
    for (int i = 0; i < job->workflow->count; i++) {
        const tk_workflow_step *s = &job->workflow->steps[i];
        stored = stored || (plan->stored[i + 1] && !tk_passes_is_input(job->workflow, i + 1));
        if (s->step->output == TK_KIND_TABLE || !s->keep) continue;
        kept += all_voxels(plan) * (double)tk_kind_bytes(s->step->output);
    }
    const size_t chunk = (size_t)(voxels(plan->chunk) * 4);
    const size_t each = tk_size_add(tk_size_add(chunk, tk_chunk_work(chunk)), tk_chunk_bound(chunk));
    memory->encode = clamp_bytes(tk_plan_batch(plan) * (double)each) + (stored ? STORE_PIECE : 0);
    memory->queue = (int64_t)fmin(kept, TK_QUEUE_BYTES);
}

tk_memory tk_plan_memory(const tk_job *job, const tk_plan *plan) {
    tk_memory memory = {.base = TK_PROGRAM_BYTES + (int64_t)fmin((double)plan->tiles * TILE_BYTES, (double)MOST_BYTES)};
    add_arenas(job, plan, &memory);
    const int64_t binding = add_resident(job, plan, &memory);
    add_chunks(job, plan, &memory);
    memory.input = input_bytes(job, plan);
    const int64_t sealed = clamp_bytes(fmin(voxels(plan->size) * 4, (double)SEAL_PIECE));
    const int64_t always = memory.base + memory.input + memory.resident + memory.encode + memory.queue;
    memory.total = always + most(memory.blocks + memory.ahead + memory.scratch, sealed);
    memory.total = most(memory.total, memory.base + decoded_bytes(job, plan) + binding);
    return memory;
}

/* --- Solves ------------------------------------------------------------------------------------------------------- */

static tk_solve_need solve_need(const tk_job *job, const tk_plan *plan, int step, int64_t ranks) {
    const int most_ranks = 1 << 30;
    const tk_step *s = job->workflow->steps[step].step;
    return s->solve_bytes(job->state[step], plan->size, ranks < most_ranks ? (int)ranks : most_ranks);
}

int64_t tk_plan_saved_bytes(const tk_job *job, const tk_plan *plan, int step) {
    return clamp_bytes((double)solve_need(job, plan, step, 1).saved);
}

double tk_plan_moved_bytes(const tk_job *job, const tk_plan *plan, int step, int64_t ranks) {
    return solve_need(job, plan, step, ranks).moved * (1 - 1 / (double)ranks);
}

/* Does a stage before this one write to the result? Then there are the buffers for that. */
static bool has_written(const tk_job *job, const tk_plan *plan, int stage) {
    bool any = false;
    for (int k = 0; k < stage; k++)
        for (int i = plan->stage[k].fresh; i < plan->stage[k].last; i++)
            any = any || (job->workflow->steps[i].keep && job->workflow->steps[i].step->output != TK_KIND_TABLE);
    return any;
}

/* While a step is solved there are no blocks and no other step's scratch; MPI has buffers of its own, measured. */
static int64_t solve_bytes(const tk_job *job, const tk_plan *plan, int stage, int64_t ranks) {
    const int64_t read = clamp_bytes(voxels(plan->size) * input_element(job) / (double)ranks);
    const int64_t others = least(read, CONVERT_PIECE) + (ranks > 1 ? EXCHANGE : 0);
    const tk_solve_need need = solve_need(job, plan, plan->stage[stage].solve, ranks);
    const tk_memory *m = &plan->memory;
    const int64_t chunks = has_written(job, plan, stage) ? m->encode + m->queue : 0;
    return m->base + decoded_bytes(job, plan) + others + m->resident + chunks +
           arena_bytes(clamp_bytes((double)need.resident)) + arena_bytes(clamp_bytes((double)need.scratch));
}

/* The step that needs the most; −1: none is solved. */
static int hungriest(const tk_job *job, const tk_plan *plan, int64_t ranks, int64_t *bytes) {
    int step = -1;
    *bytes = 0;
    for (int k = 0; k < plan->stages; k++) {
        if (plan->stage[k].solve < 0) continue;
        const int64_t needed = solve_bytes(job, plan, k, ranks);
        if (needed > *bytes) *bytes = needed, step = plan->stage[k].solve;
    }
    return step;
}

int64_t tk_plan_peak(const tk_job *job, const tk_plan *plan, int64_t ranks) {
    int64_t bytes = 0;
    (void)hungriest(job, plan, ranks, &bytes);
    return most(plan->memory.total, bytes);
}

int64_t tk_plan_least_ranks(const tk_job *job, const tk_plan *plan, int64_t memory) {
    static const int64_t ranks_most = 1 << 20;
    int64_t enough = 1, few = 0;
    while (enough < ranks_most && tk_plan_peak(job, plan, enough) > memory) few = enough, enough *= 2;
    if (tk_plan_peak(job, plan, enough) > memory) return 0;
    while (enough - few > 1) {
        const int64_t middle = few + (enough - few) / 2;
        if (tk_plan_peak(job, plan, middle) > memory)
            few = middle;
        else
            enough = middle;
    }
    return enough;
}

tk_status tk_plan_check_ranks(const tk_job *job, const tk_plan *plan, int64_t ranks, int64_t memory, tk_error *error) {
    int64_t bytes = 0;
    char more[64] = "";
    const int step = hungriest(job, plan, ranks, &bytes);
    if (bytes <= memory) return TK_OK;
    const int64_t enough = tk_plan_least_ranks(job, plan, memory);
    if (enough > 0) snprintf(more, sizeof more, "start %lld ranks or more, or ", (long long)enough);
    return tk_fail(error, TK_INVALID,
                   "%s: %s computes on the whole image at once, which needs %.0f MiB a rank on %lld rank%s, and there "
                   "are %.0f MiB: %sgive --memory at least that much",
                   job->workflow->file, job->workflow->steps[step].name, ceil((double)bytes / (double)MIB),
                   (long long)ranks, ranks == 1 ? "" : "s", (double)memory / (double)MIB, more);
}
