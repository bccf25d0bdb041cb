/* Radial tables of whole PSFs: one pupil, or products of two, with pinholes as averages over a disk. */
#include "kernels/psf/radial.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/psf/pupil.h"
#include "kernels/psf/quadrature.h"

static const double samples_per_period = 14, airy_radius = 0.61;

static double um(double nm) { return nm * 1e-3; }

static bool has_pinhole(const tk_psf_optics *o) {
    return o->mode == TK_PSF_CONFOCAL || o->mode == TK_PSF_SPINNING_DISK;
}

static double pinhole_radius(const tk_psf_optics *o) {
    return has_pinhole(o) ? o->pinhole_au * airy_radius * um(o->emission_nm) / o->na : 0;
}

/* The highest spatial frequency of the intensity, periods per um. */
static double finest(const tk_psf_optics *o) {
    const double reach = 2 * tk_psf_aperture(o);
    if (o->mode == TK_PSF_TWO_PHOTON) return 2 * reach / um(o->excitation_nm);
    return reach / um(o->emission_nm) + (has_pinhole(o) ? reach / um(o->excitation_nm) : 0);
}

double tk_psf_radial_step(const tk_psf_optics *optics) { return 1 / (samples_per_period * finest(optics)); }

/* The grid with the radii that averages over a disk, `passes` times, read beyond it. */
static tk_psf_grid wider(const tk_psf_optics *o, const tk_psf_grid *grid, int passes) {
    tk_psf_grid wide = *grid;
    wide.radii += passes * ((int64_t)ceil(pinhole_radius(o) / grid->step) + TK_TAPS);
    return wide;
}

/* Adds to weight[] what the table's entries count for the value at this radius, times `share`. */
static void add_taps(double radius_steps, double share, double *weight) {
    double tap[TK_TAPS];
    const int64_t base = (int64_t)radius_steps;
    tk_lagrange(radius_steps - (double)base, tap);
    for (int i = 0; i < TK_TAPS; i++) {
        const int64_t at = base + i - TK_TAPS_BEFORE;
        weight[at < 0 ? -at : at] += share * tap[i];
    }
}

/* Places and weights of a mean over a disk: rings, and angles on half of each. */
typedef struct disk {
    double radius[256], share[256];
    int64_t rings, angles;
} disk;

static void make_disk(const tk_psf_optics *o, const tk_psf_grid *grid, disk *d) {
    const double a = pinhole_radius(o) / grid->step, phase = 2 * M_PI / samples_per_period * a;
    d->rings = 6 + (int64_t)ceil(phase);
    if (d->rings > 256) d->rings = 256;
    d->angles = 10 + (int64_t)ceil(phase);
    tk_gauss_legendre(d->rings, 0, a, d->radius, d->share);
    for (int64_t i = 0; i < d->rings; i++) d->share[i] *= a > 0 ? 2 * d->radius[i] / (a * a * (double)d->angles) : 0;
}

/* The mean over the disk around radius r (in steps), of all planes. */
static void mean_at(const disk *d, int64_t r, const tk_psf_grid *from, const double *in, double *weight,
                    double *restrict out) {
    const int64_t reach = (int64_t)ceil(d->radius[d->rings - 1]) + TK_TAPS;
    const int64_t low = r > reach ? r - reach : 0;
    const int64_t high = r + reach < from->radii ? r + reach : from->radii;
    for (int64_t j = 0; j < from->radii; j++) weight[j] = 0;
    for (int64_t i = 0; i < d->rings; i++)
        for (int64_t a = 0; a < d->angles; a++) {
            const double turn = M_PI * ((double)a + 0.5) / (double)d->angles, s = d->radius[i];
            add_taps(sqrt((double)(r * r) + s * s - 2 * (double)r * s * cos(turn)), d->share[i], weight);
        }
    memset(out, 0, (size_t)from->planes * sizeof *out);
    for (int64_t j = low; j < high; j++)
        for (int64_t z = 0; z < from->planes; z++) out[z] += weight[j] * in[j * from->planes + z];
}

/* Averages a table over the pinhole; `out` has fewer radii (wider()), and may be `in` for a pinhole of 0. */
static tk_status through_pinhole(const tk_psf_optics *o, const tk_psf_grid *from, const tk_psf_grid *to, tk_work *work,
                                 const double *in, double *out) {
    if (pinhole_radius(o) == 0) {
        memcpy(out, in, (size_t)(to->radii * to->planes) * sizeof *out);
        return TK_OK;
    }
    disk d;
    make_disk(o, from, &d);
    const size_t mark = tk_scratch_mark(&work->scratch);
    double *weight = tk_scratch_take(&work->scratch, from->radii * work->threads, sizeof *weight);
    if (!weight) return TK_NO_MEMORY;
#pragma omp parallel for num_threads(work->threads) schedule(static, 4)
    for (int64_t r = 0; r < to->radii; r++)
        mean_at(&d, r, from, in, weight + omp_get_thread_num() * from->radii, out + r * to->planes);
    tk_scratch_rewind(&work->scratch, mark);
    return TK_OK;
}

/* value *= excitation through no pinhole (confocal) or through the disk's (spinning disk). */
static tk_status excite(const tk_psf_optics *o, const tk_psf_grid *grid, tk_work *work, double *wide, double *narrow,
                        double *value) {
    const bool disk_scan = o->mode == TK_PSF_SPINNING_DISK;
    const tk_psf_grid twice = wider(o, grid, 2), once = wider(o, grid, 1);
    double energy, leak = 0;
    TK_TRY(tk_psf_pupil(o, um(o->excitation_nm), disk_scan ? &twice : grid, work, wide, &energy));
    if (disk_scan) {
        TK_TRY(through_pinhole(o, &twice, &once, work, wide, narrow));
        TK_TRY(through_pinhole(o, &once, grid, work, narrow, wide));
        const double area = M_PI * pinhole_radius(o) * pinhole_radius(o);
        leak = area > 0 ? o->open_fraction * energy / area : 0;
    }
    for (int64_t i = 0; i < grid->radii * grid->planes; i++) value[i] *= wide[i] + leak;
    return TK_OK;
}

static tk_status confocal(const tk_psf_optics *o, const tk_psf_grid *grid, tk_work *work, double *value) {
    const tk_psf_grid twice = wider(o, grid, 2), once = wider(o, grid, 1);
    const size_t mark = tk_scratch_mark(&work->scratch);
    double *wide = tk_scratch_take(&work->scratch, twice.radii * twice.planes, sizeof *wide);
    double *narrow = tk_scratch_take(&work->scratch, once.radii * once.planes, sizeof *narrow);
    tk_status status = wide && narrow ? TK_OK : TK_NO_MEMORY;
    if (status == TK_OK && o->mode == TK_PSF_CONFOCAL) {
        status = tk_psf_pupil(o, um(o->emission_nm), &once, work, narrow, NULL);
        if (status == TK_OK) status = through_pinhole(o, &once, grid, work, narrow, value);
    } else if (status == TK_OK)
        status = tk_psf_pupil(o, um(o->emission_nm), grid, work, value, NULL);
    if (status == TK_OK) status = excite(o, grid, work, wide, narrow, value);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

/* A Gaussian sheet, aligned to where the point is brightest. */
static double sheet_at(const tk_psf_optics *o, double focus, double z) {
    if (o->mode != TK_PSF_LIGHT_SHEET) return 1;
    const double d = (z - focus) / o->sheet_um;
    return exp(-2 * d * d);
}

tk_status tk_psf_radial(const tk_psf_optics *o, const tk_psf_grid *grid, tk_work *work, double *value, double *energy) {
    if (has_pinhole(o)) return confocal(o, grid, work, value);
    const bool squared = o->mode == TK_PSF_TWO_PHOTON;
    const double focus = tk_psf_brightest_shift(o) - tk_psf_origin_shift(o);
    double plane;
    TK_TRY(tk_psf_pupil(o, um(squared ? o->excitation_nm : o->emission_nm), grid, work, value, &plane));
    for (int64_t z = 0; z < grid->planes; z++) {
        const double sheet = sheet_at(o, focus, grid->first + grid->spacing * (double)z);
        if (energy && !squared) energy[z] = plane * sheet;
        for (int64_t at = z; at < grid->radii * grid->planes; at += grid->planes)
            value[at] *= squared ? value[at] : sheet;
    }
    return TK_OK;
}

size_t tk_psf_radial_scratch(const tk_psf_optics *o, const tk_psf_grid *grid, int threads) {
    const tk_psf_grid twice = wider(o, grid, 2), once = wider(o, grid, 1);
    size_t bytes = tk_psf_pupil_scratch(o, um(o->emission_nm), &twice, threads);
    const size_t other = tk_psf_pupil_scratch(o, um(o->excitation_nm), &twice, threads);
    if (other > bytes) bytes = other;
    if (!has_pinhole(o)) return bytes;
    bytes = tk_size_add(bytes, tk_scratch_cost(twice.radii * threads, sizeof(double)));
    bytes = tk_size_add(bytes, tk_scratch_cost(twice.radii * twice.planes, sizeof(double)));
    return tk_size_add(bytes, tk_scratch_cost(once.radii * once.planes, sizeof(double)));
}
