/* Background level off every voxel (subtract.h); bound by memory, so plain loops over rows. */
#include "kernels/filter/subtract.h"

static void subtract_row(const float *restrict in, float level, bool clip, int64_t count, float *restrict out) {
    if (clip) {
#pragma omp simd
        for (int64_t x = 0; x < count; x++) {
            const float v = in[x] - level;
            out[x] = v < 0 ? 0 : v;
        }
    } else {
#pragma omp simd
        for (int64_t x = 0; x < count; x++) out[x] = in[x] - level;
    }
}

void tk_subtract(tk_cview_f32 in, float level, bool clip, tk_view_f32 out, const tk_work *work) {
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t row = 0; row < in.size[TK_Z] * in.size[TK_Y]; row++) {
        const int64_t z = row / in.size[TK_Y], y = row % in.size[TK_Y];
        subtract_row(in.data + z * in.stride[TK_Z] + y * in.stride[TK_Y], level, clip, in.size[TK_X],
                     out.data + z * out.stride[TK_Z] + y * out.stride[TK_Y]);
    }
}
