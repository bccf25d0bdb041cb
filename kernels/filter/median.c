/* Median filter (median.h), blocked for the cache.
 *
 * A thread walks along z with a strip of rows and keeps the planes that the neighbourhood spans as keys (rank.h) in a
 * ring, mirrored voxels included; the median of each row of voxels is then one of shifted rows. */
#include "kernels/filter/median.h"

#include <omp.h>

#include "kernels/filter/ball.h"
#include "kernels/filter/rank.h"
#include "kernels/filter/strips.h"

enum { STRIP_Y = 32, STRIP_X = 256, CHUNK_Z = 32 };

static const int64_t strip_size[3] = {CHUNK_Z, STRIP_Y, STRIP_X};

/* What all threads share. */
typedef struct job {
    const tk_median *median;
    const tk_rank_kernels *rank;
    const tk_box *image, *in_box, *out_box;
    tk_cview_f32 in;
    tk_view_f32 out;
    int64_t voxels;       /* of the neighbourhood */
    int64_t (*offset)[3]; /* of each of them, z y x */
} job;

/* What one thread works in. */
typedef struct lane {
    int32_t *ring;        /* 2 rz + 1 planes of keys, each strip[y] + 2 ry rows */
    float *line;          /* strip[x] + 2 rx voxels */
    int32_t *window;      /* for the selection */
    int32_t *found;       /* medians of a row */
    const int32_t **rows; /* one for each voxel of the neighbourhood */
} lane;

static int64_t rows_of(const tk_median *m) { return STRIP_Y + 2 * m->radius[TK_Y]; }
static int64_t pitch_of(const tk_median *m) { return STRIP_X + 2 * m->radius[TK_X] + TK_RANK_SLACK; }
static int64_t planes_of(const tk_median *m) { return 2 * m->radius[TK_Z] + 1; }

/* Lists the neighbourhood, where there is a list, and counts it. */
static int64_t list_offsets(const tk_median *m, int64_t (*offset)[3]) {
    const int64_t *r = m->radius;
    int64_t n = 0;
    for (int64_t z = -r[0]; z <= r[0]; z++)
        for (int64_t y = -r[1]; y <= r[1]; y++)
            for (int64_t x = -r[2]; x <= r[2]; x++) {
                const int64_t d[3] = {z, y, x};
                if (m->ball && !tk_in_ball(r, d)) continue;
                for (int a = 0; offset && a < 3; a++) offset[n][a] = d[a];
                n++;
            }
    return n;
}

int64_t tk_median_voxels(const tk_median *median) { return list_offsets(median, NULL); }

static size_t lane_cost(const tk_median *m, int64_t voxels) {
    const size_t ring = tk_scratch_cost(planes_of(m) * rows_of(m) * pitch_of(m), sizeof(int32_t));
    const size_t line = tk_scratch_cost(pitch_of(m), sizeof(float));
    const size_t window = tk_scratch_cost(tk_rank_window(voxels), sizeof(int32_t));
    const size_t found = tk_scratch_cost(STRIP_X + TK_RANK_SLACK, sizeof(int32_t));
    return ring + line + window + found + tk_scratch_cost(voxels, sizeof(int32_t *));
}

size_t tk_median_scratch(const tk_median *median, int threads) {
    const int64_t voxels = tk_median_voxels(median);
    const size_t lanes = lane_cost(median, voxels) * (size_t)threads;
    return lanes + tk_scratch_cost(voxels, 3 * sizeof(int64_t)) + tk_scratch_cost(threads, sizeof(lane));
}

/* The plane z of the ring, which may be beyond the image. */
static int32_t *plane_at(const job *j, const lane *l, int64_t z) {
    const int64_t planes = planes_of(j->median), n = (z + planes) % planes;
    return l->ring + n * rows_of(j->median) * pitch_of(j->median);
}

/* Fills plane z of the ring with the keys of a strip and what is around it. */
static void fill_plane(const job *j, const lane *l, const tk_box *strip, int64_t z) {
    const int64_t *r = j->median->radius, *lo = j->in_box->lo, *size = j->image->hi;
    const int64_t start = strip->lo[TK_X] - r[TK_X], stop = strip->hi[TK_X] + r[TK_X];
    const int64_t first = tk_most(start, 0), last = tk_least(stop, size[TK_X]);
    int32_t *row = plane_at(j, l, z);
    const float *plane = j->in.data + (tk_mirror(z, size[TK_Z]) - lo[TK_Z]) * j->in.stride[TK_Z];
    for (int64_t y = strip->lo[TK_Y] - r[TK_Y]; y < strip->hi[TK_Y] + r[TK_Y]; y++, row += pitch_of(j->median)) {
        const float *from = plane + (tk_mirror(y, size[TK_Y]) - lo[TK_Y]) * j->in.stride[TK_Y] - lo[TK_X];
        for (int64_t x = first; x < last; x++) l->line[x - start] = from[x];
        tk_mirror_ends(l->line, start, stop, first, last, size[TK_X]);
        j->rank->keys(l->line, stop - start, row);
    }
}

/* One plane of a strip; the ring is full. */
static void filter_plane(const job *j, const lane *l, const tk_box *strip, int64_t z) {
    const int64_t *r = j->median->radius, *lo = j->out_box->lo, count = tk_box_size(strip, TK_X);
    for (int64_t y = strip->lo[TK_Y]; y < strip->hi[TK_Y]; y++) {
        for (int64_t i = 0; i < j->voxels; i++) {
            const int64_t *d = j->offset[i], row = y - strip->lo[TK_Y] + r[TK_Y] + d[TK_Y];
            l->rows[i] = plane_at(j, l, z + d[TK_Z]) + row * pitch_of(j->median) + r[TK_X] + d[TK_X];
        }
        j->rank->median(l->rows, j->voxels, count, l->window, l->found);
        float *out = j->out.data + (z - lo[TK_Z]) * j->out.stride[TK_Z] + (y - lo[TK_Y]) * j->out.stride[TK_Y];
        j->rank->values(l->found, count, out + strip->lo[TK_X] - lo[TK_X]);
    }
}

static void filter_strip(const job *j, const lane *l, const tk_box *strip) {
    const int64_t reach = j->median->radius[TK_Z], lo = strip->lo[TK_Z];
    for (int64_t z = lo - reach; z < lo + reach; z++) fill_plane(j, l, strip, z);
    for (int64_t z = lo; z < strip->hi[TK_Z]; z++) {
        fill_plane(j, l, strip, z + reach);
        filter_plane(j, l, strip, z);
    }
}

static void run(const job *j, const lane *lanes, int threads) {
    int64_t grid[3];
    const int64_t strips = tk_strips(j->out_box, strip_size, grid);
#pragma omp parallel num_threads(threads)
    {
        const lane *l = &lanes[omp_get_thread_num()];
#pragma omp for schedule(dynamic)
        for (int64_t n = 0; n < strips; n++) {
            const tk_box strip = tk_strip_at(j->out_box, strip_size, grid, n);
            filter_strip(j, l, &strip);
        }
    }
}

/* Takes the buffers of one thread. */
static tk_status take_lane(const job *j, tk_scratch *scratch, lane *l) {
    const tk_median *m = j->median;
    const int64_t keys = planes_of(m) * rows_of(m) * pitch_of(m);
    l->ring = tk_scratch_take(scratch, keys, sizeof(int32_t));
    l->line = tk_scratch_take(scratch, pitch_of(m), sizeof(float));
    l->window = tk_scratch_take(scratch, tk_rank_window(j->voxels), sizeof(int32_t));
    l->found = tk_scratch_take(scratch, STRIP_X + TK_RANK_SLACK, sizeof(int32_t));
    l->rows = tk_scratch_take(scratch, j->voxels, sizeof(int32_t *));
    if (!l->ring || !l->line || !l->window || !l->found || !l->rows) return TK_NO_MEMORY;
    for (int64_t i = 0; i < keys; i++) l->ring[i] = 0; /* whole vectors are read, beyond the last voxel, too */
    return TK_OK;
}

static tk_status run_in_lanes(job *j, tk_work *work) {
    j->voxels = tk_median_voxels(j->median);
    j->offset = tk_scratch_take(&work->scratch, j->voxels, sizeof *j->offset);
    lane *lanes = tk_scratch_take(&work->scratch, work->threads, sizeof(lane));
    if (!j->offset || !lanes) return TK_NO_MEMORY;
    list_offsets(j->median, j->offset);
    const int threads = tk_work_lanes(work, lane_cost(j->median, j->voxels));
    if (threads < 1) return TK_NO_MEMORY;
    for (int t = 0; t < threads; t++) TK_TRY(take_lane(j, &work->scratch, &lanes[t]));
    run(j, lanes, threads);
    return TK_OK;
}

tk_status tk_median_apply(const tk_median *median, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                          const tk_box *out_box, tk_view_f32 out, tk_work *work) {
    const tk_box needed = tk_box_grow(out_box, median->radius, image);
    if (!tk_box_contains(in_box, &needed)) return TK_FAILED;
    job j = {median, TK_ISA_SELECT(tk_rank, work->isa), image, in_box, out_box, in, out, 0, NULL};
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = run_in_lanes(&j, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
