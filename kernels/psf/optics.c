/* Path differences of a layered sample (Gibson and Lanni 1992), and the focal shift they cause. */
#include "kernels/psf/optics.h"

#include <math.h>
#include <stddef.h>

#include "kernels/psf/quadrature.h"

tk_psf_optics tk_psf_optics_default(double na, double emission_nm, double n_immersion, const double voxel_um[3]) {
    return (tk_psf_optics){.mode = TK_PSF_WIDEFIELD,
                           .na = na,
                           .emission_nm = emission_nm,
                           .excitation_nm = emission_nm,
                           .n_immersion = n_immersion,
                           .n_immersion_design = n_immersion,
                           .n_coverslip = 1.523,
                           .n_coverslip_design = 1.523,
                           .n_sample = n_immersion,
                           .coverslip_um = 170,
                           .coverslip_design_um = 170,
                           .immersion_um = 150,
                           .immersion_design_um = 150,
                           .pinhole_au = 1,
                           .open_fraction = 0.036,
                           .sheet_um = 2,
                           .voxel_um = {voxel_um[0], voxel_um[1], voxel_um[2]}};
}

static bool within(double value, double least, double most) { return value >= least && value <= most; }

const char *tk_psf_optics_fault(const tk_psf_optics *o) {
    const double indices[] = {o->n_immersion, o->n_immersion_design, o->n_coverslip, o->n_coverslip_design,
                              o->n_sample};
    for (size_t i = 0; i < sizeof indices / sizeof *indices; i++)
        if (!within(indices[i], 1, 3)) return "refractive indices are 1 to 3";
    if (!within(o->na, 0.01, 3)) return "the numerical aperture is 0.01 to 3";
    if (o->na >= o->n_immersion || o->na >= o->n_immersion_design)
        return "the numerical aperture is below the index of the immersion";
    if (!within(o->emission_nm, 100, 10000) || !within(o->excitation_nm, 100, 10000))
        return "wavelengths are 100 to 10000 nm";
    const double lengths[] = {o->coverslip_um, o->coverslip_design_um, o->immersion_um, o->immersion_design_um,
                              o->depth_um};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        if (!within(lengths[i], 0, 20000)) return "depth, thicknesses and working distances are 0 to 20000 um";
    for (int axis = 0; axis < 3; axis++)
        if (!within(o->voxel_um[axis], 1e-3, 100)) return "the edges of a voxel are 0.001 to 100 um";
    if (!within(o->pinhole_au, 0, 20)) return "the pinhole is 0 to 20 Airy units";
    if (!within(o->open_fraction, 0, 1)) return "the open fraction is 0 to 1";
    if (!within(o->sheet_um, 0.01, 1e6)) return "the sheet is 0.01 to 1000000 um";
    return NULL;
}

double tk_psf_least_index(const tk_psf_optics *o) {
    double least = fmin(o->n_immersion, o->n_sample);
    least = fmin(least, o->n_immersion_design);
    return fmin(least, fmin(o->n_coverslip, o->n_coverslip_design));
}

double tk_psf_aperture(const tk_psf_optics *optics) { return fmin(optics->na, tk_psf_least_index(optics)); }

double tk_psf_axial(double n, double s) { return n > s ? sqrt((n - s) * (n + s)) : 0; }

/* Length times (n cos - n), for a path that is 0 on the axis. */
static double layer(double length, double n, double s) {
    return length == 0 ? 0 : -length * s * s / (n + tk_psf_axial(n, s));
}

double tk_psf_path(const tk_psf_optics *o, double shift, double s) {
    double path = layer(o->depth_um, o->n_sample, s) - layer(o->depth_um, o->n_immersion, s);
    path += layer(o->coverslip_um, o->n_coverslip, s) - layer(o->coverslip_design_um, o->n_coverslip_design, s);
    path += layer(o->immersion_um, o->n_immersion, s) - layer(o->immersion_design_um, o->n_immersion_design, s);
    return path - layer(shift, o->n_immersion, s);
}

enum { NODES = 200, MOST_SCAN = 4096, REFINEMENTS = 40 };

/* The pupil on Gauss and Legendre's nodes. */
typedef struct pupil {
    double area[NODES], path[NODES], focus[NODES]; /* weight s ds; path; path of a focus 1 um deeper */
} pupil;

static void sample_pupil(const tk_psf_optics *o, pupil *p) {
    double node[NODES], weight[NODES];
    const double n = tk_psf_least_index(o);
    tk_gauss_legendre(NODES, 0, asin(tk_psf_aperture(o) / n), node, weight);
    for (int i = 0; i < NODES; i++) {
        const double s = n * sin(node[i]);
        p->area[i] = weight[i] * s * cos(node[i]);
        p->path[i] = tk_psf_path(o, 0, s);
        p->focus[i] = layer(1, o->n_immersion, s);
    }
}

static double best_focus(const pupil *p) {
    double area = 0, path = 0, focus = 0, both = 0, square = 0;
    for (int i = 0; i < NODES; i++) {
        area += p->area[i];
        path += p->area[i] * p->path[i];
        focus += p->area[i] * p->focus[i];
    }
    for (int i = 0; i < NODES; i++) {
        const double off = p->focus[i] - focus / area;
        both += p->area[i] * (p->path[i] - path / area) * off;
        square += p->area[i] * off * off;
    }
    return both / square;
}

static double on_axis(const pupil *p, double k, double z) {
    double real = 0, imaginary = 0;
    for (int i = 0; i < NODES; i++) {
        const double phase = k * (p->path[i] - z * p->focus[i]);
        real += p->area[i] * cos(phase);
        imaginary += p->area[i] * sin(phase);
    }
    return real * real + imaginary * imaginary;
}

double tk_psf_focal_shift(const tk_psf_optics *optics) {
    pupil p;
    sample_pupil(optics, &p);
    return best_focus(&p);
}

double tk_psf_brightest_shift(const tk_psf_optics *o) {
    pupil p;
    sample_pupil(o, &p);
    const double best = best_focus(&p), k = 2e3 * M_PI / o->emission_nm;
    double low = best, high = best, top = -1, place = best;
    for (int i = 1; i < NODES * 3 / 4; i++) { /* rays near the rim may have their focus anywhere */
        const double focus = (p.path[i] - p.path[i - 1]) / (p.focus[i] - p.focus[i - 1]);
        low = fmin(low, focus);
        high = fmax(high, focus);
    }
    const double depth = o->emission_nm * 1e-3 * o->n_immersion / (o->na * o->na); /* of field */
    if (high - low < 1e-6 * depth) return best;
    const double count = fmin(ceil((high - low) / depth * 8) + 16, MOST_SCAN), step = (high - low + 2 * depth) / count;
    for (int i = 0; i <= (int)count; i++) {
        const double z = low - depth + step * i, value = on_axis(&p, k, z);
        if (value > top) {
            top = value;
            place = z;
        }
    }
    double left = place - step, right = place + step;
    for (int i = 0; i < REFINEMENTS; i++) {
        const double a = left + (right - left) * 0.4, b = left + (right - left) * 0.6;
        if (on_axis(&p, k, a) < on_axis(&p, k, b))
            left = a;
        else
            right = b;
    }
    return (left + right) / 2;
}

double tk_psf_origin_shift(const tk_psf_optics *optics) {
    if (optics->origin == TK_PSF_NOMINAL) return 0;
    return optics->origin == TK_PSF_BEST_FOCUS ? tk_psf_focal_shift(optics) : tk_psf_brightest_shift(optics);
}
