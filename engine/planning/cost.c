/* Costs of tiles. The constants are of one core of a 2.5 GHz server CPU (AVX2), measured inside runs. */
#include "engine/planning/cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/planning/stages.h"

/* Of each voxel: converting an input to float32 and checking it; reading from the work store. */
static const double CONVERT_NS = 2.0, LOAD_NS = 1.1;
/* Of each byte: decompressing the input; writing to the work store; the input's checksum. */
static const double DECODE_NS = 4.2, STORE_NS = 2.5, CHECKSUM_NS = 0.8;
/* Of each row of a block, and of each tile, beside. */
static const double ROW_NS = 30, TILE_NS = 1e5;

const double tk_cost_encode_bytes_s = 1.05e8, tk_cost_decode_bytes_s = 2.5e8;

/* How much of a float32 byte's time a byte of this kind takes to encode, and what is left of it. */
static const double encode_share[TK_KIND_COUNT] = {[TK_KIND_IMAGE] = 1, [TK_KIND_MASK] = 0.35, [TK_KIND_LABELS] = 0.36};
static const double packed[TK_KIND_COUNT] = {[TK_KIND_IMAGE] = 0.8, [TK_KIND_MASK] = 0.02, [TK_KIND_LABELS] = 0.02};

double tk_cost_packed(tk_kind kind) { return packed[kind]; }

static double voxels(const tk_box *box) { return (double)tk_box_count(box); }

static double rows(const tk_box *box) { return (double)tk_box_size(box, 0) * (double)tk_box_size(box, 1); }

/* --- One tile ----------------------------------------------------------------------------------------------------- */

/* Voxels of the file's own chunks, strips or planes that a box touches, on average over where it lies. */
static double voxels_decoded(const tk_image_info *info, const tk_box *box) {
    double count = 1;
    for (int a = 0; a < 3; a++) {
        const double extent = (double)tk_box_size(box, a), chunk = info->chunk[a] > 1 ? (double)info->chunk[a] : 1;
        const double size = (double)info->size[a];
        count *= extent >= size ? size : fmin(extent + chunk - 1, size);
    }
    return count;
}

/* A small image stays decoded in memory: it is decoded in the first sweep alone, and no part of it twice. */
static double input_ns(const tk_job *job, const tk_box *box, bool first) {
    const tk_image_info *info = tk_image_info_of(job->image);
    const double image = (double)info->size[0] * (double)info->size[1] * (double)info->size[2] * (double)job->times;
    const double element = (double)tk_dtype_size(info->type), convert = CONVERT_NS * voxels(box);
    const bool kept = image * element < TK_IMAGE_CACHE;
    if (kept) return convert + (first ? DECODE_NS * element * voxels(box) : 0);
    return convert + DECODE_NS * element * voxels_decoded(info, box);
}

static double read_ns(const tk_job *job, int value, const tk_box *box, bool first) {
    const double ns = tk_passes_is_input(job->workflow, value) ? input_ns(job, box, first) : LOAD_NS * voxels(box);
    return ns + ROW_NS * rows(box);
}

/* The core widened by what the stage's steps from `first` on still need. */
static tk_box box_before(const tk_plan *plan, const tk_box *core, const tk_stage *stage, int first) {
    int64_t halo[3];
    const tk_box image = tk_box_of_size(plan->size);
    tk_plan_halo(plan, stage, first, halo);
    return tk_box_grow(core, halo, &image);
}

static void box_size(const tk_box *box, int64_t size[3]) {
    for (int a = 0; a < 3; a++) size[a] = tk_box_size(box, a);
}

/* Reading the side inputs of a step that is given `in` and makes `out`. */
static double sides_ns(const tk_job *job, int step, const tk_box *in, const tk_box *out) {
    const tk_workflow_step *s = &job->workflow->steps[step];
    double ns = 0;
    for (int k = 1; k < s->inputs; k++) ns += read_ns(job, s->input[k], s->step->wide_sides ? in : out, false);
    return ns;
}

static void add_kept(const tk_job *job, int step, const tk_box *core, tk_tile_cost *cost) {
    const tk_workflow_step *s = &job->workflow->steps[step];
    const tk_kind kind = s->step->output;
    const double bytes = voxels(core) * (double)tk_kind_bytes(kind);
    if (!s->keep) return;
    cost->encode_ns += bytes * encode_share[kind] * 1e9 / tk_cost_encode_bytes_s;
    cost->encoded_bytes += bytes * packed[kind];
}

static void add_stored(const tk_job *job, const tk_plan *plan, int step, const tk_box *core, tk_tile_cost *cost) {
    const double bytes = voxels(core) * (double)tk_kind_bytes(job->workflow->steps[step].step->output);
    if (!plan->stored[step + 1]) return;
    cost->store_ns += bytes * STORE_NS;
    cost->stored_bytes += bytes;
}

static void add_step(const tk_job *job, const tk_plan *plan, const tk_stage *stage, int step, const tk_box *core,
                     tk_tile_cost *cost) {
    int64_t in[3], largest[3];
    const tk_box before = box_before(plan, core, stage, step), after = box_before(plan, core, stage, step + 1);
    box_size(&before, in);
    tk_plan_largest(plan, step, plan->tile, largest);
    cost->steps_ns += tk_stages_cost(job, step, in, largest);
    cost->read_ns += sides_ns(job, step, &before, &after);
}

/* Is this the first stage of its channel? */
static bool is_first(const tk_job *job, const tk_plan *plan, int stage) {
    return stage == 0 || tk_plan_channel(job->workflow, &plan->stage[stage]) !=
                             tk_plan_channel(job->workflow, &plan->stage[stage - 1]);
}

tk_tile_cost tk_cost_tile(const tk_job *job, const tk_plan *plan, int stage_number, int round, const tk_box *core) {
    const tk_stage *stage = &plan->stage[stage_number];
    const int source = round == 0 ? stage->source : stage->again;
    const tk_box box = box_before(plan, core, stage, source);
    tk_tile_cost cost = {.read_ns = read_ns(job, source, &box, round == 0 && is_first(job, plan, stage_number)),
                         .steps_ns = TILE_NS};
    for (int i = source; i < stage->last; i++) {
        if (!job->workflow->steps[i].step->apply) continue;
        add_step(job, plan, stage, i, core, &cost);
        if (round > 0 || i < stage->fresh) continue;
        add_kept(job, i, core, &cost);
        add_stored(job, plan, i, core, &cost);
    }
    if (round == 0 && stage->solve >= 0) add_kept(job, stage->solve, core, &cost);
    if (stage->survey >= 0) {
        int64_t in[3];
        const tk_box seen = box_before(plan, core, stage, stage->last);
        box_size(core, in);
        cost.steps_ns += tk_stages_survey_cost(job, stage->survey, round, in);
        cost.read_ns += sides_ns(job, stage->survey, &seen, core);
    }
    return cost;
}

double tk_cost_ns(const tk_tile_cost *cost) {
    return cost->read_ns + cost->steps_ns + cost->encode_ns + cost->store_ns;
}

int tk_cost_rounds(const tk_job *job, const tk_stage *stage) {
    const int rounds = stage->survey >= 0 ? tk_stages_rounds(job, stage->survey) : 1;
    return rounds > 1 ? rounds : 1;
}

double tk_cost_seal_ns(const tk_job *job, const tk_plan *plan) {
    const tk_image_info *info = tk_image_info_of(job->image);
    const double image = (double)plan->size[0] * (double)plan->size[1] * (double)plan->size[2] * (double)plan->times;
    double ns = image * (double)job->channels * (double)tk_dtype_size(info->type) * CHECKSUM_NS;
    for (int i = 0; i < job->workflow->count; i++) {
        const tk_workflow_step *s = &job->workflow->steps[i];
        if (!s->keep || s->step->output == TK_KIND_TABLE) continue;
        ns += image * (double)tk_kind_bytes(s->step->output) * 1e9 / tk_cost_decode_bytes_s;
    }
    return ns;
}

/* --- All tiles ---------------------------------------------------------------------------------------------------- */

/* The places along an axis that differ: where the halo is cut off at the border, or the tile is a smaller one. */
typedef struct axis {
    int64_t count; /* of kinds of places */
    int32_t *kind; /* of each place */
    int64_t *lo, *hi, *places;
} axis;

static void free_axis(axis *a) {
    free(a->kind);
    free(a->lo);
    free(a->hi);
    free(a->places);
}

/* Two places cost the same when they are of one extent, and the border is as near or farther than any halo. */
static bool is_same(const tk_plan *plan, int a, int64_t lo, int64_t hi, int64_t other_lo, int64_t other_hi,
                    int64_t halo) {
    const int64_t size = plan->size[a];
    const int64_t before = lo < halo ? lo : halo, other_before = other_lo < halo ? other_lo : halo;
    const int64_t after = size - hi < halo ? size - hi : halo;
    const int64_t other_after = size - other_hi < halo ? size - other_hi : halo;
    return hi - lo == other_hi - other_lo && before == other_before && after == other_after;
}

static tk_status make_axis(const tk_plan *plan, int a, int64_t halo, axis *made, tk_error *error) {
    const size_t places = (size_t)plan->grid[a];
    made->kind = calloc(places, sizeof *made->kind);
    made->lo = calloc(places, sizeof *made->lo);
    made->hi = calloc(places, sizeof *made->hi);
    made->places = calloc(places, sizeof *made->places);
    if (!made->kind || !made->lo || !made->hi || !made->places) return tk_fail_memory(error, "the cost of tiles");
    for (int64_t g = 0; g < plan->grid[a]; g++) {
        const int64_t lo = g * plan->tile[a];
        const int64_t hi = lo + plan->tile[a] < plan->size[a] ? lo + plan->tile[a] : plan->size[a];
        int64_t k = 0;
        while (k < made->count && !is_same(plan, a, lo, hi, made->lo[k], made->hi[k], halo)) k++;
        if (k == made->count) made->lo[k] = lo, made->hi[k] = hi, made->count++;
        made->kind[g] = (int32_t)k;
        made->places[k]++;
    }
    return TK_OK;
}

/* The kinds of places along all axes, and the cost of each combination of them. */
typedef struct table {
    axis axis[3];
    tk_cost_class *class;
    int64_t count;
} table;

static void free_table(table *t) {
    for (int a = 0; a < 3; a++) free_axis(&t->axis[a]);
    free(t->class);
}

static void fill_table(const tk_job *job, const tk_plan *plan, int stage, int round, table *t) {
    for (int64_t i = 0; i < t->count; i++) {
        const int64_t at[3] = {i / (t->axis[1].count * t->axis[2].count), i / t->axis[2].count % t->axis[1].count,
                               i % t->axis[2].count};
        tk_box core;
        int64_t tiles = plan->times;
        for (int a = 0; a < 3; a++) {
            core.lo[a] = t->axis[a].lo[at[a]];
            core.hi[a] = t->axis[a].hi[at[a]];
            tiles *= t->axis[a].places[at[a]];
        }
        t->class[i] = (tk_cost_class){tk_cost_tile(job, plan, stage, round, &core), tiles};
    }
}

static tk_status make_table(const tk_job *job, const tk_plan *plan, int stage, int round, table *t, tk_error *error) {
    const tk_stage *s = &plan->stage[stage];
    int64_t halo[3];
    *t = (table){.count = 1};
    tk_plan_halo(plan, s, s->source, halo);
    for (int a = 0; a < 3; a++) {
        TK_TRY(make_axis(plan, a, halo[a], &t->axis[a], error));
        t->count *= t->axis[a].count;
    }
    t->class = calloc(t->count > 0 ? (size_t)t->count : 1, sizeof *t->class);
    if (!t->class) return tk_fail_memory(error, "the cost of tiles");
    fill_table(job, plan, stage, round, t);
    return TK_OK;
}

static int dearer_first(const void *a, const void *b) {
    const double p = tk_cost_ns(&((const tk_cost_class *)a)->cost), q = tk_cost_ns(&((const tk_cost_class *)b)->cost);
    return p < q ? 1 : p > q ? -1 : 0;
}

tk_status tk_cost_classes(const tk_job *job, const tk_plan *plan, int stage, int round, tk_cost_class **classes,
                          int64_t *count, tk_error *error) {
    table t;
    const tk_status status = make_table(job, plan, stage, round, &t, error);
    if (status == TK_OK) {
        qsort(t.class, (size_t)t.count, sizeof *t.class, dearer_first);
        *classes = t.class;
        *count = t.count;
        t.class = NULL;
    }
    free_table(&t);
    return status;
}

tk_status tk_cost_all(const tk_job *job, const tk_plan *plan, int stage, int round, double *ns, tk_error *error) {
    table t;
    const tk_status status = make_table(job, plan, stage, round, &t, error);
    for (int64_t i = 0; status == TK_OK && i < plan->tiles; i++) {
        const int64_t place = i % plan->places;
        const int64_t z = place / (plan->grid[1] * plan->grid[2]), y = place / plan->grid[2] % plan->grid[1];
        const int64_t at = (t.axis[0].kind[z] * t.axis[1].count + t.axis[1].kind[y]) * t.axis[2].count +
                           t.axis[2].kind[place % plan->grid[2]];
        ns[i] = tk_cost_ns(&t.class[at].cost);
    }
    free_table(&t);
    return status;
}
