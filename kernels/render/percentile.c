/* Exact order statistics of floats by two histograms: the bits of a float, made to ascend as its value does, are
 * counted by their upper half, and those of the half where the rank falls by their lower half. */
#include <math.h>
#include <string.h>

#include "kernels/render/project.h"

enum { BINS = 1 << 16 };

/* Bits that ascend with the value: negative numbers are flipped, positive ones lie above them. */
static uint32_t ascending_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000U ? ~bits : bits | 0x80000000U;
}

static float value_of_bits(uint32_t ascending) {
    const uint32_t bits = ascending & 0x80000000U ? ascending & 0x7FFFFFFFU : ~ascending;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Counts the finite values by the upper half of their bits, or (upper >= 0) those of that upper half by the lower. */
static int64_t count_halves(tk_cview_f32 view, int64_t upper, int64_t *histogram) {
    int64_t count = 0;
    memset(histogram, 0, BINS * sizeof *histogram);
    for (int64_t z = 0; z < view.size[TK_Z]; z++)
        for (int64_t y = 0; y < view.size[TK_Y]; y++)
            for (int64_t x = 0; x < view.size[TK_X]; x++) {
                const float value = view.data[z * view.stride[TK_Z] + y * view.stride[TK_Y] + x];
                const uint32_t bits = ascending_bits(value);
                if (!isfinite(value) || (upper >= 0 && bits >> 16 != upper)) continue;
                histogram[upper < 0 ? bits >> 16 : bits & 0xFFFF]++;
                count++;
            }
    return count;
}

/* The bin where the rank falls; *rank becomes the rank within it. */
static uint32_t bin_of_rank(const int64_t *histogram, int64_t *rank) {
    uint32_t bin = 0;
    while (bin < BINS - 1 && *rank >= histogram[bin]) *rank -= histogram[bin++];
    return bin;
}

size_t tk_percentile_scratch(void) { return tk_scratch_cost(BINS, sizeof(int64_t)); }

tk_status tk_percentile(tk_cview_f32 view, double percent, tk_work *work, float *value) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    int64_t *histogram = tk_scratch_take(&work->scratch, BINS, sizeof *histogram);
    if (!histogram) return TK_NO_MEMORY;
    const int64_t count = count_halves(view, -1, histogram);
    if (count > 0) {
        int64_t rank = (int64_t)(percent / 100 * (double)(count - 1));
        const uint32_t upper = bin_of_rank(histogram, &rank);
        count_halves(view, upper, histogram);
        *value = value_of_bits(upper << 16 | bin_of_rank(histogram, &rank));
    }
    tk_scratch_rewind(&work->scratch, mark);
    return count > 0 ? TK_OK : TK_UNSOLVABLE;
}
