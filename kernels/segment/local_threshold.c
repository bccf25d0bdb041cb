/* Local thresholds by running sums (local_threshold.h).
 *
 * A thread owns a strip of rows and walks along z. It keeps, for each column of its rows and their halo, the sum over
 * the box's planes: the plane that enters is added, the one that leaves is taken away. Over these it runs along y in
 * the same way, and along x with a running sum. A voxel is thus read twice for any radius. Sums are integers: no order
 * matters. */
#include "kernels/segment/local_threshold.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { STRIP_Y = 32 };

/* What all threads share. */
typedef struct job {
    const tk_local_threshold *how;
    const tk_local_kernels *kernels;
    const tk_box *image, *in_box, *out_box;
    tk_cview_f32 in;
    tk_view_u8 mask;
    int64_t strip; /* rows */
} job;

/* What one thread works in: sums and sums of squares. `width` columns are those of the input block. */
typedef struct lane {
    int64_t *plane[2]; /* over the planes of the box: a row for each of the strip's rows and its halo */
    int64_t *row[2];   /* and over its rows */
    int64_t *box[2];   /* and over its columns */
    int64_t width;
} lane;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* The voxel of 0 .. size-1 that mirrors index i about the outermost voxels. */
static int64_t mirror(int64_t i, int64_t size) {
    if (i >= 0 && i < size) return i;
    if (size == 1) return 0;
    const int64_t period = 2 * (size - 1), m = (i % period + period) % period;
    return m < size ? m : period - m;
}

static int64_t strip_of(const tk_local_threshold *how, const int64_t in[3]) {
    return least(most(STRIP_Y, 2 * how->radius[TK_Y]), in[TK_Y]);
}

static int64_t rows_of(const tk_local_threshold *how, int64_t strip) { return strip + 2 * how->radius[TK_Y]; }

static size_t lane_cost(const tk_local_threshold *how, const int64_t in[3]) {
    const int64_t rows = rows_of(how, strip_of(how, in));
    const size_t plane = tk_scratch_cost(rows * in[TK_X], sizeof(int64_t));
    return tk_size_add(2 * plane, 4 * tk_scratch_cost(in[TK_X], sizeof(int64_t)));
}

size_t tk_local_threshold_scratch(const tk_local_threshold *how, const int64_t in[3], int threads) {
    const size_t cost = lane_cost(how, in);
    if (cost > SIZE_MAX / (size_t)threads) return SIZE_MAX;
    return tk_size_add(cost * (size_t)threads, tk_scratch_cost(threads, sizeof(lane)));
}

/* Adds or takes away plane z, mirrored, for rows from .. to-1, mirrored. */
static void add_plane(const job *j, const lane *l, int64_t z, int64_t from, int64_t to, int64_t sign) {
    const int64_t *lo = j->in_box->lo, plane = mirror(z, j->image->hi[TK_Z]) - lo[TK_Z];
    for (int64_t y = from; y < to; y++) {
        const float *v =
            j->in.data + plane * j->in.stride[TK_Z] + (mirror(y, j->image->hi[TK_Y]) - lo[TK_Y]) * j->in.stride[TK_Y];
        const int64_t at = (y - from) * l->width;
        j->kernels->add(v, l->width, &j->how->levels, sign, l->plane[0] + at, l->plane[1] + at);
    }
}

static void add_row(const job *j, const lane *l, int64_t row, int64_t sign) {
    for (int i = 0; i < 2; i++) j->kernels->add_sums(l->plane[i] + row * l->width, l->width, sign, l->row[i]);
}

/* Running sums over the columns of the box, for the columns of the output. */
static void sum_columns(const job *j, const int64_t *row, int64_t *box) {
    const int64_t lo = j->in_box->lo[TK_X], r = j->how->radius[TK_X], size = j->image->hi[TK_X];
    const int64_t from = j->out_box->lo[TK_X], to = j->out_box->hi[TK_X];
    int64_t sum = 0;
    for (int64_t x = from - r; x <= from + r; x++) sum += row[mirror(x, size) - lo];
    for (int64_t x = from; x < to; x++) {
        box[x - from] = sum;
        if (x + 1 < to) sum += row[mirror(x + 1 + r, size) - lo] - row[mirror(x - r, size) - lo];
    }
}

/* With intensities 0 … 1; exp is the C library's, the same on each instruction set. */
static void compare_phansalkar(const tk_local_threshold *how, const float *v, const lane *l, double voxels,
                               int64_t count, uint8_t *mask) {
    const tk_levels *levels = &how->levels;
    for (int64_t x = 0; x < count; x++) {
        const double s1 = (double)l->box[0][x], variance = (double)l->box[1][x] * voxels - s1 * s1;
        const double deviation = sqrt(variance > 0 ? variance : 0) / voxels / levels->top;
        const double mean = s1 / voxels / levels->top;
        const double level =
            mean * (1 + how->p * exp(-how->q * mean) + how->k * (deviation / how->r - 1)) * levels->top;
        mask[x] = v[x] > how->floor && ((double)v[x] - levels->lo) / levels->quantum > level;
    }
}

static void compare_row(const job *j, const lane *l, int64_t z, int64_t y) {
    const int64_t *in = j->in_box->lo, *out = j->out_box->lo, count = tk_box_size(j->out_box, TK_X);
    const float *v =
        j->in.data + (z - in[TK_Z]) * j->in.stride[TK_Z] + (y - in[TK_Y]) * j->in.stride[TK_Y] + out[TK_X] - in[TK_X];
    uint8_t *mask = j->mask.data + (z - out[TK_Z]) * j->mask.stride[TK_Z] + (y - out[TK_Y]) * j->mask.stride[TK_Y];
    const int64_t *r = j->how->radius;
    const double voxels = (double)((2 * r[0] + 1) * (2 * r[1] + 1) * (2 * r[2] + 1));
    for (int i = 0; i < 2; i++) sum_columns(j, l->row[i], l->box[i]);
    if (j->how->method == TK_LOCAL_PHANSALKAR)
        compare_phansalkar(j->how, v, l, voxels, count, mask);
    else
        j->kernels->compare(j->how, v, l->box[0], l->box[1], voxels, count, mask);
}

static void run_strip(const job *j, const lane *l, int64_t y0, int64_t y1) {
    const int64_t *r = j->how->radius, from = y0 - r[TK_Y], to = y1 + r[TK_Y];
    const int64_t z0 = j->out_box->lo[TK_Z], z1 = j->out_box->hi[TK_Z];
    for (int i = 0; i < 2; i++) memset(l->plane[i], 0, (size_t)((to - from) * l->width) * sizeof(int64_t));
    for (int64_t z = z0 - r[TK_Z]; z < z0 + r[TK_Z]; z++) add_plane(j, l, z, from, to, 1);
    for (int64_t z = z0; z < z1; z++) {
        add_plane(j, l, z + r[TK_Z], from, to, 1);
        for (int i = 0; i < 2; i++) memset(l->row[i], 0, (size_t)l->width * sizeof(int64_t));
        for (int64_t row = 0; row < 2 * r[TK_Y]; row++) add_row(j, l, row, 1);
        for (int64_t y = y0; y < y1; y++) {
            add_row(j, l, y - y0 + 2 * r[TK_Y], 1);
            compare_row(j, l, z, y);
            add_row(j, l, y - y0, -1);
        }
        add_plane(j, l, z - r[TK_Z], from, to, -1);
    }
}

static tk_status take_lane(const job *j, tk_scratch *scratch, lane *l) {
    l->width = j->in.size[TK_X];
    for (int i = 0; i < 2; i++) {
        l->plane[i] = tk_scratch_take(scratch, rows_of(j->how, j->strip) * l->width, sizeof(int64_t));
        l->row[i] = tk_scratch_take(scratch, l->width, sizeof(int64_t));
        l->box[i] = tk_scratch_take(scratch, l->width, sizeof(int64_t));
        if (!l->plane[i] || !l->row[i] || !l->box[i]) return TK_NO_MEMORY;
    }
    return TK_OK;
}

static tk_status run(const job *j, tk_work *work) {
    lane *lanes = tk_scratch_take(&work->scratch, work->threads, sizeof(lane));
    if (!lanes) return TK_NO_MEMORY;
    const int threads = tk_work_lanes(work, lane_cost(j->how, j->in.size));
    if (threads < 1) return TK_NO_MEMORY;
    for (int t = 0; t < threads; t++) TK_TRY(take_lane(j, &work->scratch, &lanes[t]));
    const int64_t from = j->out_box->lo[TK_Y], to = j->out_box->hi[TK_Y];
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t y = from; y < to; y += j->strip)
        run_strip(j, &lanes[omp_get_thread_num()], y, least(y + j->strip, to));
    return TK_OK;
}

tk_status tk_local_threshold_apply(const tk_local_threshold *how, const tk_box *image, const tk_box *in_box,
                                   tk_cview_f32 in, const tk_box *out_box, tk_view_u8 mask, tk_work *work) {
    const tk_box needed = tk_box_grow(out_box, how->radius, image);
    if (!tk_box_contains(in_box, &needed)) return TK_FAILED;
    const job j = {how, TK_ISA_SELECT(tk_local, work->isa), image, in_box, out_box, in, mask, strip_of(how, in.size)};
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = run(&j, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
