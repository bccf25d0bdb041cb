/* A miniature engine of one rank that drives one step over tiles; each tile's blocks are copies of exactly what the
 * step may see. */
#ifndef TK_TESTS_UNIT_TEST_STEPS_FIXTURE_H
#define TK_TESTS_UNIT_TEST_STEPS_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/params_read.h"
#include "engine/running/facts.h"
#include "engine/step.h"
#include "engine/syntax/document.h"
#include "tests/unit/test_volume_fixture.h"

/* A run of one step. */
typedef struct engine {
    const tk_step *step;
    void *state;
    int64_t size[3], tile[3], times;
    bool backwards; /* the order of tiles */
    int threads;
    int inputs;
    const void *input[2]; /* whole images, time after time, of the step's input kind; the second float */
    struct tk_facts facts;
    tk_error error;
} engine;

/* As an image might number the time points that were chosen. */
static int64_t number_of_time(int64_t time) { return 7 + 3 * time; }

static size_t element_of(tk_kind kind) { return kind == TK_KIND_MASK ? 1 : 4; }

static size_t image_bytes(const engine *e, tk_kind kind) { return (size_t)count_of(e->size) * element_of(kind); }

static void set_view(tk_block *block, void *data) {
    int64_t size[3];
    for (int a = 0; a < 3; a++) size[a] = tk_box_size(&block->box, a);
    if (block->kind == TK_KIND_IMAGE) block->f32 = tk_dense_f32(data, size);
    if (block->kind == TK_KIND_MASK) block->u8 = tk_dense_u8(data, size);
    if (block->kind == TK_KIND_LABELS) block->u32 = tk_dense_u32(data, size);
}

/* Copies rows between a whole image and the dense memory of a box. */
static void copy_box(const int64_t size[3], const tk_box *box, size_t element, void *whole, void *part, bool out) {
    const size_t row = (size_t)tk_box_size(box, TK_X) * element;
    unsigned char *at = part;
    for (int64_t z = box->lo[0]; z < box->hi[0]; z++)
        for (int64_t y = box->lo[1]; y < box->hi[1]; y++, at += row) {
            unsigned char *there =
                (unsigned char *)whole + (size_t)((z * size[1] + y) * size[2] + box->lo[2]) * element;
            memcpy(out ? there : at, out ? at : there, row);
        }
}

/* A block with its own copy of the voxels; free its data. */
static void *make_block(const engine *e, tk_kind kind, const void *whole, int64_t time, const tk_box *box,
                        const tk_box *core, tk_block *block) {
    *block = (tk_block){
        .kind = kind, .image = tk_box_of_size(e->size), .box = *box, .core = *core, .time = number_of_time(time)};
    void *data = malloc((size_t)tk_box_count(box) * element_of(kind)); /* to the byte, for the sanitizer */
    assert_non_null(data);
    unsigned char *from;
    memcpy(&from, &whole, sizeof from);
    if (whole) copy_box(e->size, box, element_of(kind), from + image_bytes(e, kind) * (size_t)time, data, false);
    set_view(block, data);
    return data;
}

static int64_t tiles_of(const engine *e, int64_t grid[3]) {
    for (int a = 0; a < 3; a++) grid[a] = (e->size[a] + e->tile[a] - 1) / e->tile[a];
    return grid[0] * grid[1] * grid[2] * e->times;
}

/* The n-th tile: its time point and its core. */
static tk_box tile_at(const engine *e, int64_t n, int64_t *time) {
    int64_t grid[3];
    const int64_t tiles = tiles_of(e, grid), turn = e->backwards ? tiles - 1 - n : n, i = turn % (tiles / e->times);
    *time = turn / (tiles / e->times);
    const int64_t at[3] = {i / (grid[1] * grid[2]), i / grid[2] % grid[1], i % grid[2]};
    tk_box tile, image = tk_box_of_size(e->size);
    for (int a = 0; a < 3; a++) {
        tile.lo[a] = at[a] * e->tile[a];
        tile.hi[a] = tile.lo[a] + e->tile[a];
    }
    return tk_box_intersect(&tile, &image);
}

static tk_work work_for(const engine *e, const tk_box *box) {
    const int64_t size[3] = {tk_box_size(box, 0), tk_box_size(box, 1), tk_box_size(box, 2)};
    const tk_need need = e->step->bytes ? e->step->bytes(e->state, size) : (tk_need){0};
    return work_with(e->threads, tk_isa_detect(), need.scratch);
}

static tk_status survey_tile(engine *e, int round, int64_t n, tk_bytes *partial) {
    tk_block block[2];
    int64_t time = 0;
    int64_t halo[3] = {0};
    if (e->step->survey_halo) e->step->survey_halo(e->state, halo);
    const tk_box image = tk_box_of_size(e->size), core = tile_at(e, n, &time), *tile = &core;
    const tk_box box = tk_box_grow(&core, halo, &image);
    void *data[2] = {make_block(e, e->step->input, e->input[0], time, &box, tile, &block[0]), NULL};
    if (e->inputs > 1) data[1] = make_block(e, TK_KIND_IMAGE, e->input[1], time, tile, tile, &block[1]);
    const tk_block *const in[2] = {&block[0], &block[1]};
    tk_work work = work_for(e, &box);
    const tk_status status = e->step->survey(e->state, round, in, &work, partial);
    assert_int_equal(work.scratch.used, 0);
    tk_scratch_release(&work.scratch);
    free(data[0]);
    free(data[1]);
    return status;
}

/* Surveys all tiles of a round. */
static tk_status survey_all(engine *e, int round, tk_bytes *combined) {
    int64_t grid[3];
    const int64_t tiles = tiles_of(e, grid);
    for (int64_t n = 0; n < tiles; n++) {
        tk_bytes partial = {0};
        TK_TRY(survey_tile(e, round, n, n ? &partial : combined));
        if (n) TK_TRY(e->step->combine(e->state, round, combined, &partial));
        tk_bytes_free(&partial);
    }
    return TK_OK;
}

/* As over several ranks: the partial is dealt out, each part reduced, and all of them put together again. */
static tk_status deal_out(const engine *e, int round, tk_bytes *combined) {
    enum { PARTS = 5 };
    tk_bytes part[PARTS] = {{0}}, all = {0};
    if (!e->step->split || combined->size == 0) return TK_OK;
    tk_status status = e->step->split(e->state, round, combined, PARTS, part);
    for (int i = 0; i < PARTS && status == TK_OK; i++) {
        if (part[i].size > 0) status = e->step->reduce(e->state, round, &part[i]);
        if (status == TK_OK && part[i].size > 0) status = e->step->combine(e->state, round, &all, &part[i]);
    }
    for (int i = 0; i < PARTS; i++) tk_bytes_free(&part[i]);
    tk_bytes_free(combined);
    *combined = all;
    return status;
}

/* All rounds; the combined partials of the last are left in *combined. */
static tk_status decide(engine *e, tk_bytes *combined) {
    const int least = e->step->rounds ? e->step->rounds(e->state) : e->step->agree != NULL;
    bool more = least > 0;
    for (int round = 0; more || round < least; round++) {
        tk_bytes decision = {0};
        tk_work work = {e->threads, tk_isa_detect(), {0}};
        more = false;
        combined->size = 0;
        TK_TRY(survey_all(e, round, combined));
        TK_TRY(deal_out(e, round, combined));
        const tk_status status = e->step->agree(e->state, round, combined, &decision, &more, &e->facts, &e->error);
        if (status == TK_OK) assert_int_equal(e->step->adopt(e->state, round, &decision, &work, &e->error), TK_OK);
        tk_bytes_free(&decision);
        TK_TRY(status);
    }
    return TK_OK;
}

static void apply_tile(engine *e, int64_t n, void *out) {
    int64_t halo[3] = {0, 0, 0}, time = 0;
    const tk_box core = tile_at(e, n, &time), *tile = &core;
    if (e->step->halo) e->step->halo(e->state, halo);
    const tk_box image = tk_box_of_size(e->size), box = tk_box_grow(tile, halo, &image);
    tk_block from, to;
    void *in_data = make_block(e, e->step->input, e->input[0], time, &box, tile, &from);
    void *out_data = make_block(e, e->step->output, NULL, time, tile, tile, &to);
    const tk_block *const in[1] = {&from};
    tk_work work = work_for(e, &box);
    assert_int_equal(e->step->apply(e->state, in, &to, &work), TK_OK);
    assert_int_equal(work.scratch.used, 0);
    copy_box(e->size, tile, element_of(e->step->output),
             (unsigned char *)out + image_bytes(e, e->step->output) * (size_t)time, out_data, true);
    tk_scratch_release(&work.scratch);
    free(in_data);
    free(out_data);
}

/* Parameters from a workflow's text, "{sigma: 2 px}". */
static tk_params *params_from(const tk_step *step, const char *text, tk_document *document) {
    tk_params *params = NULL;
    tk_error error = TK_ERROR_NONE;
    assert_int_equal(tk_document_parse("test", text, document, &error), TK_OK);
    assert_int_equal(tk_params_make(step->name, step->params, "test", &document->root, &params, &error), TK_OK);
    for (int i = 0; i < document->root.count; i++)
        assert_int_equal(tk_params_set(params, document->root.keys[i].text, &document->root.keys[i],
                                       &document->root.items[i], "test", "", &error),
                         TK_OK);
    return params;
}

/* What one run gives: voxels, or the columns of a table one behind the other. */
typedef struct outcome {
    tk_status status;
    void *data;
    size_t size;
    int64_t rows;
    tk_error error;
} outcome;

static void append_columns(const tk_table *table, outcome *result) {
    tk_bytes bytes = {0};
    for (int c = 0; c < table->columns; c++) {
        const tk_column *column = &table->column[c];
        const size_t size = (size_t)table->rows * tk_dtype_size(column->type);
        assert_int_equal(tk_bytes_append(&bytes, column->data, size), TK_OK);
    }
    result->data = bytes.data;
    result->size = bytes.size;
    result->rows = table->rows;
}

static void produce(engine *e, const tk_bytes *combined, outcome *result) {
    if (e->step->tabulate) {
        tk_table table = {0};
        assert_int_equal(e->step->tabulate(e->state, combined, &table, &e->error), TK_OK);
        append_columns(&table, result);
        tk_table_free(&table);
        return;
    }
    int64_t grid[3];
    const int64_t tiles = tiles_of(e, grid);
    result->size = image_bytes(e, e->step->output) * (size_t)e->times;
    result->data = must_allocate((int64_t)result->size, 1);
    for (int64_t n = 0; n < tiles; n++) apply_tile(e, n, result->data);
}

/* A step, its parameters and its images. */
typedef struct task {
    const char *step, *params;
    int64_t size[3];
    const void *input[2];
    int64_t times; /* 0: one */
} task;

static outcome run_step(const task *t, const int64_t tile[3], bool backwards, int threads) {
    engine e = {.step = tk_step_find(t->step),
                .size = {t->size[0], t->size[1], t->size[2]},
                .tile = {tile[0], tile[1], tile[2]},
                .times = t->times ? t->times : 1,
                .backwards = backwards,
                .threads = threads,
                .inputs = t->input[1] ? 2 : 1,
                .input = {t->input[0], t->input[1]},
                .facts = {json_object()}};
    tk_document document;
    outcome result = {0};
    tk_bytes combined = {0};
    assert_non_null(e.step);
    tk_params *params = params_from(e.step, t->params, &document);
    const tk_binding binding = {.params = params,
                                .input = {{t->size[0], t->size[1], t->size[2]}, {0.5, 0.25, 0.1}},
                                .inputs = e.inputs,
                                .times = e.times};
    if (e.step->check) assert_int_equal(e.step->check(params, &e.error), TK_OK);
    assert_int_equal(e.step->bind(&binding, &e.state, &e.error), TK_OK);
    result.status = decide(&e, &combined);
    if (result.status == TK_OK) produce(&e, &combined, &result);
    result.error = e.error;
    tk_bytes_free(&combined);
    e.step->release(e.state);
    tk_params_free(params);
    tk_document_free(&document);
    json_decref(e.facts.object);
    return result;
}

/* Grids: whole, cubes, primes, slabs, and one voxel thick across each axis. */
enum { GRIDS = 8 };
static void tile_of_grid(const int64_t size[3], int grid, int64_t tile[3]) {
    const int64_t tiles[GRIDS][3] = {{size[0], size[1], size[2]},
                                     {4, 4, 4},
                                     {3, 5, 11},
                                     {2, size[1], size[2]},
                                     {1, size[1], size[2]},
                                     {size[0], 1, size[2]},
                                     {size[0], size[1], 1},
                                     {2, 3, 64}};
    memcpy(tile, tiles[grid], sizeof tiles[grid]);
}

/* Runs a step over all grids and compares with the un-tiled run, which is left to the caller to free. */
static outcome check_grids(const task *t) {
    int64_t tile[3];
    tile_of_grid(t->size, 0, tile);
    const outcome whole = run_step(t, tile, false, 1);
    for (int grid = 0; grid < GRIDS; grid++) {
        tile_of_grid(t->size, grid, tile);
        const outcome tiled = run_step(t, tile, grid % 2, grid % 4 == 1 ? 3 : 1);
        if (tiled.status != whole.status || tiled.size != whole.size ||
            (whole.size && memcmp(tiled.data, whole.data, whole.size) != 0))
            fail_msg("%s %s: tiles of %dx%dx%d differ", t->step, t->params, (int)tile[0], (int)tile[1], (int)tile[2]);
        free(tiled.data);
    }
    return whole;
}

#endif
