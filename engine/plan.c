/* The plan: halos, stages, the tile grid and the memory it takes.
 *
 * The tile is the one of least cost among those that fit the memory. Cost counts halos, and rounds of REFERENCE_RANKS
 * tiles at a time: a grid of a single tile would leave all ranks but one idle, and the grid must not depend on how many
 * there are. */
#include "engine/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/stages.h"

/* More than any machine has; small enough that a sum of a few thousand of them fits an int64_t. */
static const int64_t MOST_BYTES = 1000000000000000;

enum { REFERENCE_RANKS = 4, CHUNK = 64, CHUNK_LEAST = 8, CHUNK_MOST = 128, CANDIDATES = 64 };

tk_plan_request tk_plan_defaults(void) { return (tk_plan_request){.halo = {-1, -1, -1}, .memory = TK_DEFAULT_MEMORY}; }

size_t tk_kind_bytes(tk_kind kind) {
    static const size_t bytes[TK_KIND_COUNT] = {[TK_KIND_IMAGE] = 4, [TK_KIND_MASK] = 1, [TK_KIND_LABELS] = 4};
    return bytes[kind];
}

void tk_plan_halo(const tk_plan *plan, int first, int last, int64_t halo[3]) {
    memset(halo, 0, 3 * sizeof *halo);
    for (int i = first; i < last; i++)
        for (int a = 0; a < 3; a++) halo[a] += plan->halo[i][a];
}

tk_box tk_plan_tile(const tk_plan *plan, int64_t tile) {
    const int64_t at[3] = {tile / (plan->grid[1] * plan->grid[2]), tile / plan->grid[2] % plan->grid[1],
                           tile % plan->grid[2]};
    tk_box core;
    for (int a = 0; a < 3; a++) {
        core.lo[a] = at[a] * plan->tile[a];
        core.hi[a] = core.lo[a] + plan->tile[a] < plan->size[a] ? core.lo[a] + plan->tile[a] : plan->size[a];
    }
    return core;
}

static tk_status find_halos(const tk_job *job, const tk_plan_request *request, tk_plan *plan, tk_error *error) {
    plan->halo = calloc((size_t)job->workflow->count, sizeof *plan->halo);
    if (!plan->halo) return tk_fail_memory(error, "the plan");
    for (int i = 0; i < job->workflow->count; i++) {
        const tk_step *step = job->workflow->steps[i].step;
        if (!step->halo) continue;
        step->halo(job->state[i], plan->halo[i]);
        for (int a = 0; a < 3 && !step->exact; a++)
            if (request->halo[a] >= 0) plan->halo[i][a] = request->halo[a];
        for (int a = 0; a < 3; a++) /* more than the image is no different from all of it */
            if (plan->halo[i][a] > plan->size[a]) plan->halo[i][a] = plan->size[a];
    }
    return TK_OK;
}

/* --- Memory and cost of a tile ------------------------------------------------------------------------------------ */

/* The largest block that a chain reads whose outcome is a tile widened by what still follows. */
static void block_size(const tk_plan *plan, const int64_t tile[3], int first, int last, int64_t block[3]) {
    int64_t halo[3];
    tk_plan_halo(plan, first, last, halo);
    for (int a = 0; a < 3; a++) {
        block[a] = tile[a] + 2 * halo[a];
        if (tile[a] >= plan->size[a] || block[a] > plan->size[a]) block[a] = plan->size[a];
    }
}

void tk_plan_largest(const tk_plan *plan, int step, const int64_t tile[3], int64_t largest[3]) {
    memset(largest, 0, 3 * sizeof *largest);
    for (int k = 0; k < plan->stages; k++) {
        const tk_stage *stage = &plan->stage[k];
        const bool applied = step >= stage->first && step < stage->last;
        int64_t block[3];
        if (!applied && stage->survey != step) continue;
        block_size(plan, tile, step, applied ? stage->last : step, block);
        for (int a = 0; a < 3; a++)
            if (block[a] > largest[a]) largest[a] = block[a];
    }
}

static double voxels(const int64_t size[3]) { return (double)size[0] * (double)size[1] * (double)size[2]; }

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Bytes of a value's block in memory, allocation included. */
static int64_t block_bytes(const tk_job *job, int value, const int64_t block[3]) {
    const double bytes = voxels(block) * (double)tk_kind_bytes(tk_workflow_value_kind(job->workflow, value));
    return bytes > (double)MOST_BYTES ? MOST_BYTES : (int64_t)bytes + 4096;
}

static tk_need step_need(const tk_job *job, int step, const int64_t in[3]) {
    const tk_step *s = job->workflow->steps[step].step;
    return s->bytes ? s->bytes(job->state[step], in) : (tk_need){0, 0};
}

static int64_t clamp_bytes(size_t bytes) { return bytes > (size_t)MOST_BYTES ? MOST_BYTES : (int64_t)bytes; }

/* Adds what one step needs in a stage: its output beside its input, its images, its scratch. */
static void add_step(const tk_job *job, const tk_plan *plan, const int64_t tile[3], int step, int last, int64_t *blocks,
                     tk_memory *memory) {
    int64_t in[3], out[3];
    const tk_workflow_step *w = &job->workflow->steps[step];
    block_size(plan, tile, step, last, in);
    block_size(plan, tile, step + 1, last, out);
    const int64_t read = block_bytes(job, w->input[0], in);
    const int64_t made = w->step->apply ? block_bytes(job, step + 1, out) : 0;
    *blocks = most(*blocks, read + made + (w->inputs - 1) * block_bytes(job, 0, out));
    memory->scratch = most(memory->scratch, clamp_bytes(step_need(job, step, in).scratch));
}

static int64_t chunk_bytes(const tk_plan *plan) { return (int64_t)voxels(plan->chunk) * 4; }

/* What the open input keeps in memory: all of a small image, else as much as it may. */
static int64_t input_cache(const tk_job *job, const tk_plan *plan) {
    const size_t element = job->image ? tk_dtype_size(tk_image_info_of(job->image)->type) : 1;
    return (int64_t)fmin(voxels(plan->size) * (double)element, TK_IMAGE_CACHE);
}

static tk_memory memory_of(const tk_job *job, const tk_plan *plan, const int64_t tile[3]) {
    enum { BASE = 112 << 20, COPIES = 3 };
    tk_memory memory = {.base = BASE};
    for (int k = 0; k < plan->stages; k++) {
        const tk_stage *stage = &plan->stage[k];
        int64_t blocks = 0;
        for (int i = stage->first; i < stage->last; i++)
            if (job->workflow->steps[i].step->apply) add_step(job, plan, tile, i, stage->last, &blocks, &memory);
        if (stage->survey >= 0) add_step(job, plan, tile, stage->survey, stage->survey, &blocks, &memory);
        memory.blocks = most(memory.blocks, blocks);
    }
    int64_t block[3];
    for (int i = 0; i < job->workflow->count; i++) {
        tk_plan_largest(plan, i, tile, block);
        memory.resident += clamp_bytes(step_need(job, i, block).resident);
    }
    memory.encode = (int64_t)TK_ENCODE_BATCH * COPIES * chunk_bytes(plan);
    memory.input = input_cache(job, plan);
    memory.total = memory.base + memory.input + memory.blocks + memory.scratch + memory.resident + memory.encode;
    return memory;
}

/* Nanoseconds of one core for one tile in all stages. */
static double tile_cost(const tk_job *job, const tk_plan *plan, const int64_t tile[3]) {
    const double voxel_ns = 1, row_ns = 30, tile_ns = 1e5; /* reading, and what each row and tile costs beside */
    double total = 0;
    for (int k = 0; k < plan->stages; k++) {
        const tk_stage *stage = &plan->stage[k];
        int64_t block[3];
        block_size(plan, tile, stage->first, stage->last, block);
        total += voxel_ns * voxels(block) + row_ns * (double)block[0] * (double)block[1] + tile_ns;
        for (int i = stage->first; i < stage->last; i++) {
            if (!job->workflow->steps[i].step->apply) continue;
            block_size(plan, tile, i, stage->last, block);
            total += tk_stages_cost(job, i, block);
        }
        if (stage->survey >= 0)
            total += tk_stages_cost(job, stage->survey, tile) * fmax(1, tk_stages_rounds(job, stage->survey));
    }
    return total;
}

static int64_t tiles_of(const int64_t size[3], const int64_t tile[3], int64_t grid[3]) {
    for (int a = 0; a < 3; a++) grid[a] = (size[a] + tile[a] - 1) / tile[a];
    return grid[0] * grid[1] * grid[2];
}

/* --- The tile
 * ---------------------------------------------------------------------------------------------------------- */

/* Tile extents worth trying along an axis, the whole first. */
static int candidates(int64_t size, int64_t extents[CANDIDATES]) {
    int count = 0;
    extents[count++] = size;
    for (int64_t unit = CHUNK / 4; unit < size && count < CANDIDATES - 1; unit *= 2) {
        extents[count++] = unit;
        if (unit >= CHUNK && unit * 3 / 2 < size) extents[count++] = unit * 3 / 2;
    }
    return count;
}

/* The chunk along an axis: the largest divisor of the tile that is not too large; anything will do when one tile spans
 * the axis. 0: there is none. */
static int64_t chunk_extent(int64_t tile, int64_t size) {
    if (tile >= size) return size < CHUNK ? size : CHUNK;
    for (int64_t c = tile < CHUNK ? tile : CHUNK; c >= CHUNK_LEAST; c--)
        if (tile % c == 0) return c;
    return tile <= CHUNK_MOST ? tile : 0;
}

static bool set_tile(tk_plan *plan, const int64_t tile[3]) {
    bool possible = true;
    for (int a = 0; a < 3; a++) {
        plan->tile[a] = tile[a] < plan->size[a] ? tile[a] : plan->size[a];
        plan->chunk[a] = chunk_extent(plan->tile[a], plan->size[a]);
        possible = possible && plan->chunk[a] > 0;
    }
    plan->tiles = tiles_of(plan->size, plan->tile, plan->grid);
    return possible;
}

/* Estimated time of the whole image with this tile, for REFERENCE_RANKS ranks. */
static double makespan(const tk_job *job, const tk_plan *plan, const int64_t tile[3]) {
    int64_t grid[3];
    const double tiles = (double)tiles_of(plan->size, tile, grid);
    return ceil(tiles / REFERENCE_RANKS) * tile_cost(job, plan, tile);
}

static tk_status refuse(const tk_job *job, tk_plan *plan, const tk_plan_request *request, const int64_t tile[3],
                        tk_error *error) {
    const double mib = 1048576.0;
    set_tile(plan, tile);
    const tk_memory m = memory_of(job, plan, plan->tile);
    return tk_fail(
        error, TK_INVALID,
        "%s: nothing fits into %.0f MiB a rank: a tile of %lldx%lldx%lld needs %.0f MiB (blocks %.0f, scratch "
        "%.0f, steps %.0f, input %.0f, chunks %.0f, program %.0f); give --memory at least that much%s",
        job->workflow->file, (double)request->memory / mib, (long long)plan->tile[0], (long long)plan->tile[1],
        (long long)plan->tile[2], ceil((double)m.total / mib), (double)m.blocks / mib, (double)m.scratch / mib,
        (double)m.resident / mib, (double)m.input / mib, (double)m.encode / mib, (double)m.base / mib,
        request->tile[0] ? ", or a smaller --tile" : "");
}

static tk_status choose_tile(const tk_job *job, const tk_plan_request *request, tk_plan *plan, tk_error *error) {
    int64_t extents[3][CANDIDATES], best[3] = {0}, smallest[3];
    int count[3];
    double least_cost = INFINITY, least_bytes = INFINITY;
    memcpy(smallest, plan->size, sizeof smallest);
    for (int a = 0; a < 3; a++) count[a] = candidates(plan->size[a], extents[a]);
    for (int z = 0; z < count[0]; z++)
        for (int y = 0; y < count[1]; y++)
            for (int x = 0; x < count[2]; x++) {
                const int64_t tile[3] = {extents[0][z], extents[1][y], extents[2][x]};
                if (!set_tile(plan, tile)) continue;
                const double bytes = (double)memory_of(job, plan, tile).total;
                if (bytes < least_bytes) least_bytes = bytes, memcpy(smallest, tile, sizeof tile);
                if (bytes > (double)request->memory) continue;
                const double cost = makespan(job, plan, tile);
                if (cost < least_cost) least_cost = cost, memcpy(best, tile, sizeof tile);
            }
    if (best[0] == 0) return refuse(job, plan, request, smallest, error);
    set_tile(plan, best);
    return TK_OK;
}

static tk_status take_tile(const tk_job *job, const tk_plan_request *request, tk_plan *plan, tk_error *error) {
    if (!set_tile(plan, request->tile))
        return tk_fail(
            error, TK_USAGE,
            "--tile %lldx%lldx%lld: the result's chunks must divide the tile, and an extent over %d without a "
            "divisor of %d to %d cannot be cut into chunks; take multiples of %d",
            (long long)request->tile[0], (long long)request->tile[1], (long long)request->tile[2], CHUNK_MOST,
            CHUNK_LEAST, CHUNK, CHUNK_LEAST);
    if (memory_of(job, plan, plan->tile).total > request->memory)
        return refuse(job, plan, request, request->tile, error);
    return TK_OK;
}

/* --- What the plan amounts to
 * ----------------------------------------------------------------------------------------- */

static void sum_up(const tk_job *job, tk_plan *plan) {
    const double image = voxels(plan->size);
    plan->memory = memory_of(job, plan, plan->tile);
    plan->core_seconds = 1e-9 * (double)plan->tiles * tile_cost(job, plan, plan->tile);
    plan->halo_overhead = 1;
    for (int k = 0; k < plan->stages; k++) {
        int64_t block[3];
        block_size(plan, plan->tile, plan->stage[k].first, plan->stage[k].last, block);
        for (int a = 0; a < 3; a++) plan->largest[a] = most(plan->largest[a], block[a]);
        plan->halo_overhead = fmax(plan->halo_overhead, voxels(block) * (double)plan->tiles / image);
    }
    for (int i = 0; i < job->workflow->count; i++) {
        const tk_workflow_step *step = &job->workflow->steps[i];
        if (step->step->output == TK_KIND_TABLE) continue;
        const int64_t bytes = (int64_t)fmin(image * (double)tk_kind_bytes(step->step->output), (double)MOST_BYTES);
        if (step->keep) plan->result_bytes += bytes;
        if (plan->stored[i + 1]) plan->store_bytes += bytes;
    }
}

tk_status tk_plan_make(const tk_job *job, const tk_plan_request *request, tk_plan *plan, tk_error *error) {
    *plan = (tk_plan){.steps = job->workflow->count};
    memcpy(plan->size, job->geometry.size, sizeof plan->size);
    tk_status status = find_halos(job, request, plan, error);
    if (status == TK_OK) status = tk_stages_build(job, plan, error);
    if (status == TK_OK)
        status = request->tile[0] ? take_tile(job, request, plan, error) : choose_tile(job, request, plan, error);
    if (status == TK_OK) sum_up(job, plan);
    if (status != TK_OK) tk_plan_free(plan);
    return status;
}

void tk_plan_free(tk_plan *plan) {
    free(plan->halo);
    free(plan->stored);
    free(plan->stage);
    *plan = (tk_plan){0};
}
