/* Measures of a segmentation from the pairs of the contingency table, sorted by (truth, result), so that sums are taken
 * in an order that depends on the labels alone. */
#include "kernels/metrics/labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A label and its voxels in one of the images. */
typedef struct label_size {
    uint32_t label;
    int64_t voxels;
} label_size;

typedef struct sorted_table {
    tk_label_pair *pair;
    label_size *truth, *result; /* by label */
    int64_t pairs, truths, results;
} sorted_table;

static int by_truth(const void *a, const void *b) {
    const tk_label_pair *p = a, *q = b;
    if (p->truth != q->truth) return p->truth < q->truth ? -1 : 1;
    return (p->result > q->result) - (p->result < q->result);
}

static int by_label(const void *a, const void *b) {
    const label_size *p = a, *q = b;
    return (p->label > q->label) - (p->label < q->label);
}

/* Sorts the sizes and adds up those of the same label; returns how many labels there are. */
static int64_t merge_sizes(label_size *size, int64_t count) {
    qsort(size, (size_t)count, sizeof *size, by_label);
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        if (kept > 0 && size[kept - 1].label == size[i].label)
            size[kept - 1].voxels += size[i].voxels;
        else
            size[kept++] = size[i];
    }
    return kept;
}

static int64_t voxels_of(const label_size *size, int64_t count, uint32_t label) {
    const label_size key = {label, 0};
    const label_size *found = bsearch(&key, size, (size_t)count, sizeof key, by_label);
    return found ? found->voxels : 0;
}

static void release(sorted_table *s) {
    free(s->pair);
    free(s->truth);
    free(s->result);
}

static tk_status sort_table(const tk_contingency *table, sorted_table *s) {
    const size_t room = (size_t)table->used + 1;
    *s = (sorted_table){.pair = calloc(room, sizeof *s->pair),
                        .truth = calloc(room, sizeof *s->truth),
                        .result = calloc(room, sizeof *s->result)};
    if (!s->pair || !s->truth || !s->result) {
        release(s);
        return TK_NO_MEMORY;
    }
    for (int64_t i = 0; i < table->slots; i++)
        if (table->slot[i].count > 0) s->pair[s->pairs++] = table->slot[i];
    qsort(s->pair, (size_t)s->pairs, sizeof *s->pair, by_truth);
    for (int64_t i = 0; i < s->pairs; i++) {
        s->truth[i] = (label_size){s->pair[i].truth, s->pair[i].count};
        s->result[i] = (label_size){s->pair[i].result, s->pair[i].count};
    }
    s->truths = merge_sizes(s->truth, s->pairs);
    s->results = merge_sizes(s->result, s->pairs);
    return TK_OK;
}

static int64_t objects_of(const label_size *size, int64_t labels) {
    return labels - (labels > 0 && size[0].label == 0 ? 1 : 0);
}

static void count_voxels(const sorted_table *s, tk_label_metrics *m) {
    bool background_alike = true;
    for (int64_t i = 0; i < s->pairs; i++) {
        const tk_label_pair *p = &s->pair[i];
        m->voxels += p->count;
        if (p->truth != p->result) m->differing += p->count;
        if ((p->truth == 0) != (p->result == 0)) background_alike = false;
    }
    m->truth_objects = objects_of(s->truth, s->truths);
    m->result_objects = objects_of(s->result, s->results);
    m->same_partition = background_alike && s->pairs == s->truths && s->pairs == s->results;
}

/* SEG and the numbers of matches at each threshold, (10 + k) / 20; compared in integers, so that an overlap of exactly
 * the threshold is one. */
static void match_objects(const sorted_table *s, tk_label_metrics *m, int64_t matches[TK_AP_THRESHOLDS]) {
    double jaccard_sum = 0, matched_sum = 0;
    memset(matches, 0, TK_AP_THRESHOLDS * sizeof *matches);
    for (int64_t i = 0; i < s->pairs; i++) {
        const tk_label_pair *p = &s->pair[i];
        if (p->truth == 0 || p->result == 0) continue;
        const int64_t true_size = voxels_of(s->truth, s->truths, p->truth);
        const int64_t all = true_size + voxels_of(s->result, s->results, p->result) - p->count;
        if (2 * p->count > true_size) jaccard_sum += (double)p->count / (double)all;
        for (int k = 0; k < TK_AP_THRESHOLDS; k++)
            if (20 * p->count > (10 + k) * all) matches[k]++;
        if (2 * p->count > all) matched_sum += (double)p->count / (double)all;
    }
    m->seg = jaccard_sum / (double)m->truth_objects;
    m->sq = matched_sum / (double)matches[0];
    m->pq = 2 * matched_sum / (double)(m->truth_objects + m->result_objects);
}

static void rate_foreground(const sorted_table *s, tk_label_metrics *m) {
    int64_t both = 0;
    for (int64_t i = 0; i < s->pairs; i++)
        if (s->pair[i].truth != 0 && s->pair[i].result != 0) both += s->pair[i].count;
    const int64_t truth = m->voxels - voxels_of(s->truth, s->truths, 0);
    const int64_t result = m->voxels - voxels_of(s->result, s->results, 0);
    m->dice = 2 * (double)both / (double)(truth + result);
}

/* The pairs of one true object are neighbours. */
static void rate_objects(const sorted_table *s, tk_label_metrics *m) {
    double sum = 0, best = 0;
    for (int64_t i = 0; i < s->pairs; i++) {
        const tk_label_pair *p = &s->pair[i];
        if (p->truth != 0 && p->result != 0) {
            const int64_t sizes =
                voxels_of(s->truth, s->truths, p->truth) + voxels_of(s->result, s->results, p->result);
            best = fmax(best, 2 * (double)p->count / (double)sizes);
        }
        if (i + 1 == s->pairs || s->pair[i + 1].truth != p->truth) {
            sum += best;
            best = 0;
        }
    }
    m->object_dice = sum / (double)m->truth_objects;
}

/* Does the result's object cover more than half of the true one? */
static bool detects(const sorted_table *s, const tk_label_pair *p) {
    return p->truth != 0 && p->result != 0 && 2 * p->count > voxels_of(s->truth, s->truths, p->truth);
}

static tk_status rate_detection(const sorted_table *s, tk_label_metrics *m) {
    label_size *detection = calloc((size_t)s->pairs + 1, sizeof *detection); /* label, detected objects */
    if (!detection) return TK_NO_MEMORY;
    int64_t detected = 0;
    for (int64_t i = 0; i < s->pairs; i++)
        if (detects(s, &s->pair[i])) detection[detected++] = (label_size){s->pair[i].result, 1};
    const int64_t detecting = merge_sizes(detection, detected);
    free(detection);
    const int64_t all = 10 * m->truth_objects;
    const int64_t cost =
        10 * (m->truth_objects - detected) + 5 * (detected - detecting) + (m->result_objects - detecting);
    m->det = (double)(cost < all ? all - cost : 0) / (double)all;
    return TK_OK;
}

static void rate_matches(const int64_t matches[TK_AP_THRESHOLDS], tk_label_metrics *m) {
    const double truths = (double)m->truth_objects, results = (double)m->result_objects;
    double sum = 0;
    for (int k = 0; k < TK_AP_THRESHOLDS; k++) {
        const double hits = (double)matches[k];
        m->ap[k] = hits / (truths + results - hits);
        sum += m->ap[k];
    }
    m->mean_ap = sum / TK_AP_THRESHOLDS;
    m->precision = (double)matches[0] / results;
    m->recall = (double)matches[0] / truths;
    m->f1 = 2 * (double)matches[0] / (truths + results);
}

static double pairs_in(int64_t n) { return (double)n * ((double)n - 1); }

/* Over the voxels that are object in the truth. */
static tk_status adapted_rand(const sorted_table *s, tk_label_metrics *m) {
    label_size *result = calloc((size_t)s->pairs + 1, sizeof *result);
    if (!result) return TK_NO_MEMORY;
    int64_t kept = 0;
    double together = 0, in_truth = 0, in_result = 0;
    for (int64_t i = 0; i < s->pairs; i++) {
        if (s->pair[i].truth == 0) continue;
        together += pairs_in(s->pair[i].count);
        result[kept++] = (label_size){s->pair[i].result, s->pair[i].count};
    }
    for (int64_t i = 0; i < s->truths; i++)
        if (s->truth[i].label != 0) in_truth += pairs_in(s->truth[i].voxels);
    kept = merge_sizes(result, kept);
    for (int64_t i = 0; i < kept; i++) in_result += pairs_in(result[i].voxels);
    free(result);
    m->are_precision = together / in_truth;
    m->are_recall = together / in_result;
    m->are = 1 - 2 * m->are_precision * m->are_recall / (m->are_precision + m->are_recall);
    return TK_OK;
}

static void rand_and_information(const sorted_table *s, tk_label_metrics *m) {
    const double n = (double)m->voxels;
    double together = 0, in_truth = 0, in_result = 0;
    for (int64_t i = 0; i < s->pairs; i++) {
        const double count = (double)s->pair[i].count;
        together += pairs_in(s->pair[i].count);
        m->voi_split -= count / n * log2(count / (double)voxels_of(s->truth, s->truths, s->pair[i].truth));
        m->voi_merge -= count / n * log2(count / (double)voxels_of(s->result, s->results, s->pair[i].result));
    }
    for (int64_t i = 0; i < s->truths; i++) in_truth += pairs_in(s->truth[i].voxels);
    for (int64_t i = 0; i < s->results; i++) in_result += pairs_in(s->result[i].voxels);
    m->rand_index = 1 - (in_truth + in_result - 2 * together) / pairs_in(m->voxels);
    if (m->voi_split == 0) m->voi_split = 0; /* not minus zero */
    if (m->voi_merge == 0) m->voi_merge = 0;
}

tk_status tk_label_metrics_of(const tk_contingency *table, tk_label_metrics *metrics) {
    sorted_table sorted;
    int64_t matches[TK_AP_THRESHOLDS];
    *metrics = (tk_label_metrics){0};
    TK_TRY(sort_table(table, &sorted));
    count_voxels(&sorted, metrics);
    match_objects(&sorted, metrics, matches);
    rate_matches(matches, metrics);
    rate_foreground(&sorted, metrics);
    rate_objects(&sorted, metrics);
    tk_status status = rate_detection(&sorted, metrics);
    if (status == TK_OK) status = adapted_rand(&sorted, metrics);
    rand_and_information(&sorted, metrics);
    release(&sorted);
    return status;
}
