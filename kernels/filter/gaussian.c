/* Gaussian filter and its derivatives' weights (equations in gaussian.h): a bank of one (separable.h). */
#include "kernels/filter/gaussian.h"

#include <math.h>

#include "kernels/filter/separable.h"

int64_t tk_gaussian_radius(double sigma) { return (int64_t)(4 * sigma + 0.5); }

/* The derivative of exp(-k^2 / 2 sigma^2), over that. */
static double factor(double k, double sigma, int order) {
    const double variance = sigma * sigma;
    if (order == 0) return 1;
    return order == 1 ? k / variance : (k * k / variance - 1) / variance;
}

void tk_gaussian_derivative(double sigma, int order, double unit, int64_t radius, float *taps) {
    double sum = 1;
    for (int64_t k = 1; k <= radius; k++) sum += 2 * exp(-0.5 * (double)(k * k) / (sigma * sigma));
    const double scale = 1 / (order == 0 ? sum : sum * pow(unit, order));
    taps[0] = (float)(factor(0, sigma, order) * scale);
    for (int64_t k = 1; k <= radius; k++)
        taps[k] = (float)(factor((double)k, sigma, order) * exp(-0.5 * (double)(k * k) / (sigma * sigma)) * scale);
}

void tk_gaussian_taps(double sigma, int64_t radius, float *taps) { tk_gaussian_derivative(sigma, 0, 1, radius, taps); }

/* The bank of one component; its filters are `along`. */
static tk_separable bank_of(const tk_gaussian *gaussian, tk_fir along[3]) {
    for (int a = 0; a < 3; a++) along[a] = (tk_fir){gaussian->radius[a], false, gaussian->taps[a]};
    return (tk_separable){.component = {{0, {&along[0], &along[1], &along[2]}}}, .components = 1, .outputs = 1};
}

size_t tk_gaussian_scratch(const tk_gaussian *gaussian, const int64_t in[3], int threads) {
    tk_fir along[3];
    const tk_separable bank = bank_of(gaussian, along);
    return tk_separable_scratch(&bank, in, threads);
}

tk_status tk_gaussian_apply(const tk_gaussian *gaussian, const tk_box *image, const tk_box *in_box, tk_cview_f32 in,
                            const tk_box *out_box, tk_view_f32 out, tk_work *work) {
    tk_fir along[3];
    const tk_separable bank = bank_of(gaussian, along);
    return tk_separable_apply(&bank, image, in_box, &in, out_box, &out, work);
}
