/* Debye integrals over the pupil as a product of matrices: Bessel functions [radius][node] x phases [node][plane].
 *
 * The substitution s = n sin(t) with the smallest index n makes the integrand smooth up to the rim, where total
 * reflection would leave a square root; Gauss and Legendre's rule then converges like an exponential. */
#include "kernels/psf/pupil.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/psf/quadrature.h"

enum { COMPONENTS = 3 };
static const double share[COMPONENTS] = {1, 2, 1}; /* of |I0|^2, |I1|^2, |I2|^2 */

typedef struct nodes {
    int64_t count;
    int components;
    double *s;                     /* n sin(theta) of each node */
    double *amplitude[COMPONENTS]; /* of each integral, weight of the node included */
    double *real, *imaginary;      /* [node][plane] exp(i phase) */
} nodes;

/* The steepest change of the phase along the pupil, radians over the whole range of t. */
static double phase_range(const tk_psf_optics *o, double shift, double k, const tk_psf_grid *grid) {
    enum { STEPS = 256 };
    const double n = tk_psf_least_index(o), rim = asin(tk_psf_aperture(o) / n);
    const double last = grid->first + grid->spacing * (double)(grid->planes - 1);
    const double z[2] = {grid->first, last};
    double before[2] = {0}, steepest = 0;
    for (int i = 1; i <= STEPS; i++)
        for (int end = 0; end < 2; end++) {
            const double s = n * sin(rim * i / STEPS);
            const double focus = z[end] * (tk_psf_axial(o->n_immersion, s) - o->n_immersion);
            const double phase = k * (tk_psf_path(o, shift, s) - focus);
            steepest = fmax(steepest, fabs(phase - before[end]) * STEPS);
            before[end] = phase;
        }
    return steepest + k * n * rim * grid->step * (double)grid->radii;
}

/* A wave of so many radians over the interval needs a quarter as many nodes, and some for the digits. */
static int64_t node_count(const tk_psf_optics *o, double wavelength_um, const tk_psf_grid *grid) {
    const double k = 2 * M_PI / wavelength_um;
    return 40 + (int64_t)ceil(phase_range(o, tk_psf_origin_shift(o), k, grid) * 0.3);
}

static size_t node_bytes(int64_t count, int64_t planes) {
    size_t bytes = 0;
    for (int i = 0; i < 2 + COMPONENTS; i++) bytes = tk_size_add(bytes, tk_scratch_cost(count, sizeof(double)));
    for (int i = 0; i < 2; i++) bytes = tk_size_add(bytes, tk_scratch_cost(count * planes, sizeof(double)));
    return bytes;
}

/* Two sums a plane for a thread, apart from the next thread's. */
static int64_t lane_doubles(int64_t planes) { return 2 * planes + 8; }

size_t tk_psf_pupil_scratch(const tk_psf_optics *optics, double wavelength_um, const tk_psf_grid *grid, int threads) {
    const size_t bytes = node_bytes(node_count(optics, wavelength_um, grid), grid->planes);
    return tk_size_add(bytes, tk_scratch_cost(threads * lane_doubles(grid->planes), sizeof(double)));
}

/* Amplitudes of the three integrals for the ray s: Fresnel's transmission of both interfaces, and the aplanatic lens,
 * whose sqrt(cos) becomes 1 / sqrt(cos) with s as the variable. */
static void vector_amplitudes(const tk_psf_optics *o, double s, double amplitude[COMPONENTS]) {
    const double n[3] = {o->n_immersion, o->n_coverslip, o->n_sample};
    double across = 1, along = 1, c[3];
    for (int i = 0; i < 3; i++) c[i] = tk_psf_axial(n[i], s);
    for (int i = 0; i < 2; i++) {
        across *= 2 * c[i] / (c[i] + c[i + 1]);
        along *= 2 * c[i] * n[i] * n[i + 1] / (n[i + 1] * n[i + 1] * c[i] + n[i] * n[i] * c[i + 1]);
    }
    const double lens = 1 / sqrt(c[0] / n[0]), cosine = c[2] / n[2];
    amplitude[0] = lens * (across + along * cosine) / 2;
    amplitude[1] = lens * along * s / n[2] / 2;
    amplitude[2] = lens * (across - along * cosine) / 2;
}

static void fill_phases(const tk_psf_optics *o, double shift, double k, const tk_psf_grid *grid, nodes *p) {
    for (int64_t q = 0; q < p->count; q++) {
        const double path = tk_psf_path(o, shift, p->s[q]);
        const double focus = tk_psf_axial(o->n_immersion, p->s[q]) - o->n_immersion;
        for (int64_t z = 0; z < grid->planes; z++) {
            const double phase = k * (path - (grid->first + grid->spacing * (double)z) * focus);
            p->real[q * grid->planes + z] = cos(phase);
            p->imaginary[q * grid->planes + z] = sin(phase);
        }
    }
}

static bool take_nodes(int64_t count, int64_t planes, tk_scratch *scratch, nodes *p) {
    p->count = count;
    p->s = tk_scratch_take(scratch, count, sizeof(double));
    for (int c = 0; c < COMPONENTS; c++) p->amplitude[c] = tk_scratch_take(scratch, count, sizeof(double));
    p->real = tk_scratch_take(scratch, count * planes, sizeof(double));
    p->imaginary = tk_scratch_take(scratch, count * planes, sizeof(double));
    return p->s && p->amplitude[COMPONENTS - 1] && p->imaginary;
}

/* Places, amplitudes and phases of the nodes; the integral of |A|^2 s ds. */
static double fill_nodes(const tk_psf_optics *o, double k, const tk_psf_grid *grid, double *weight, nodes *p) {
    const double n = tk_psf_least_index(o), rim = asin(tk_psf_aperture(o) / n);
    double power = 0;
    p->components = o->vectorial ? COMPONENTS : 1;
    tk_gauss_legendre(p->count, 0, rim, p->s, weight);
    for (int64_t q = 0; q < p->count; q++) {
        const double s = n * sin(p->s[q]), area = weight[q] * s * n * cos(p->s[q]);
        double amplitude[COMPONENTS] = {1, 0, 0};
        if (o->vectorial) vector_amplitudes(o, s, amplitude);
        p->s[q] = s;
        for (int c = 0; c < COMPONENTS; c++) {
            p->amplitude[c][q] = amplitude[c] * area;
            power += share[c] * amplitude[c] * amplitude[c] * area;
        }
    }
    fill_phases(o, tk_psf_origin_shift(o), k, grid, p);
    return power;
}

static double bessel(int order, double x) {
    if (order == 0) return j0(x);
    if (order == 1) return j1(x);
    return x < 1e-4 ? x * x / 8 : 2 * j1(x) / x - j0(x);
}

/* All planes at one radius. */
static void integrate(const nodes *p, double kr, int64_t planes, double *restrict sum, double *restrict value) {
    memset(value, 0, (size_t)planes * sizeof *value);
    for (int c = 0; c < p->components; c++) {
        memset(sum, 0, 2 * (size_t)planes * sizeof *sum);
        for (int64_t q = 0; q < p->count; q++) {
            const double factor = p->amplitude[c][q] * bessel(c, kr * p->s[q]);
            const double *restrict real = p->real + q * planes, *restrict imaginary = p->imaginary + q * planes;
#pragma omp simd
            for (int64_t z = 0; z < planes; z++) {
                sum[z] += factor * real[z];
                sum[planes + z] += factor * imaginary[z];
            }
        }
        for (int64_t z = 0; z < planes; z++)
            value[z] += share[c] * (sum[z] * sum[z] + sum[planes + z] * sum[planes + z]);
    }
}

static tk_status fill_table(const nodes *p, double k, const tk_psf_grid *grid, tk_work *work, double *value) {
    const int64_t pitch = lane_doubles(grid->planes);
    double *sums = tk_scratch_take(&work->scratch, work->threads * pitch, sizeof *sums);
    if (!sums) return TK_NO_MEMORY;
#pragma omp parallel for num_threads(work->threads) schedule(static, 4)
    for (int64_t r = 0; r < grid->radii; r++)
        integrate(p, k * grid->step * (double)r, grid->planes, sums + omp_get_thread_num() * pitch,
                  value + r * grid->planes);
    return TK_OK;
}

tk_status tk_psf_pupil(const tk_psf_optics *optics, double wavelength_um, const tk_psf_grid *grid, tk_work *work,
                       double *value, double *energy) {
    const double k = 2 * M_PI / wavelength_um;
    const int64_t count = node_count(optics, wavelength_um, grid);
    const size_t mark = tk_scratch_mark(&work->scratch);
    tk_status status = TK_NO_MEMORY;
    nodes p = {0};
    double *weight = tk_scratch_take(&work->scratch, count, sizeof *weight);
    if (weight && take_nodes(count, grid->planes, &work->scratch, &p)) {
        const double power = fill_nodes(optics, k, grid, weight, &p);
        if (energy) *energy = 2 * M_PI / (k * k) * power;
        status = fill_table(&p, k, grid, work, value);
    }
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}
