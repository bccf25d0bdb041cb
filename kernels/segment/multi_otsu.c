/* Multi-Otsu (level.h) by dynamic programming over the number of classes.
 *
 * The variance between classes is largest where the sum over classes of (sum of positions)^2 / voxels is, positions
 * counted from any origin. best[c](j), the largest such sum of c classes over bins 0 .. j-1, is the maximum over i of
 * best[c-1](i) + term(i, j). Classes on a line have the quadrangle inequality, so the first best i does not decrease
 * with j, and halving finds all of them in O(bins log bins) (K. Song et al., ckmeans, R Journal 3, 2011, and after). */
#include <math.h>

#include "kernels/segment/level.h"

typedef struct program {
    const int64_t *voxels, *sum; /* of bins 0 .. i-1, the sum of positions from the mean's bin on */
    const double *before;        /* best of one class less */
    double *best;
    int32_t *first; /* where the last class begins */
} program;

/* An empty class adds nothing: the best parting has none, since cutting a class with two filled bins always gains. */
static double term(const program *p, int64_t i, int64_t j) {
    const double voxels = (double)(p->voxels[j] - p->voxels[i]), sum = (double)(p->sum[j] - p->sum[i]);
    return voxels > 0 ? sum * sum / voxels : 0;
}

/* Fills best and first for lo <= j <= hi, knowing that the last class begins in from .. to. As deep as the bits of hi -
 * lo. */
static void fill(const program *p, int64_t lo, int64_t hi, int64_t from, int64_t to) { /* NOLINT(misc-no-recursion) */
    if (lo > hi) return;
    const int64_t j = lo + (hi - lo) / 2;
    int64_t at = from;
    double best = -INFINITY;
    for (int64_t i = from; i <= to && i < j; i++) {
        const double value = p->before[i] + term(p, i, j);
        if (value > best) {
            best = value;
            at = i;
        }
    }
    p->best[j] = best;
    p->first[j] = (int32_t)at;
    fill(p, lo, j - 1, from, at);
    fill(p, j + 1, hi, at, to);
}

size_t tk_level_multi_otsu_scratch(int64_t bins, int classes) {
    const size_t rows =
        tk_size_add(2 * tk_scratch_cost(bins + 1, sizeof(int64_t)), 2 * tk_scratch_cost(bins + 1, sizeof(double)));
    return tk_size_add(rows, tk_scratch_cost(classes * (bins + 1), sizeof(int32_t)));
}

static int64_t filled_bins(const tk_level_histogram *h) {
    int64_t filled = 0;
    for (int64_t b = 0; b < h->bins; b++) filled += h->counts[b] > 0;
    return filled;
}

/* Prefix sums, positions from the bin of the mean: small sums keep their digits. */
static void sum_up(const tk_level_histogram *h, int64_t *voxels, int64_t *sum) {
    double mean = 0;
    (void)tk_level_mean(h, &mean);
    const int64_t origin = (int64_t)mean;
    voxels[0] = sum[0] = 0;
    for (int64_t b = 0; b < h->bins; b++) {
        voxels[b + 1] = voxels[b] + h->counts[b];
        sum[b + 1] = sum[b] + h->counts[b] * (b - origin);
    }
}

static tk_status solve(const tk_level_histogram *h, int classes, int64_t *levels, tk_scratch *scratch) {
    const int64_t room = h->bins + 1;
    int64_t *voxels = tk_scratch_take(scratch, room, sizeof *voxels);
    int64_t *sum = tk_scratch_take(scratch, room, sizeof *sum);
    double *row[2] = {tk_scratch_take(scratch, room, sizeof(double)), tk_scratch_take(scratch, room, sizeof(double))};
    int32_t *first = tk_scratch_take(scratch, classes * room, sizeof *first); /* a row for each class */
    if (!voxels || !sum || !row[0] || !row[1] || !first) return TK_NO_MEMORY;
    sum_up(h, voxels, sum);
    program p = {voxels, sum, NULL, row[0], NULL};
    for (int64_t j = 0; j <= h->bins; j++) row[0][j] = term(&p, 0, j);
    for (int c = 1; c < classes; c++) {
        p = (program){voxels, sum, row[(c - 1) % 2], row[c % 2], first + c * room};
        p.best[0] = 0;
        fill(&p, 1, h->bins, 0, h->bins - 1);
    }
    int64_t end = h->bins;
    for (int c = classes - 1; c > 0; c--) {
        end = first[c * room + end];
        levels[c - 1] = end - 1;
    }
    return TK_OK;
}

tk_status tk_level_multi_otsu(const tk_level_histogram *histogram, int classes, int64_t *levels, tk_scratch *scratch) {
    if (filled_bins(histogram) < classes) return TK_UNSOLVABLE;
    const size_t mark = tk_scratch_mark(scratch);
    const tk_status status = solve(histogram, classes, levels, scratch);
    tk_scratch_rewind(scratch, mark);
    return status;
}
