/* How large a PSF must be to hold most of the light: encircled energy on the radial table. */
#include <math.h>

#include "kernels/psf/model.h"
#include "kernels/psf/quadrature.h"

/* Light more than so many Airy radii beside the geometric cone is not looked for; products of two PSFs and squares
 * fall off with the sixth power of the distance. */
static double beside_cone(const tk_psf_optics *o) {
    return o->mode == TK_PSF_WIDEFIELD || o->mode == TK_PSF_LIGHT_SHEET ? 100 : 20;
}

static bool is_possible(const tk_psf_optics *o, const int64_t most[3]) {
    for (int axis = 0; axis < 3; axis++)
        if (most[axis] < 1 || most[axis] % 2 == 0 || most[axis] >= 1 << 15) return false;
    return !tk_psf_optics_fault(o);
}

static tk_psf_grid grid_of(const tk_psf_optics *o, const int64_t most[3]) {
    tk_psf_grid grid = {.step = tk_psf_radial_step(o), .spacing = o->voxel_um[TK_Z], .planes = most[TK_Z]};
    const int64_t half[3] = {most[TK_Z] / 2, most[TK_Y] / 2, most[TK_X] / 2};
    grid.first = -grid.spacing * (double)half[TK_Z];
    const double s = tk_psf_aperture(o), wave = fmax(o->emission_nm, o->excitation_nm) * 1e-3;
    const double cone = -grid.first * s / fmax(tk_psf_axial(o->n_immersion, s), 0.1);
    const double y = ((double)half[TK_Y] + 0.5) * o->voxel_um[TK_Y];
    const double x = ((double)half[TK_X] + 0.5) * o->voxel_um[TK_X];
    grid.radii = (int64_t)ceil(fmin(fmin(y, x), cone + beside_cone(o) * 0.61 * wave / s) / grid.step) + TK_TAPS;
    return grid;
}

/* Makes of each plane's intensities the energy within each radius, and folds the planes -z and z. The integral of
 * 2 pi r I is by trapezoids with Euler and Maclaurin's correction at the axis, step^2 / 12 times the slope 2 pi I. */
static void encircle(const tk_psf_grid *grid, double *table) {
    const int64_t planes = grid->planes, middle = planes / 2;
    for (int64_t z = 0; z < planes; z++) {
        double inside = M_PI / 6 * grid->step * grid->step * table[z], before = 0;
        for (int64_t r = 0; r < grid->radii; r++) {
            double *at = table + r * planes + z;
            const double here = 2 * M_PI * grid->step * grid->step * (double)r * *at;
            inside += (before + here) / 2;
            before = here;
            *at = inside;
        }
    }
    for (int64_t r = 0; r < grid->radii; r++)
        for (int64_t z = 1; z <= middle; z++) /* planes middle - z … middle + z, at middle + z */
            table[r * planes + middle + z] += table[r * planes + middle + z - 1] + table[r * planes + middle - z];
}

/* The first radius whose circle holds this energy in the planes -half … half; the last one when none does. */
static int64_t radius_of(const tk_psf_grid *grid, const double *table, int64_t half, double energy) {
    int64_t low = 0, high = grid->radii - 1;
    while (low < high) {
        const int64_t r = (low + high) / 2;
        if (table[r * grid->planes + grid->planes / 2 + half] >= energy)
            high = r;
        else
            low = r + 1;
    }
    return low;
}

/* Voxels on each side of the middle one that hold a radius. */
static int64_t half_of(const tk_psf_optics *o, const int64_t most[3], int axis, double radius) {
    const int64_t half = (int64_t)ceil(fmax(0, radius / o->voxel_um[axis] - 0.5));
    return half < most[axis] / 2 ? half : most[axis] / 2;
}

static void choose(const tk_psf_optics *o, const tk_psf_grid *grid, const int64_t most[3], const double *table,
                   double total, double loss, int64_t size[3], double *lost) {
    const bool all_planes = o->mode == TK_PSF_WIDEFIELD;
    const int64_t middle = grid->planes / 2;
    double least = INFINITY;
    for (int64_t half = all_planes ? middle : 0; half <= middle; half++) {
        const int64_t r = radius_of(grid, table, half, (1 - loss) * total);
        const double inside = table[r * grid->planes + middle + half], radius = (double)r * grid->step;
        if (inside < (1 - loss) * total && half < middle) continue;
        const int64_t chosen[3] = {2 * half + 1, 2 * half_of(o, most, TK_Y, radius) + 1,
                                   2 * half_of(o, most, TK_X, radius) + 1};
        const double volume = (double)chosen[0] * (double)chosen[1] * (double)chosen[2];
        if (volume >= least) continue;
        least = volume;
        for (int axis = 0; axis < 3; axis++) size[axis] = chosen[axis];
        *lost = 1 - inside / total;
    }
}

static tk_status size_for(const tk_psf_optics *o, const int64_t most[3], double loss, tk_work *work, int64_t size[3],
                          double *lost) {
    const tk_psf_grid grid = grid_of(o, most);
    const int64_t last = grid.radii * grid.planes - 1;
    double *table = tk_scratch_take(&work->scratch, last + 1, sizeof *table);
    double *energy = tk_scratch_take(&work->scratch, grid.planes, sizeof *energy), total = 0;
    if (!table || !energy) return TK_NO_MEMORY;
    for (int64_t z = 0; z < grid.planes; z++) energy[z] = NAN;
    TK_TRY(tk_psf_radial(o, &grid, work, table, energy));
    encircle(&grid, table);
    for (int64_t z = 0; z < grid.planes; z++) total += energy[z];
    if (isnan(total)) total = table[last]; /* falls off so fast that nothing is beyond */
    if (!(total > 0)) return TK_UNSOLVABLE;
    choose(o, &grid, most, table, total, loss, size, lost);
    return TK_OK;
}

tk_status tk_psf_size_for(const tk_psf_optics *optics, const int64_t most[3], double loss, tk_work *work,
                          int64_t size[3], double *lost) {
    if (!is_possible(optics, most) || !(loss > 0 && loss < 1)) return TK_INVALID;
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = size_for(optics, most, loss, work, size, lost);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

size_t tk_psf_size_scratch(const tk_psf_optics *optics, const int64_t most[3], int threads) {
    if (!is_possible(optics, most)) return SIZE_MAX;
    const tk_psf_grid grid = grid_of(optics, most);
    const size_t table = tk_size_add(tk_scratch_cost(grid.radii * grid.planes, sizeof(double)),
                                     tk_scratch_cost(grid.planes, sizeof(double)));
    return tk_size_add(table, tk_psf_radial_scratch(optics, &grid, threads));
}
