/* Layout and one-dimensional FFTW plans of a real 3-D transform (float32, z y x). */
#include "kernels/fft/fft.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/common/view.h"

enum { LINE_FLOATS = 16 };

/* Rounded up to an odd number of 64-byte lines. */
static int64_t odd_lines(int64_t floats) { return ((floats + LINE_FLOATS - 1) / LINE_FLOATS | 1) * LINE_FLOATS; }

const char *tk_fft_library(void) { return fftwf_version; }

tk_status tk_fft_layout(const int64_t size[3], tk_fft *fft) {
    *fft = (tk_fft){.size = {size[0], size[1], size[2]}, .spares = 3};
    for (int axis = 0; axis < 3; axis++)
        if (size[axis] < 1 || size[axis] > INT_MAX - 64) return TK_NO_MEMORY;
    fft->spectrum = size[TK_X] / 2 + 1;
    fft->blocks = (fft->spectrum + TK_FFT_COLUMNS - 1) / TK_FFT_COLUMNS;
    fft->row_stride = odd_lines(2 * fft->spectrum);
    int64_t rows, count;
    if (__builtin_mul_overflow(size[TK_Y], fft->row_stride, &rows) || rows > INT64_MAX - 2 * LINE_FLOATS)
        return TK_NO_MEMORY;
    fft->plane_stride = odd_lines(rows);
    /* Twice the volume bounds the filter too, whose blocks are rounded up. */
    if (__builtin_mul_overflow(size[TK_Z], fft->plane_stride, &count) || count > INT64_MAX / 32) return TK_NO_MEMORY;
    return TK_OK;
}

int64_t tk_fft_volume_count(const tk_fft *fft) { return fft->size[TK_Z] * fft->plane_stride; }

int64_t tk_fft_filter_count(const tk_fft *fft) {
    return fft->size[TK_Y] * fft->blocks * fft->size[TK_Z] * 2 * TK_FFT_COLUMNS;
}

int64_t tk_fft_spare_offset(const tk_fft *fft) {
    const int64_t longest = fft->size[TK_Y] > fft->size[TK_Z] ? fft->size[TK_Y] : fft->size[TK_Z];
    return longest * 2 * TK_FFT_COLUMNS;
}

int64_t tk_fft_row_offset(const tk_fft *fft) {
    return tk_fft_spare_offset(fft) + fft->spares * fft->size[TK_Z] * 2 * TK_FFT_COLUMNS;
}

int64_t tk_fft_buffer_count(const tk_fft *fft) { return tk_fft_row_offset(fft) + fft->row_stride; }

int tk_fft_lanes(const tk_fft *fft, int64_t volume) {
    const int64_t fit = volume / (tk_fft_buffer_count(fft) * (int64_t)sizeof(float));
    return fit < 4 ? 4 : fit > 64 ? 64 : (int)fit;
}

/* A block of columns: the value i of column c at [i * TK_FFT_COLUMNS + c]. */
static fftwf_plan plan_columns(int64_t length, float *buffer, int sign, unsigned flags) {
    const int n = (int)length;
    fftwf_complex *columns = (fftwf_complex *)buffer;
    return fftwf_plan_many_dft(1, &n, TK_FFT_COLUMNS, columns, NULL, TK_FFT_COLUMNS, 1, columns, NULL, TK_FFT_COLUMNS,
                               1, sign, flags);
}

/* Makes all six plans with these flags; `buffer`, a thread's and another row, is overwritten when plans are measured.
 * False when one is missing. */
static bool plan_all(tk_fft *fft, float *buffer, unsigned flags) {
    const int row = (int)fft->size[TK_X];
    float *values = buffer + tk_fft_row_offset(fft);
    fftwf_complex *spectrum = (fftwf_complex *)(values + fft->row_stride);
    bool complete = true;
    for (int axis = TK_Z; axis <= TK_Y; axis++) {
        fft->forward[axis] = plan_columns(fft->size[axis], buffer, FFTW_FORWARD, flags);
        fft->inverse[axis] = plan_columns(fft->size[axis], buffer, FFTW_BACKWARD, flags);
        complete = complete && fft->forward[axis] && fft->inverse[axis];
    }
    fft->forward[TK_X] = fftwf_plan_dft_r2c_1d(row, values, spectrum, flags | FFTW_DESTROY_INPUT);
    fft->inverse[TK_X] = fftwf_plan_dft_c2r_1d(row, spectrum, values, flags | FFTW_DESTROY_INPUT);
    complete = complete && fft->forward[TK_X] && fft->inverse[TK_X];
    if (!complete) tk_fft_free(fft);
    return complete;
}

/* A zeroed thread's buffer and another row behind it, as aligned as scratch memory is. */
static float *planning_buffer(const tk_fft *fft) {
    const size_t bytes = (size_t)(tk_fft_buffer_count(fft) + fft->row_stride) * sizeof(float);
    float *buffer = aligned_alloc(64, bytes);
    if (buffer) memset(buffer, 0, bytes);
    return buffer;
}

tk_status tk_fft_measure(const tk_fft *fft, double seconds, char **wisdom) {
    *wisdom = NULL;
    float *buffer = planning_buffer(fft);
    if (!buffer) return TK_NO_MEMORY;
    tk_fft trial = *fft;
    fftwf_forget_wisdom();
    fftwf_set_timelimit(seconds);
    const bool made = plan_all(&trial, buffer, FFTW_MEASURE);
    fftwf_set_timelimit(FFTW_NO_TIMELIMIT);
    if (made) tk_fft_free(&trial);
    /* A plan that ran out of time is in the wisdom at a lower level of patience, or not at all. */
    const bool complete = made && plan_all(&trial, buffer, FFTW_MEASURE | FFTW_WISDOM_ONLY);
    if (complete) tk_fft_free(&trial);
    free(buffer);
    *wisdom = complete ? fftwf_export_wisdom_to_string() : calloc(1, 1);
    return *wisdom ? TK_OK : TK_NO_MEMORY;
}

tk_status tk_fft_plan(tk_fft *fft, const char *wisdom) {
    float *buffer = planning_buffer(fft);
    if (!buffer) return TK_NO_MEMORY;
    fftwf_forget_wisdom();
    bool made = false;
    if (wisdom[0] == '\0')
        made = plan_all(fft, buffer, FFTW_ESTIMATE);
    else if (fftwf_import_wisdom_from_string(wisdom))
        made = plan_all(fft, buffer, FFTW_MEASURE | FFTW_WISDOM_ONLY);
    free(buffer);
    return made ? TK_OK : TK_FAILED;
}

void tk_fft_free(tk_fft *fft) {
    for (int axis = 0; axis < 3; axis++) {
        if (fft->forward[axis]) fftwf_destroy_plan(fft->forward[axis]);
        if (fft->inverse[axis]) fftwf_destroy_plan(fft->inverse[axis]);
        fft->forward[axis] = fft->inverse[axis] = NULL;
    }
}
