/* Gauss-Legendre nodes by Newton's method on Legendre polynomials; Lagrange weights of degree 7. */
#include "kernels/psf/quadrature.h"

#include <math.h>

/* P_n(x) and its derivative by the three-term recurrence. */
static double legendre(int64_t n, double x, double *slope) {
    double before = 1, here = x;
    for (int64_t k = 2; k <= n; k++) {
        const double next = ((double)(2 * k - 1) * x * here - (double)(k - 1) * before) / (double)k;
        before = here;
        here = next;
    }
    *slope = (double)n * (before - x * here) / (1 - x * x);
    return here;
}

void tk_gauss_legendre(int64_t count, double from, double to, double *node, double *weight) {
    const double middle = (from + to) / 2, half = (to - from) / 2;
    for (int64_t i = 0; i < (count + 1) / 2; i++) {
        double x = cos(M_PI * ((double)i + 0.75) / ((double)count + 0.5)), slope = 1;
        if (2 * i + 1 == count) x = 0;
        for (int step = 0; step < 6; step++) x -= legendre(count, x, &slope) / slope;
        legendre(count, x, &slope);
        node[i] = middle - half * x;
        node[count - 1 - i] = middle + half * x;
        weight[i] = weight[count - 1 - i] = half * 2 / ((1 - x * x) * slope * slope);
    }
}

void tk_lagrange(double t, double weight[TK_TAPS]) {
    static const double divisor[TK_TAPS] = {-5040, 720, -240, 144, -144, 240, -720, 5040};
    double left[TK_TAPS], right[TK_TAPS];
    left[0] = right[TK_TAPS - 1] = 1;
    for (int i = 1; i < TK_TAPS; i++) left[i] = left[i - 1] * (t + TK_TAPS_BEFORE - (i - 1));
    for (int i = TK_TAPS - 2; i >= 0; i--) right[i] = right[i + 1] * (t + TK_TAPS_BEFORE - (i + 1));
    for (int i = 0; i < TK_TAPS; i++) weight[i] = left[i] * right[i] / divisor[i];
}
