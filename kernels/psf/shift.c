/* Sub-voxel shift by a windowed sinc, one axis after the other. */
#include "kernels/psf/shift.h"

#include <math.h>

enum { TAPS = 16, BEFORE = 7, HALF = TAPS / 2 };
static const double beta = 6;

/* The modified Bessel function I0, by its series. */
static double bessel_i0(double x) {
    double term = 1, sum = 1;
    for (int k = 1; k < 60; k++) {
        term *= x * x / (4.0 * k * k);
        sum += term;
    }
    return sum;
}

/* Weights of the samples at -7 … 8 for the place t in [0, 1). */
static void taps_at(double t, double tap[TAPS]) {
    double sum = 0;
    for (int i = 0; i < TAPS; i++) {
        const double d = (double)(i - BEFORE) - t, edge = d / HALF;
        const double sinc = fabs(d) < 1e-12 ? 1 : sin(M_PI * d) / (M_PI * d);
        tap[i] = fabs(edge) < 1 ? sinc * bessel_i0(beta * sqrt(1 - edge * edge)) : 0;
        sum += tap[i];
    }
    for (int i = 0; i < TAPS; i++) tap[i] /= sum;
}

static int64_t clamp(int64_t i, int64_t count) { return i < 0 ? 0 : i >= count ? count - 1 : i; }

/* The part of the image that the shift reads, larger than `out` by the taps. */
static void gather(tk_cview_f32 image, const int64_t from[3], tk_view_f32 block, int threads) {
#pragma omp parallel for num_threads(threads)
    for (int64_t z = 0; z < block.size[TK_Z]; z++)
        for (int64_t y = 0; y < block.size[TK_Y]; y++) {
            const float *row = image.data + clamp(from[TK_Z] + z, image.size[TK_Z]) * image.stride[TK_Z] +
                               clamp(from[TK_Y] + y, image.size[TK_Y]) * image.stride[TK_Y];
            float *to = block.data + z * block.stride[TK_Z] + y * block.stride[TK_Y];
            for (int64_t x = 0; x < block.size[TK_X]; x++) to[x] = row[clamp(from[TK_X] + x, image.size[TK_X])];
        }
}

/* Filters along one axis in place; the result is shorter by TAPS - 1 and lies at the front of each line. */
static void filter(tk_view_f32 block, int axis, const double *tap, int threads) {
    const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    const int64_t step = block.stride[axis];
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < block.size[a]; i++)
        for (int64_t j = 0; j < block.size[b]; j++) {
            float *line = block.data + i * block.stride[a] + j * block.stride[b];
            for (int64_t k = 0; k + TAPS <= block.size[axis]; k++) {
                double sum = 0;
                for (int t = 0; t < TAPS; t++) sum += tap[t] * line[(k + t) * step];
                line[k * step] = (float)sum;
            }
        }
}

static void block_size(const int64_t out[3], int64_t size[3]) {
    for (int axis = 0; axis < 3; axis++) size[axis] = out[axis] + TAPS - 1;
}

tk_status tk_shift(tk_cview_f32 image, const double centre[3], tk_work *work, tk_view_f32 out) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    int64_t size[3], from[3];
    double tap[3][TAPS];
    block_size(out.size, size);
    for (int axis = 0; axis < 3; axis++) {
        const double whole = floor(centre[axis]);
        from[axis] = (int64_t)whole - out.size[axis] / 2 - BEFORE;
        taps_at(centre[axis] - whole, tap[axis]);
    }
    float *data = tk_scratch_take(&work->scratch, size[0] * size[1] * size[2], sizeof *data);
    if (!data) return TK_NO_MEMORY;
    tk_view_f32 block = tk_dense_f32(data, size);
    gather(image, from, block, work->threads);
    for (int axis = 2; axis >= 0; axis--) {
        filter(block, axis, tap[axis], work->threads);
        block.size[axis] = out.size[axis];
    }
    for (int64_t z = 0; z < out.size[TK_Z]; z++)
        for (int64_t y = 0; y < out.size[TK_Y]; y++)
            for (int64_t x = 0; x < out.size[TK_X]; x++)
                out.data[z * out.stride[TK_Z] + y * out.stride[TK_Y] + x] =
                    block.data[z * block.stride[TK_Z] + y * block.stride[TK_Y] + x];
    tk_scratch_rewind(&work->scratch, mark);
    return TK_OK;
}

size_t tk_shift_scratch(const int64_t out[3]) {
    int64_t size[3];
    block_size(out, size);
    return tk_scratch_cost(size[0] * size[1] * size[2], sizeof(float));
}
