/* Responses of an image to Gaussian filters of one scale, as pixel classifiers and detectors of blobs, edges, tubes and
 * sheets use them; exact over tiles.
 *
 *   gaussian    G in
 *   laplacian   sum over the axes of d2/di2 G in
 *   gradient    root of the sum over the axes of (d/di G in)^2
 *   dog         G in - G' in, G' of the sigma `second`
 *   hessian     eigenvalues of d2/didj G in, the largest first
 *   structure   eigenvalues of G" (d/di G in)(d/dj G in), G" of the sigma `outer`, the largest first
 *
 * Derivatives are those of the Gaussian, sampled (tk_gaussian_derivative): the values are those that
 * scipy.ndimage.gaussian_filter(order = ..., mode = "reflect", truncate = 4) leads to, but for float32 rounding. An
 * image of one plane has two axes, y and x: nothing is filtered along z and there are two eigenvalues, not three. Along
 * any other axis of one voxel all derivatives are 0.
 * A NaN in the image reaches as far as the filters do; an infinity makes infinities and NaN there. */
#ifndef TK_KERNELS_FILTER_FEATURES_H
#define TK_KERNELS_FILTER_FEATURES_H

#include <stdbool.h>

#include "kernels/common/view.h"
#include "kernels/common/work.h"

enum {
    TK_FEATURE_GAUSSIAN = 1,
    TK_FEATURE_LAPLACIAN = 2,
    TK_FEATURE_GRADIENT = 4,
    TK_FEATURE_DOG = 8,
    TK_FEATURE_HESSIAN = 16,
    TK_FEATURE_STRUCTURE = 32,
    TK_FEATURE_ALL = 63
};

enum { TK_FEATURES_MOST = 10 }; /* outputs of all of them */

/* All sigmas are in voxels, z y x, and at most TK_GAUSSIAN_SIGMA_MAX (gaussian.h). */
typedef struct tk_features_choice {
    unsigned which;   /* TK_FEATURE_… | … */
    int64_t size[3];  /* of the whole image */
    double sigma[3];  /* > 0 along each axis of more than one voxel, where there are derivatives */
    double second[3]; /* dog */
    double outer[3];  /* structure: >= 0. Commonly sigma / 2 */
    double unit[3];   /* the voxel's size in the unit that derivatives are per: 1 1 1 for per voxel, as scipy */
    bool negate;      /* the laplacian with the other sign: bright blobs are positive */
} tk_features_choice;

/* Filters for one choice; the same for all tiles and threads. */
typedef struct tk_features tk_features;

/* Makes the filters. Errors: TK_INVALID when the choice is empty or a sigma is out of range, TK_NO_MEMORY. */
tk_status tk_features_new(const tk_features_choice *choice, tk_features **features);
void tk_features_free(tk_features *features);

/* How many outputs there are: for each that was chosen, in the order of the list above, one, or the eigenvalues. */
int tk_features_count(const tk_features *features);

/* The place of the first output of one that was chosen. */
int tk_features_first(const tk_features *features, unsigned feature);

/* Voxels of input needed around an output voxel, z y x. */
void tk_features_halo(const tk_features *features, int64_t halo[3]);

/* Scratch bytes that one call on an input block of `in` voxels (z y x) needs to run on `threads` threads. With less it
 * uses as many threads as there is scratch for. */
size_t tk_features_scratch(const tk_features *features, const int64_t in[3], int threads);

/* Estimated nanoseconds of one core for an input block of `in` voxels. */
double tk_features_cost(const tk_features *features, const int64_t in[3]);

/* Computes all outputs over out_box. `in` covers in_box, which holds out_box grown by the halo and clipped to the
 * image; each view covers out_box, and those with `data` NULL are not computed. All eigenvalues come of one
 * computation. Errors: TK_FAILED when in_box is too small, TK_NO_MEMORY when the scratch is too small. */
tk_status tk_features_apply(const tk_features *features, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                            const tk_box *out_box, const tk_view_f32 out[], tk_work *work);

#endif
