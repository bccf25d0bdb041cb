/* Eigen-PSFs: snapshots over depth, the matrix of their products, Jacobi's eigenvectors. */
#include "kernels/psf/eigen.h"

#include <math.h>
#include <string.h>

#include "kernels/psf/pixels.h"

enum { SWEEPS = 60 };

static double depth_at(double first, double last, int64_t depths, int64_t i) {
    return first + (last - first) * (double)i / (double)(depths - 1);
}

static tk_psf_optics at_depth(const tk_psf_optics *optics, double depth_um) {
    tk_psf_optics o = *optics;
    o.depth_um = depth_um;
    o.origin = TK_PSF_BEST_FOCUS;
    return o;
}

/* The area of the ring that a radius stands for. */
static double ring(const tk_psf_grid *grid, int64_t r) {
    return M_PI * grid->step * grid->step * (r == 0 ? 0.25 : 2 * (double)r);
}

/* The table of one depth, scaled to unit light in all planes together (with what is beyond the table, if that is
 * known).
 */
static tk_status snapshot(const tk_psf_optics *o, const tk_psf_grid *grid, tk_work *work, double *table) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    double *energy = tk_scratch_take(&work->scratch, grid->planes, sizeof *energy), light = 0;
    if (!energy) return TK_NO_MEMORY;
    for (int64_t z = 0; z < grid->planes; z++) energy[z] = NAN;
    const tk_status status = tk_psf_radial(o, grid, work, table, energy);
    for (int64_t z = 0; z < grid->planes; z++) light += energy[z];
    tk_scratch_rewind(&work->scratch, mark);
    if (status != TK_OK) return status;
    if (isnan(light)) {
        light = 0;
        for (int64_t r = 0; r < grid->radii; r++)
            for (int64_t z = 0; z < grid->planes; z++) light += ring(grid, r) * table[r * grid->planes + z];
    }
    for (int64_t i = 0; i < grid->radii * grid->planes; i++) table[i] /= light;
    return TK_OK;
}

static double product(const tk_psf_grid *grid, const double *a, const double *b) {
    double sum = 0;
    for (int64_t r = 0; r < grid->radii; r++) {
        const double *p = a + r * grid->planes, *q = b + r * grid->planes;
        double part[4] = {0};
        for (int64_t z = 0; z < grid->planes; z++) part[z % 4] += p[z] * q[z];
        sum += ring(grid, r) * (part[0] + part[1] + part[2] + part[3]);
    }
    return sum;
}

/* Turns rows and columns p and q of the symmetric matrix a so that a(p, q) becomes 0, and the columns of v along. */
static void rotate(int64_t n, double *a, double *v, int64_t p, int64_t q) {
    const double off = a[p * n + q];
    if (off == 0) return;
    const double theta = (a[q * n + q] - a[p * n + p]) / (2 * off);
    const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    const double c = 1 / sqrt(t * t + 1), s = t * c;
    for (int64_t k = 0; k < n; k++) {
        const double x = a[k * n + p], y = a[k * n + q];
        a[k * n + p] = c * x - s * y;
        a[k * n + q] = s * x + c * y;
    }
    for (int64_t k = 0; k < n; k++) {
        const double x = a[p * n + k], y = a[q * n + k], u = v[k * n + p], w = v[k * n + q];
        a[p * n + k] = c * x - s * y;
        a[q * n + k] = s * x + c * y;
        v[k * n + p] = c * u - s * w;
        v[k * n + q] = s * u + c * w;
    }
}

/* Eigenvectors in the columns of v, eigenvalues on the diagonal of a. */
static void diagonalise(int64_t n, double *a, double *v) {
    memset(v, 0, (size_t)(n * n) * sizeof *v);
    for (int64_t i = 0; i < n; i++) v[i * n + i] = 1;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double off = 0, all = 0;
        for (int64_t i = 0; i < n * n; i++) {
            all += a[i] * a[i];
            off += i / n == i % n ? 0 : a[i] * a[i];
        }
        if (off <= 1e-32 * all) return;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) rotate(n, a, v, p, q);
    }
}

/* The column of the largest eigenvalue that is left; it is taken off the diagonal. */
static int64_t take_largest(int64_t n, double *a, double *value) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (a[i * n + i] > a[best * n + best]) best = i;
    *value = a[best * n + best];
    a[best * n + best] = -INFINITY;
    return best;
}

/* Modes one by one, until the worst depth is good enough. `left` starts as the squared norms of the snapshots. */
static void choose_modes(double *a, const double *v, double target, int64_t most, double *left, tk_psf_eigen *eigen) {
    const int64_t n = eigen->depths;
    double norm[TK_EIGEN_MOST_DEPTHS];
    memcpy(norm, left, (size_t)n * sizeof *norm);
    eigen->worst = 1;
    for (eigen->modes = 0; eigen->modes < most && eigen->worst > target;) {
        const int64_t k = eigen->modes;
        double value, sum = 0, worst = 0;
        const int64_t column = take_largest(n, a, &value);
        if (!(value > 0)) return;
        for (int64_t i = 0; i < n; i++) sum += v[i * n + column];
        for (int64_t i = 0; i < n; i++) {
            const double turned = sum < 0 ? -v[i * n + column] : v[i * n + column];
            eigen->coefficient[k][i] = turned * sqrt(value);
            eigen->combine[k][i] = turned / sqrt(value);
            left[i] -= value * turned * turned;
            worst = fmax(worst, sqrt(fmax(0, left[i]) / norm[i]));
        }
        eigen->error[k] = eigen->worst = worst;
        eigen->modes = k + 1;
    }
}

static tk_status make(const tk_psf_grid *grid, double target, int64_t most, tk_work *work, tk_psf_eigen *eigen) {
    const int64_t n = eigen->depths, count = grid->radii * grid->planes;
    double *table = tk_scratch_take(&work->scratch, n * count, sizeof *table), left[TK_EIGEN_MOST_DEPTHS];
    double *a = tk_scratch_take(&work->scratch, n * n, sizeof *a);
    double *v = tk_scratch_take(&work->scratch, n * n, sizeof *v);
    if (!table || !a || !v) return TK_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        const tk_psf_optics o = at_depth(&eigen->optics, depth_at(eigen->first_um, eigen->last_um, n, i));
        eigen->shift_um[i] = tk_psf_focal_shift(&o);
        TK_TRY(snapshot(&o, grid, work, table + i * count));
    }
#pragma omp parallel for num_threads(work->threads) schedule(dynamic)
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++)
            a[i * n + j] = a[j * n + i] = product(grid, table + i * count, table + j * count);
    for (int64_t i = 0; i < n; i++) left[i] = a[i * n + i];
    diagonalise(n, a, v);
    choose_modes(a, v, target, most, left, eigen);
    return TK_OK;
}

static bool is_possible(const tk_psf_optics *optics, double first, double last, int64_t depths, const int64_t size[3]) {
    const tk_psf_optics shallow = at_depth(optics, first), deep = at_depth(optics, last);
    for (int axis = 0; axis < 3; axis++)
        if (size[axis] < 1 || size[axis] > 1 << 15) return false;
    return depths >= 2 && depths <= TK_EIGEN_MOST_DEPTHS && first < last && !tk_psf_optics_fault(&shallow) &&
           !tk_psf_optics_fault(&deep);
}

tk_status tk_psf_eigen_make(const tk_psf_optics *optics, double first_um, double last_um, int64_t depths,
                            const int64_t size[3], double target, int64_t most_modes, tk_work *work,
                            tk_psf_eigen *eigen) {
    if (!is_possible(optics, first_um, last_um, depths, size) || !(target > 0)) return TK_INVALID;
    if (most_modes < 1 || most_modes > TK_EIGEN_MOST) return TK_INVALID;
    const tk_psf_grid grid = tk_psf_grid_of(optics, size);
    const size_t mark = tk_scratch_mark(&work->scratch);
    *eigen = (tk_psf_eigen){.optics = *optics, .depths = depths, .first_um = first_um, .last_um = last_um};
    const tk_status status = make(&grid, target, most_modes < depths ? most_modes : depths, work, eigen);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

/* Scratch of the tables at the shallowest and the deepest: the phase is steepest at one end. */
static size_t radial_cost(const tk_psf_optics *optics, double first, double last, const tk_psf_grid *grid,
                          int threads) {
    const tk_psf_optics shallow = at_depth(optics, first), deep = at_depth(optics, last);
    const size_t one = tk_psf_radial_scratch(&shallow, grid, threads),
                 other = tk_psf_radial_scratch(&deep, grid, threads);
    return tk_size_add(one > other ? one : other, tk_scratch_cost(grid->planes, sizeof(double)));
}

size_t tk_psf_eigen_scratch(const tk_psf_optics *optics, double first_um, double last_um, int64_t depths,
                            const int64_t size[3], int threads) {
    if (!is_possible(optics, first_um, last_um, depths, size)) return SIZE_MAX;
    const tk_psf_grid grid = tk_psf_grid_of(optics, size);
    size_t bytes = tk_scratch_cost(depths * grid.radii * grid.planes, sizeof(double));
    bytes = tk_size_add(bytes, 2 * tk_scratch_cost(depths * depths, sizeof(double)));
    return tk_size_add(bytes, radial_cost(optics, first_um, last_um, &grid, threads));
}

void tk_psf_eigen_coefficients(const tk_psf_eigen *eigen, double depth_um, double *coefficient) {
    const double steps =
        (double)(eigen->depths - 1) * (depth_um - eigen->first_um) / (eigen->last_um - eigen->first_um);
    const double place = fmin(fmax(steps, 0), (double)(eigen->depths - 1));
    const int64_t taps = eigen->depths < 4 ? eigen->depths : 4, last = eigen->depths - taps;
    int64_t from = (int64_t)place - 1;
    from = from < 0 ? 0 : from > last ? last : from;
    for (int64_t k = 0; k < eigen->modes; k++) coefficient[k] = 0;
    for (int64_t i = from; i < from + taps; i++) {
        double weight = 1;
        for (int64_t j = from; j < from + taps; j++)
            if (j != i) weight *= (place - (double)j) / (double)(i - j);
        for (int64_t k = 0; k < eigen->modes; k++) coefficient[k] += weight * eigen->coefficient[k][i];
    }
}

/* Sums over all depths, for each of these modes. */
static tk_status mode_tables(const tk_psf_eigen *eigen, int64_t first, int64_t count, const tk_psf_grid *grid,
                             tk_work *work, double *one, double *sums) {
    const int64_t entries = grid->radii * grid->planes;
    const double area = eigen->optics.voxel_um[TK_Y] * eigen->optics.voxel_um[TK_X];
    memset(sums, 0, (size_t)(count * entries) * sizeof *sums);
    for (int64_t i = 0; i < eigen->depths; i++) {
        const double depth = depth_at(eigen->first_um, eigen->last_um, eigen->depths, i);
        const tk_psf_optics o = at_depth(&eigen->optics, depth);
        TK_TRY(snapshot(&o, grid, work, one));
        for (int64_t k = 0; k < count; k++)
            for (int64_t j = 0; j < entries; j++) sums[k * entries + j] += area * eigen->combine[first + k][i] * one[j];
    }
    return TK_OK;
}

tk_status tk_psf_eigen_modes(const tk_psf_eigen *eigen, int64_t first, int64_t count, tk_work *work,
                             const tk_view_f32 modes[]) {
    if (first < 0 || count < 1 || count > eigen->modes - first) return TK_INVALID;
    if (!is_possible(&eigen->optics, eigen->first_um, eigen->last_um, eigen->depths, modes[0].size)) return TK_INVALID;
    const tk_psf_grid grid = tk_psf_grid_of(&eigen->optics, modes[0].size);
    const int64_t entries = grid.radii * grid.planes;
    const size_t mark = tk_scratch_mark(&work->scratch);
    double *one = tk_scratch_take(&work->scratch, entries, sizeof *one);
    double *sums = tk_scratch_take(&work->scratch, count * entries, sizeof *sums);
    tk_status status = one && sums ? mode_tables(eigen, first, count, &grid, work, one, sums) : TK_NO_MEMORY;
    for (int64_t k = 0; k < count && status == TK_OK; k++)
        status = tk_psf_pixels(&eigen->optics, &grid, sums + k * entries, work, modes[k]);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

size_t tk_psf_eigen_modes_scratch(const tk_psf_eigen *eigen, const int64_t size[3], int64_t count, int threads) {
    const tk_psf_grid grid = tk_psf_grid_of(&eigen->optics, size);
    const int64_t entries = grid.radii * grid.planes;
    const size_t one = tk_scratch_cost(entries, sizeof(double));
    const size_t sums = tk_scratch_cost(count * entries, sizeof(double));
    const size_t radial = radial_cost(&eigen->optics, eigen->first_um, eigen->last_um, &grid, threads);
    const size_t pixels = tk_psf_pixels_scratch(&grid, size, threads);
    return tk_size_add(tk_size_add(one, sums), radial > pixels ? radial : pixels);
}
