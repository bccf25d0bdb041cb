/* Gaussian PSF, pixel-integrated; checks and normalisation (float32, z y x, origin at size / 2). */
#include "kernels/psf/psf.h"

#include <math.h>

static const double support = 4.0;         /* standard deviations: all but 6e-5 of the flux on an axis */
static const double largest_sigma = 1.0e6; /* voxels; more is a mistake of units */

tk_status tk_psf_gaussian_size(const double sigma[3], int64_t size[3]) {
    for (int axis = 0; axis < 3; axis++) {
        if (!(sigma[axis] >= 0) || sigma[axis] > largest_sigma) return TK_INVALID;
        size[axis] = 2 * (int64_t)ceil(support * sigma[axis]) + 1;
    }
    return TK_OK;
}

/* The part of a Gaussian that falls on the voxel at this distance from its centre. */
static double voxel_part(double sigma, int64_t distance) {
    if (sigma == 0) return distance == 0 ? 1 : 0;
    const double d = (double)distance, scale = 1 / (sqrt(2.0) * sigma);
    return (erf((d + 0.5) * scale) - erf((d - 0.5) * scale)) / 2;
}

void tk_psf_gaussian(const double sigma[3], tk_view_f32 psf) {
    for (int64_t z = 0; z < psf.size[TK_Z]; z++)
        for (int64_t y = 0; y < psf.size[TK_Y]; y++) {
            const double plane = voxel_part(sigma[TK_Z], z - psf.size[TK_Z] / 2);
            const double row = plane * voxel_part(sigma[TK_Y], y - psf.size[TK_Y] / 2);
            float *at = psf.data + z * psf.stride[TK_Z] + y * psf.stride[TK_Y];
            for (int64_t x = 0; x < psf.size[TK_X]; x++)
                at[x] = (float)(row * voxel_part(sigma[TK_X], x - psf.size[TK_X] / 2));
        }
}

static tk_psf_fault sum_of(tk_cview_f32 psf, double *sum) {
    *sum = 0;
    for (int64_t z = 0; z < psf.size[TK_Z]; z++)
        for (int64_t y = 0; y < psf.size[TK_Y]; y++) {
            const float *row = psf.data + z * psf.stride[TK_Z] + y * psf.stride[TK_Y];
            for (int64_t x = 0; x < psf.size[TK_X]; x++) {
                if (!isfinite(row[x])) return TK_PSF_NOT_FINITE;
                if (row[x] < 0) return TK_PSF_NEGATIVE;
                *sum += row[x];
            }
        }
    return *sum > 0 ? TK_PSF_GOOD : TK_PSF_EMPTY;
}

tk_psf_fault tk_psf_normalise(tk_view_f32 psf) {
    double sum;
    const tk_psf_fault fault = sum_of(tk_read_f32(psf), &sum);
    if (fault != TK_PSF_GOOD) return fault;
    for (int64_t z = 0; z < psf.size[TK_Z]; z++)
        for (int64_t y = 0; y < psf.size[TK_Y]; y++) {
            float *row = psf.data + z * psf.stride[TK_Z] + y * psf.stride[TK_Y];
            for (int64_t x = 0; x < psf.size[TK_X]; x++) row[x] = (float)(row[x] / sum);
        }
    return TK_PSF_GOOD;
}

void tk_psf_halo(const int64_t size[3], int64_t halo[3]) {
    for (int axis = 0; axis < 3; axis++) halo[axis] = size[axis] / 2;
}
