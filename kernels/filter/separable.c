/* Banks of separable filters (separable.h), blocked for the cache.
 *
 * The output is cut into strips, STRIP_Y rows by STRIP_X voxels of one plane. For each, the rows that its y filters
 * will read are filtered along z into buffers, those along y into a line, and the line along x into the output. All
 * three are sums of rows (fir.h): planes apart, rows apart, or one voxel apart. A thread walks along z with its strip,
 * so that the 2 r + 1 planes it reads stay in the cache. Mirroring at the image's border is done by choosing rows and
 * by copying the ends of the line; nothing else knows of it. */
#include "kernels/filter/separable.h"

#include <omp.h>

#include "kernels/filter/fir.h"
#include "kernels/filter/strips.h"

enum { STRIP_Y = 32, STRIP_X = 256, CHUNK_Z = 32 };

/* What all threads share. */
typedef struct job {
    const tk_separable *bank;
    const tk_fir_kernels *fir;
    tk_isa isa;
    const tk_box *image, *in_box, *out_box;
    const tk_cview_f32 *in;
    const tk_view_f32 *out;
    int64_t strip[3], radius[3]; /* z y x */
    int64_t size[3];             /* of the input block */
} job;

/* What one thread works in. */
typedef struct lane {
    float *plane;      /* for each input and z filter: strip[y] + 2 r rows, filtered along z */
    float *line;       /* strip[x] + 2 r voxels, filtered along z and y */
    float *row;        /* for each component: strip[x] voxels, filtered along all axes */
    const float **tap; /* 2 r + 1 pointers */
    int64_t pitch;     /* voxels from row to row of the plane */
    int64_t rows;      /* of one plane */
} lane;

void tk_separable_radius(const tk_separable *bank, int64_t radius[3]) {
    for (int a = 0; a < 3; a++) {
        radius[a] = 0;
        for (int c = 0; c < bank->components; c++) radius[a] = tk_most(radius[a], bank->component[c].along[a]->radius);
    }
}

/* Does component c need other planes than the one before it … */
static bool other_plane(const tk_separable *bank, int c) {
    const tk_separable_component *now = &bank->component[c], *before = now - 1;
    return c == 0 || now->input != before->input || now->along[TK_Z] != before->along[TK_Z];
}

/* … or another line? */
static bool other_line(const tk_separable *bank, int c) {
    return other_plane(bank, c) || bank->component[c].along[TK_Y] != bank->component[c - 1].along[TK_Y];
}

static int planes_of(const tk_separable *bank) {
    int planes = 0;
    for (int c = 0; c < bank->components; c++) planes += other_plane(bank, c);
    return planes;
}

/* Strips at least twice as wide as the halo that is filtered with them. */
static void strip_of(const int64_t radius[3], int64_t strip[3]) {
    strip[TK_Z] = CHUNK_Z;
    strip[TK_Y] = tk_most(STRIP_Y, 2 * radius[TK_Y]);
    strip[TK_X] = tk_most(STRIP_X, 4 * radius[TK_X]);
}

/* Voxels that a strip and its halo span along an axis, mirrored ones included. */
static int64_t span(const job *j, int axis) { return tk_least(j->strip[axis], j->size[axis]) + 2 * j->radius[axis]; }

static int64_t pointers(const job *j) {
    return 2 * tk_most(tk_most(j->radius[TK_Z], j->radius[TK_Y]), j->radius[TK_X]) + 1;
}

static size_t lane_cost(const job *j) {
    const int64_t rows = span(j, TK_Y), columns = span(j, TK_X);
    const size_t plane = tk_scratch_cost(planes_of(j->bank) * rows * columns, sizeof(float));
    const size_t line = tk_scratch_cost(columns, sizeof(float));
    const size_t row = tk_scratch_cost(j->bank->components * j->strip[TK_X], sizeof(float));
    const size_t tap = tk_scratch_cost(pointers(j), sizeof(float *));
    return tk_size_add(tk_size_add(plane, line), tk_size_add(row, tap));
}

static job job_for(const tk_separable *bank, const int64_t in[3]) {
    job j = {.bank = bank, .size = {in[0], in[1], in[2]}};
    tk_separable_radius(bank, j.radius);
    strip_of(j.radius, j.strip);
    return j;
}

size_t tk_separable_scratch(const tk_separable *bank, const int64_t in[3], int threads) {
    const job j = job_for(bank, in);
    const size_t cost = lane_cost(&j);
    if (cost > SIZE_MAX / (size_t)threads) return SIZE_MAX;
    return tk_size_add(cost * (size_t)threads, tk_scratch_cost(threads, sizeof(lane)));
}

/* The row of an input through (z, y), mirrored, from column x on; x is inside the input. */
static const float *input_row(const job *j, int input, int64_t z, int64_t y, int64_t x) {
    const tk_cview_f32 *in = &j->in[input];
    const int64_t at[3] = {tk_mirror(z, j->image->hi[TK_Z]), tk_mirror(y, j->image->hi[TK_Y]), x};
    const int64_t *lo = j->in_box->lo;
    return in->data + (at[0] - lo[0]) * in->stride[0] + (at[1] - lo[1]) * in->stride[1] + at[2] - lo[2];
}

/* Sums the rows that l->tap points to. */
static void sum_taps(const job *j, const lane *l, const tk_fir *f, int64_t count, float *out) {
    (f->odd ? j->fir->antisymmetric : j->fir->symmetric)(l->tap, f->taps, f->radius, count, out);
}

/* Filters the rows y0 .. y1-1 of one input along z, from column x on. */
static void filter_plane(const job *j, const lane *l, const tk_separable_component *c, int64_t z, const int64_t y[2],
                         const int64_t x[2], float *plane) {
    const tk_fir *f = c->along[TK_Z];
    for (int64_t row = y[0]; row < y[1]; row++, plane += l->pitch) {
        for (int64_t k = -f->radius; k <= f->radius; k++)
            l->tap[k + f->radius] = input_row(j, c->input, z + k, row, x[0]);
        sum_taps(j, l, f, x[1] - x[0], plane);
    }
}

/* Filters one row along y and x: row `y` of the planes, columns `x` of which lie in the image. */
static void filter_row(const job *j, const lane *l, const tk_box *strip, int64_t y, const int64_t x[2],
                       float *const row[]) {
    const int64_t *r = j->radius, start = strip->lo[TK_X] - r[TK_X], stop = strip->hi[TK_X] + r[TK_X];
    const float *plane = l->plane - l->rows * l->pitch;
    for (int c = 0; c < j->bank->components; c++) {
        const tk_fir *along_y = j->bank->component[c].along[TK_Y], *along_x = j->bank->component[c].along[TK_X];
        if (other_plane(j->bank, c)) plane += l->rows * l->pitch;
        if (other_line(j->bank, c)) {
            const int64_t first = y - strip->lo[TK_Y] + r[TK_Y] - along_y->radius;
            for (int64_t k = 0; k <= 2 * along_y->radius; k++) l->tap[k] = plane + (first + k) * l->pitch;
            sum_taps(j, l, along_y, x[1] - x[0], l->line + x[0] - start);
            tk_mirror_ends(l->line, start, stop, x[0], x[1], j->image->hi[TK_X]);
        }
        for (int64_t k = 0; k <= 2 * along_x->radius; k++) l->tap[k] = l->line + r[TK_X] - along_x->radius + k;
        sum_taps(j, l, along_x, strip->hi[TK_X] - strip->lo[TK_X], row[c]);
    }
}

/* Where the strip's part of an output row begins; NULL when nobody wants it. */
static float *output_row(const job *j, int output, int64_t z, int64_t y, int64_t x) {
    const tk_view_f32 *out = &j->out[output];
    const int64_t *lo = j->out_box->lo;
    return out->data
               ? out->data + (z - lo[TK_Z]) * out->stride[TK_Z] + (y - lo[TK_Y]) * out->stride[TK_Y] + x - lo[TK_X]
               : NULL;
}

/* One strip of one plane. */
static void filter_strip(const job *j, const lane *l, const tk_box *strip, int64_t z) {
    const tk_separable *bank = j->bank;
    const int64_t *r = j->radius, x0 = strip->lo[TK_X], count = strip->hi[TK_X] - x0;
    const int64_t x[2] = {tk_most(x0 - r[TK_X], 0), tk_least(strip->hi[TK_X] + r[TK_X], j->image->hi[TK_X])};
    const int64_t y[2] = {strip->lo[TK_Y] - r[TK_Y], strip->hi[TK_Y] + r[TK_Y]};
    float *plane = l->plane, *row[TK_SEPARABLE_MOST], *out[TK_SEPARABLE_MOST];
    for (int c = 0; c < bank->components; c++)
        if (other_plane(bank, c)) {
            filter_plane(j, l, &bank->component[c], z, y, x, plane);
            plane += l->rows * l->pitch;
        }
    for (int c = 0; c < bank->components; c++) row[c] = l->row + c * j->strip[TK_X];
    for (int64_t at = strip->lo[TK_Y]; at < strip->hi[TK_Y]; at++) {
        for (int o = 0; o < bank->outputs; o++) out[o] = output_row(j, o, z, at, x0);
        filter_row(j, l, strip, at, x, bank->combine ? row : out);
        if (bank->combine) bank->combine(bank->context, j->isa, (const float *const *)row, count, out);
    }
}

static void run(const job *j, const lane *lanes, int threads) {
    int64_t grid[3];
    const int64_t strips = tk_strips(j->out_box, j->strip, grid);
#pragma omp parallel num_threads(threads)
    {
        const lane *l = &lanes[omp_get_thread_num()];
#pragma omp for schedule(dynamic)
        for (int64_t n = 0; n < strips; n++) {
            const tk_box strip = tk_strip_at(j->out_box, j->strip, grid, n);
            for (int64_t z = strip.lo[TK_Z]; z < strip.hi[TK_Z]; z++) filter_strip(j, l, &strip, z);
        }
    }
}

/* Takes the buffers of one thread. */
static tk_status take_lane(const job *j, tk_scratch *scratch, lane *l) {
    l->pitch = span(j, TK_X);
    l->rows = span(j, TK_Y);
    l->plane = tk_scratch_take(scratch, planes_of(j->bank) * l->rows * l->pitch, sizeof(float));
    l->line = tk_scratch_take(scratch, l->pitch, sizeof(float));
    l->row = tk_scratch_take(scratch, j->bank->components * j->strip[TK_X], sizeof(float));
    l->tap = tk_scratch_take(scratch, pointers(j), sizeof(float *));
    return l->plane && l->line && l->row && l->tap ? TK_OK : TK_NO_MEMORY;
}

static tk_status run_in_lanes(const job *j, tk_work *work) {
    lane *lanes = tk_scratch_take(&work->scratch, work->threads, sizeof(lane));
    if (!lanes) return TK_NO_MEMORY;
    const int threads = tk_work_lanes(work, lane_cost(j));
    if (threads < 1) return TK_NO_MEMORY;
    for (int t = 0; t < threads; t++) TK_TRY(take_lane(j, &work->scratch, &lanes[t]));
    run(j, lanes, threads);
    return TK_OK;
}

tk_status tk_separable_apply(const tk_separable *bank, const tk_box *image, const tk_box *in_box,
                             const tk_cview_f32 in[], const tk_box *out_box, const tk_view_f32 out[], tk_work *work) {
    job j = job_for(bank, in[0].size);
    const tk_box needed = tk_box_grow(out_box, j.radius, image);
    if (!tk_box_contains(in_box, &needed)) return TK_FAILED;
    for (int o = 0; !bank->combine && o < bank->outputs; o++)
        if (!out[o].data) return TK_FAILED;
    j.fir = TK_ISA_SELECT(tk_fir, work->isa), j.isa = work->isa;
    j.image = image, j.in_box = in_box, j.out_box = out_box;
    j.in = in, j.out = out;
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = run_in_lanes(&j, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
