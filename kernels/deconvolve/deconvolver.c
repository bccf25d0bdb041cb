/* Padded size, plans, and the transforms (OTFs) of a PSF or of its terms, in single or half precision. */
#include "kernels/deconvolve/deconvolver.h"

#include <math.h>
#include <string.h>

#include "kernels/deconvolve/turn.h"
#include "kernels/fft/multiply.h"
#include "kernels/fft/size.h"

enum { WIDTH = 2 * TK_FFT_COLUMNS, MOST_MAKERS = 16 };

tk_status tk_deconvolver_layout(const int64_t psf[3], const int64_t largest[3], int terms, bool lean,
                                tk_deconvolver_shape *shape) {
    int64_t least[3], padded[3];
    *shape = (tk_deconvolver_shape){.psf = {psf[0], psf[1], psf[2]}, .terms = terms, .lean = lean};
    for (int axis = 0; axis < 3; axis++) {
        if (psf[axis] < 1 || largest[axis] < 1) return TK_NO_MEMORY;
        if (__builtin_add_overflow(psf[axis] - 1, largest[axis], &least[axis])) return TK_NO_MEMORY;
    }
    shape->turned = terms == 1 && least[TK_Z] == 1;
    if (shape->turned) {
        tk_turn_triple(least);
        tk_turn_triple(shape->psf);
    }
    tk_fft_padded_size(least, padded);
    TK_TRY(tk_fft_layout(padded, &shape->fft));
    shape->fft.spares = terms > 1 ? 3 : lean ? 1 : 0;
    return TK_OK;
}

void tk_deconvolver_padded(const tk_deconvolver_shape *shape, int64_t padded[3]) {
    memcpy(padded, shape->fft.size, sizeof shape->fft.size);
    if (shape->turned) tk_turn_triple(padded);
}

/* Values (two for each complex one) of the OTF of one term, of the rows of the worker with most of them. */
static int64_t most_values(const tk_fft *fft, const tk_fft_share *share) {
    const tk_fft_share first = {.workers = share ? share->workers : 1};
    const tk_fft_part part = tk_fft_part_of(fft, &first, fft->size[TK_Z]);
    return tk_fft_part_filter_count(fft, &part);
}

size_t tk_deconvolver_bytes(const tk_deconvolver_shape *shape, const tk_fft_share *share) {
    const size_t element = shape->lean ? sizeof(uint16_t) : sizeof(float);
    const size_t otf = tk_scratch_cost(most_values(&shape->fft, share), element);
    size_t bytes = tk_scratch_cost(shape->terms, sizeof(tk_fft_values));
    for (int k = 0; k < shape->terms; k++) bytes = tk_size_add(bytes, otf);
    return bytes;
}

/* Rows that are transformed at a time where the OTF is kept in half precision: a quarter. */
static int64_t rows_at_once(tk_fft_run rows) { return (rows.end - rows.first + 3) / 4; }

/* A plane to transform, buffers of MOST_MAKERS threads, and some rows in single precision where they are not kept so.
 */
static size_t making_bytes(const tk_deconvolver_shape *shape, const tk_fft_share *share) {
    const tk_fft *fft = &shape->fft;
    const size_t plane = tk_scratch_cost(fft->plane_stride, sizeof(float));
    const size_t buffer = tk_scratch_cost(MOST_MAKERS * tk_fft_buffer_count(fft), sizeof(float));
    const size_t single =
        shape->lean
            ? tk_scratch_cost((most_values(fft, share) + 3) / 4 + fft->blocks * fft->size[TK_Z] * WIDTH, sizeof(float))
            : 0;
    return tk_size_add(tk_size_add(plane, buffer), single);
}

double tk_deconvolver_cost(const tk_deconvolver_shape *shape, int64_t data_planes) {
    const tk_fft *fft = &shape->fft;
    const int64_t most = fft->size[TK_Z] - shape->psf[TK_Z] + 1;
    const double with_data = (double)(shape->turned ? most : data_planes) / (double)fft->size[TK_Z];
    const double planes = 2 * (1 + with_data) * tk_fft_plane_cost(fft->size) * (double)fft->size[TK_Z];
    const double columns = 2 * (1 + shape->terms) * tk_fft_columns_cost(fft->size);
    return planes + columns;
}

/* --- The OTF ----------------------------------------------------------------------------------------------------- */

/* What is needed while OTFs are made. */
typedef struct maker {
    const tk_fft *fft;
    tk_fft_run rows;
    int threads;
    float *plane, *buffers; /* a plane that all threads work on */
} maker;

/* Index that is `i` voxels after the origin of a periodic axis. */
static int64_t wrapped(int64_t i, int64_t size) { return i < 0 ? i + size : i; }

/* Puts a plane of the PSF into the zeroed padded plane, its origin at the corner, scaled. */
static void place_plane(const maker *m, tk_cview_f32 psf, int64_t z, float scale) {
    const tk_fft *fft = m->fft;
    memset(m->plane, 0, (size_t)fft->plane_stride * sizeof(float));
    for (int64_t y = 0; y < psf.size[TK_Y]; y++) {
        const float *from = psf.data + z * psf.stride[TK_Z] + y * psf.stride[TK_Y];
        float *row = m->plane + wrapped(y - psf.size[TK_Y] / 2, fft->size[TK_Y]) * fft->row_stride;
        for (int64_t x = 0; x < psf.size[TK_X]; x++)
            row[wrapped(x - psf.size[TK_X] / 2, fft->size[TK_X])] = from[x] * scale;
    }
}

/* Copies rows of the transformed plane into the filter's order [y][block][z][column]. */
static void store_plane(const maker *m, int64_t z, float *otf) {
    const tk_fft *fft = m->fft;
#pragma omp parallel for num_threads(m->threads) schedule(static)
    for (int64_t y = m->rows.first; y < m->rows.end; y++)
        for (int64_t block = 0; block < fft->blocks; block++) {
            const int64_t from = block * WIDTH, left = 2 * fft->spectrum - from;
            const int64_t column = (y - m->rows.first) * fft->blocks + block;
            memcpy(otf + (column * fft->size[TK_Z] + z) * WIDTH, m->plane + y * fft->row_stride + from,
                   (size_t)(left < WIDTH ? left : WIDTH) * sizeof(float));
        }
}

/* The PSF's transform times `scale`. */
static void make_otf(const maker *m, tk_cview_f32 psf, double scale, float *otf) {
    const tk_fft *fft = m->fft;
    const int64_t columns = (m->rows.end - m->rows.first) * fft->blocks, block = fft->size[TK_Z] * WIDTH;
    memset(otf, 0, (size_t)(columns * block) * sizeof(float));
    for (int64_t z = 0; z < psf.size[TK_Z]; z++) {
        place_plane(m, psf, z, (float)scale);
        tk_fft_plane_forward_together(fft, m->plane, m->buffers, m->threads);
        store_plane(m, wrapped(z - psf.size[TK_Z] / 2, fft->size[TK_Z]), otf);
    }
    /* The filter's order is that of blocks of columns: they are transformed where they lie. */
#pragma omp parallel for num_threads(m->threads)
    for (int64_t i = 0; i < columns; i++) {
        fftwf_complex *at = (fftwf_complex *)(otf + i * block);
        fftwf_execute_dft(fft->forward[TK_Z], at, at);
    }
}

/* The power of two that brings the largest possible value of the OTF, the sum of the PSF's magnitudes, to
 * 2^14 … 2^15. Halves then keep 11 bits of values down to 2^-29 of the largest, and something down to 2^-39. */
static double half_scale(tk_cview_f32 psf) {
    double sum = 0;
    for (int64_t z = 0; z < psf.size[TK_Z]; z++)
        for (int64_t y = 0; y < psf.size[TK_Y]; y++)
            for (int64_t x = 0; x < psf.size[TK_X]; x++)
                sum += fabs((double)psf.data[z * psf.stride[TK_Z] + y * psf.stride[TK_Y] + x]);
    int exponent;
    return sum > 0 ? (frexp(sum, &exponent), ldexp(1, 15 - exponent)) : 1;
}

/* Makes one term's OTF where `memory` has room for it; in half precision by way of `single`. */
static tk_fft_values make_values(const maker *m, tk_cview_f32 psf, tk_scratch *memory, float *single) {
    const tk_fft *fft = m->fft;
    const double voxels = (double)fft->size[TK_Z] * (double)fft->size[TK_Y] * (double)fft->size[TK_X];
    const int64_t block = fft->size[TK_Z] * WIDTH, columns = (m->rows.end - m->rows.first) * fft->blocks;
    if (!single) { /* 1 / voxels makes up for FFTW's unnormalised transforms */
        float *otf = tk_scratch_take(memory, columns * block, sizeof(float));
        make_otf(m, psf, 1 / voxels, otf);
        return (tk_fft_values){.single = otf};
    }
    const double scale = half_scale(psf);
    uint16_t *half = tk_scratch_take(memory, columns * block, sizeof(uint16_t));
    const tk_fft_multiply *table = TK_ISA_SELECT(tk_fft_multiply_table, TK_ISA_BASELINE);
    const int64_t step = rows_at_once(m->rows);
    for (int64_t y = m->rows.first; y < m->rows.end; y += step) {
        maker some = *m;
        some.rows = (tk_fft_run){y, y + step < m->rows.end ? y + step : m->rows.end};
        make_otf(&some, psf, scale, single);
        uint16_t *to = half + (y - m->rows.first) * fft->blocks * block;
#pragma omp parallel for num_threads(m->threads)
        for (int64_t i = 0; i < (some.rows.end - some.rows.first) * fft->blocks; i++)
            table->pack(block, to + i * block, single + i * block, 1);
    }
    return (tk_fft_values){.half = half, .scale = (float)(1 / (scale * voxels))};
}

/* Makes all terms' OTFs; `making` has making_bytes. */
static void make_terms(const tk_deconvolver_shape *shape, const tk_cview_f32 psf[], int threads, tk_scratch *making,
                       tk_deconvolver *deconvolver) {
    const tk_fft *fft = &deconvolver->shape.fft;
    const tk_fft_run rows = deconvolver->rows;
    const int64_t count = rows_at_once(rows) * fft->blocks * fft->size[TK_Z] * WIDTH;
    const maker m = {fft, rows, threads < MOST_MAKERS ? threads : MOST_MAKERS,
                     tk_scratch_take(making, fft->plane_stride, sizeof(float)),
                     tk_scratch_take(making, MOST_MAKERS * tk_fft_buffer_count(fft), sizeof(float))};
    float *single = shape->lean ? tk_scratch_take(making, count, sizeof(float)) : NULL;
    tk_fft_values *otf = tk_scratch_take(&deconvolver->memory, shape->terms, sizeof(tk_fft_values));
    for (int k = 0; k < shape->terms; k++)
        otf[k] = make_values(&m, shape->turned ? tk_turn_cview(psf[k]) : psf[k], &deconvolver->memory, single);
    deconvolver->otf = otf;
}

tk_status tk_deconvolver_make(const tk_deconvolver_shape *shape, const tk_cview_f32 psf[], const tk_fft_share *share,
                              const char *wisdom, int threads, tk_deconvolver *deconvolver) {
    tk_scratch making = {0};
    *deconvolver = (tk_deconvolver){.shape = *shape};
    TK_TRY(tk_fft_plan(&deconvolver->shape.fft, wisdom));
    deconvolver->rows = tk_fft_part_of(&shape->fft, share, shape->fft.size[TK_Z]).rows;
    tk_status status = tk_scratch_reserve(&deconvolver->memory, tk_deconvolver_bytes(shape, share));
    if (status == TK_OK) status = tk_scratch_reserve(&making, making_bytes(shape, share));
    if (status == TK_OK)
        make_terms(shape, psf, threads, &making, deconvolver);
    else
        tk_deconvolver_free(deconvolver);
    tk_scratch_release(&making);
    return status;
}

void tk_deconvolver_free(tk_deconvolver *deconvolver) {
    tk_fft_free(&deconvolver->shape.fft);
    tk_scratch_release(&deconvolver->memory);
    deconvolver->otf = NULL;
}

tk_fft_filter tk_deconvolver_filter(const tk_deconvolver *deconvolver, bool transposed, int64_t data_planes,
                                    const float *const *weight, const tk_fft_exchange *exchange) {
    const int64_t all = deconvolver->shape.fft.size[TK_Z];
    return (tk_fft_filter){.terms = deconvolver->shape.terms,
                           .values = deconvolver->otf,
                           .weight = deconvolver->shape.terms > 1 ? weight : NULL,
                           .conjugate = transposed,
                           .planes_in = transposed ? data_planes : all,
                           .planes_out = transposed ? all : data_planes,
                           .exchange = exchange};
}

int64_t tk_deconvolver_z(const tk_deconvolver_shape *shape, int64_t data_planes, int64_t plane) {
    const int64_t all = shape->fft.size[TK_Z];
    const int64_t before = shape->psf[TK_Z] - 1 - shape->psf[TK_Z] / 2; /* planes before the data that it sees */
    const int64_t spare = all - data_planes - before - shape->psf[TK_Z] / 2;
    return plane < all - before - (spare > 0 ? spare / 2 : 0) ? plane : plane - all;
}
