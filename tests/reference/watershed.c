#include "tests/reference/watershed.h"

#include <math.h>
#include <stdlib.h>

typedef struct pair {
    float later, earlier;
    int later_depth, earlier_depth;
    int64_t later_index, earlier_index;
} pair;

static int compare(const void *a, const void *b) {
    const pair *p = a, *q = b;
    if (p->later != q->later) return p->later < q->later ? -1 : 1;
    if (p->later_depth != q->later_depth) return p->later_depth - q->later_depth;
    if (p->later_index != q->later_index) return p->later_index < q->later_index ? -1 : 1;
    if (p->earlier != q->earlier) return p->earlier < q->earlier ? -1 : 1;
    if (p->earlier_depth != q->earlier_depth) return p->earlier_depth - q->earlier_depth;
    return p->earlier_index < q->earlier_index ? -1 : p->earlier_index > q->earlier_index;
}

static int depth_of(const uint8_t *depth, int64_t i) { return depth ? depth[i] : 0; }

static bool is_first(const float *values, const uint8_t *depth, int64_t i, int64_t k) {
    if (values[i] != values[k]) return values[i] < values[k];
    if (depth_of(depth, i) != depth_of(depth, k)) return depth_of(depth, i) < depth_of(depth, k);
    return i < k;
}

static pair pair_of(const float *values, const uint8_t *depth, int64_t i, int64_t k) {
    const int64_t first = is_first(values, depth, i, k) ? i : k, last = i + k - first;
    return (pair){values[last], values[first], depth_of(depth, last), depth_of(depth, first), last, first};
}

static int64_t list_pairs(const float *values, const uint8_t *depth, const uint8_t *mask, const int64_t size[3],
                          pair *pairs) {
    const int64_t step[3] = {size[1] * size[2], size[2], 1}, all = size[0] * step[0];
    int64_t count = 0;
    for (int64_t i = 0; i < all; i++) {
        const int64_t at[3] = {i / step[0], i / step[1] % size[1], i % size[2]};
        for (int a = 0; a < 3; a++)
            if (at[a] + 1 < size[a] && (!mask || (mask[i] && mask[i + step[a]])))
                pairs[count++] = pair_of(values, depth, i, i + step[a]);
    }
    qsort(pairs, (size_t)count, sizeof *pairs, compare);
    return count;
}

static int64_t root(const int64_t *set, int64_t i) {
    while (set[i] != i) i = set[i];
    return i;
}

/* The lowest voxel of each set is its root; the other one's dynamics ends here. */
static void mark_seeds(const float *values, const uint8_t *depth, const uint8_t *mask, const pair *pairs, int64_t count,
                       int64_t all, double h, int64_t *set, uint32_t *label) {
    for (int64_t i = 0; i < all; i++) set[i] = i;
    for (int64_t i = 0; i < all; i++) label[i] = !mask || mask[i];
    for (int64_t i = 0; i < count; i++) {
        const int64_t p = root(set, pairs[i].later_index), q = root(set, pairs[i].earlier_index);
        if (p == q) continue;
        const int64_t lower = is_first(values, depth, p, q) ? p : q, higher = p + q - lower;
        const double climb = (double)pairs[i].later - (double)values[higher];
        if (climb < h || climb == 0) label[higher] = 0;
        set[higher] = lower;
    }
    uint32_t seeds = 0;
    for (int64_t i = 0; i < all; i++)
        if (label[i]) label[i] = ++seeds;
}

static void grow(const pair *pairs, int64_t count, int64_t all, int64_t *set, uint32_t *label) {
    for (int64_t i = 0; i < all; i++) set[i] = i;
    for (int64_t i = 0; i < count; i++) {
        const int64_t p = root(set, pairs[i].later_index), q = root(set, pairs[i].earlier_index);
        if (p == q || (label[p] && label[q])) continue;
        const int64_t onto = label[p] ? p : q;
        set[p + q - onto] = onto;
    }
    for (int64_t i = 0; i < all; i++) label[i] = label[root(set, i)];
}

void ref_watershed(const float *values, const uint8_t *depth, const uint8_t *mask, const uint32_t *markers,
                   const int64_t size[3], double h, uint32_t *label) {
    const int64_t all = size[0] * size[1] * size[2];
    pair *pairs = malloc((size_t)(3 * all + 1) * sizeof *pairs);
    int64_t *set = malloc((size_t)(all + 1) * sizeof *set);
    if (!pairs || !set) abort();
    const int64_t count = list_pairs(values, depth, mask, size, pairs);
    if (!markers) mark_seeds(values, depth, mask, pairs, count, all, h, set, label);
    for (int64_t i = 0; markers && i < all; i++) label[i] = !mask || mask[i] ? markers[i] : 0;
    grow(pairs, count, all, set, label);
    free(pairs);
    free(set);
}

/* Is there a face neighbour of voxel i in the mask that is lower, or (steps >= 0) of one value and so deep? */
static bool has_neighbour(const float *values, const uint8_t *mask, const int64_t size[3], int64_t i, int steps,
                          const uint8_t *depth) {
    const int64_t step[3] = {size[1] * size[2], size[2], 1};
    const int64_t at[3] = {i / step[0], i / step[1] % size[1], i % size[2]};
    for (int a = 0; a < 3; a++)
        for (int side = -1; side <= 1; side += 2) {
            const int64_t k = i + side * step[a];
            if (at[a] + side < 0 || at[a] + side >= size[a] || (mask && !mask[k])) continue;
            if (steps < 0 ? values[k] < values[i] : values[k] == values[i] && depth[k] == steps) return true;
        }
    return false;
}

void ref_plateau_depth(const float *values, const uint8_t *mask, const uint32_t *markers, const int64_t size[3],
                       int limit, uint8_t *depth) {
    const int64_t all = size[0] * size[1] * size[2];
    for (int64_t i = 0; i < all; i++) {
        const bool border = (mask && !mask[i]) || (markers && markers[i]);
        depth[i] = border || has_neighbour(values, mask, size, i, -1, depth) ? 0 : (uint8_t)limit;
    }
    for (int steps = 0; steps + 1 < limit; steps++)
        for (int64_t i = 0; i < all; i++)
            if (depth[i] == limit && has_neighbour(values, mask, size, i, steps, depth))
                depth[i] = (uint8_t)(steps + 1);
}
