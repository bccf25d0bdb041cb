/* Sums over two images, row by row in parallel and combined in the order of the rows. Means and central moments are
 * combined as by Chan, Golub, LeVeque (1983), which does not cancel where images have a large background. */
#include "kernels/metrics/image.h"

#include <math.h>

static double larger(double a, double b) { return isnan(a) || a > b ? a : b; }
static double smaller(double a, double b) { return isnan(a) || a < b ? a : b; }

/* The sums of one row. */
static tk_image_sums sums_of_row(const float *x, const float *t, int64_t count) {
    tk_image_sums s = {.count = count, .least = (double)t[0], .most = (double)t[0]};
    double sum_x = 0, sum_t = 0;
    for (int64_t i = 0; i < count; i++) {
        const double a = (double)x[i], b = (double)t[i], error = a - b;
        s.differing += !(a == b || (isnan(a) && isnan(b)));
        s.error2 += error * error;
        s.truth2 += b * b;
        s.max_difference = larger(fabs(error), s.max_difference);
        s.least = smaller(b, s.least);
        s.most = larger(b, s.most);
        sum_x += a;
        sum_t += b;
    }
    s.mean_x = sum_x / (double)count;
    s.mean_t = sum_t / (double)count;
    for (int64_t i = 0; i < count; i++) {
        const double a = (double)x[i] - s.mean_x, b = (double)t[i] - s.mean_t;
        s.square_x += a * a;
        s.square_t += b * b;
        s.product += a * b;
    }
    return s;
}

/* a := a and b together */
static void combine(tk_image_sums *a, const tk_image_sums *b) {
    if (a->count == 0) {
        *a = *b;
        return;
    }
    const double na = (double)a->count, nb = (double)b->count, n = na + nb;
    const double dx = b->mean_x - a->mean_x, dt = b->mean_t - a->mean_t, weight = na * nb / n;
    a->count += b->count;
    a->differing += b->differing;
    a->error2 += b->error2;
    a->truth2 += b->truth2;
    a->max_difference = larger(b->max_difference, a->max_difference);
    a->least = smaller(b->least, a->least);
    a->most = larger(b->most, a->most);
    a->square_x += b->square_x + dx * dx * weight;
    a->square_t += b->square_t + dt * dt * weight;
    a->product += b->product + dx * dt * weight;
    a->mean_x += dx * nb / n;
    a->mean_t += dt * nb / n;
}

size_t tk_image_sums_scratch(const int64_t size[3]) {
    return tk_scratch_cost(size[TK_Z] * size[TK_Y], sizeof(tk_image_sums));
}

tk_status tk_image_sums_add(tk_cview_f32 result, tk_cview_f32 truth, tk_work *work, tk_image_sums *sums) {
    const int64_t rows = truth.size[TK_Z] * truth.size[TK_Y], height = truth.size[TK_Y];
    if (rows == 0 || truth.size[TK_X] == 0) return TK_OK;
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_image_sums *row = tk_scratch_take(&work->scratch, rows, sizeof *row);
    if (!row) return TK_NO_MEMORY;
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t r = 0; r < rows; r++) {
        const int64_t z = r / height, y = r % height;
        row[r] = sums_of_row(result.data + z * result.stride[TK_Z] + y * result.stride[TK_Y],
                             truth.data + z * truth.stride[TK_Z] + y * truth.stride[TK_Y], truth.size[TK_X]);
    }
    for (int64_t r = 0; r < rows; r++) combine(sums, &row[r]);
    tk_scratch_rewind(&work->scratch, mark);
    return TK_OK;
}

tk_image_metrics tk_image_metrics_of(const tk_image_sums *sums) {
    const double mse = sums->error2 / (double)sums->count;
    tk_image_metrics m = {.rmse = sqrt(mse), .max_difference = sums->max_difference};
    m.nrmse = sums->error2 == 0 ? 0 : sqrt(sums->error2 / sums->truth2);
    m.psnr = 10 * log10(sums->most * sums->most / mse);
    m.pearson = sums->product / (sqrt(sums->square_x) * sqrt(sums->square_t));
    return m;
}
