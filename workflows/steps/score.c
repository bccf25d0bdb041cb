/* Step score: how close labels are to the true ones of a file, one row for each time point.
 *
 * A tile's partial is its contingency table: how many voxels have which pair of labels, sorted, so that tables of tiles
 * add up to the same bytes in any order. All measures are of the sum. Where the truth cannot be read, a pair with a
 * negative count says so, since only agree can explain. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/step.h"
#include "io/image.h"
#include "kernels/metrics/labels.h"

typedef struct score_state {
    tk_image *truth;
    const char *spec; /* of the truth; the params' */
    int64_t channel;  /* of the truth */
} score_state;

/* Voxels of a pair at a time point. */
typedef struct timed_pair {
    int64_t time;
    tk_label_pair pair; /* count -1: the truth could not be read */
} timed_pair;

static const tk_param params[] = {
    {.name = "truth",
     .type = TK_PARAM_FILE,
     .required = true,
     .help = "label image of the same size, integers: file.tif, or file.h5:/dataset with axes z y x or t c z y x; with "
             "one time point, or as many as are scored"},
    TK_PARAM_END,
};

static void release(void *state) {
    score_state *s = state;
    if (!s) return;
    tk_image_close(s->truth);
    free(s);
}

static tk_status check_truth(score_state *s, const tk_binding *binding, tk_error *error) {
    const tk_image_info *info = tk_image_info_of(s->truth);
    const int64_t *size = info->size, *wanted = binding->input.size;
    if (!tk_dtype_is_integer(info->type))
        return tk_params_fail(binding->params, "truth", error, "%s holds %s; labels are integers", s->spec,
                              tk_dtype_text(info->type));
    if (memcmp(size, wanted, 3 * sizeof *size) != 0)
        return tk_params_fail(binding->params, "truth", error,
                              "%s has %" PRId64 " x %" PRId64 " x %" PRId64 " voxels (z y x), the image %" PRId64
                              " x %" PRId64 " x %" PRId64 "; they must be the same",
                              s->spec, size[0], size[1], size[2], wanted[0], wanted[1], wanted[2]);
    if (info->times > 1 && info->times < binding->times)
        return tk_params_fail(binding->params, "truth", error,
                              "%s has %" PRId64 " time points, fewer than the %" PRId64 " that are scored", s->spec,
                              info->times, binding->times);
    s->channel = info->channels > 1 ? binding->acquisition.channel : 0;
    if (s->channel >= info->channels)
        return tk_params_fail(binding->params, "truth", error, "%s has no channel %" PRId64 "; give it one for all",
                              s->spec, s->channel);
    return TK_OK;
}

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    score_state *s = calloc(1, sizeof *s);
    if (!s) return tk_fail_memory(error, "the step score");
    s->spec = tk_params_text(binding->params, "truth");
    tk_status status = tk_image_open(s->spec, NULL, &s->truth, error);
    if (status == TK_OK) status = check_truth(s, binding, error);
    if (status == TK_OK)
        *state = s;
    else
        release(s);
    return status;
}

/* The truth of a block. Tables of pairs are far smaller; twice what is read stays in the reader. */
static tk_need bytes(const void *state, const int64_t in[3]) {
    (void)state;
    return (tk_need){.scratch = tk_scratch_cost(in[0] * in[1] * in[2], sizeof(uint32_t)), .bound = TK_IMAGE_CACHE};
}

static double survey_cost(const void *state, int round, const int64_t in[3]) {
    (void)state;
    (void)round;
    return 4 * (double)(in[0] * in[1] * in[2]);
}

static int by_time_and_labels(const void *a, const void *b) {
    const timed_pair *p = a, *q = b;
    if (p->time != q->time) return p->time < q->time ? -1 : 1;
    if (p->pair.truth != q->pair.truth) return p->pair.truth < q->pair.truth ? -1 : 1;
    return (p->pair.result > q->pair.result) - (p->pair.result < q->pair.result);
}

static int64_t pairs_in(const tk_bytes *partial) { return (int64_t)(partial->size / sizeof(timed_pair)); }

static tk_status append_sorted(const tk_contingency *table, int64_t time, tk_bytes *partial) {
    for (int64_t i = 0; i < table->slots; i++) {
        const timed_pair one = {time, table->slot[i]};
        if (one.pair.count > 0) TK_TRY(tk_bytes_append(partial, &one, sizeof one));
    }
    qsort(partial->data, (size_t)pairs_in(partial), sizeof(timed_pair), by_time_and_labels);
    return TK_OK;
}

/* What the file says of the block; false when it cannot be read as labels. */
static bool read_truth(const score_state *s, const tk_block *block, tk_view_u32 truth) {
    tk_error unsaid = {0};
    const int64_t times = tk_image_info_of(s->truth)->times, time = times > 1 ? block->time : 0;
    if (time < 0 || time >= times) return false;
    return tk_image_read_labels(s->truth, time, s->channel, &block->box, truth, &unsaid) == TK_OK;
}

static tk_status survey(const void *state, int round, const tk_block *const in[], tk_work *work, tk_bytes *partial) {
    (void)round;
    const score_state *s = state;
    const tk_cview_u32 result = tk_read_u32(in[0]->u32);
    const size_t mark = tk_scratch_mark(&work->scratch);
    uint32_t *voxels = tk_scratch_take(&work->scratch, tk_box_count(&in[0]->box), sizeof *voxels);
    if (!voxels) return TK_NO_MEMORY;
    const tk_view_u32 truth = tk_dense_u32(voxels, result.size);
    tk_contingency table = {0};
    tk_status status = TK_OK;
    if (read_truth(s, in[0], truth)) {
        status = tk_contingency_add(&table, result, tk_read_u32(truth));
        if (status == TK_OK) status = append_sorted(&table, in[0]->time, partial);
    } else {
        const timed_pair unreadable = {in[0]->time, {0, 0, -1}};
        status = tk_bytes_append(partial, &unreadable, sizeof unreadable);
    }
    tk_contingency_free(&table);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

/* The sum of two counts; -1 when one is. */
static int64_t add_counts(int64_t a, int64_t b) { return a < 0 || b < 0 ? -1 : a + b; }

static int64_t merge(const timed_pair *a, int64_t as, const timed_pair *b, int64_t bs, timed_pair *to) {
    int64_t i = 0, j = 0, count = 0;
    while (i < as || j < bs) {
        const int order = i == as ? 1 : j == bs ? -1 : by_time_and_labels(&a[i], &b[j]);
        to[count] = order <= 0 ? a[i] : b[j];
        if (order == 0) to[count].pair.count = add_counts(a[i].pair.count, b[j].pair.count);
        i += order <= 0;
        j += order >= 0;
        count++;
    }
    return count;
}

static tk_status combine(const void *state, int round, tk_bytes *into, const tk_bytes *from) {
    (void)state;
    (void)round;
    if (into->size % sizeof(timed_pair) || from->size % sizeof(timed_pair)) return TK_FAILED;
    tk_bytes merged = {0};
    TK_TRY(tk_bytes_resize(&merged, into->size + from->size));
    const int64_t count =
        merge((const timed_pair *)(const void *)into->data, pairs_in(into),
              (const timed_pair *)(const void *)from->data, pairs_in(from), (timed_pair *)(void *)merged.data);
    tk_bytes_free(into);
    *into = merged;
    return tk_bytes_resize(into, (size_t)count * sizeof(timed_pair));
}

static tk_status agree(const void *state, int round, const tk_bytes *combined, tk_bytes *decision, bool *more,
                       tk_facts *facts, tk_error *error) {
    (void)round;
    (void)decision;
    const score_state *s = state;
    const timed_pair *pair = (const timed_pair *)(const void *)combined->data;
    *more = false;
    for (int64_t i = 0; i < pairs_in(combined); i++)
        if (pair[i].pair.count < 0)
            return tk_fail(error, TK_UNREADABLE,
                           "score: %s: time point %" PRId64 " has no labels, or voxels that are none; labels are "
                           "integers in 0 … 4294967295",
                           s->spec, pair[i].time);
    return tk_facts_number(facts, "pairs of labels", (double)pairs_in(combined), "");
}

static tk_status adopt(void *state, int round, const tk_bytes *decision, tk_work *work, tk_error *error) {
    (void)state;
    (void)round;
    (void)work;
    return decision->size == 0 ? TK_OK : tk_fail(error, TK_FAILED, "score: the decision is damaged");
}

static const tk_column columns[] = {
    {"t", "", "time point, as the image numbers it", TK_I64, NULL},
    {"truth_objects", "", "objects of the truth", TK_I64, NULL},
    {"result_objects", "", "objects found", TK_I64, NULL},
    {"f1", "", "F1 of matches above IoU 0.5; the recognition quality", TK_F64, NULL},
    {"precision", "", "share of objects found that match", TK_F64, NULL},
    {"recall", "", "share of true objects that match", TK_F64, NULL},
    {"seg", "", "SEG of the Cell Tracking Challenge", TK_F64, NULL},
    {"det", "", "DET of the Cell Tracking Challenge", TK_F64, NULL},
    {"panoptic_quality", "", "sum of IoU over matches / (TP + FP / 2 + FN / 2)", TK_F64, NULL},
    {"segmentation_quality", "", "mean IoU of matches", TK_F64, NULL},
    {"dice", "", "Dice of the foreground", TK_F64, NULL},
    {"object_dice", "", "mean over true objects of the best Dice", TK_F64, NULL},
    {"mean_average_precision", "", "mean of the ten average precisions", TK_F64, NULL},
    {"adapted_rand_error", "", "over voxels that are object in the truth", TK_F64, NULL},
    {"adapted_rand_precision", "", "pairs together in both / in the truth", TK_F64, NULL},
    {"adapted_rand_recall", "", "pairs together in both / in the result", TK_F64, NULL},
    {"rand_index", "", "share of pairs of voxels that both put alike", TK_F64, NULL},
    {"voi_split", "bit", "H(result | truth)", TK_F64, NULL},
    {"voi_merge", "bit", "H(truth | result)", TK_F64, NULL},
    {"ap_50", "", "average precision at IoU 0.50", TK_F64, NULL},
    {"ap_55", "", "average precision at IoU 0.55", TK_F64, NULL},
    {"ap_60", "", "average precision at IoU 0.60", TK_F64, NULL},
    {"ap_65", "", "average precision at IoU 0.65", TK_F64, NULL},
    {"ap_70", "", "average precision at IoU 0.70", TK_F64, NULL},
    {"ap_75", "", "average precision at IoU 0.75", TK_F64, NULL},
    {"ap_80", "", "average precision at IoU 0.80", TK_F64, NULL},
    {"ap_85", "", "average precision at IoU 0.85", TK_F64, NULL},
    {"ap_90", "", "average precision at IoU 0.90", TK_F64, NULL},
    {"ap_95", "", "average precision at IoU 0.95", TK_F64, NULL},
};

enum { INTEGERS = 3, COLUMNS = sizeof columns / sizeof *columns };

static void fill_row(const tk_label_metrics *m, int64_t time, int64_t row, const tk_table *table) {
    const int64_t integers[INTEGERS] = {time, m->truth_objects, m->result_objects};
    const double values[] = {m->f1,         m->precision,  m->recall,      m->seg,      m->det, m->pq,
                             m->sq,         m->dice,       m->object_dice, m->mean_ap,  m->are, m->are_precision,
                             m->are_recall, m->rand_index, m->voi_split,   m->voi_merge};
    enum { VALUES = sizeof values / sizeof *values };
    _Static_assert(INTEGERS + VALUES + TK_AP_THRESHOLDS == COLUMNS, "a value for each column");
    for (int c = 0; c < INTEGERS; c++) ((int64_t *)table->column[c].data)[row] = integers[c];
    for (int c = 0; c < VALUES; c++) ((double *)table->column[INTEGERS + c].data)[row] = values[c];
    for (int k = 0; k < TK_AP_THRESHOLDS; k++) ((double *)table->column[INTEGERS + VALUES + k].data)[row] = m->ap[k];
}

/* The metrics of the time point whose pairs begin at *i, which moves behind them. */
static tk_status score_time(const timed_pair *pair, int64_t count, int64_t *i, tk_label_metrics *metrics) {
    const int64_t time = pair[*i].time;
    tk_contingency sum = {0};
    tk_status status = TK_OK;
    for (; *i < count && pair[*i].time == time && status == TK_OK; (*i)++)
        status = tk_contingency_add_pair(&sum, pair[*i].pair);
    if (status == TK_OK) status = tk_label_metrics_of(&sum, metrics);
    tk_contingency_free(&sum);
    return status;
}

static tk_status tabulate(const void *state, const tk_bytes *combined, tk_table *table, tk_error *error) {
    (void)state;
    const timed_pair *pair = (const timed_pair *)(const void *)combined->data;
    const int64_t count = pairs_in(combined);
    int64_t times = 0;
    for (int64_t i = 0; i < count; i++) times += i == 0 || pair[i].time != pair[i - 1].time;
    TK_TRY(tk_table_make(times, columns, COLUMNS, table, error));
    for (int64_t i = 0, row = 0; i < count; row++) {
        const int64_t time = pair[i].time;
        tk_label_metrics metrics;
        if (score_time(pair, count, &i, &metrics) != TK_OK) return tk_fail_memory(error, "the table of label pairs");
        fill_row(&metrics, time, row, table);
    }
    return TK_OK;
}

const tk_step tk_step_score = {
    .name = "score",
    .version = 1,
    .summary = "compare labels with the true ones of a file",
    .citation = "M. Maška et al., A benchmark for comparison of cell tracking algorithms, Bioinformatics 30, 2014",
    .example = "{truth: \"null:21x65x61:u8\"}",
    .exact = true,
    .input = TK_KIND_LABELS,
    .output = TK_KIND_TABLE,
    .params = params,
    .bind = bind,
    .release = release,
    .bytes = bytes,
    .survey_cost = survey_cost,
    .survey = survey,
    .combine = combine,
    .agree = agree,
    .adopt = adopt,
    .tabulate = tabulate,
};
