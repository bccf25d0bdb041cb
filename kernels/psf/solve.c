/* Gaussian elimination with partial pivoting. */
#include "kernels/psf/solve.h"

#include <math.h>

static void swap(double *a, double *b) {
    const double held = *a;
    *a = *b;
    *b = held;
}

bool tk_solve(int n, double *a, double *b) {
    for (int c = 0; c < n; c++) {
        int pivot = c;
        for (int r = c + 1; r < n; r++)
            if (fabs(a[r * n + c]) > fabs(a[pivot * n + c])) pivot = r;
        if (!(fabs(a[pivot * n + c]) > 0)) return false;
        for (int k = 0; k < n; k++) swap(&a[c * n + k], &a[pivot * n + k]);
        swap(&b[c], &b[pivot]);
        for (int r = c + 1; r < n; r++) {
            const double factor = a[r * n + c] / a[c * n + c];
            for (int k = c; k < n; k++) a[r * n + k] -= factor * a[c * n + k];
            b[r] -= factor * b[c];
        }
    }
    for (int r = n - 1; r >= 0; r--) {
        for (int k = r + 1; k < n; k++) b[r] -= a[r * n + k] * b[k];
        b[r] /= a[r * n + r];
    }
    return true;
}
