/* Projections along z, rows in parallel, planes in order. */
#include "kernels/render/project.h"

void tk_project_max(tk_cview_f32 slab, tk_work *work, tk_view_f32 projection) {
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t y = 0; y < slab.size[TK_Y]; y++) {
        float *restrict out = projection.data + y * projection.stride[TK_Y];
        for (int64_t z = 0; z < slab.size[TK_Z]; z++) {
            const float *restrict in = slab.data + z * slab.stride[TK_Z] + y * slab.stride[TK_Y];
#pragma omp simd
            for (int64_t x = 0; x < slab.size[TK_X]; x++) out[x] = in[x] > out[x] ? in[x] : out[x];
        }
    }
}

void tk_project_labels(tk_cview_u32 slab, tk_work *work, tk_view_u32 projection) {
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t y = 0; y < slab.size[TK_Y]; y++) {
        uint32_t *restrict out = projection.data + y * projection.stride[TK_Y];
        for (int64_t z = 0; z < slab.size[TK_Z]; z++) {
            const uint32_t *restrict in = slab.data + z * slab.stride[TK_Z] + y * slab.stride[TK_Y];
#pragma omp simd
            for (int64_t x = 0; x < slab.size[TK_X]; x++) out[x] = out[x] ? out[x] : in[x];
        }
    }
}
