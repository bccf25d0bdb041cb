/* The Gaussian integrated over voxels: w_i = (erf((i + 1/2) / (sigma sqrt 2)) - erf((i - 1/2) / (sigma sqrt 2))) / 2,
 * cut at 4 sigma and scaled to sum 1. */
#include "kernels/phantom/psf.h"

#include <math.h>

#include "kernels/phantom/phantom.h"

int64_t tk_psf_radius(double sigma) { return (int64_t)ceil(4 * sigma); }

void tk_psf_weights(double sigma, double weights[TK_PSF_MOST_TAPS]) {
    const int64_t radius = tk_psf_radius(sigma);
    if (radius == 0) {
        weights[0] = 1;
        return;
    }
    const double unit = sigma * sqrt(2), whole = erf(((double)radius + 0.5) / unit);
    double sides = 0;
    for (int64_t i = 1; i <= radius; i++) {
        const double part = (erf(((double)i + 0.5) / unit) - erf(((double)i - 0.5) / unit)) / (2 * whole);
        const double weight = rint(part * 0x1p32) * 0x1p-32;
        weights[radius + i] = weights[radius - i] = weight;
        sides += 2 * weight;
    }
    weights[radius] = 1 - sides;
}

void tk_phantom_psf_size(const double sigma[3], int64_t size[3]) {
    for (int a = 0; a < 3; a++) size[a] = 2 * tk_psf_radius(sigma[a]) + 1;
}

void tk_phantom_psf(const double sigma[3], tk_view_f32 psf) {
    double weights[3][TK_PSF_MOST_TAPS];
    for (int a = 0; a < 3; a++) tk_psf_weights(sigma[a], weights[a]);
    for (int64_t z = 0; z < psf.size[TK_Z]; z++)
        for (int64_t y = 0; y < psf.size[TK_Y]; y++) {
            float *row = psf.data + z * psf.stride[TK_Z] + y * psf.stride[TK_Y];
            for (int64_t x = 0; x < psf.size[TK_X]; x++)
                row[x] = (float)(weights[TK_Z][z] * weights[TK_Y][y] * weights[TK_X][x]);
        }
}
