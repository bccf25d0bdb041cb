/* The plan: halos, stages, the tile grid and the memory it takes.
 *
 * The tile is the one of least cost among those that fit the memory. Cost counts halos, and rounds of REFERENCE_RANKS
 * tiles at a time: a grid of a single tile would leave all ranks but one idle, and the grid must not depend on how many
 * there are. */
#include "engine/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/planning/cost.h"
#include "engine/planning/stages.h"

/* Of the file, for each image of a series. */
static const int64_t DATASET_BYTES = 5400;

enum { REFERENCE_RANKS = 4, CHUNK = 64, CHUNK_LEAST = 8, CHUNK_MOST = 128, FINE = CHUNK / 4, CANDIDATES = 64 };

/* A tile that is not round, and whose chunks are of odd sizes, must cost less than this share of the best round one. */
static const double WORTHWHILE = 0.97;

tk_plan_request tk_plan_defaults(void) { return (tk_plan_request){.halo = {-1, -1, -1}, .memory = TK_DEFAULT_MEMORY}; }

size_t tk_kind_bytes(tk_kind kind) {
    static const size_t bytes[TK_KIND_COUNT] = {[TK_KIND_IMAGE] = 4, [TK_KIND_MASK] = 1, [TK_KIND_LABELS] = 4};
    return bytes[kind];
}

void tk_plan_halo(const tk_plan *plan, const tk_stage *stage, int first, int64_t halo[3]) {
    memset(halo, 0, 3 * sizeof *halo);
    for (int a = 0; a < 3; a++) {
        if (stage->survey >= 0) halo[a] = plan->survey_halo[stage->survey][a];
        for (int i = first; i < stage->last; i++) halo[a] += plan->halo[i][a];
    }
}

tk_box tk_plan_tile(const tk_plan *plan, int64_t tile) {
    const int64_t place = tile % plan->places;
    const int64_t at[3] = {place / (plan->grid[1] * plan->grid[2]), place / plan->grid[2] % plan->grid[1],
                           place % plan->grid[2]};
    tk_box core;
    for (int a = 0; a < 3; a++) {
        core.lo[a] = at[a] * plan->tile[a];
        core.hi[a] = core.lo[a] + plan->tile[a] < plan->size[a] ? core.lo[a] + plan->tile[a] : plan->size[a];
    }
    return core;
}

int64_t tk_plan_channel(const tk_workflow *workflow, const tk_stage *stage) {
    return workflow->steps[stage->solve >= 0 ? stage->solve : stage->first].channel;
}

int64_t tk_plan_time(const tk_plan *plan, int64_t tile) { return tile / plan->places; }

/* More than the image is no different from all of it. */
static void clip_halo(const tk_plan *plan, int64_t halo[3]) {
    for (int a = 0; a < 3; a++)
        if (halo[a] > plan->size[a]) halo[a] = plan->size[a];
}

static void find_halo(const tk_job *job, const tk_plan_request *request, tk_plan *plan, int i) {
    const tk_step *step = job->workflow->steps[i].step;
    if (step->survey_halo) step->survey_halo(job->state[i], plan->survey_halo[i]);
    clip_halo(plan, plan->survey_halo[i]);
    if (!step->halo || tk_stages_is_solved(job, i)) return;
    step->halo(job->state[i], plan->halo[i]);
    for (int a = 0; a < 3 && !step->exact; a++)
        if (request->halo[a] >= 0) plan->halo[i][a] = request->halo[a];
    clip_halo(plan, plan->halo[i]);
}

static tk_status find_halos(const tk_job *job, const tk_plan_request *request, tk_plan *plan, tk_error *error) {
    plan->halo = calloc((size_t)job->workflow->count, sizeof *plan->halo);
    plan->survey_halo = calloc((size_t)job->workflow->count, sizeof *plan->survey_halo);
    if (!plan->halo || !plan->survey_halo) return tk_fail_memory(error, "the plan");
    for (int i = 0; i < job->workflow->count; i++) find_halo(job, request, plan, i);
    return TK_OK;
}

/* --- Memory and cost of a tile ------------------------------------------------------------------------------------ */

void tk_plan_block(const tk_plan *plan, const int64_t tile[3], const tk_stage *stage, int first, int64_t block[3]) {
    int64_t halo[3];
    tk_plan_halo(plan, stage, first, halo);
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
        tk_plan_block(plan, tile, stage, step, block);
        for (int a = 0; a < 3; a++)
            if (block[a] > largest[a]) largest[a] = block[a];
    }
}

static double voxels(const int64_t size[3]) { return (double)size[0] * (double)size[1] * (double)size[2]; }

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Nanoseconds of one core for one tile amidst the image, of size plan->tile, in all sweeps of all stages. */
static double tile_cost(const tk_job *job, const tk_plan *plan) {
    double total = 0;
    tk_box core;
    for (int a = 0; a < 3; a++) {
        core.lo[a] = (plan->size[a] - plan->tile[a]) / 2;
        core.hi[a] = core.lo[a] + plan->tile[a];
    }
    for (int k = 0; k < plan->stages; k++)
        for (int round = 0; round < tk_cost_rounds(job, &plan->stage[k]); round++) {
            const tk_tile_cost cost = tk_cost_tile(job, plan, k, round, &core);
            total += tk_cost_ns(&cost);
        }
    return total;
}

static int64_t tiles_of(const int64_t size[3], const int64_t tile[3], int64_t grid[3]) {
    for (int a = 0; a < 3; a++) grid[a] = (size[a] + tile[a] - 1) / tile[a];
    return grid[0] * grid[1] * grid[2];
}

/* --- The tile
 * ---------------------------------------------------------------------------------------------------------- */

/* Round tile extents worth trying along an axis, the whole first. */
static int round_extents(int64_t size, int64_t extents[CANDIDATES]) {
    int count = 0;
    extents[count++] = size;
    for (int64_t unit = FINE; unit < size && count < CANDIDATES - 1; unit *= 2) {
        extents[count++] = unit;
        if (unit >= CHUNK && unit * 3 / 2 < size) extents[count++] = unit * 3 / 2;
    }
    return count;
}

/* Those that cut an axis into equal parts, or nearly: for each number of tiles the least extent with which so many do.
 * What a tile costs need not grow with it (a transform is padded to a size that is fast), and where it does not, fewer
 * tiles with larger cores fill it. */
static int equal_extents(int64_t size, int64_t extents[CANDIDATES]) {
    int count = 0;
    extents[count++] = size;
    for (int64_t parts = 2; count < CANDIDATES; parts++) {
        const int64_t extent = ((size + parts - 1) / parts + FINE - 1) / FINE * FINE;
        if (extent < extents[count - 1]) extents[count++] = extent;
        if (extent == FINE) break;
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
    plan->places = tiles_of(plan->size, plan->tile, plan->grid);
    plan->tiles = plan->times * plan->places;
    return possible;
}

/* Estimated time of the whole image in tiles of plan->tile, for REFERENCE_RANKS ranks. */
static double makespan(const tk_job *job, const tk_plan *plan) {
    return ceil((double)plan->tiles / REFERENCE_RANKS) * tile_cost(job, plan);
}

static tk_status refuse(const tk_job *job, tk_plan *plan, const tk_plan_request *request, const int64_t tile[3],
                        tk_error *error) {
    const double mib = 1048576.0;
    set_tile(plan, tile);
    const tk_memory m = tk_plan_memory(job, plan);
    return tk_fail(
        error, TK_INVALID,
        "%s: nothing fits into %.0f MiB a rank: a tile of %lldx%lldx%lld needs %.0f MiB (blocks %.0f, scratch "
        "%.0f, steps %.0f, input %.0f, chunks %.0f, program %.0f); give --memory at least that much%s",
        job->workflow->file, (double)request->memory / mib, (long long)plan->tile[0], (long long)plan->tile[1],
        (long long)plan->tile[2], ceil((double)m.total / mib), (double)(m.blocks + m.ahead) / mib,
        (double)m.scratch / mib, (double)m.resident / mib, (double)m.input / mib, (double)(m.encode + m.queue) / mib,
        (double)m.base / mib, request->tile[0] ? ", or a smaller --tile" : "");
}

/* What a search found: the tile of least cost, and the one of least memory. */
typedef struct found_tile {
    int64_t best[3], smallest[3];
    double least_cost, least_bytes;
} found_tile;

static void try_tile(const tk_job *job, int64_t memory, const int64_t tile[3], tk_plan *plan, found_tile *found) {
    if (!set_tile(plan, tile)) return;
    const double bytes = (double)tk_plan_memory(job, plan).total;
    if (bytes < found->least_bytes) {
        found->least_bytes = bytes;
        memcpy(found->smallest, tile, sizeof found->smallest);
    }
    if (bytes > (double)memory) return;
    const double cost = makespan(job, plan);
    if (cost >= found->least_cost) return;
    found->least_cost = cost;
    memcpy(found->best, tile, sizeof found->best);
}

static void search(const tk_job *job, int64_t memory, int (*extents_of)(int64_t, int64_t[CANDIDATES]), tk_plan *plan,
                   found_tile *found) {
    int64_t extents[3][CANDIDATES];
    int count[3];
    for (int a = 0; a < 3; a++) count[a] = extents_of(plan->size[a], extents[a]);
    for (int z = 0; z < count[0]; z++)
        for (int y = 0; y < count[1]; y++)
            for (int x = 0; x < count[2]; x++) {
                const int64_t tile[3] = {extents[0][z], extents[1][y], extents[2][x]};
                try_tile(job, memory, tile, plan, found);
            }
}

static tk_status choose_tile(const tk_job *job, const tk_plan_request *request, tk_plan *plan, tk_error *error) {
    found_tile found = {.least_cost = INFINITY, .least_bytes = INFINITY};
    memcpy(found.smallest, plan->size, sizeof found.smallest);
    search(job, request->memory, round_extents, plan, &found);
    found.least_cost *= WORTHWHILE;
    search(job, request->memory, equal_extents, plan, &found);
    if (found.best[0] == 0) return refuse(job, plan, request, found.smallest, error);
    set_tile(plan, found.best);
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
    if (tk_plan_memory(job, plan).total > request->memory) return refuse(job, plan, request, request->tile, error);
    return TK_OK;
}

/* --- What the plan amounts to
 * ----------------------------------------------------------------------------------------- */

static void sum_up(const tk_job *job, tk_plan *plan) {
    const double image = voxels(plan->size) * (double)plan->times;
    plan->memory = tk_plan_memory(job, plan);
    plan->core_seconds = 1e-9 * (double)plan->tiles * tile_cost(job, plan);
    for (int k = 0; k < plan->stages; k++) {
        const int solve = plan->stage[k].solve;
        if (solve < 0) continue;
        plan->core_seconds += 1e-9 * (double)plan->times * tk_stages_solve_cost(job, solve, plan->size);
        plan->store_bytes += 2 * tk_plan_saved_bytes(job, plan, solve);
    }
    plan->halo_overhead = 1;
    for (int k = 0; k < plan->stages; k++) {
        int64_t block[3];
        tk_plan_block(plan, plan->tile, &plan->stage[k], plan->stage[k].first, block);
        for (int a = 0; a < 3; a++) plan->largest[a] = most(plan->largest[a], block[a]);
        plan->halo_overhead = fmax(plan->halo_overhead, voxels(block) * (double)plan->tiles / image);
    }
    for (int i = 0; i < job->workflow->count; i++) {
        const tk_workflow_step *step = &job->workflow->steps[i];
        if (step->step->output == TK_KIND_TABLE || tk_passes_is_input(job->workflow, i + 1)) continue;
        const int64_t bytes = (int64_t)fmin(image * (double)tk_kind_bytes(step->step->output), INT64_MAX / 8192);
        if (step->keep) {
            plan->result_bytes += bytes;
            plan->packed_bytes += (int64_t)(tk_cost_packed(step->step->output) * (double)bytes);
            if (tk_job_is_series(job)) plan->packed_bytes += plan->times * DATASET_BYTES;
        }
        if (plan->stored[i + 1]) plan->store_bytes += bytes;
    }
}

tk_status tk_plan_make(const tk_job *job, const tk_plan_request *request, tk_plan *plan, tk_error *error) {
    *plan = (tk_plan){.steps = job->workflow->count, .times = job->times, .memory_asked = request->memory};
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
    free(plan->survey_halo);
    free(plan->stored);
    free(plan->stage);
    *plan = (tk_plan){0};
}
