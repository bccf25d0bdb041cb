/* The microscope that a PSF is computed for, and the phase that its media put on light from a point.
 *
 * Lengths are micrometres, wavelengths nanometres in vacuum. Light leaves a point at the depth d under the coverslip
 * and passes sample (index n_s), coverslip (n_g, thickness t_g) and immersion (n_i). The path that a ray of
 * s = n sin(theta) is longer or shorter than the lens was designed for is, with cos taken in each medium,
 *   d (n_s cos_s - n_i cos_i) + t_g n_g cos_g - t_g* n_g* cos_g* + t_i n_i cos_i - t_i* n_i* cos_i* - z n_i cos_i
 * (S. F. Gibson, F. Lanni, J. Opt. Soc. Am. A 9:154, 1992; * is the design), where z is how much deeper the lens is
 * focused than where the point would be sharp without any mismatch. With matched indices and glass only the last
 * term stays: Born and Wolf's PSF, with the exact defocus instead of its paraxial form.
 * Rays beyond the smallest of all indices (evanescent in some medium) are left out. */
#ifndef TK_KERNELS_PSF_OPTICS_H
#define TK_KERNELS_PSF_OPTICS_H

#include <stdbool.h>

typedef enum tk_psf_mode {
    TK_PSF_WIDEFIELD,
    TK_PSF_CONFOCAL,      /* excitation x (detection through a pinhole), point by point */
    TK_PSF_SPINNING_DISK, /* many pinholes, with the light that leaks through the neighbours */
    TK_PSF_LIGHT_SHEET,   /* detection x Gaussian sheet in z */
    TK_PSF_TWO_PHOTON     /* excitation squared, all light detected */
} tk_psf_mode;

/* Which focus of the lens is z = 0. */
typedef enum tk_psf_origin {
    TK_PSF_BRIGHTEST,  /* where the point is brightest on the axis: where it is seen */
    TK_PSF_BEST_FOCUS, /* tk_psf_focal_shift: changes smoothly with the depth */
    TK_PSF_NOMINAL     /* where it would be sharp without mismatch */
} tk_psf_origin;

typedef struct tk_psf_optics {
    tk_psf_mode mode;
    bool vectorial;                           /* Richards and Wolf's integrals instead of scalar ones */
    double na;                                /* numerical aperture */
    double emission_nm;                       /* not used by two-photon */
    double excitation_nm;                     /* confocal, spinning disk, two-photon */
    double n_immersion, n_immersion_design;   /* refractive indices */
    double n_coverslip, n_coverslip_design;   /* */
    double n_sample;                          /* */
    double coverslip_um, coverslip_design_um; /* thickness of the coverslip */
    double immersion_um, immersion_design_um; /* working distance: immersion between lens and coverslip */
    double depth_um;                          /* of the point under the coverslip */
    double pinhole_au;                        /* diameter in Airy units, 1.22 emission / NA, in the sample */
    double open_fraction;                     /* of a spinning disk: area of the holes / area of the disk */
    double sheet_um;                          /* half thickness of a light sheet: intensity falls to 1/e^2 */
    double voxel_um[3];                       /* z y x */
    tk_psf_origin origin;                     /* what lies at the middle of the image along z */
    bool sampled;                             /* at the pixels' centres; else integrated over their area */
} tk_psf_optics;

/* A widefield microscope without any mismatch: the sample has the index of the immersion, glass of 1.5230 and 170 um
 * and a working distance of 150 um are as designed, the point lies under the coverslip (depth 0); pinhole 1 Airy unit,
 * open fraction 0.036, sheet 2 um, excitation = emission. */
tk_psf_optics tk_psf_optics_default(double na, double emission_nm, double n_immersion, const double voxel_um[3]);

/* NULL, or what is wrong, in words: a value that is not finite, out of range, or an aperture the immersion
 * cannot give. */
const char *tk_psf_optics_fault(const tk_psf_optics *optics);

/* The largest n sin(theta) that gets through: the NA or the smallest index. */
double tk_psf_aperture(const tk_psf_optics *optics);

/* The smallest of all indices that play a part. */
double tk_psf_least_index(const tk_psf_optics *optics);

/* sqrt(n^2 - s^2), n cos(theta) of the ray s in a medium n; 0 when it is evanescent there. */
double tk_psf_axial(double n, double s);

/* The path difference of the ray s in um, less that of the ray on the axis, when the lens is focused `shift` deeper
 * than nominal. */
double tk_psf_path(const tk_psf_optics *optics, double shift, double s);

/* How much deeper the lens must be focused than without mismatch for the best focus, in um: the z that leaves the
 * smallest variance of the path over the pupil. Nothing of it is left out; 0 without mismatch. */
double tk_psf_focal_shift(const tk_psf_optics *optics);

/* The same for the greatest intensity on the axis, of a scalar PSF of the emission's wavelength: searched over all
 * foci that the rays of the inner three quarters of the angles have. With much spherical aberration it lies far from
 * the best focus. */
double tk_psf_brightest_shift(const tk_psf_optics *optics);

/* The shift of the optics' origin: one of these, or 0. */
double tk_psf_origin_shift(const tk_psf_optics *optics);

#endif
