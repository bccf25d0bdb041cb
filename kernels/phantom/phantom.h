/* Phantoms: test volumes with known truth, from the objects to the camera's counts.
 *
 * Objects are rendered in photons, blurred with a Gaussian PSF integrated over the voxels, and counted: Poisson noise
 * of signal and background, Gaussian read noise, rounded and clipped to 16 bits. The scene is simulated with a margin
 * of the PSF's half-width around the field of view and objects may lie across its border, so that the border looks like
 * that of a real image. Axis order z y x; lengths in voxels. All of it is a function of the parameters alone: the
 * random numbers are counter-based (kernels/common/rng.h), so any number of threads makes the same bytes. */
#ifndef TK_KERNELS_PHANTOM_PHANTOM_H
#define TK_KERNELS_PHANTOM_PHANTOM_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/common/view.h"
#include "kernels/common/work.h"

typedef enum tk_phantom_kind {
    TK_PHANTOM_BEADS,     /* equal small spheres */
    TK_PHANTOM_FILAMENTS, /* bent tubes through the volume */
    TK_PHANTOM_NUCLEI     /* ellipsoids of random shape, brightness and mild texture, apart from each other */
} tk_phantom_kind;

typedef struct tk_phantom {
    tk_phantom_kind kind;
    int64_t size[3]; /* of the field of view, voxels */
    double scale[3]; /* edge of a voxel in units of the smallest edge; >= 1. Objects are round in these units */
    int64_t objects; /* with their centre in the field of view */
    uint64_t seed;
    double gap;        /* least distance between nuclei or beads, in voxels along any axis */
    double sigma[3];   /* of the PSF, voxels; 0: no blur on this axis */
    double photons;    /* of a voxel inside the brightest object, before the blur */
    double background; /* photons a voxel */
    double read_noise; /* standard deviation, photons */
} tk_phantom;

/* Are all numbers in the range that can be simulated: sizes 1 … 2^20 and 2^40 voxels in all with the margin, scales
 * 1 … 100, objects 0 … 10^7, sigma 0 … 100, gap 0 … 1000, photons, background and read noise 0 … 10^6? */
bool tk_phantom_valid(const tk_phantom *phantom);

/* Bytes of scratch memory that tk_phantom_make needs with this many threads. The phantom must be valid. */
size_t tk_phantom_scratch(const tk_phantom *phantom, int threads);

/* Makes the phantom. All outputs have the size of the field and belong to the caller:
 *   truth   photons of the objects, neither blurred nor with background
 *   labels  0 background, 1 … *count objects numbered by their first voxel in z y x order; a voxel belongs to an
 *           object when its centre is inside. Not for filaments, which cross: data may be NULL and is not touched
 *   counts  the camera's image, densely packed
 * Errors: TK_USAGE (not valid), TK_UNSOLVABLE (so many objects do not fit: *count is how many did), TK_NO_MEMORY
 * (scratch too small). */
tk_status tk_phantom_make(const tk_phantom *phantom, tk_work *work, tk_view_f32 truth, tk_view_u32 labels,
                          uint16_t *counts, int64_t *count);

/* The size of the PSF's image: odd, 2 ceil(4 sigma) + 1 on each axis. */
void tk_phantom_psf_size(const double sigma[3], int64_t size[3]);

/* The PSF that a phantom is blurred with, its peak in the middle, its sum 1; `psf` has the size that
 * tk_phantom_psf_size gives. */
void tk_phantom_psf(const double sigma[3], tk_view_f32 psf);

#endif
