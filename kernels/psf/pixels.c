/* From radial tables to voxels: what a pixel collects is a weighted sum of the table's entries, with the same weights
 * in every plane. */
#include "kernels/psf/pixels.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/psf/quadrature.h"

enum { MOST_NODES = 64 };

tk_psf_grid tk_psf_grid_of(const tk_psf_optics *o, const int64_t size[3]) {
    const int64_t half[3] = {size[TK_Z] / 2, size[TK_Y] / 2, size[TK_X] / 2};
    const double y = ((double)half[TK_Y] + 0.5) * o->voxel_um[TK_Y];
    const double x = ((double)half[TK_X] + 0.5) * o->voxel_um[TK_X];
    tk_psf_grid grid = {.step = tk_psf_radial_step(o), .spacing = o->voxel_um[TK_Z], .planes = size[TK_Z]};
    grid.first = -grid.spacing * (double)half[TK_Z];
    grid.radii = (int64_t)ceil(sqrt(y * y + x * x) / grid.step) + TK_TAPS;
    return grid;
}

/* Places (in voxels from the centre) and weights over a pixel's edge. */
typedef struct edge {
    int count;
    double place[MOST_NODES], weight[MOST_NODES];
} edge;

static edge edge_of(const tk_psf_optics *o, double voxel_um) {
    edge e = {.count = 1, .place = {0}, .weight = {1}};
    if (o->sampled) return e;
    const double step = tk_psf_radial_step(o);
    const double count = 3 + ceil(voxel_um / step * 0.3); /* 14 steps are a period; 4 nodes for it, and 3 */
    e.count = count < MOST_NODES ? (int)count : MOST_NODES;
    tk_gauss_legendre(e.count, -0.5, 0.5, e.place, e.weight);
    return e;
}

typedef struct job {
    const tk_psf_optics *optics;
    tk_psf_grid grid;
    edge y, x;
    const double *table;
} job;

/* The range of table entries that a pixel touches. */
typedef struct span {
    int64_t low, high;
} span;

/* Weights of the table's entries for the pixel y, x voxels from the axis. */
static span weigh(const job *j, int64_t y, int64_t x, double *weight) {
    const double *voxel = j->optics->voxel_um;
    span touched = {INT64_MAX, -1};
    for (int v = 0; v < j->y.count; v++)
        for (int u = 0; u < j->x.count; u++) {
            const double dy = ((double)y + j->y.place[v]) * voxel[TK_Y], dx = ((double)x + j->x.place[u]) * voxel[TK_X];
            const double r = sqrt(dy * dy + dx * dx) / j->grid.step, share = j->y.weight[v] * j->x.weight[u];
            const int64_t base = (int64_t)r;
            double tap[TK_TAPS];
            tk_lagrange(r - (double)base, tap);
            for (int i = 0; i < TK_TAPS; i++) {
                int64_t at = base + i - TK_TAPS_BEFORE;
                at = at < 0 ? -at : at;
                for (; touched.high < at; touched.high++) weight[touched.high + 1] = 0;
                weight[at] += share * tap[i];
                if (at < touched.low) touched.low = at;
            }
        }
    return touched;
}

/* The pixel in all planes. */
static void collect(const job *j, int64_t y, int64_t x, double *weight, double *restrict sum) {
    const int64_t planes = j->grid.planes;
    const span touched = weigh(j, y, x, weight);
    memset(sum, 0, (size_t)planes * sizeof *sum);
    for (int64_t at = touched.low; at <= touched.high; at++) {
        const double *restrict entry = j->table + at * planes;
        const double factor = weight[at];
#pragma omp simd
        for (int64_t z = 0; z < planes; z++) sum[z] += factor * entry[z];
    }
}

/* Doubles that a thread works in: weights, sums of a pixel, and a row of pixels in all planes. */
static int64_t lane_doubles(const tk_psf_grid *grid, const int64_t size[3]) {
    return grid->radii + grid->planes + grid->planes * (size[TK_X] / 2 + 1) + 8;
}

/* The rows +y and -y: one quadrant is computed and mirrored. */
static void draw_rows(const job *j, int64_t y, double *lane, tk_view_f32 psf) {
    const int64_t planes = j->grid.planes, middle = psf.size[TK_X] / 2, half = middle + 1;
    double *weight = lane, *sum = weight + j->grid.radii, *row = sum + planes;
    for (int64_t x = 0; x < half; x++) {
        collect(j, y, x, weight, sum);
        for (int64_t z = 0; z < planes; z++) row[z * half + x] = sum[z];
    }
    const int64_t rows[2] = {psf.size[TK_Y] / 2 - y, psf.size[TK_Y] / 2 + y};
    for (int side = y == 0; side < 2; side++) {
        if (rows[side] >= psf.size[TK_Y]) continue;
        for (int64_t z = 0; z < planes; z++) {
            float *out = psf.data + z * psf.stride[TK_Z] + rows[side] * psf.stride[TK_Y];
            for (int64_t x = 0; x < psf.size[TK_X]; x++)
                out[x] = (float)row[z * half + (x < middle ? middle - x : x - middle)];
        }
    }
}

tk_status tk_psf_pixels(const tk_psf_optics *optics, const tk_psf_grid *grid, const double *table, tk_work *work,
                        tk_view_f32 image) {
    const int64_t pitch = lane_doubles(grid, image.size);
    const size_t mark = tk_scratch_mark(&work->scratch);
    const job j = {.optics = optics,
                   .grid = *grid,
                   .y = edge_of(optics, optics->voxel_um[TK_Y]),
                   .x = edge_of(optics, optics->voxel_um[TK_X]),
                   .table = table};
    double *lanes = tk_scratch_take(&work->scratch, work->threads * pitch, sizeof *lanes);
    if (!lanes) return TK_NO_MEMORY;
#pragma omp parallel for num_threads(work->threads) schedule(dynamic)
    for (int64_t y = 0; y <= image.size[TK_Y] / 2; y++) draw_rows(&j, y, lanes + omp_get_thread_num() * pitch, image);
    tk_scratch_rewind(&work->scratch, mark);
    return TK_OK;
}

size_t tk_psf_pixels_scratch(const tk_psf_grid *grid, const int64_t size[3], int threads) {
    return tk_scratch_cost(threads * lane_doubles(grid, size), sizeof(double));
}
