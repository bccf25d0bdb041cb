/* Radix selection over the order-preserving map float -> uint32 (order_statistic.h). */
#include "kernels/segment/order_statistic.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* Positive floats sort as their bits do, negative ones backwards. */
uint32_t tk_order_key(float value) {
    const float unsigned_zero = value + 0.0f; /* -0 becomes +0 */
    uint32_t bits;
    memcpy(&bits, &unsigned_zero, sizeof bits);
    return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}

float tk_order_value(uint32_t key) {
    const uint32_t bits = key ^ (key >> 31 ? 0x80000000u : 0xffffffffu);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

size_t tk_order_scratch(int threads) {
    const size_t cost = tk_scratch_cost(TK_ORDER_BUCKETS, sizeof(int64_t));
    return cost > SIZE_MAX / (size_t)threads ? SIZE_MAX : cost * (size_t)threads;
}

static void count_row(const float *in, int64_t size, int round, uint32_t bucket, int64_t *counts) {
    for (int64_t x = 0; x < size; x++) {
        if (isnan(in[x])) continue;
        const uint32_t key = tk_order_key(in[x]);
        if (round == 0)
            counts[key >> 16]++;
        else if (key >> 16 == bucket)
            counts[key & 0xffff]++;
    }
}

tk_status tk_order_count(tk_cview_f32 in, int round, uint32_t bucket, int64_t *counts, tk_work *work) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    const int lanes = tk_work_lanes(work, tk_order_scratch(1));
    if (lanes < 1) return TK_NO_MEMORY;
    const int64_t length = (int64_t)lanes * TK_ORDER_BUCKETS;
    int64_t *all = tk_scratch_take(&work->scratch, length, sizeof *all);
    if (!all) return TK_NO_MEMORY;
    memset(all, 0, (size_t)length * sizeof *all);
#pragma omp parallel num_threads(lanes)
    {
        int64_t *mine = all + (int64_t)omp_get_thread_num() * TK_ORDER_BUCKETS;
#pragma omp for schedule(static)
        for (int64_t row = 0; row < in.size[TK_Z] * in.size[TK_Y]; row++)
            count_row(in.data + row / in.size[TK_Y] * in.stride[TK_Z] + row % in.size[TK_Y] * in.stride[TK_Y],
                      in.size[TK_X], round, bucket, mine);
#pragma omp critical
        for (int b = 0; b < TK_ORDER_BUCKETS; b++) counts[b] += mine[b];
    }
    tk_scratch_rewind(&work->scratch, mark);
    return TK_OK;
}

int64_t tk_order_rank(double percent, int64_t total) {
    const double exact = percent * (double)total / 100; /* whole percents of whole counts come out whole */
    const int64_t rank = (int64_t)ceil(exact - 1e-12 * exact);
    return rank < 1 ? 1 : rank > total ? total : rank;
}

uint32_t tk_order_bucket(const int64_t *counts, int64_t rank, int64_t *below) {
    *below = 0;
    uint32_t bucket = 0;
    while (bucket < TK_ORDER_BUCKETS - 1 && *below + counts[bucket] < rank) *below += counts[bucket++];
    return bucket;
}
