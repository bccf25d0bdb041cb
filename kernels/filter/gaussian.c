/* Separable Gaussian filter (equation in gaussian.h), blocked for the cache.
 *
 * The output is cut into strips, STRIP_Y rows by STRIP_X voxels of one plane. For each, the rows that its y filter will
 * read are filtered along z into a buffer, those along y into a line, and the line along x into the output. All three
 * are sums of rows (fir.h): planes apart, rows apart, or one voxel apart. A thread walks along z with its strip, so
 * that the 2 r + 1 planes it reads stay in the cache. Mirroring at the image's border is done by choosing rows and by
 * copying the ends of the line; nothing else knows of it. */
#include "kernels/filter/gaussian.h"

#include <math.h>
#include <omp.h>

#include "kernels/filter/fir.h"

enum { STRIP_Y = 32, STRIP_X = 256, CHUNK_Z = 32 };

/* What all threads share. */
typedef struct job {
    const tk_gaussian *gaussian;
    const tk_fir_kernels *fir;
    const tk_box *image, *in_box, *out_box;
    tk_cview_f32 in;
    tk_view_f32 out;
    int64_t strip[3]; /* z y x */
} job;

/* What one thread works in. */
typedef struct lane {
    float *plane;      /* strip[y] + 2 r rows, filtered along z */
    float *line;       /* strip[x] + 2 r voxels, filtered along z and y */
    const float **row; /* 2 r + 1 pointers */
    int64_t pitch;     /* voxels from row to row of the plane */
} lane;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t tk_gaussian_radius(double sigma) { return (int64_t)(4 * sigma + 0.5); }

void tk_gaussian_taps(double sigma, int64_t radius, float *taps) {
    double sum = 1;
    for (int64_t k = 1; k <= radius; k++) sum += 2 * exp(-0.5 * (double)(k * k) / (sigma * sigma));
    taps[0] = (float)(1 / sum);
    for (int64_t k = 1; k <= radius; k++) taps[k] = (float)(exp(-0.5 * (double)(k * k) / (sigma * sigma)) / sum);
}

/* Strips at least twice as wide as the halo that is filtered with them. */
static void strip_of(const tk_gaussian *gaussian, int64_t strip[3]) {
    strip[TK_Z] = CHUNK_Z;
    strip[TK_Y] = most(STRIP_Y, 2 * gaussian->radius[TK_Y]);
    strip[TK_X] = most(STRIP_X, 4 * gaussian->radius[TK_X]);
}

/* Voxels that a strip and its halo span along an axis of `size` voxels, mirrored ones included. */
static int64_t span(const tk_gaussian *gaussian, const int64_t strip[3], const int64_t size[3], int axis) {
    return least(strip[axis], size[axis]) + 2 * gaussian->radius[axis];
}

static int64_t pointers(const tk_gaussian *gaussian) {
    const int64_t *r = gaussian->radius;
    return 2 * most(most(r[TK_Z], r[TK_Y]), r[TK_X]) + 1;
}

static size_t lane_cost(const tk_gaussian *gaussian, const int64_t strip[3], const int64_t size[3]) {
    const int64_t rows = span(gaussian, strip, size, TK_Y), columns = span(gaussian, strip, size, TK_X);
    const size_t plane = tk_scratch_cost(rows * columns, sizeof(float));
    const size_t line = tk_scratch_cost(columns, sizeof(float));
    return tk_size_add(tk_size_add(plane, line), tk_scratch_cost(pointers(gaussian), sizeof(float *)));
}

size_t tk_gaussian_scratch(const tk_gaussian *gaussian, const int64_t in[3], int threads) {
    int64_t strip[3];
    strip_of(gaussian, strip);
    const size_t cost = lane_cost(gaussian, strip, in);
    if (cost > SIZE_MAX / (size_t)threads) return SIZE_MAX;
    return tk_size_add(cost * (size_t)threads, tk_scratch_cost(threads, sizeof(lane)));
}

/* The voxel of 0 .. size-1 that mirrors index i: period 2 size, each half the other backwards. */
static int64_t mirror(int64_t i, int64_t size) {
    if (i >= 0 && i < size) return i;
    int64_t m = i % (2 * size);
    if (m < 0) m += 2 * size;
    return m < size ? m : 2 * size - 1 - m;
}

/* The input row through (z, y), mirrored, from column x on; x is inside the input. */
static const float *input_row(const job *j, int64_t z, int64_t y, int64_t x) {
    const int64_t at[3] = {mirror(z, j->image->hi[TK_Z]), mirror(y, j->image->hi[TK_Y]), x};
    const int64_t *lo = j->in_box->lo;
    return j->in.data + (at[0] - lo[0]) * j->in.stride[0] + (at[1] - lo[1]) * j->in.stride[1] + at[2] - lo[2];
}

/* Fills the parts of the line that lie beyond the image: line[0] is column `start`, columns lo .. hi-1 are there. */
static void mirror_ends(float *line, int64_t start, int64_t stop, int64_t lo, int64_t hi, int64_t size) {
    for (int64_t x = start; x < lo; x++) line[x - start] = line[mirror(x, size) - start];
    for (int64_t x = hi; x < stop; x++) line[x - start] = line[mirror(x, size) - start];
}

/* One strip of one plane. */
static void filter_strip(const job *j, const lane *l, const tk_box *strip, int64_t z) {
    const tk_gaussian *g = j->gaussian;
    const int64_t *r = g->radius, width = j->image->hi[TK_X];
    const int64_t y0 = strip->lo[TK_Y], y1 = strip->hi[TK_Y], x0 = strip->lo[TK_X], x1 = strip->hi[TK_X];
    const int64_t start = x0 - r[TK_X], stop = x1 + r[TK_X], lo = most(start, 0), hi = least(stop, width);
    for (int64_t y = y0 - r[TK_Y]; y < y1 + r[TK_Y]; y++) {
        for (int64_t k = -r[TK_Z]; k <= r[TK_Z]; k++) l->row[k + r[TK_Z]] = input_row(j, z + k, y, lo);
        j->fir->symmetric(l->row, g->taps[TK_Z], r[TK_Z], hi - lo, l->plane + (y - y0 + r[TK_Y]) * l->pitch);
    }
    for (int64_t y = y0; y < y1; y++) {
        for (int64_t k = 0; k <= 2 * r[TK_Y]; k++) l->row[k] = l->plane + (y - y0 + k) * l->pitch;
        j->fir->symmetric(l->row, g->taps[TK_Y], r[TK_Y], hi - lo, l->line + lo - start);
        mirror_ends(l->line, start, stop, lo, hi, width);
        for (int64_t k = 0; k <= 2 * r[TK_X]; k++) l->row[k] = l->line + k;
        float *out = j->out.data + (z - j->out_box->lo[TK_Z]) * j->out.stride[TK_Z] +
                     (y - j->out_box->lo[TK_Y]) * j->out.stride[TK_Y] + x0 - j->out_box->lo[TK_X];
        j->fir->symmetric(l->row, g->taps[TK_X], r[TK_X], x1 - x0, out);
    }
}

/* The n-th of the strips that cover the output, x fastest. */
static tk_box strip_at(const job *j, const int64_t grid[3], int64_t n) {
    const int64_t at[3] = {n / (grid[1] * grid[2]), n / grid[2] % grid[1], n % grid[2]};
    tk_box strip;
    for (int a = 0; a < 3; a++) {
        strip.lo[a] = j->out_box->lo[a] + at[a] * j->strip[a];
        strip.hi[a] = least(strip.lo[a] + j->strip[a], j->out_box->hi[a]);
    }
    return strip;
}

static void run(const job *j, const lane *lanes, int threads) {
    int64_t grid[3], strips = 1;
    for (int a = 0; a < 3; a++) {
        grid[a] = (tk_box_size(j->out_box, a) + j->strip[a] - 1) / j->strip[a];
        strips *= grid[a];
    }
#pragma omp parallel num_threads(threads)
    {
        const lane *l = &lanes[omp_get_thread_num()];
#pragma omp for schedule(dynamic)
        for (int64_t n = 0; n < strips; n++) {
            const tk_box strip = strip_at(j, grid, n);
            for (int64_t z = strip.lo[TK_Z]; z < strip.hi[TK_Z]; z++) filter_strip(j, l, &strip, z);
        }
    }
}

/* Takes the buffers of one thread. */
static tk_status take_lane(const tk_gaussian *gaussian, const int64_t strip[3], const int64_t size[3],
                           tk_scratch *scratch, lane *l) {
    l->pitch = span(gaussian, strip, size, TK_X);
    l->plane = tk_scratch_take(scratch, span(gaussian, strip, size, TK_Y) * l->pitch, sizeof(float));
    l->line = tk_scratch_take(scratch, l->pitch, sizeof(float));
    l->row = tk_scratch_take(scratch, pointers(gaussian), sizeof(float *));
    return l->plane && l->line && l->row ? TK_OK : TK_NO_MEMORY;
}

static tk_status run_in_lanes(const job *j, tk_work *work) {
    lane *lanes = tk_scratch_take(&work->scratch, work->threads, sizeof(lane));
    if (!lanes) return TK_NO_MEMORY;
    const int threads = tk_work_lanes(work, lane_cost(j->gaussian, j->strip, j->in.size));
    if (threads < 1) return TK_NO_MEMORY;
    for (int t = 0; t < threads; t++) TK_TRY(take_lane(j->gaussian, j->strip, j->in.size, &work->scratch, &lanes[t]));
    run(j, lanes, threads);
    return TK_OK;
}

tk_status tk_gaussian_apply(const tk_gaussian *gaussian, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                            const tk_box *out_box, tk_view_f32 out, tk_work *work) {
    const tk_box needed = tk_box_grow(out_box, gaussian->radius, image);
    if (!tk_box_contains(in_box, &needed)) return TK_FAILED;
    job j = {gaussian, TK_ISA_SELECT(tk_fir, work->isa), image, in_box, out_box, in, out, {0}};
    strip_of(gaussian, j.strip);
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = run_in_lanes(&j, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
