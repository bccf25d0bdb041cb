/* PSFs of optics: a radial table, drawn into voxels and scaled to sum 1. */
#include "kernels/psf/model.h"

#include <math.h>

#include "kernels/psf/pixels.h"
#include "kernels/psf/psf.h"

enum { MOST_SIZE = 1 << 15 };

static bool is_possible(const tk_psf_optics *o, const int64_t size[3]) {
    for (int axis = 0; axis < 3; axis++)
        if (size[axis] < 1 || size[axis] > MOST_SIZE) return false;
    return !tk_psf_optics_fault(o);
}

static double sum_of(tk_view_f32 psf) {
    double sum = 0;
    for (int64_t z = 0; z < psf.size[TK_Z]; z++)
        for (int64_t y = 0; y < psf.size[TK_Y]; y++)
            for (int64_t x = 0; x < psf.size[TK_X]; x++)
                sum += psf.data[z * psf.stride[TK_Z] + y * psf.stride[TK_Y] + x];
    return sum;
}

/* The brightest voxel may be far from 1 in a table's units: large values would not fit a float. */
static void scale_table(double *table, int64_t count, double *energy, int64_t planes) {
    double peak = 0;
    for (int64_t i = 0; i < count; i++) peak = fmax(peak, table[i]);
    if (!(peak > 0)) return;
    for (int64_t i = 0; i < count; i++) table[i] /= peak;
    for (int64_t z = 0; z < planes; z++) energy[z] /= peak;
}

/* Interpolation may undershoot where a PSF is dark. */
static void clip(tk_view_f32 psf) {
    for (int64_t z = 0; z < psf.size[TK_Z]; z++)
        for (int64_t y = 0; y < psf.size[TK_Y]; y++)
            for (int64_t x = 0; x < psf.size[TK_X]; x++) {
                float *at = psf.data + z * psf.stride[TK_Z] + y * psf.stride[TK_Y] + x;
                *at = *at > 0 ? *at : 0;
            }
}

static tk_status make(const tk_psf_optics *o, tk_work *work, tk_view_f32 psf, tk_psf_facts *facts) {
    const tk_psf_grid grid = tk_psf_grid_of(o, psf.size);
    const int64_t count = grid.radii * grid.planes;
    double *table = tk_scratch_take(&work->scratch, count, sizeof *table);
    double *energy = tk_scratch_take(&work->scratch, grid.planes, sizeof *energy);
    if (!table || !energy) return TK_NO_MEMORY;
    for (int64_t z = 0; z < grid.planes; z++) energy[z] = NAN;
    TK_TRY(tk_psf_radial(o, &grid, work, table, energy));
    scale_table(table, count, energy, grid.planes);
    TK_TRY(tk_psf_pixels(o, &grid, table, work, psf));
    clip(psf);
    double total = 0;
    for (int64_t z = 0; z < grid.planes; z++) total += energy[z];
    const double area = o->voxel_um[TK_Y] * o->voxel_um[TK_X];
    if (facts) facts->lost = o->sampled ? NAN : 1 - sum_of(psf) * area / total;
    return tk_psf_normalise(psf) == TK_PSF_GOOD ? TK_OK : TK_UNSOLVABLE;
}

tk_status tk_psf_make(const tk_psf_optics *optics, tk_work *work, tk_view_f32 psf, tk_psf_facts *facts) {
    if (!is_possible(optics, psf.size)) return TK_INVALID;
    if (facts) {
        facts->brightest_um = tk_psf_brightest_shift(optics);
        facts->origin_um = tk_psf_origin_shift(optics);
    }
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = make(optics, work, psf, facts);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

static size_t table_cost(const tk_psf_grid *grid) {
    return tk_size_add(tk_scratch_cost(grid->radii * grid->planes, sizeof(double)),
                       tk_scratch_cost(grid->planes, sizeof(double)));
}

size_t tk_psf_make_scratch(const tk_psf_optics *optics, const int64_t size[3], int threads) {
    if (!is_possible(optics, size)) return SIZE_MAX;
    const tk_psf_grid grid = tk_psf_grid_of(optics, size);
    const size_t lanes = tk_psf_pixels_scratch(&grid, size, threads);
    const size_t radial = tk_psf_radial_scratch(optics, &grid, threads);
    return tk_size_add(table_cost(&grid), lanes > radial ? lanes : radial);
}
