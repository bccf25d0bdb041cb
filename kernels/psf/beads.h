/* A PSF measured from beads: found, centred to parts of a voxel, shifted and averaged.
 *
 * A bead is a local maximum (of 26 neighbours) of the image smoothed by a Gaussian of one voxel, so many noise levels
 * above the background. The background is the median of the smoothed image, its noise the median less the percentile
 * 15.87 (one standard deviation, where beads cannot disturb it). */
#ifndef TK_KERNELS_PSF_BEADS_H
#define TK_KERNELS_PSF_BEADS_H

#include "kernels/common/status.h"
#include "kernels/common/view.h"
#include "kernels/common/work.h"

typedef enum tk_bead_verdict {
    TK_BEAD_USED,
    TK_BEAD_BORDER,    /* the box around it leaves the image */
    TK_BEAD_SATURATED, /* a voxel of the box is saturated */
    TK_BEAD_CROWDED,   /* another bead, at least 0.3 as bright, has its centre within two half boxes */
    TK_BEAD_MISFIT,    /* a Gaussian does not fit, or its centre is elsewhere */
    TK_BEAD_VERDICTS
} tk_bead_verdict;

typedef struct tk_bead {
    int64_t peak[3];                        /* the brightest smoothed voxel, z y x */
    double brightness;                      /* of that voxel above the background */
    double centre[3];                       /* voxels, z y x; after tk_beads_fit */
    double background, amplitude, sigma[3]; /* of the Gaussian fitted; sigma in voxels */
    tk_bead_verdict verdict;
} tk_bead;

typedef struct tk_bead_rules {
    int64_t half[3];  /* half widths of the box around a bead, voxels, >= 2 */
    double threshold; /* noise levels above the background */
    float saturation; /* voxels of this value or above are saturated; INFINITY: none is */
} tk_bead_rules;

/* Finds beads, in the order of their peaks in the image, with a verdict each. Maxima inside the box of another one that
 * is more than 1 / 0.3 times brighter are its side lobes, and left out. Fills at most `most`; *found is how many there
 * are. Errors: TK_NO_MEMORY; TK_UNSOLVABLE when the image has no number in it, or more than `most` maxima. */
tk_status tk_beads_find(tk_cview_f32 image, const tk_bead_rules *rules, tk_work *work, tk_bead *beads, int64_t most,
                        int64_t *found);
size_t tk_beads_find_scratch(const int64_t size[3], int threads);

/* Fits background + amplitude * Gaussian to 0.6 of the box of each bead that is used, by Levenberg and Marquardt's
 * method from the centroid above the background. A bead becomes a misfit when the fit does not come to rest, its centre
 * lies more than half a box from the peak, or a sigma is below 0.3 voxels or above the half box. */
void tk_beads_fit(tk_cview_f32 image, const tk_bead_rules *rules, tk_bead *beads, int64_t count, int threads);

/* Averages the beads that are used into `psf` (2 half + 1 voxels on each axis): each is shifted so that its centre is
 * the middle voxel (tk_shift), its background taken off, and weighted by its light. Twice the centres are then refined
 * by least squares against the average (which does not presume a Gaussian) and the average made anew; the refined
 * centres stay in `beads`. The mean of the dimmest of the box's six faces becomes 0, what is below becomes 0, the sum
 * 1. Errors: TK_NO_MEMORY, TK_UNSOLVABLE (no bead is used, or nothing is left above the background). */
tk_status tk_beads_average(tk_cview_f32 image, const tk_bead_rules *rules, tk_bead *beads, int64_t count, tk_work *work,
                           tk_view_f32 psf);
size_t tk_beads_average_scratch(const tk_bead_rules *rules);

/* The same fit for an image that is one bead: its widths (sigma) and centre, in `bead`. */
void tk_bead_fit_one(tk_cview_f32 image, const tk_bead_rules *rules, tk_bead *bead);

#endif
