/* Settings and tables of the Wiener-Butterworth back projector. */
#include "kernels/deconvolve/wiener_butterworth.h"

#include <math.h>

#include "kernels/psf/width.h"

/* |sum of PSF exp(-2 pi i f x)|: the OTF along the x axis of the spectrum. */
static double otf_along_x(tk_cview_f32 psf, double frequency) {
    double re = 0, im = 0;
    for (int64_t x = 0; x < psf.size[TK_X]; x++) {
        double line = 0;
        for (int64_t z = 0; z < psf.size[TK_Z]; z++)
            for (int64_t y = 0; y < psf.size[TK_Y]; y++)
                line += (double)psf.data[z * psf.stride[TK_Z] + y * psf.stride[TK_Y] + x];
        re += line * cos(2 * M_PI * frequency * (double)x);
        im += line * sin(2 * M_PI * frequency * (double)x);
    }
    return hypot(re, im);
}

tk_wiener_butterworth tk_wiener_butterworth_default(tk_cview_f32 psf) {
    tk_wiener_butterworth b = {.alpha = 0.01, .beta = 0.01, .order = 8, .at_cutoff = 1};
    for (int axis = 0; axis < 3; axis++) {
        const double width = tk_psf_width(psf, axis);
        b.cutoff[axis] = width > 0 ? 1 / width : INFINITY;
    }
    if (isfinite(b.cutoff[TK_X])) b.at_cutoff = otf_along_x(psf, b.cutoff[TK_X]);
    return b;
}

/* Columns of the spectrum along x, whole blocks of them. */
static int64_t columns_of(const tk_fft *fft) { return fft->blocks * TK_FFT_COLUMNS; }

size_t tk_back_projector_scratch(const tk_fft *fft) {
    const size_t z = tk_scratch_cost(fft->size[TK_Z], sizeof(float)),
                 y = tk_scratch_cost(fft->size[TK_Y], sizeof(float));
    return tk_size_add(tk_size_add(z, y), tk_scratch_cost(columns_of(fft), sizeof(float)));
}

static const float *squares(int64_t count, int64_t size, double cutoff, tk_scratch *scratch) {
    float *square = tk_scratch_take(scratch, count, sizeof(float));
    for (int64_t i = 0; square && i < count; i++) {
        const double relative = (double)(i <= size / 2 ? i : size - i) / (double)size / cutoff;
        square[i] = (float)(relative * relative);
    }
    return square;
}

static double mean_of(const float *weight, int64_t planes) {
    double sum = 0;
    for (int64_t z = 0; z < planes; z++) sum += (double)weight[z];
    return sum / (double)planes;
}

tk_status tk_back_projector_make(const tk_fft *fft, const tk_wiener_butterworth *options, const float *weight,
                                 tk_isa isa, tk_scratch *scratch, tk_back_projector *projector) {
    const double h = options->at_cutoff, gain = h / (h * h + options->alpha) / options->beta;
    const double excess = gain * gain - 1, least = 1e-30; /* above 0: it may meet an infinite power */
    const double voxels = (double)fft->size[TK_Z] * (double)fft->size[TK_Y] * (double)fft->size[TK_X];
    const double level = weight ? mean_of(weight, fft->size[TK_Z]) : 1;
    *projector = (tk_back_projector){
        .alpha = (float)options->alpha,
        .excess = (float)(excess > least ? excess : least),
        .scale = (float)(voxels * level),
        .level = (float)level,
        .order = options->order,
        .depth = fft->size[TK_Z],
        .isa = isa,
    };
    for (int axis = 0; axis < 3; axis++) {
        const int64_t count = axis == TK_X ? columns_of(fft) : fft->size[axis];
        projector->square[axis] = squares(count, fft->size[axis], options->cutoff[axis], scratch);
        if (!projector->square[axis]) return TK_NO_MEMORY;
    }
    return TK_OK;
}

void tk_wiener_butterworth_product(const void *projector, int64_t y, int64_t block, float *restrict columns,
                                   const float *restrict otf) {
    const tk_back_projector *b = projector;
    TK_ISA_SELECT(tk_back_projection_table, b->isa)
        ->product(b, b->square[TK_Y][y], b->square[TK_X] + block * TK_FFT_COLUMNS, columns, otf);
}
