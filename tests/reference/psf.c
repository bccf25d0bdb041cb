/* Debye integrals written out as in the papers, with complex numbers and every thickness. */
#include "tests/reference/psf.h"

#include <complex.h>
#include <math.h>

static double cosine(double n, double s) { return sqrt(fmax(0, 1 - s * s / (n * n))); }

/* The optical path, all layers of it, piston included. */
static double path(const tk_psf_optics *o, double z, double s) {
    const double immersion = o->immersion_um - o->depth_um - z;
    return o->n_sample * o->depth_um * cosine(o->n_sample, s) + o->n_immersion * immersion * cosine(o->n_immersion, s) -
           o->n_immersion_design * o->immersion_design_um * cosine(o->n_immersion_design, s) +
           o->n_coverslip * o->coverslip_um * cosine(o->n_coverslip, s) -
           o->n_coverslip_design * o->coverslip_design_um * cosine(o->n_coverslip_design, s);
}

/* Fresnel's coefficients of transmission from one medium into the next: perpendicular, parallel. */
static double perpendicular(double n1, double n2, double s) {
    const double c1 = cosine(n1, s), c2 = cosine(n2, s);
    return 2 * n1 * c1 / (n1 * c1 + n2 * c2);
}
static double parallel(double n1, double n2, double s) {
    const double c1 = cosine(n1, s), c2 = cosine(n2, s);
    return 2 * n1 * c1 / (n2 * c1 + n1 * c2);
}

static double complex integrand(const tk_psf_optics *o, int order, double k, double z, double r, double s) {
    const double complex wave = cexp(I * k * path(o, z, s)) * s;
    if (!o->vectorial) return j0(k * r * s) * wave;
    const double ci = cosine(o->n_immersion, s), cs = cosine(o->n_sample, s);
    const double ts = perpendicular(o->n_immersion, o->n_coverslip, s) * perpendicular(o->n_coverslip, o->n_sample, s);
    const double tp = parallel(o->n_immersion, o->n_coverslip, s) * parallel(o->n_coverslip, o->n_sample, s);
    const double part[3] = {(ts + tp * cs) / 2, tp * s / o->n_sample / 2, (ts - tp * cs) / 2};
    return part[order] * jn(order, k * r * s) * wave / sqrt(ci);
}

static double complex simpson(const tk_psf_optics *o, int order, double k, double z, double r) {
    double least = fmin(o->na, fmin(o->n_sample, o->n_immersion));
    least = fmin(least, fmin(o->n_coverslip, fmin(o->n_coverslip_design, o->n_immersion_design)));
    /* s = least sin(t): a total reflection at the rim is a square root in s, smooth in t. */
    double complex sum = 0, before = 1e30;
    for (int steps = 256; steps <= 1 << 20; steps *= 2) {
        const double h = M_PI / 2 / steps;
        sum = 0;
        for (int i = 0; i <= steps; i++)
            sum += (i == 0 || i == steps ? 1.0
                    : i % 2              ? 4.0
                                         : 2.0) *
                   cos(i * h) * integrand(o, order, k, z, r, least * sin(i * h));
        sum *= h / 3 * least;
        if (cabs(sum - before) < 1e-9 * least * least) break;
        before = sum;
    }
    return sum;
}

double ref_psf_point(const tk_psf_optics *o, double wavelength_um, double shift, double z, double radius) {
    const double k = 2 * M_PI / wavelength_um;
    double value = 0;
    for (int order = 0; order < (o->vectorial ? 3 : 1); order++) {
        const double size = cabs(simpson(o, order, k, z + shift, radius));
        value += (order == 1 ? 2 : 1) * size * size;
    }
    return value;
}

double ref_psf_pixel(const tk_psf_optics *o, double wavelength_um, double shift, double z, double y, double x) {
    enum { STEPS = 8 };
    double sum = 0;
    for (int v = 0; v <= STEPS; v++)
        for (int u = 0; u <= STEPS; u++) {
            const double weight = (v == 0 || v == STEPS ? 1.0
                                   : v % 2              ? 4.0
                                                        : 2.0) *
                                  (u == 0 || u == STEPS ? 1.0
                                   : u % 2              ? 4.0
                                                        : 2.0);
            const double py = y + o->voxel_um[1] * ((double)v / STEPS - 0.5);
            const double px = x + o->voxel_um[2] * ((double)u / STEPS - 0.5);
            sum += weight * ref_psf_point(o, wavelength_um, shift, z, hypot(py, px));
        }
    return sum / (9.0 * STEPS * STEPS);
}
