/* Range, histogram and thresholding (histogram.h). */
#include "kernels/segment/histogram.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* Voxels whose bins are computed at once, before they are counted one by one; voxels that a
 * range is taken of at once. */
enum { GROUP = 512, LANES = 16 };

static const float *row_of(const tk_cview_f32 *in, int64_t row) {
    return in->data + row / in->size[TK_Y] * in->stride[TK_Z] + row % in->size[TK_Y] * in->stride[TK_Y];
}

void tk_range_join(tk_range *into, tk_range from) {
    if (from.lo < into->lo) into->lo = from.lo;
    if (from.hi > into->hi) into->hi = from.hi;
}

/* Widens *range by a row, in LANES interleaved ranges that the compiler keeps in vectors. */
static void range_of_row(const float *v, int64_t size, tk_range *range) {
    float lo[LANES], hi[LANES];
    for (int i = 0; i < LANES; i++) {
        lo[i] = range->lo;
        hi[i] = range->hi;
    }
    int64_t x = 0;
    for (; x + LANES <= size; x += LANES)
        for (int i = 0; i < LANES; i++) {
            lo[i] = v[x + i] < lo[i] ? v[x + i] : lo[i];
            hi[i] = v[x + i] > hi[i] ? v[x + i] : hi[i];
        }
    for (int i = 0; i < LANES; i++) tk_range_join(range, (tk_range){lo[i], hi[i]});
    for (; x < size; x++) {
        if (v[x] < range->lo) range->lo = v[x];
        if (v[x] > range->hi) range->hi = v[x];
    }
}

void tk_range_of(tk_cview_f32 in, tk_range *range, const tk_work *work) {
    tk_range all = *range;
#pragma omp parallel num_threads(work->threads)
    {
        tk_range mine = TK_RANGE_NONE;
#pragma omp for schedule(static)
        for (int64_t row = 0; row < in.size[TK_Z] * in.size[TK_Y]; row++)
            range_of_row(row_of(&in, row), in.size[TK_X], &mine);
#pragma omp critical
        tk_range_join(&all, mine);
    }
    *range = (tk_range){all.lo + 0.0f, all.hi + 0.0f}; /* one zero: which of the two is met first is chance */
}

static bool is_row_whole(const float *in, int64_t size) {
    int32_t broken = 0;
#pragma omp simd reduction(| : broken)
    for (int64_t x = 0; x < size; x++) {
        const float v = in[x] == in[x] ? in[x] : 0;
        const bool small = v > -16777216.0f && v < 16777216.0f;
        const float kept = small ? v : 0.5f;
        broken |= (float)(int32_t)kept != kept;
    }
    return !broken;
}

bool tk_all_whole(tk_cview_f32 in, const tk_work *work) {
    bool whole = true;
#pragma omp parallel for schedule(static) num_threads(work->threads) reduction(&& : whole)
    for (int64_t row = 0; row < in.size[TK_Z] * in.size[TK_Y]; row++)
        whole = whole && is_row_whole(row_of(&in, row), in.size[TK_X]);
    return whole;
}

tk_values tk_values_of(tk_cview_f32 in, const tk_work *work) {
    tk_values values = {TK_RANGE_NONE, !tk_all_whole(in, work)};
    tk_range_of(in, &values.range, work);
    return values;
}

void tk_values_join(tk_values *into, tk_values from) {
    tk_range_join(&into->range, from.range);
    into->broken |= from.broken;
}

size_t tk_histogram_scratch(int64_t bins, int threads) {
    const size_t cost = tk_scratch_cost(bins + 1, sizeof(int64_t)); /* one more for NaN */
    return cost > SIZE_MAX / (size_t)threads ? SIZE_MAX : cost * (size_t)threads;
}

/* Counts up to GROUP voxels. A NaN goes to the bin behind the last, which nobody reads: counts has bins + 1. */
static void count_group(const float *in, int64_t size, tk_range range, int64_t bins, int64_t *counts) {
    const double lo = range.lo, scale = (double)bins / ((double)range.hi - lo);
    int32_t bin[GROUP];
    const int32_t last = (int32_t)bins - 1;
#pragma omp simd
    for (int64_t x = 0; x < size; x++) {
        const float v = in[x] == in[x] ? in[x] : range.lo;
        const int32_t b = (int32_t)(((double)v - lo) * scale);
        bin[x] = in[x] == in[x] ? (b > last ? last : b) : last + 1;
    }
    for (int64_t x = 0; x < size; x++) counts[bin[x]]++;
}

tk_status tk_histogram_count(tk_cview_f32 in, tk_range range, int64_t bins, int64_t *counts, tk_work *work) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    const int lanes = tk_work_lanes(work, tk_histogram_scratch(bins, 1));
    if (lanes < 1) return TK_NO_MEMORY;
    int64_t *all = tk_scratch_take(&work->scratch, lanes * (bins + 1), sizeof *all);
    if (!all) return TK_NO_MEMORY;
    memset(all, 0, (size_t)(lanes * (bins + 1)) * sizeof *all);
#pragma omp parallel num_threads(lanes)
    {
        int64_t *mine = all + omp_get_thread_num() * (bins + 1);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < in.size[TK_Z] * in.size[TK_Y]; row++)
            for (int64_t x = 0; x < in.size[TK_X]; x += GROUP)
                count_group(row_of(&in, row) + x, in.size[TK_X] - x < GROUP ? in.size[TK_X] - x : GROUP, range, bins,
                            mine);
#pragma omp critical
        for (int64_t b = 0; b < bins; b++) counts[b] += mine[b];
    }
    tk_scratch_rewind(&work->scratch, mark);
    return TK_OK;
}

static void threshold_row(const float *restrict in, float threshold, int64_t size, uint8_t *restrict mask) {
#pragma omp simd
    for (int64_t x = 0; x < size; x++) mask[x] = in[x] > threshold;
}

void tk_threshold(tk_cview_f32 in, float threshold, tk_view_u8 mask, const tk_work *work) {
#pragma omp parallel for schedule(static) num_threads(work->threads)
    for (int64_t row = 0; row < in.size[TK_Z] * in.size[TK_Y]; row++)
        threshold_row(row_of(&in, row), threshold, in.size[TK_X],
                      mask.data + row / in.size[TK_Y] * mask.stride[TK_Z] + row % in.size[TK_Y] * mask.stride[TK_Y]);
}
