/* Levels from one pass, or a few, over a histogram (level.h). */
#include "kernels/segment/level.h"

#include <math.h>

enum { LI_ROUNDS_MOST = 10000 };

/* Voxels and the sum of their positions in bins from .. to-1. */
typedef struct moments {
    double voxels, sum;
} moments;

static moments moments_of(const tk_level_histogram *h, int64_t from, int64_t to) {
    int64_t voxels = 0, sum = 0;
    for (int64_t b = from; b < to; b++) {
        voxels += h->counts[b];
        sum += h->counts[b] * b;
    }
    return (moments){(double)voxels, (double)sum};
}

bool tk_level_mean(const tk_level_histogram *histogram, double *level) {
    const moments all = moments_of(histogram, 0, histogram->bins);
    *level = all.sum / all.voxels;
    return all.voxels > 0;
}

bool tk_level_otsu(const tk_level_histogram *histogram, double *level) {
    const moments all = moments_of(histogram, 0, histogram->bins);
    moments low = {0};
    double best = 0;
    for (int64_t b = 0; b < histogram->bins - 1; b++) {
        low.voxels += (double)histogram->counts[b];
        low.sum += (double)histogram->counts[b] * (double)b;
        const double high = all.voxels - low.voxels;
        if (low.voxels == 0 || high == 0) continue;
        const double apart = low.sum / low.voxels - (all.sum - low.sum) / high;
        const double between = low.voxels * high * apart * apart;
        if (between > best) {
            best = between;
            *level = (double)b;
        }
    }
    return best > 0;
}

/* The logarithmic mean of the classes' means, counted from the smallest voxel; half a bin lies between that and the
 * centre of the first bin when bins are intervals. Whole numbers stop at steps of half a bin, as scikit-image does. */
bool tk_level_li(const tk_level_histogram *histogram, double *level) {
    const double origin = histogram->whole_numbers ? 0 : 0.5, tolerance = histogram->whole_numbers ? 0.5 : 0;
    const moments all = moments_of(histogram, 0, histogram->bins);
    if (!(all.voxels > 0)) return false;
    double next = all.sum / all.voxels, last = -2;
    for (int n = 0; n < LI_ROUNDS_MOST && fabs(next - last) > tolerance; n++) {
        last = next;
        const moments low = moments_of(histogram, 0, (int64_t)floor(last) + 1);
        const double high = all.voxels - low.voxels;
        if (low.voxels == 0 || high == 0) return false;
        const double back = low.sum / low.voxels + origin, fore = (all.sum - low.sum) / high + origin;
        next = (back > 0 ? (back - fore) / (log(back) - log(fore)) : 0) - origin;
        if (next < 0) next = 0;
    }
    *level = next;
    return true;
}

static int64_t peak_of(const tk_level_histogram *h) {
    int64_t peak = 0;
    for (int64_t b = 1; b < h->bins; b++)
        if (h->counts[b] > h->counts[peak]) peak = b;
    return peak;
}

bool tk_level_triangle(const tk_level_histogram *histogram, double *level) {
    const int64_t peak = peak_of(histogram), last = histogram->bins - 1;
    if (last < 1) return false;
    const bool to_the_right = peak < last - peak;
    const int64_t width = to_the_right ? last - peak : peak, end = to_the_right ? last : 0;
    const double height = (double)histogram->counts[peak];
    double best = 0;
    for (int64_t i = 0; i < width; i++) {
        const int64_t bin = to_the_right ? end - i : i;
        const double distance = height * (double)i - (double)width * (double)histogram->counts[bin];
        if (i == 0 || distance > best) {
            best = distance;
            *level = (double)bin;
        }
    }
    return true;
}

bool tk_level_isodata(const tk_level_histogram *histogram, double *level) {
    const moments all = moments_of(histogram, 0, histogram->bins);
    moments low = {0};
    for (int64_t b = 0; b < histogram->bins - 1; b++) {
        low.voxels += (double)histogram->counts[b];
        low.sum += (double)histogram->counts[b] * (double)b;
        const double high = all.voxels - low.voxels;
        if (low.voxels == 0 || high == 0) continue;
        const double above = (low.sum / low.voxels + (all.sum - low.sum) / high) / 2 - (double)b;
        if (above < 0 || above >= 1) continue;
        *level = (double)b;
        return true;
    }
    return false;
}

bool tk_level_yen(const tk_level_histogram *histogram, double *level) {
    double total = 0, all_squares = 0, low = 0, squares = 0, best = -INFINITY;
    for (int64_t b = 0; b < histogram->bins; b++) {
        const double n = (double)histogram->counts[b];
        total += n;
        all_squares += n * n;
    }
    for (int64_t b = 0; b < histogram->bins - 1; b++) {
        const double n = (double)histogram->counts[b];
        low += n;
        squares += n * n;
        const double high_squares = all_squares - squares, high = total - low;
        if (!(squares > 0) || !(high_squares > 0) || !(high > 0)) continue;
        const double correlation =
            2 * log(low / total * (high / total)) - log(squares / total / total * (high_squares / total / total));
        if (correlation > best) {
            best = correlation;
            *level = (double)b;
        }
    }
    return best > -INFINITY;
}
