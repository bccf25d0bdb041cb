/* Grey-value morphology (morphology.h).
 *
 * A block is copied with all its halo, mirrored where the image ends, and eroded in this copy; dilation is erosion of
 * the negative. Voxel 0 of what is eroded is the one that is a radius further in, so that windows only look ahead and
 * rows can be worked on in place: windows of a box double until they are wide enough. A ball is taken by groups of rows
 * of the same width: the image's rows are eroded along x for each width, and the minimum of shifted rows is taken. */
#include "kernels/morphology/morphology.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/filter/ball.h"
#include "kernels/filter/strips.h"
#include "kernels/morphology/lowest.h"

enum { CHUNK = 256 };

/* What is eroded: rows of `pitch` voxels, planes of `plane`; `size` shrinks. */
typedef struct volume {
    float *data;
    int64_t size[3], pitch, plane;
} volume;

/* A row of the ball: 2 half + 1 voxels. */
typedef struct ball_row {
    int32_t z, y, half;
} ball_row;

/* What all threads share. */
typedef struct job {
    const tk_morphology *how;
    const tk_lowest_kernels *kernels;
    const tk_box *image, *in_box, *out_box;
    tk_cview_f32 in;
    tk_view_f32 out;
    volume now, next, slid; /* the last two for balls */
    ball_row *rows;
    int64_t row_count;
    float *lines; /* for paraboloids, one row a thread */
    int threads;
} job;

/* Rows of which the minimum is wanted. */
typedef struct batch {
    const float *rows[TK_LOWEST_ROWS];
    float weights[TK_LOWEST_ROWS];
    float *out;
    int64_t count;
    int n;
} batch;

/* --- Sizes -------------------------------------------------------------------------------------------------------- */

static bool is_double(const tk_morphology *how) { return how->operation >= TK_MORPHOLOGY_OPEN; }

void tk_morphology_halo(const tk_morphology *how, int64_t halo[3]) {
    for (int a = 0; a < 3; a++) halo[a] = (is_double(how) ? 2 : 1) * how->radius[a];
}

/* Has the ball a row of 2 half + 1 voxels there? */
static bool is_row(const int64_t radius[3], int64_t z, int64_t y, int64_t half) {
    if (!tk_in_ball(radius, (const int64_t[3]){z, y, half})) return false;
    return half == radius[TK_X] || !tk_in_ball(radius, (const int64_t[3]){z, y, half + 1});
}

/* Lists the ball's rows by width, where there is a list, and counts them. */
static int64_t list_rows(const int64_t r[3], ball_row *rows) {
    int64_t n = 0;
    for (int64_t half = 0; half <= r[TK_X]; half++)
        for (int64_t z = -r[TK_Z]; z <= r[TK_Z]; z++)
            for (int64_t y = -r[TK_Y]; y <= r[TK_Y]; y++) {
                if (!is_row(r, z, y, half)) continue;
                if (rows) rows[n] = (ball_row){(int32_t)z, (int32_t)y, (int32_t)half};
                n++;
            }
    return n;
}

int64_t tk_morphology_rows(const tk_morphology *how) {
    if (how->shape == TK_MORPHOLOGY_BALL) return list_rows(how->radius, NULL);
    return (2 * how->radius[TK_Z] + 1) * (2 * how->radius[TK_Y] + 1);
}

static size_t scratch_of(const tk_morphology *how, const int64_t padded[3], int threads) {
    const size_t one = tk_scratch_cost(padded[0] * padded[1] * padded[2], sizeof(float));
    if (how->shape == TK_MORPHOLOGY_BOX) return one;
    if (how->shape == TK_MORPHOLOGY_PARABOLOID)
        return tk_size_add(one, (size_t)threads * tk_scratch_cost(padded[TK_X], sizeof(float)));
    return tk_size_add(tk_size_add(one, tk_size_add(one, one)),
                       tk_scratch_cost(tk_morphology_rows(how), sizeof(ball_row)));
}

size_t tk_morphology_scratch(const tk_morphology *how, const int64_t image[3], const int64_t in[3], int threads) {
    int64_t padded[3];
    tk_morphology_halo(how, padded);
    /* The input ends early on one side where it does not span the image, on both where it does. */
    for (int a = 0; a < 3; a++) padded[a] = in[a] + (in[a] < image[a] ? 1 : 2) * padded[a];
    return scratch_of(how, padded, threads);
}

/* --- In and out --------------------------------------------------------------------------------------------------- */

static float *row_at(const volume *v, int64_t z, int64_t y) { return v->data + z * v->plane + y * v->pitch; }

/* Zeros are made positive, since minima must not depend on the order of theirs. */
static void fill_row(const float *from, int64_t count, bool negative, float *to) {
    if (negative)
        for (int64_t x = 0; x < count; x++) to[x] = fabsf(from[x]) < INFINITY ? 0.0F - from[x] : INFINITY;
    else
        for (int64_t x = 0; x < count; x++) to[x] = fabsf(from[x]) < INFINITY ? from[x] + 0.0F : INFINITY;
}

/* Copies the block and its halo, mirrored. */
static void fill(const job *j, const int64_t halo[3], bool negative) {
    const volume *v = &j->now;
    const int64_t *lo = j->in_box->lo, *size = j->image->hi;
    const int64_t start = j->out_box->lo[TK_X] - halo[TK_X], stop = start + v->size[TK_X];
    const int64_t first = tk_most(start, 0), last = tk_least(stop, size[TK_X]);
    if (size[TK_X] < 1 || first >= last) return; /* an empty image */
#pragma omp parallel for collapse(2) schedule(static) num_threads(j->threads)
    for (int64_t z = 0; z < v->size[TK_Z]; z++)
        for (int64_t y = 0; y < v->size[TK_Y]; y++) {
            const int64_t at_z = tk_mirror(j->out_box->lo[TK_Z] - halo[TK_Z] + z, size[TK_Z]) - lo[TK_Z];
            const int64_t at_y = tk_mirror(j->out_box->lo[TK_Y] - halo[TK_Y] + y, size[TK_Y]) - lo[TK_Y];
            const float *from = j->in.data + at_z * j->in.stride[TK_Z] + at_y * j->in.stride[TK_Y];
            float *to = row_at(v, z, y);
            fill_row(from + first - lo[TK_X], last - first, negative, to + first - start);
            tk_mirror_ends(to, start, stop, first, last, size[TK_X]);
        }
}

/* What was left out stays so. */
static void negate(const job *j) {
    const volume *v = &j->now;
#pragma omp parallel for collapse(2) schedule(static) num_threads(j->threads)
    for (int64_t z = 0; z < v->size[TK_Z]; z++)
        for (int64_t y = 0; y < v->size[TK_Y]; y++) fill_row(row_at(v, z, y), v->size[TK_X], true, row_at(v, z, y));
}

static void finish_row(const job *j, const float *from, const float *in, int64_t count, bool negative, float *out) {
    const tk_morphology_operation operation = j->how->operation;
    const float sign = negative ? -1.0F : 1.0F;
    for (int64_t x = 0; x < count; x++) out[x] = from[x] < INFINITY ? sign * from[x] + 0.0F : NAN;
    if (operation == TK_MORPHOLOGY_TOPHAT)
        for (int64_t x = 0; x < count; x++) out[x] = in[x] - out[x];
    if (operation == TK_MORPHOLOGY_BOTTOMHAT)
        for (int64_t x = 0; x < count; x++) out[x] = out[x] - in[x];
}

static void finish(const job *j, bool negative) {
    const volume *v = &j->now;
    const tk_cview_f32 in = tk_ccrop_f32(j->in, j->in_box, j->out_box);
#pragma omp parallel for collapse(2) schedule(static) num_threads(j->threads)
    for (int64_t z = 0; z < v->size[TK_Z]; z++)
        for (int64_t y = 0; y < v->size[TK_Y]; y++)
            finish_row(j, row_at(v, z, y), in.data + z * in.stride[TK_Z] + y * in.stride[TK_Y], v->size[TK_X], negative,
                       j->out.data + z * j->out.stride[TK_Z] + y * j->out.stride[TK_Y]);
}

/* --- Minima of many rows ------------------------------------------------------------------------------------------ */

/* Starts anew with what was found so far. */
static void flush(const job *j, batch *b) {
    j->kernels->lowest(b->rows, b->weights, b->count, b->out);
    b->rows[0] = b->out;
    b->weights[0] = 0;
    b->n = 1;
}

static void push(const job *j, batch *b, const float *row, float weight) {
    if (b->n == TK_LOWEST_ROWS) flush(j, b);
    b->rows[b->n] = row;
    b->weights[b->n++] = weight;
}

/* The last row again and again changes nothing. */
static void end(const job *j, batch *b) {
    for (const int last = b->n - 1; b->n < TK_LOWEST_ROWS; b->n++) {
        b->rows[b->n] = b->rows[last];
        b->weights[b->n] = b->weights[last];
    }
    flush(j, b);
}

/* --- Along an axis ------------------------------------------------------------------------------------------------ */

/* Rows of `count` voxels, `step` apart: row i becomes the minimum of `window` rows from i on. */
static void slide(const job *j, float *rows, int64_t n, int64_t step, int64_t count, int64_t window) {
    int64_t have = 1;
    while (have < window) {
        const int64_t more = tk_least(have, window - have);
        have += more;
        for (int64_t i = 0; i + have <= n; i++) j->kernels->lower(rows + i * step, rows + (i + more) * step, count);
    }
}

/* The same along x, for one row of n voxels. */
static void slide_row(const job *j, float *row, int64_t n, int64_t window) {
    int64_t have = 1;
    while (have < window) {
        const int64_t more = tk_least(have, window - have);
        have += more;
        j->kernels->lower(row, row + more, n - have + 1);
    }
}

/* b(d) along one axis, d from the centre. */
static float height_at(const tk_morphology *how, int axis, int64_t d) {
    const double part = (double)d / (double)tk_most(how->radius[axis], 1);
    return (float)(how->height * (part * part));
}

/* As slide, with a parabola. */
static void bend(const job *j, float *rows, int64_t n, int64_t step, int64_t count, int axis) {
    const int64_t r = j->how->radius[axis];
    for (int64_t i = 0; i + 2 * r < n; i++) {
        batch b = {.out = rows + i * step, .count = count};
        for (int64_t k = 0; k <= 2 * r; k++) push(j, &b, rows + (i + k) * step, height_at(j->how, axis, k - r));
        end(j, &b);
    }
}

static void bend_row(const job *j, float *row, int64_t n) {
    const int64_t r = j->how->radius[TK_X];
    float *line = j->lines + omp_get_thread_num() * j->now.pitch;
    batch b = {.out = row, .count = n - 2 * r};
    memcpy(line, row, (size_t)n * sizeof *line);
    for (int64_t k = 0; k <= 2 * r; k++) push(j, &b, line + k, height_at(j->how, TK_X, k - r));
    end(j, &b);
}

/* Erodes along z or y, chunk by chunk of what lies across. */
static void erode_across(const job *j, const volume *v, int axis) {
    const int other = axis == TK_Z ? TK_Y : TK_Z;
    const int64_t step = axis == TK_Z ? v->plane : v->pitch, apart = axis == TK_Z ? v->pitch : v->plane;
    const int64_t chunks = (v->size[TK_X] + CHUNK - 1) / CHUNK;
#pragma omp parallel for collapse(2) schedule(static) num_threads(j->threads)
    for (int64_t i = 0; i < v->size[other]; i++)
        for (int64_t c = 0; c < chunks; c++) {
            float *rows = v->data + i * apart + c * CHUNK;
            const int64_t count = tk_least(CHUNK, v->size[TK_X] - c * CHUNK);
            if (j->how->shape == TK_MORPHOLOGY_PARABOLOID)
                bend(j, rows, v->size[axis], step, count, axis);
            else
                slide(j, rows, v->size[axis], step, count, 2 * j->how->radius[axis] + 1);
        }
}

static void erode_along(const job *j, const volume *v) {
#pragma omp parallel for collapse(2) schedule(static) num_threads(j->threads)
    for (int64_t z = 0; z < v->size[TK_Z]; z++)
        for (int64_t y = 0; y < v->size[TK_Y]; y++) {
            if (j->how->shape == TK_MORPHOLOGY_PARABOLOID)
                bend_row(j, row_at(v, z, y), v->size[TK_X]);
            else
                slide_row(j, row_at(v, z, y), v->size[TK_X], 2 * j->how->radius[TK_X] + 1);
        }
}

static void erode_separably(job *j) {
    volume *v = &j->now;
    for (int a = TK_Z; a <= TK_X; a++) {
        if (j->how->radius[a] == 0) continue;
        if (a == TK_X)
            erode_along(j, v);
        else
            erode_across(j, v, a);
        v->size[a] -= 2 * j->how->radius[a];
    }
}

/* --- With a ball -------------------------------------------------------------------------------------------------- */

/* All rows of the volume eroded along x. */
static void slide_all(const job *j, int64_t half) {
    const volume *v = &j->now;
#pragma omp parallel for collapse(2) schedule(static) num_threads(j->threads)
    for (int64_t z = 0; z < v->size[TK_Z]; z++)
        for (int64_t y = 0; y < v->size[TK_Y]; y++) {
            float *to = row_at(&j->slid, z, y);
            memcpy(to, row_at(v, z, y), (size_t)v->size[TK_X] * sizeof *to);
            slide_row(j, to, v->size[TK_X], 2 * half + 1);
        }
}

/* Rows first .. end-1 of the ball, all of one width. */
static void take_rows(const job *j, int64_t first, int64_t stop) {
    const volume *v = &j->next;
    const int64_t *r = j->how->radius;
#pragma omp parallel for collapse(2) schedule(static) num_threads(j->threads)
    for (int64_t z = 0; z < v->size[TK_Z]; z++)
        for (int64_t y = 0; y < v->size[TK_Y]; y++) {
            batch b = {.out = row_at(v, z, y), .count = v->size[TK_X]};
            if (first > 0) push(j, &b, b.out, 0);
            for (const ball_row *row = j->rows + first; row < j->rows + stop; row++)
                push(j, &b, row_at(&j->slid, z + r[TK_Z] + row->z, y + r[TK_Y] + row->y) + r[TK_X] - row->half, 0);
            end(j, &b);
        }
}

static void erode_by_ball(job *j) {
    for (int a = 0; a < 3; a++) j->next.size[a] = j->now.size[a] - 2 * j->how->radius[a];
    for (int64_t first = 0, stop = 0; first < j->row_count; first = stop) {
        while (stop < j->row_count && j->rows[stop].half == j->rows[first].half) stop++;
        slide_all(j, j->rows[first].half);
        take_rows(j, first, stop);
    }
    const volume done = j->next;
    j->next = j->now;
    j->now = done;
}

/* --- All of it ---------------------------------------------------------------------------------------------------- */

static void erode(job *j) {
    if (j->how->shape == TK_MORPHOLOGY_BALL)
        erode_by_ball(j);
    else
        erode_separably(j);
}

static void run(job *j, const int64_t halo[3]) {
    const tk_morphology_operation operation = j->how->operation;
    bool negative =
        operation == TK_MORPHOLOGY_DILATE || operation == TK_MORPHOLOGY_CLOSE || operation == TK_MORPHOLOGY_BOTTOMHAT;
    fill(j, halo, negative);
    erode(j);
    if (is_double(j->how)) {
        negate(j);
        negative = !negative;
        erode(j);
    }
    finish(j, negative);
}

static tk_status take_volume(const int64_t size[3], tk_scratch *scratch, volume *v) {
    *v = (volume){tk_scratch_take(scratch, size[0] * size[1] * size[2], sizeof(float)),
                  {size[0], size[1], size[2]},
                  size[TK_X],
                  size[TK_X] * size[TK_Y]};
    return v->data ? TK_OK : TK_NO_MEMORY;
}

static tk_status take_memory(job *j, const int64_t padded[3], tk_work *work) {
    tk_scratch *scratch = &work->scratch;
    TK_TRY(take_volume(padded, scratch, &j->now));
    if (j->how->shape == TK_MORPHOLOGY_PARABOLOID) {
        j->threads = tk_work_lanes(work, tk_scratch_cost(padded[TK_X], sizeof *j->lines));
        if (j->threads < 1) return TK_NO_MEMORY;
        j->lines = tk_scratch_take(scratch, j->threads * padded[TK_X], sizeof *j->lines);
        return j->lines ? TK_OK : TK_NO_MEMORY;
    }
    if (j->how->shape == TK_MORPHOLOGY_BOX) return TK_OK;
    TK_TRY(take_volume(padded, scratch, &j->next));
    TK_TRY(take_volume(padded, scratch, &j->slid));
    j->row_count = tk_morphology_rows(j->how);
    j->rows = tk_scratch_take(scratch, j->row_count, sizeof *j->rows);
    if (!j->rows) return TK_NO_MEMORY;
    list_rows(j->how->radius, j->rows);
    return TK_OK;
}

tk_status tk_morphology_apply(const tk_morphology *how, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                              const tk_box *out_box, tk_view_f32 out, tk_work *work) {
    int64_t halo[3], padded[3];
    tk_morphology_halo(how, halo);
    const tk_box needed = tk_box_grow(out_box, halo, image);
    if (!tk_box_contains(in_box, &needed)) return TK_FAILED;
    for (int a = 0; a < 3; a++) padded[a] = tk_box_size(out_box, a) + 2 * halo[a];
    job j = {.how = how,
             .kernels = TK_ISA_SELECT(tk_lowest, work->isa),
             .image = image,
             .in_box = in_box,
             .out_box = out_box,
             .in = in,
             .out = out,
             .threads = work->threads};
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = take_memory(&j, padded, work);
    if (status == TK_OK) run(&j, halo);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
