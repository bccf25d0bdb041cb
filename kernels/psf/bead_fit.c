/* A Gaussian with a background, fitted to a bead by Levenberg and Marquardt's method.
 *
 * Parameters: background, amplitude, centre (z y x, from the peak), sigma (z y x). The model is sampled at the voxels'
 * centres. Sums run in the order of the voxels. */
#include <math.h>
#include <string.h>

#include "kernels/psf/beads.h"
#include "kernels/psf/solve.h"

enum { PARAMETERS = 8, BACKGROUND = 0, AMPLITUDE = 1, CENTRE = 2, SIGMA = 5, MOST_STEPS = 60 };
static const double part = 0.6, at_rest = 1e-7;

typedef struct window {
    const float *middle; /* the voxel of the peak */
    int64_t stride[3], half[3];
} window;

static window window_of(tk_cview_f32 image, const tk_bead_rules *rules, const int64_t peak[3]) {
    window w = {.middle = image.data};
    for (int axis = 0; axis < 3; axis++) {
        w.stride[axis] = image.stride[axis];
        w.middle += peak[axis] * image.stride[axis];
        w.half[axis] = (int64_t)fmax(2, rint(part * (double)rules->half[axis]));
    }
    return w;
}

static double voxel(const window *w, const int64_t d[3]) {
    return w->middle[d[0] * w->stride[0] + d[1] * w->stride[1] + d[2] * w->stride[2]];
}

/* Moves d to the next voxel of the window; false after the last. */
static bool next(const window *w, int64_t d[3]) {
    for (int axis = 2; axis >= 0; axis--) {
        if (++d[axis] <= w->half[axis]) return true;
        d[axis] = -w->half[axis];
    }
    return false;
}

/* The model and, if wanted, its derivatives by the parameters. */
static double model(const double p[PARAMETERS], const int64_t d[3], double slope[PARAMETERS]) {
    double exponent = 0, u[3];
    for (int axis = 0; axis < 3; axis++) {
        u[axis] = ((double)d[axis] - p[CENTRE + axis]) / p[SIGMA + axis];
        exponent += u[axis] * u[axis];
    }
    const double bell = exp(-exponent / 2);
    if (slope) {
        slope[BACKGROUND] = 1;
        slope[AMPLITUDE] = bell;
        for (int axis = 0; axis < 3; axis++) {
            slope[CENTRE + axis] = p[AMPLITUDE] * bell * u[axis] / p[SIGMA + axis];
            slope[SIGMA + axis] = slope[CENTRE + axis] * u[axis];
        }
    }
    return p[BACKGROUND] + p[AMPLITUDE] * bell;
}

/* The sum of squared differences, and the normal equations when wanted. */
static double squares(const window *w, const double p[PARAMETERS], double *normal, double *right) {
    double sum = 0, slope[PARAMETERS];
    int64_t d[3] = {-w->half[0], -w->half[1], -w->half[2]};
    if (normal) {
        memset(normal, 0, PARAMETERS * PARAMETERS * sizeof *normal);
        memset(right, 0, PARAMETERS * sizeof *right);
    }
    do {
        const double off = voxel(w, d) - model(p, d, normal ? slope : NULL);
        sum += off * off;
        for (int i = 0; normal && i < PARAMETERS; i++) {
            right[i] += slope[i] * off;
            for (int j = 0; j < PARAMETERS; j++) normal[i * PARAMETERS + j] += slope[i] * slope[j];
        }
    } while (next(w, d));
    return sum;
}

/* Where the fit starts: background at the dimmest voxel of the window, centroid and variance above its half. */
static void guess(const window *w, double p[PARAMETERS]) {
    double low = INFINITY, top = -INFINITY, mass = 0, first[3] = {0}, second[3] = {0};
    int64_t d[3] = {-w->half[0], -w->half[1], -w->half[2]};
    do {
        low = fmin(low, voxel(w, d));
        top = fmax(top, voxel(w, d));
    } while (next(w, d));
    do {
        const double above = voxel(w, d) - (low + top) / 2;
        if (above <= 0) continue;
        mass += above;
        for (int axis = 0; axis < 3; axis++) {
            first[axis] += above * (double)d[axis];
            second[axis] += above * (double)(d[axis] * d[axis]);
        }
    } while (next(w, d));
    p[BACKGROUND] = low;
    p[AMPLITUDE] = top - low;
    for (int axis = 0; axis < 3; axis++) {
        p[CENTRE + axis] = mass > 0 ? first[axis] / mass : 0;
        const double variance = mass > 0 ? second[axis] / mass - p[CENTRE + axis] * p[CENTRE + axis] : 1;
        p[SIGMA + axis] = sqrt(fmax(variance, 0.25)) * 1.5; /* the half above the half is narrower */
    }
}

/* One step; true when it made the squares smaller. *change is the largest move of a centre or sigma. */
static bool step(const window *w, double p[PARAMETERS], double *sum, double damping, double *change) {
    double normal[PARAMETERS * PARAMETERS], right[PARAMETERS], tried[PARAMETERS];
    squares(w, p, normal, right);
    for (int i = 0; i < PARAMETERS; i++) normal[i * PARAMETERS + i] *= 1 + damping;
    if (!tk_solve(PARAMETERS, normal, right)) return false;
    *change = 0;
    for (int i = 0; i < PARAMETERS; i++) {
        tried[i] = p[i] + right[i];
        if (i >= CENTRE) *change = fmax(*change, fabs(right[i]));
        if (i >= SIGMA) tried[i] = fmax(fabs(tried[i]), 0.05);
    }
    const double now = squares(w, tried, NULL, NULL);
    if (!(now <= *sum)) return false;
    *sum = now;
    memcpy(p, tried, sizeof tried);
    return true;
}

static bool fit(const window *w, double p[PARAMETERS]) {
    double damping = 1e-3, sum, change = INFINITY;
    guess(w, p);
    sum = squares(w, p, NULL, NULL);
    for (int i = 0; i < MOST_STEPS && damping < 1e12; i++) {
        const bool better = step(w, p, &sum, damping, &change);
        if (change < at_rest) return true;
        damping *= better ? 0.1 : 10;
    }
    return change < 1e-3;
}

void tk_bead_fit_one(tk_cview_f32 image, const tk_bead_rules *rules, tk_bead *bead) {
    const window w = window_of(image, rules, bead->peak);
    double p[PARAMETERS];
    bool good = fit(&w, p) && p[AMPLITUDE] > 0;
    bead->background = p[BACKGROUND];
    bead->amplitude = p[AMPLITUDE];
    for (int axis = 0; axis < 3; axis++) {
        bead->centre[axis] = (double)bead->peak[axis] + p[CENTRE + axis];
        bead->sigma[axis] = p[SIGMA + axis];
        good = good && fabs(p[CENTRE + axis]) <= (double)rules->half[axis] / 2 && p[SIGMA + axis] >= 0.3 &&
               p[SIGMA + axis] <= (double)rules->half[axis];
    }
    if (!good) bead->verdict = TK_BEAD_MISFIT;
}

void tk_beads_fit(tk_cview_f32 image, const tk_bead_rules *rules, tk_bead *beads, int64_t count, int threads) {
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < count; i++)
        if (beads[i].verdict == TK_BEAD_USED) tk_bead_fit_one(image, rules, &beads[i]);
}
