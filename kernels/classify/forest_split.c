/* Ranks and splits. Draws are counted in integers, so a split's score depends on no order; of equal scores the first
 * stays. */
#include "kernels/classify/forest_split.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BYTE = 256, FEW = 40 };

static void insert_sorted(uint64_t *entry, int64_t count) {
    for (int64_t i = 1; i < count; i++) {
        const uint64_t e = entry[i];
        int64_t k = i;
        for (; k > 0 && entry[k - 1] > e; k--) entry[k] = entry[k - 1];
        entry[k] = e;
    }
}

/* Sorts by the bits from `shift` on, byte by byte, and says where the result is: in entry or in spare. */
static uint64_t *sort(uint64_t *entry, uint64_t *spare, int64_t count, int shift) {
    if (count <= FEW) {
        insert_sorted(entry, count);
        return entry;
    }
    for (; shift < 64; shift += 8) {
        int64_t start[BYTE + 1] = {0};
        for (int64_t i = 0; i < count; i++) start[(entry[i] >> shift & (BYTE - 1)) + 1]++;
        if (start[(entry[0] >> shift & (BYTE - 1)) + 1] == count) continue;
        for (int b = 1; b < BYTE; b++) start[b] += start[b - 1];
        for (int64_t i = 0; i < count; i++) spare[start[entry[i] >> shift & (BYTE - 1)]++] = entry[i];
        uint64_t *sorted = spare;
        spare = entry, entry = sorted;
    }
    return entry;
}

/* Bits that sort as the values do; both zeros are one. */
static uint32_t ordered(float value) {
    const float one_zero = value + 0.0F;
    uint32_t bits;
    memcpy(&bits, &one_zero, sizeof bits);
    return bits & 0x80000000U ? ~bits : bits | 0x80000000U;
}

static bool rank_feature(const tk_samples *s, int feature, tk_ranks *r) {
    const float *value = s->value + feature * s->count;
    uint16_t *rank = r->rank + feature * s->count;
    float *low = r->low + (int64_t)feature * r->most, *high = r->high + (int64_t)feature * r->most;
    uint64_t *entry = malloc(2 * (size_t)s->count * sizeof *entry);
    if (!entry) return false;
    for (int64_t i = 0; i < s->count; i++) entry[i] = (uint64_t)ordered(value[i]) << 32 | (uint64_t)i;
    const uint64_t *sorted = sort(entry, entry + s->count, s->count, 32);
    int64_t first = 0, before = -1;
    for (int64_t i = 0; i < s->count; i++) {
        const int64_t at = (int64_t)(uint32_t)sorted[i];
        if (i > 0 && sorted[i] >> 32 != sorted[i - 1] >> 32) first = i;
        const int64_t of = first * r->most / s->count;
        if (of != before) low[of] = value[at];
        high[of] = value[at];
        rank[at] = (uint16_t)of;
        before = of;
    }
    free(entry);
    return true;
}

tk_status tk_ranks_new(const tk_samples *samples, int threads, tk_ranks *ranks) {
    const int most = samples->count < TK_RANKS_MOST ? (int)samples->count : TK_RANKS_MOST;
    const size_t values = (size_t)samples->features * (size_t)samples->count;
    const size_t all = (size_t)samples->features * (size_t)most;
    *ranks = (tk_ranks){samples->count, most, malloc(values * sizeof *ranks->rank), malloc(all * sizeof(float)),
                        malloc(all * sizeof(float))};
    if (!ranks->rank || !ranks->low || !ranks->high) return TK_NO_MEMORY;
    int failed = 0;
#pragma omp parallel for schedule(dynamic) num_threads(threads) reduction(+ : failed)
    for (int f = 0; f < samples->features; f++) failed += !rank_feature(samples, f, ranks);
    return failed ? TK_NO_MEMORY : TK_OK;
}

void tk_ranks_free(tk_ranks *ranks) { free(ranks->rank), free(ranks->low), free(ranks->high); }

float tk_ranks_threshold(const tk_ranks *ranks, int feature, int a, int b) {
    const int64_t row = (int64_t)feature * ranks->most;
    const float below = ranks->high[row + a], above = ranks->low[row + b];
    const float half = (float)(((double)below + (double)above) / 2);
    return half > below ? half : above;
}

/* An entry: rank, label and draws, from the highest bits on. */
enum { RANK_BIT = 48, LABEL_BIT = 32 };

static const uint64_t *sorted_entries(const tk_split_node *node, int feature) {
    const uint16_t *rank = node->ranks->rank + feature * node->ranks->count;
    for (int64_t i = 0; i < node->count; i++) {
        const uint32_t s = node->sample[i];
        node->entry[i] =
            (uint64_t)rank[s] << RANK_BIT | (uint64_t)node->samples->label[s] << LABEL_BIT | node->weight[s];
    }
    return sort(node->entry, node->spare, node->count, RANK_BIT);
}

/* Draws of each class, their number, and the sum of their squares. */
typedef struct side {
    int64_t draws[TK_CLASSES_MOST];
    int64_t sum, squares;
} side;

static void add(side *s, int label, int64_t draws) {
    s->squares += draws * (2 * s->draws[label] + draws);
    s->draws[label] += draws;
    s->sum += draws;
}

/* Least impurity, sum over sides of n (1 - sum p^2), is the greatest sum over sides of (sum n_c^2) / n. */
void tk_split_try(const tk_split_node *node, int feature, const int64_t total[TK_CLASSES_MOST], tk_split *best) {
    const uint64_t *entry = sorted_entries(node, feature);
    side left = {.sum = 0}, right = {.sum = 0};
    if (entry[0] >> RANK_BIT == entry[node->count - 1] >> RANK_BIT) return;
    for (int c = 0; c < node->samples->classes; c++) add(&right, c, total[c]);
    for (int64_t i = 0; i + 1 < node->count; i++) {
        const int label = (int)(entry[i] >> LABEL_BIT & 0xFF);
        const int64_t draws = (int64_t)(uint32_t)entry[i];
        add(&left, label, draws);
        add(&right, label, -draws);
        const int at = (int)(entry[i] >> RANK_BIT), next = (int)(entry[i + 1] >> RANK_BIT);
        if (at == next || i + 1 < node->least || node->count - i - 1 < node->least) continue;
        const double score = (double)left.squares / (double)left.sum + (double)right.squares / (double)right.sum;
        if (best->feature < 0 || score > best->score) *best = (tk_split){feature, at, next, score};
    }
}
