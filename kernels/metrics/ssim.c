/* Structural similarity over uniform windows of 7 voxels along each axis. For each row of windows, five sums over
 * the rows below it (x, t, x^2, t^2, x t) are made per column, and then summed over 7 columns. */
#include <math.h>

#include "kernels/metrics/image.h"

enum { WINDOW = TK_SSIM_WINDOW, SUMS = 5 };

/* Sums of x, t, x^2, t^2 and x t, per column of a row of windows. */
typedef struct columns {
    double *x, *t, *xx, *tt, *xt;
} columns;

static int64_t window_depth(int64_t planes) { return planes == 1 ? 1 : WINDOW; }

bool tk_ssim_exists(const int64_t size[3]) {
    return size[TK_Z] >= window_depth(size[TK_Z]) && size[TK_Y] >= WINDOW && size[TK_X] >= WINDOW;
}

static int64_t window_rows(const int64_t size[3]) {
    return (size[TK_Z] - window_depth(size[TK_Z]) + 1) * (size[TK_Y] - WINDOW + 1);
}

size_t tk_ssim_scratch(const int64_t size[3], int threads) {
    if (!tk_ssim_exists(size)) return 0;
    return tk_size_add(tk_scratch_cost(threads * SUMS * size[TK_X], sizeof(double)),
                       tk_scratch_cost(window_rows(size), sizeof(double)));
}

static void add_row(const float *restrict x, const float *restrict t, int64_t width, const columns *c) {
    double *restrict sx = c->x, *restrict st = c->t, *restrict sxx = c->xx, *restrict stt = c->tt,
                     *restrict sxt = c->xt;
#pragma omp simd
    for (int64_t i = 0; i < width; i++) {
        const double a = (double)x[i], b = (double)t[i];
        sx[i] += a;
        st[i] += b;
        sxx[i] += a * a;
        stt[i] += b * b;
        sxt[i] += a * b;
    }
}

static double sum7(const double *v) { return v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6]; }

/* The sum of SSIM over one row of windows, from the sums of its columns; n voxels a window. */
static double sum_of_windows(const columns *c, int64_t windows, double n, double range) {
    const double c1 = (0.01 * range) * (0.01 * range), c2 = (0.03 * range) * (0.03 * range), sample = n / (n - 1);
    double sum = 0;
    for (int64_t i = 0; i < windows; i++) {
        const double ux = sum7(c->x + i) / n, ut = sum7(c->t + i) / n;
        const double vx = sample * (sum7(c->xx + i) / n - ux * ux), vt = sample * (sum7(c->tt + i) / n - ut * ut);
        const double cov = sample * (sum7(c->xt + i) / n - ux * ut);
        sum += (2 * ux * ut + c1) * (2 * cov + c2) / ((ux * ux + ut * ut + c1) * (vx + vt + c2));
    }
    return sum;
}

/* Row r of windows: those whose first voxel is at (r / rows a plane, r % rows a plane, any x). */
static double row_of_windows(tk_cview_f32 result, tk_cview_f32 truth, int64_t r, double range, double *memory) {
    const int64_t width = truth.size[TK_X], depth = window_depth(truth.size[TK_Z]);
    const int64_t rows = truth.size[TK_Y] - WINDOW + 1, z0 = r / rows, y0 = r % rows;
    const columns c = {memory, memory + width, memory + 2 * width, memory + 3 * width, memory + 4 * width};
    for (int64_t i = 0; i < SUMS * width; i++) memory[i] = 0;
    for (int64_t z = z0; z < z0 + depth; z++)
        for (int64_t y = y0; y < y0 + WINDOW; y++)
            add_row(result.data + z * result.stride[TK_Z] + y * result.stride[TK_Y],
                    truth.data + z * truth.stride[TK_Z] + y * truth.stride[TK_Y], width, &c);
    return sum_of_windows(&c, width - WINDOW + 1, (double)(depth * WINDOW * WINDOW), range);
}

tk_status tk_ssim_add(tk_cview_f32 result, tk_cview_f32 truth, double range, tk_work *work, tk_ssim_sum *ssim) {
    if (!tk_ssim_exists(truth.size) || !(range > 0)) return TK_USAGE;
    const int64_t rows = window_rows(truth.size), width = truth.size[TK_X];
    const size_t mark = tk_scratch_mark(&work->scratch);
    double *memory = tk_scratch_take(&work->scratch, work->threads * SUMS * width, sizeof *memory);
    double *row = tk_scratch_take(&work->scratch, rows, sizeof *row);
    if (memory && row) {
#pragma omp parallel for schedule(static, 1) num_threads(work->threads)
        for (int t = 0; t < work->threads; t++)
            for (int64_t r = t; r < rows; r += work->threads)
                row[r] = row_of_windows(result, truth, r, range, memory + t * SUMS * width);
        for (int64_t r = 0; r < rows; r++) ssim->sum += row[r];
        ssim->windows += rows * (width - WINDOW + 1);
    }
    tk_scratch_rewind(&work->scratch, mark);
    return memory && row ? TK_OK : TK_NO_MEMORY;
}
