/* Series after a reduction of the argument (see elementary.h). */
#include "kernels/common/elementary.h"

#include <math.h>

/* ln 2 in two parts; the first has zeros at its end, so that its product with an exponent is exact. */
static const double LN2_HIGH = 0x1.62e42fefa3800p-1, LN2_LOW = 0x1.ef35793c76730p-45;

/* x = 2^e m with m about 1, and ln m = 2 artanh((m - 1) / (m + 1)) by its series, whose argument stays below 0.172. */
double tk_log_ieee(double x) {
    int e = 0;
    double m = frexp(x, &e); /* exact */
    if (m < 0.70710678118654752) m *= 2, e--;
    const double s = (m - 1) / (m + 1), z = s * s;
    double sum = 0;
    for (int k = 23; k >= 3; k -= 2) sum = (sum + 1.0 / k) * z;
    return e * LN2_HIGH + (e * LN2_LOW + (2 * s * sum + 2 * s));
}

/* x = n ln 2 + r, and the Taylor series of e^r, |r| <= 0.347. */
double tk_exp_ieee(double x) {
    const double n = rint(x / 0.69314718055994531);
    const double r = (x - n * LN2_HIGH) - n * LN2_LOW;
    double sum = 1;
    for (int k = 15; k >= 1; k--) sum = 1 + sum * r / k;
    return ldexp(sum, (int)n); /* exact */
}
