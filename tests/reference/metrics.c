/* Metrics from their definitions (see metrics.h). */
#include "tests/reference/metrics.h"

#include <math.h>

static double error2(const float *x, const float *t, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += ((double)x[i] - (double)t[i]) * ((double)x[i] - (double)t[i]);
    return sum;
}

double tk_ref_nrmse(const float *x, const float *t, int64_t count) {
    double norm2 = 0;
    for (int64_t i = 0; i < count; i++) norm2 += (double)t[i] * (double)t[i];
    return sqrt(error2(x, t, count) / norm2);
}

double tk_ref_psnr(const float *x, const float *t, int64_t count) {
    double peak = (double)t[0];
    for (int64_t i = 0; i < count; i++) peak = fmax(peak, (double)t[i]);
    return 20 * log10(peak / sqrt(error2(x, t, count) / (double)count));
}

static double mean(const float *x, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)x[i];
    return sum / (double)count;
}

/* Mean product of deviations from the means, with n - 1. */
static double covariance(const float *x, const float *t, int64_t count) {
    const double mx = mean(x, count), mt = mean(t, count);
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += ((double)x[i] - mx) * ((double)t[i] - mt);
    return sum / (double)(count - 1);
}

double tk_ref_pearson(const float *x, const float *t, int64_t count) {
    return covariance(x, t, count) / sqrt(covariance(x, x, count) * covariance(t, t, count));
}

static double ssim_of_window(const float *x, const float *t, int64_t count, double range) {
    const double c1 = pow(0.01 * range, 2), c2 = pow(0.03 * range, 2), mx = mean(x, count), mt = mean(t, count);
    return (2 * mx * mt + c1) * (2 * covariance(x, t, count) + c2) /
           ((mx * mx + mt * mt + c1) * (covariance(x, x, count) + covariance(t, t, count) + c2));
}

double tk_ref_ssim(const float *x, const float *t, const int64_t size[3], double range) {
    const int64_t depth = size[0] == 1 ? 1 : 7;
    double sum = 0;
    int64_t windows = 0;
    for (int64_t z = 0; z + depth <= size[0]; z++)
        for (int64_t y = 0; y + 7 <= size[1]; y++)
            for (int64_t i = 0; i + 7 <= size[2]; i++, windows++) {
                float wx[343], wt[343];
                int64_t n = 0;
                for (int64_t a = z; a < z + depth; a++)
                    for (int64_t b = y; b < y + 7; b++)
                        for (int64_t c = i; c < i + 7; c++, n++) {
                            wx[n] = x[(a * size[1] + b) * size[2] + c];
                            wt[n] = t[(a * size[1] + b) * size[2] + c];
                        }
                sum += ssim_of_window(wx, wt, n, range);
            }
    return sum / (double)windows;
}

/* Voxels that have label a in x and, unless b is negative, label b in t. */
static double overlap(const uint32_t *x, int64_t a, const uint32_t *t, int64_t b, int64_t count) {
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) n += x[i] == a && (b < 0 || t[i] == b);
    return (double)n;
}

double tk_ref_seg(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most) {
    double sum = 0;
    int64_t objects = 0;
    for (int64_t t = 1; t <= most; t++) {
        const double size = overlap(truth, t, result, -1, count);
        if (size > 0) objects++;
        for (int64_t r = 1; r <= most && size > 0; r++) {
            const double both = overlap(truth, t, result, r, count);
            if (both > size / 2) sum += both / (size + overlap(result, r, truth, -1, count) - both);
        }
    }
    return sum / (double)objects;
}

double tk_ref_average_precision(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most,
                                double threshold) {
    double hits = 0, truths = 0, results = 0;
    for (int64_t t = 1; t <= most; t++) {
        truths += overlap(truth, t, result, -1, count) > 0;
        results += overlap(result, t, truth, -1, count) > 0;
        for (int64_t r = 1; r <= most; r++) {
            const double both = overlap(truth, t, result, r, count);
            const double all = overlap(truth, t, result, -1, count) + overlap(result, r, truth, -1, count) - both;
            hits += both > 0 && both / all > threshold + 1e-12;
        }
    }
    return hits / (truths + results - hits);
}

double tk_ref_detection(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most) {
    double missed = 0, invented = 0, shared = 0, objects = 0;
    for (int64_t t = 1; t <= most; t++) {
        const double size = overlap(truth, t, result, -1, count);
        objects += size > 0;
        missed += size > 0;
    }
    for (int64_t r = 1; r <= most; r++) {
        double detected = 0;
        for (int64_t t = 1; t <= most; t++)
            detected += overlap(result, r, truth, t, count) > overlap(truth, t, result, -1, count) / 2;
        missed -= detected;
        invented += detected == 0 && overlap(result, r, truth, -1, count) > 0;
        shared += detected > 1 ? detected - 1 : 0;
    }
    return 1 - fmin(10 * missed + 5 * shared + invented, 10 * objects) / (10 * objects);
}

double tk_ref_panoptic(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most) {
    double sum = 0, objects = 0;
    for (int64_t t = 1; t <= most; t++) {
        const double size = overlap(truth, t, result, -1, count);
        objects += (size > 0) + (overlap(result, t, truth, -1, count) > 0);
        for (int64_t r = 1; r <= most; r++) {
            const double both = overlap(truth, t, result, r, count);
            const double iou = both / (size + overlap(result, r, truth, -1, count) - both);
            if (both > 0 && iou > 0.5) sum += iou;
        }
    }
    return sum / (objects / 2);
}

double tk_ref_object_dice(const uint32_t *result, const uint32_t *truth, int64_t count, uint32_t most) {
    double sum = 0, objects = 0;
    for (int64_t t = 1; t <= most; t++) {
        const double size = overlap(truth, t, result, -1, count);
        double best = 0;
        for (int64_t r = 1; r <= most && size > 0; r++)
            best = fmax(best, 2 * overlap(truth, t, result, r, count) / (size + overlap(result, r, truth, -1, count)));
        objects += size > 0;
        sum += best;
    }
    return sum / objects;
}

void tk_ref_rand(const uint32_t *result, const uint32_t *truth, int64_t count, double *index, double *precision,
                 double *recall) {
    double pairs = 0, agree = 0, both = 0, in_truth = 0, in_result = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = i + 1; j < count; j++) {
            const int t = truth[i] == truth[j], r = result[i] == result[j];
            pairs++;
            agree += t == r;
            if (truth[i] == 0 || truth[j] == 0) continue;
            both += t && r;
            in_truth += t;
            in_result += r;
        }
    *index = agree / pairs;
    *precision = both / in_truth;
    *recall = both / in_result;
}

double tk_ref_conditional_entropy(const uint32_t *a, const uint32_t *b, int64_t count, uint32_t most) {
    double entropy = 0;
    for (int64_t i = 0; i <= most; i++)
        for (int64_t j = 0; j <= most; j++) {
            const double both = overlap(a, i, b, j, count);
            if (both > 0) entropy -= both / (double)count * log2(both / overlap(b, j, a, -1, count));
        }
    return entropy;
}
