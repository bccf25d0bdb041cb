/* What all blocks of a deconvolution share: padded size, plans, and the PSF's transform (the OTF). */
#include <string.h>

#include "kernels/deconvolve/deconvolve.h"
#include "kernels/fft/size.h"
#include "kernels/fft/sweep.h"

tk_status tk_deconvolve_layout(const int64_t psf[3], const int64_t largest[3], tk_fft *fft) {
    int64_t least[3], padded[3];
    for (int axis = 0; axis < 3; axis++) {
        if (psf[axis] < 1 || largest[axis] < 1) return TK_NO_MEMORY;
        if (__builtin_add_overflow(psf[axis] - 1, largest[axis], &least[axis])) return TK_NO_MEMORY;
    }
    tk_fft_padded_size(least, padded);
    return tk_fft_layout(padded, fft);
}

size_t tk_deconvolver_bytes(const tk_fft *fft) {
    const size_t filter = tk_scratch_cost(tk_fft_filter_count(fft), sizeof(float));
    const size_t plane = tk_scratch_cost(fft->plane_stride, sizeof(float));
    const size_t buffer = tk_scratch_cost(tk_fft_buffer_count(fft), sizeof(float));
    return tk_size_add(tk_size_add(filter, plane), buffer);
}

/* Index that is `i` voxels after the origin of a periodic axis. */
static int64_t wrapped(int64_t i, int64_t size) { return i < 0 ? i + size : i; }

/* Puts a plane of the PSF into the zeroed padded plane, its origin at the corner, scaled. */
static void place_plane(const tk_fft *fft, tk_cview_f32 psf, int64_t z, float scale, float *plane) {
    memset(plane, 0, (size_t)fft->plane_stride * sizeof(float));
    for (int64_t y = 0; y < psf.size[TK_Y]; y++) {
        const float *from = psf.data + z * psf.stride[TK_Z] + y * psf.stride[TK_Y];
        float *row = plane + wrapped(y - psf.size[TK_Y] / 2, fft->size[TK_Y]) * fft->row_stride;
        for (int64_t x = 0; x < psf.size[TK_X]; x++)
            row[wrapped(x - psf.size[TK_X] / 2, fft->size[TK_X])] = from[x] * scale;
    }
}

/* Copies a transformed plane into the filter's order [y][block][z][column]. */
static void store_plane(const tk_fft *fft, const float *plane, int64_t z, float *otf) {
    const int64_t width = 2 * TK_FFT_COLUMNS, depth = fft->size[TK_Z];
    for (int64_t y = 0; y < fft->size[TK_Y]; y++)
        for (int64_t block = 0; block < fft->blocks; block++) {
            const int64_t from = block * width, left = 2 * fft->spectrum - from;
            memcpy(otf + ((y * fft->blocks + block) * depth + z) * width, plane + y * fft->row_stride + from,
                   (size_t)(left < width ? left : width) * sizeof(float));
        }
}

/* The OTF over the number of voxels, which makes up for FFTW's unnormalised transforms. */
static void make_otf(const tk_fft *fft, tk_cview_f32 psf, int threads, float *plane, float *buffer, float *otf) {
    const double voxels = (double)fft->size[TK_Z] * (double)fft->size[TK_Y] * (double)fft->size[TK_X];
    memset(otf, 0, (size_t)tk_fft_filter_count(fft) * sizeof(float));
    for (int64_t z = 0; z < psf.size[TK_Z]; z++) {
        place_plane(fft, psf, z, (float)(1.0 / voxels), plane);
        tk_fft_plane_forward(fft, plane, fft->size[TK_Y], buffer);
        store_plane(fft, plane, wrapped(z - psf.size[TK_Z] / 2, fft->size[TK_Z]), otf);
    }
    /* The filter's order is that of blocks of columns: they are transformed where they lie. */
    const int64_t block = fft->size[TK_Z] * 2 * TK_FFT_COLUMNS;
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < fft->size[TK_Y] * fft->blocks; i++) {
        fftwf_complex *at = (fftwf_complex *)(otf + i * block);
        fftwf_execute_dft(fft->forward[TK_Z], at, at);
    }
}

tk_status tk_deconvolver_make(tk_cview_f32 psf, const int64_t largest[3], const char *wisdom, int threads,
                              tk_deconvolver *deconvolver) {
    *deconvolver = (tk_deconvolver){.psf = {psf.size[0], psf.size[1], psf.size[2]}};
    tk_fft *fft = &deconvolver->fft;
    TK_TRY(tk_deconvolve_layout(psf.size, largest, fft));
    TK_TRY(tk_fft_plan(fft, wisdom));
    tk_scratch *memory = &deconvolver->memory;
    const tk_status reserved = tk_scratch_reserve(memory, tk_deconvolver_bytes(fft));
    if (reserved != TK_OK) {
        tk_fft_free(fft);
        return reserved;
    }
    float *otf = tk_scratch_take(memory, tk_fft_filter_count(fft), sizeof(float));
    float *plane = tk_scratch_take(memory, fft->plane_stride, sizeof(float));
    float *buffer = tk_scratch_take(memory, tk_fft_buffer_count(fft), sizeof(float));
    make_otf(fft, psf, threads, plane, buffer, otf);
    deconvolver->otf = otf;
    return TK_OK;
}

void tk_deconvolver_free(tk_deconvolver *deconvolver) {
    tk_fft_free(&deconvolver->fft);
    tk_scratch_release(&deconvolver->memory);
    deconvolver->otf = NULL;
}
