/* One tile's part of a watershed.
 *
 * survey   the tile's minima, the forest of its passes, and the basins of the voxels that other tiles' paths may enter
 * apply    descends again, and writes the label of where each path ends */
#include "workflows/steps/watershed_tiles.h"

#include <stdlib.h>
#include <string.h>

static tk_status bind(const tk_binding *b, bool marked, void **state, tk_error *error) {
    tk_watershed_state *s = calloc(1, sizeof *s);
    *state = s;
    if (!s) return tk_fail_memory(error, "the watershed");
    s->markers = marked ? 0 : -1;
    s->landscape = marked ? 1 : 0;
    s->mask = tk_params_get(b->params, "mask")->set ? s->landscape + 1 : -1;
    s->from_maxima = tk_params_integer(b->params, "from") == 0;
    s->plateau = (int)tk_params_integer(b->params, "plateau");
    return TK_OK;
}

tk_status tk_watershed_bind(const tk_binding *b, void **state, tk_error *error) {
    TK_TRY(bind(b, false, state, error));
    ((tk_watershed_state *)*state)->h = tk_params_number(b->params, "h");
    return TK_OK;
}

tk_status tk_grow_bind(const tk_binding *b, void **state, tk_error *error) { return bind(b, true, state, error); }

void tk_watershed_release(void *state) {
    tk_watershed_state *s = state;
    if (s) tk_bytes_free(&s->decision);
    free(s);
}

void tk_watershed_halo(const void *state, int64_t halo[3]) {
    const tk_watershed_state *s = state;
    for (int a = 0; a < 3; a++) halo[a] = 1 + s->plateau;
}

/* Orders, depths, parents and markers; and the graph: smooth landscapes have a basin or a pass in a few hundredths of
 * the voxels, noise has more. */
tk_need tk_watershed_bytes(const void *state, const int64_t in[3]) {
    const tk_watershed_state *s = state;
    const int64_t voxels = in[TK_Z] * in[TK_Y] * in[TK_X];
    size_t scratch = 2 * tk_scratch_cost(voxels, sizeof(uint32_t));
    if (s->markers >= 0) scratch = tk_size_add(scratch, tk_scratch_cost(voxels, sizeof(uint32_t)));
    if (s->plateau > 0) scratch = tk_size_add(scratch, tk_scratch_cost(voxels, sizeof(uint8_t)));
    return (tk_need){.scratch = scratch, .resident = (size_t)voxels * 3};
}

double tk_watershed_cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    const tk_watershed_state *s = state;
    (void)largest;
    return (s->plateau > 0 ? 40.0 : 10.0) * (double)(in[TK_Z] * in[TK_Y] * in[TK_X]);
}

double tk_watershed_survey_cost(const void *state, int round, const int64_t in[3]) {
    const tk_watershed_state *s = state;
    (void)round;
    return (s->plateau > 0 ? 55.0 : 25.0) * (double)(in[TK_Z] * in[TK_Y] * in[TK_X]);
}

/* --- A tile ------------------------------------------------------------------------------------------------------- */

/* Markers, densely; NULL: no memory. */
static uint32_t *take_markers(tk_cview_u32 labels, tk_work *work) {
    const int64_t width = labels.size[TK_X], high = labels.size[TK_Y];
    uint32_t *copy = tk_scratch_take(&work->scratch, labels.size[TK_Z] * high * width, sizeof *copy);
    for (int64_t row = 0; copy && row < labels.size[TK_Z] * high; row++)
        memcpy(copy + row * width, labels.data + row / high * labels.stride[TK_Z] + row % high * labels.stride[TK_Y],
               (size_t)width * sizeof *copy);
    return copy;
}

/* Drops what is in the box `from` but not in `to`, in place: rows move towards the begin. */
static void crop(void *voxels, size_t element, const tk_box *from, const tk_box *to) {
    const int64_t high = tk_box_size(to, TK_Y), wide = tk_box_size(from, TK_X);
    const size_t bytes = (size_t)tk_box_size(to, TK_X) * element;
    for (int64_t row = 0; row < tk_box_size(to, TK_Z) * high; row++) {
        const int64_t z = to->lo[TK_Z] - from->lo[TK_Z] + row / high, y = to->lo[TK_Y] - from->lo[TK_Y] + row % high;
        const int64_t begin = (z * tk_box_size(from, TK_Y) + y) * wide + to->lo[TK_X] - from->lo[TK_X];
        memmove((char *)voxels + (size_t)row * bytes, (const char *)voxels + (size_t)begin * element, bytes);
    }
}

/* A tile and where its paths end, in scratch. */
typedef struct found {
    tk_basin_tile tile;
    uint32_t *order, *parent;
} found;

/* Depths need all of the input's box; then order, depths and markers are those of the tile and its ghosts. *depth is
 * NULL when there is no memory. */
static void find_depths(const tk_watershed_state *s, const tk_block *in, const tk_box *box, uint32_t *order,
                        uint32_t *markers, uint8_t **depth, tk_work *work) {
    const int64_t size[3] = {tk_box_size(&in->box, 0), tk_box_size(&in->box, 1), tk_box_size(&in->box, 2)};
    *depth = tk_scratch_take(&work->scratch, tk_box_count(&in->box), sizeof **depth);
    if (!*depth) return;
    tk_plateau_depth(order, markers, size, s->plateau, *depth, work);
    crop(order, sizeof *order, &in->box, box);
    crop(*depth, sizeof **depth, &in->box, box);
    if (markers) crop(markers, sizeof *markers, &in->box, box);
}

static tk_status descend(const tk_watershed_state *s, const tk_block *const in[], const tk_box *core, found *f,
                         tk_work *work) {
    const tk_box box = tk_box_grow(core, (const int64_t[3]){1, 1, 1}, &in[0]->image);
    const tk_cview_u8 mask = s->mask < 0 ? (tk_cview_u8){0} : tk_read_u8(in[s->mask]->u8);
    uint32_t *markers = s->markers < 0 ? NULL : take_markers(tk_read_u32(in[s->markers]->u32), work);
    uint8_t *depth = NULL;
    f->order = tk_scratch_take(&work->scratch, tk_box_count(&in[0]->box), sizeof *f->order);
    f->parent = tk_scratch_take(&work->scratch, tk_box_count(&box), sizeof *f->parent);
    if (!f->order || !f->parent || (s->markers >= 0 && !markers)) return TK_NO_MEMORY;
    tk_basin_order(tk_read_f32(in[s->landscape]->f32), mask, s->from_maxima, f->order, work);
    if (s->plateau > 0) find_depths(s, in[0], &box, f->order, markers, &depth, work);
    if (s->plateau > 0 && !depth) return TK_NO_MEMORY;
    f->tile = (tk_basin_tile){in[0]->image, box, *core, f->order, depth, markers};
    return tk_basins_descend(&f->tile, f->parent, work);
}

/* --- The survey --------------------------------------------------------------------------------------------------- */

static tk_status list_basins(const found *f, tk_bytes *list, const tk_work *work) {
    const size_t at = list->size, count = (size_t)tk_basins_minima(&f->tile, f->parent, NULL, work);
    TK_TRY(tk_bytes_resize(list, at + count * sizeof(tk_basin)));
    tk_basins_minima(&f->tile, f->parent, (tk_basin *)(void *)(list->data + at), work);
    return TK_OK;
}

static tk_status append_forest(const found *f, const tk_basin_graph *graph, tk_bytes *list) {
    const size_t at = list->size;
    TK_TRY(tk_bytes_resize(list, at + (size_t)graph->used * sizeof(tk_basin_pass)));
    tk_basin_pass *passes = (tk_basin_pass *)(void *)(list->data + at);
    int64_t count = 0;
    for (int64_t i = 0; i < graph->slots; i++)
        if (graph->slot[i].basin[0] != graph->slot[i].basin[1]) passes[count++] = graph->slot[i];
    count = tk_basin_forest(passes, count);
    if (count < 0) return TK_NO_MEMORY;
    count = tk_basins_own_passes(&f->tile, passes, count);
    return tk_bytes_resize(list, at + (size_t)count * sizeof(tk_basin_pass));
}

static tk_status list_passes(const found *f, tk_bytes *list, const tk_work *work) {
    tk_basin_graph graph = {0};
    tk_status status = tk_basins_passes(&f->tile, f->parent, &graph, work);
    if (status == TK_OK) status = append_forest(f, &graph, list);
    tk_basin_graph_free(&graph);
    return status;
}

static tk_status list_runs(const found *f, tk_bytes *list) {
    TK_TRY(tk_bytes_resize(list, (size_t)tk_basin_runs_most(&f->tile) * sizeof(tk_basin_run)));
    const int64_t runs = tk_basin_runs(&f->tile, f->parent, (tk_basin_run *)(void *)list->data);
    return tk_bytes_resize(list, (size_t)runs * sizeof(tk_basin_run));
}

/* Joins the ghosts, when all else is told. */
static tk_status write_record(const found *f, int64_t time, tk_bytes *partial, tk_bytes *runs, const tk_work *work) {
    tk_watershed_header header = {TK_WATERSHED_RECORD, time, 0, 0, 0};
    TK_TRY(tk_bytes_append(partial, &header, sizeof header));
    TK_TRY(list_basins(f, partial, work));
    TK_TRY(list_runs(f, runs));
    const size_t passes = partial->size;
    tk_basins_join_ghosts(&f->tile, f->parent, work);
    TK_TRY(list_passes(f, partial, work));
    header.basins = (int64_t)((passes - sizeof header) / sizeof(tk_basin));
    header.passes = (int64_t)((partial->size - passes) / sizeof(tk_basin_pass));
    header.runs = (int64_t)(runs->size / sizeof(tk_basin_run));
    memcpy(partial->data, &header, sizeof header);
    return tk_bytes_append(partial, runs->data, runs->size);
}

tk_status tk_watershed_survey(const void *state, int round, const tk_block *const in[], tk_work *work,
                              tk_bytes *partial) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    found f;
    tk_bytes runs = {0};
    (void)round;
    tk_status status = descend(state, in, &in[0]->core, &f, work);
    if (status == TK_OK) status = write_record(&f, in[0]->time, partial, &runs, work);
    tk_bytes_free(&runs);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

/* --- The work ----------------------------------------------------------------------------------------------------- */

/* What was agreed on for one time point. */
static tk_status labels_at(const tk_watershed_state *s, int64_t time, tk_basin_labels *labels) {
    for (size_t at = 0, end = 0; at < s->decision.size; at = end) {
        tk_watershed_header header;
        TK_TRY(tk_watershed_header_read(&s->decision, at, &header, &end));
        if (header.time != time) continue;
        labels->basins = (const tk_basin *)(const void *)(s->decision.data + at + sizeof header);
        labels->run = (const tk_basin_run *)(const void *)(labels->basins + header.basins);
        labels->count = header.basins;
        labels->runs = header.runs;
        return TK_OK;
    }
    return TK_FAILED;
}

tk_status tk_watershed_apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    found f;
    tk_basin_labels labels;
    tk_status status = labels_at(state, out->time, &labels);
    if (status == TK_OK) status = descend(state, in, &out->box, &f, work);
    if (status == TK_OK) tk_basins_paint(&f.tile, f.parent, &labels, f.order, out->u32, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
