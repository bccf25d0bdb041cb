/* Step distance: how far each voxel of an object is from the background.
 *
 * With a limit, tiles that are wider by it know enough. Without one the nearest background may be anywhere: then all
 * ranks work on the whole image, first by planes, along x and y, then by rows of columns, along z. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/field.h"
#include "engine/step.h"
#include "kernels/distance/distance.h"

enum { PLANNED_THREADS = 64 };
enum { UNIT_UM, UNIT_PX }; /* in the order of the choices */

typedef struct distance_state {
    tk_distance distance;
    int64_t image[3], halo[3];
    bool border, limited;
    float limit; /* in the unit of the spacing */
} distance_state;

static const tk_param params[] = {
    {.name = "unit",
     .type = TK_PARAM_CHOICE,
     .fallback = "um",
     .choices = "um|px",
     .help =
         "um: in micrometres, as the voxel size says (in px where it is not known); px: every voxel is a cube of 1"},
    {.name = "limit",
     .type = TK_PARAM_LENGTH,
     .least = 1e-6,
     .most = 1e9,
     .help = "distances are cut here, and tiles are worked on by themselves; without it, the whole image at once"},
    {.name = "border",
     .type = TK_PARAM_BOOL,
     .fallback = "false",
     .help =
         "what lies beyond the image is background, along each axis of more than one voxel; else it does not count"},
    TK_PARAM_END,
};

/* --- Parameters --------------------------------------------------------------------------------------------------- */

static bool is_known(const double um[3]) { return um[TK_Z] > 0 && um[TK_Y] > 0 && um[TK_X] > 0; }

static tk_status take_limit(const tk_binding *b, const double spacing[3], distance_state *s, tk_error *error) {
    double voxels[3];
    const tk_value *given = tk_params_get(b->params, "limit");
    s->limited = given->set;
    s->limit = INFINITY;
    if (!given->set) return TK_OK;
    if (given->number[0] != given->number[1] || given->number[0] != given->number[2])
        return tk_params_fail(b->params, "limit", error, "expected one length: distances have one limit");
    TK_TRY(tk_params_voxels(b->params, "limit", b->input.voxel_um, voxels, error));
    s->limit = (float)(voxels[TK_X] * spacing[TK_X]);
    for (int a = 0; a < 3; a++) s->halo[a] = (int64_t)ceil((double)s->limit / spacing[a]);
    return TK_OK;
}

static tk_status bind(const tk_binding *b, void **state, tk_error *error) {
    const bool physical = tk_params_integer(b->params, "unit") == UNIT_UM && is_known(b->input.voxel_um);
    const double *um = b->input.voxel_um,
                 spacing[3] = {physical ? um[0] : 1, physical ? um[1] : 1, physical ? um[2] : 1};
    distance_state *s = calloc(1, sizeof *s);
    *state = s;
    if (!s) return tk_fail_memory(error, "the step distance");
    memcpy(s->image, b->input.size, sizeof s->image);
    s->distance = tk_distance_of(spacing, s->image);
    s->border = tk_params_bool(b->params, "border");
    return take_limit(b, spacing, s, error);
}

/* Along an axis of one voxel there is no border: a plane has distances within it. */
static bool has_border(const distance_state *s, int axis) { return s->border && s->image[axis] > 1; }

/* The distance in a box of the image. */
static tk_distance distance_within(const distance_state *s, const tk_box *box) {
    tk_distance d = s->distance;
    for (int a = 0; a < 3; a++) {
        d.outside[a][0] = has_border(s, a) && box->lo[a] == 0;
        d.outside[a][1] = has_border(s, a) && box->hi[a] == s->image[a];
    }
    return d;
}

/* --- Tile by tile ------------------------------------------------------------------------------------------------- */

static void halo(const void *state, int64_t halo[3]) {
    const distance_state *s = state;
    memcpy(halo, s->halo, sizeof s->halo);
}

static size_t passes_scratch(const distance_state *s, const int64_t size[3], int64_t planes) {
    const size_t a = tk_distance_planes_scratch(&s->distance, size, PLANNED_THREADS);
    const size_t b = tk_distance_columns_scratch(&s->distance, planes, PLANNED_THREADS);
    return a > b ? a : b;
}

static size_t squares(const distance_state *s, int64_t planes, int64_t rows) {
    return tk_scratch_cost(planes * rows * s->image[TK_X], s->distance.element);
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    const distance_state *s = state;
    if (!s->limited) return (tk_need){0};
    const int64_t count = in[TK_Z] * in[TK_Y] * in[TK_X];
    return (tk_need){
        .scratch = tk_size_add(tk_scratch_cost(count, s->distance.element) + tk_scratch_cost(count, sizeof(float)),
                               passes_scratch(s, in, in[TK_Z]))};
}

static double cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    (void)state;
    (void)largest;
    return 6.0 * (double)(in[TK_Z] * in[TK_Y] * in[TK_X]);
}

/* Cuts the core out of distances over the whole block. */
static void copy_part(const float *from, const tk_box *box, tk_block *out) {
    const int64_t size[3] = {tk_box_size(box, 0), tk_box_size(box, 1), tk_box_size(box, 2)};
    const tk_cview_f32 all = {from, {size[0], size[1], size[2]}, {size[1] * size[2], size[2], 1}};
    const tk_cview_f32 part = tk_ccrop_f32(all, box, &out->box);
    for (int64_t z = 0; z < out->f32.size[TK_Z]; z++)
        for (int64_t y = 0; y < out->f32.size[TK_Y]; y++)
            memcpy(out->f32.data + z * out->f32.stride[TK_Z] + y * out->f32.stride[TK_Y],
                   part.data + z * part.stride[TK_Z] + y * part.stride[TK_Y],
                   (size_t)out->f32.size[TK_X] * sizeof(float));
}

static tk_status apply_within(const distance_state *s, const tk_block *in, tk_block *out, tk_work *work) {
    const tk_cview_u8 mask = tk_read_u8(in->u8);
    const int64_t count = tk_box_count(&in->box);
    void *squared = tk_scratch_take(&work->scratch, count, s->distance.element);
    float *distances = tk_scratch_take(&work->scratch, count, sizeof *distances);
    if (!squared || !distances) return TK_NO_MEMORY;
    const tk_distance d = distance_within(s, &in->box);
    TK_TRY(tk_distance_planes(&d, mask, squared, work));
    TK_TRY(tk_distance_columns(&d, mask.size[TK_Z], mask.size[TK_Y], mask.size[TK_X], squared, work));
    tk_distance_root(&s->distance, squared, count, s->limit, distances, work);
    copy_part(distances, &in->box, out);
    return TK_OK;
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = apply_within(state, in[0], out, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

/* --- The whole image ---------------------------------------------------------------------------------------------- */

static bool whole(const void *state) { return !((const distance_state *)state)->limited; }

static int64_t share(int64_t size, int ranks, int rank) { return size * rank / ranks; }

static tk_solve_need solve_bytes(const void *state, const int64_t image[3], int ranks) {
    const distance_state *s = state;
    const int64_t planes = (image[TK_Z] + ranks - 1) / ranks, rows = (image[TK_Y] + ranks - 1) / ranks;
    const size_t mine = squares(s, planes, image[TK_Y]), columns = squares(s, image[TK_Z], rows);
    const size_t plane = tk_scratch_cost(image[TK_Y] * image[TK_X], sizeof(float));
    const size_t lists = 2 * tk_scratch_cost(ranks, sizeof(int64_t));
    const double all = (double)image[TK_Z] * (double)image[TK_Y] * (double)image[TK_X];
    return (tk_solve_need){.scratch = mine + (ranks > 1 ? mine + columns : 0) + plane + lists +
                                      passes_scratch(s, image, image[TK_Z]),
                           .moved = 2 * all * (double)s->distance.element};
}

static double solve_cost(const void *state, const int64_t image[3]) { return cost(state, image, image); }

/* One rank's part. */
typedef struct job {
    const distance_state *s;
    tk_distance distance; /* in the whole image */
    tk_field *field;
    tk_work *work;
    tk_error *error;
    int rank, ranks;
    int64_t first, end, rows;     /* planes, and how many rows of columns */
    char *mine, *moved, *columns; /* squared distances: planes, those packed by ranks, columns */
    float *plane;
    int64_t *out, *in; /* bytes to and from each rank */
} job;

static size_t row_bytes(const job *j) { return (size_t)j->s->image[TK_X] * j->s->distance.element; }

static tk_status take_memory(job *j) {
    const int64_t *image = j->s->image, planes = j->end - j->first;
    tk_scratch *scratch = &j->work->scratch;
    j->out = tk_scratch_take(scratch, j->ranks, sizeof *j->out);
    j->in = tk_scratch_take(scratch, j->ranks, sizeof *j->in);
    j->plane = tk_scratch_take(scratch, image[TK_Y] * image[TK_X], sizeof *j->plane);
    j->mine = tk_scratch_take(scratch, planes * image[TK_Y] * image[TK_X], j->s->distance.element);
    if (!j->out || !j->in || !j->plane || !j->mine) return TK_NO_MEMORY;
    if (j->ranks == 1) return TK_OK;
    j->moved = tk_scratch_take(scratch, planes * image[TK_Y] * image[TK_X], j->s->distance.element);
    j->columns = tk_scratch_take(scratch, image[TK_Z] * j->rows * image[TK_X], j->s->distance.element);
    return j->moved && j->columns ? TK_OK : TK_NO_MEMORY;
}

/* Plane by plane, so that the mask is never in memory whole; *any: is there background? */
static tk_status along_planes(const job *j, bool *any) {
    const int64_t *image = j->s->image, area = image[TK_Y] * image[TK_X], size[3] = {1, image[TK_Y], image[TK_X]};
    const int64_t stride[3] = {area, image[TK_X], 1};
    uint8_t *mask = (uint8_t *)j->plane;
    for (int64_t z = j->first; z < j->end; z++) {
        const tk_box box = {{z, 0, 0}, {z + 1, image[TK_Y], image[TK_X]}};
        TK_TRY(tk_field_read(j->field, &box, mask, stride, j->error));
        *any = *any || memchr(mask, 0, (size_t)area);
        TK_TRY(tk_distance_planes(&j->distance, tk_read_u8(tk_dense_u8(mask, size)),
                                  j->mine + (size_t)((z - j->first) * image[TK_Y]) * row_bytes(j), j->work));
    }
    return TK_OK;
}

/* The rows of a plane that rank r has. */
static int64_t rows_of(const job *j, int r, int64_t *begin) {
    *begin = share(j->s->image[TK_Y], j->ranks, r);
    return share(j->s->image[TK_Y], j->ranks, r + 1) - *begin;
}

/* Copies between planes and what is packed for each rank; also counts the bytes of both directions. */
static void pack(const job *j, bool back) {
    const int64_t planes = j->end - j->first;
    const size_t row = row_bytes(j);
    char *packed = j->moved;
    for (int r = 0; r < j->ranks; r++) {
        int64_t begin = 0;
        const int64_t rows = rows_of(j, r, &begin);
        for (int64_t z = 0; z < planes; z++, packed += (size_t)rows * row) {
            char *plane = j->mine + (size_t)(z * j->s->image[TK_Y] + begin) * row;
            memcpy(back ? plane : packed, back ? packed : plane, (size_t)rows * row);
        }
        const int64_t theirs = share(j->s->image[TK_Z], j->ranks, r + 1) - share(j->s->image[TK_Z], j->ranks, r);
        j->out[r] = (int64_t)((size_t)(planes * rows) * row);
        j->in[r] = (int64_t)((size_t)(theirs * j->rows) * row);
    }
}

static tk_status along_columns(const job *j) {
    const int64_t *image = j->s->image;
    if (j->ranks == 1)
        return tk_distance_columns(&j->distance, image[TK_Z], image[TK_Y], image[TK_X], j->mine, j->work);
    pack(j, false);
    tk_field_exchange(j->field, j->moved, j->out, j->columns, j->in);
    TK_TRY(tk_distance_columns(&j->distance, image[TK_Z], j->rows, image[TK_X], j->columns, j->work));
    tk_field_exchange(j->field, j->columns, j->in, j->moved, j->out);
    pack(j, true);
    return TK_OK;
}

static tk_status write_planes(const job *j) {
    const int64_t *image = j->s->image, area = image[TK_Y] * image[TK_X], stride[3] = {area, image[TK_X], 1};
    for (int64_t z = j->first; z < j->end; z++) {
        const tk_box box = {{z, 0, 0}, {z + 1, image[TK_Y], image[TK_X]}};
        tk_distance_root(&j->s->distance, j->mine + (size_t)((z - j->first) * image[TK_Y]) * row_bytes(j), area,
                         INFINITY, j->plane, j->work);
        TK_TRY(tk_field_write(j->field, &box, j->plane, stride, j->error));
    }
    return TK_OK;
}

static tk_status solve_within(job *j) {
    bool any = has_border(j->s, TK_Z) || has_border(j->s, TK_Y) || has_border(j->s, TK_X);
    TK_TRY(take_memory(j));
    TK_TRY(along_planes(j, &any));
    double background = any;
    tk_field_sum(j->field, &background, 1);
    if (background == 0)
        return tk_fail(
            j->error, TK_UNSOLVABLE,
            "distance: the mask has no background, from which distances could be taken; give a limit, or border: true");
    TK_TRY(along_columns(j));
    return write_planes(j);
}

static tk_status solve(const void *state, tk_field *field, tk_work *work, tk_error *error) {
    const distance_state *s = state;
    const tk_box all = tk_box_of_size(s->image);
    job j = {.s = s, .distance = distance_within(s, &all), .field = field, .work = work, .error = error};
    j.rank = tk_field_rank(field);
    j.ranks = tk_field_ranks(field);
    j.first = share(s->image[TK_Z], j.ranks, j.rank);
    j.end = share(s->image[TK_Z], j.ranks, j.rank + 1);
    j.rows = share(s->image[TK_Y], j.ranks, j.rank + 1) - share(s->image[TK_Y], j.ranks, j.rank);
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = solve_within(&j);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

const tk_step tk_step_distance = {
    .name = "distance",
    .version = 1,
    .summary = "distance of each voxel of an object to the background",
    .citation =
        "A. Meijster et al., in: Mathematical Morphology and its Applications to Image and Signal Processing, 2000",
    .exact = true,
    .example = "{}",
    .input = TK_KIND_MASK,
    .output = TK_KIND_IMAGE,
    .params = params,
    .bind = bind,
    .release = free,
    .halo = halo,
    .bytes = bytes,
    .cost = cost,
    .apply = apply,
    .whole = whole,
    .solve_bytes = solve_bytes,
    .solve_cost = solve_cost,
    .solve = solve,
};
