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

void tk_project_labels(tk_cview_f32 slab, tk_cview_u32 slab_labels, tk_work *work, tk_view_f32 brightest,
                       tk_view_u32 labels) {
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t y = 0; y < slab.size[TK_Y]; y++) {
        float *best = brightest.data + y * brightest.stride[TK_Y];
        uint32_t *out = labels.data + y * labels.stride[TK_Y];
        for (int64_t z = 0; z < slab.size[TK_Z]; z++) {
            const float *in = slab.data + z * slab.stride[TK_Z] + y * slab.stride[TK_Y];
            const uint32_t *label = slab_labels.data + z * slab_labels.stride[TK_Z] + y * slab_labels.stride[TK_Y];
            for (int64_t x = 0; x < slab.size[TK_X]; x++) {
                if (label[x] == 0 || !(in[x] > best[x])) continue;
                best[x] = in[x];
                out[x] = label[x];
            }
        }
    }
}
