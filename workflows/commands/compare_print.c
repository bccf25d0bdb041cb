/* The figures of a comparison as a JSON object, and as a table with the same figures. */
#include "workflows/commands/compare_print.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>

/* A number, or null where there is none: JSON has neither NaN nor infinity. */
static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *image_to_json(const tk_comparison *c) {
    const tk_image_metrics m = tk_image_metrics_of(&c->sums);
    return json_pack("{s:b, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "identical", c->sums.differing == 0,
                     "voxels", (json_int_t)c->sums.count, "differing", (json_int_t)c->sums.differing, "nrmse",
                     number(m.nrmse), "nrmse_percent", number(100 * m.nrmse), "rmse", number(m.rmse), "max_difference",
                     number(m.max_difference), "psnr_db", number(m.psnr), "pearson", number(m.pearson), "ssim",
                     number(c->ssim));
}

static json_t *labels_to_json(const tk_label_metrics *m) {
    json_t *ap = json_object();
    for (int k = 0; ap && k < TK_AP_THRESHOLDS; k++) {
        char name[16];
        snprintf(name, sizeof name, "%.2f", 0.5 + 0.05 * k);
        json_object_set_new(ap, name, number(m->ap[k]));
    }
    return json_pack(
        "{s:b, s:b, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o}",
        "identical", m->differing == 0, "same_partition", m->same_partition, "voxels", (json_int_t)m->voxels,
        "differing", (json_int_t)m->differing, "truth_objects", (json_int_t)m->truth_objects, "result_objects",
        (json_int_t)m->result_objects, "f1", number(m->f1), "precision", number(m->precision), "recall",
        number(m->recall), "seg", number(m->seg), "det", number(m->det), "panoptic_quality", number(m->pq),
        "segmentation_quality", number(m->sq), "dice", number(m->dice), "object_dice", number(m->object_dice),
        "average_precision", ap, "mean_average_precision", number(m->mean_ap), "adapted_rand_error", number(m->are),
        "adapted_rand_precision", number(m->are_precision), "adapted_rand_recall", number(m->are_recall), "rand_index",
        number(m->rand_index), "voi_split", number(m->voi_split), "voi_merge", number(m->voi_merge));
}

static tk_status print_json(const tk_comparison *c, tk_error *error) {
    json_t *figures = c->as_labels ? labels_to_json(&c->labels) : image_to_json(c);
    json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:[I, I, I], s:o}", "result", c->result.spec, "truth", c->truth.spec,
                            "kind", c->as_labels ? "labels" : "image", "kind_reason", c->reason, "size",
                            (json_int_t)c->truth.info->size[0], (json_int_t)c->truth.info->size[1],
                            (json_int_t)c->truth.info->size[2], "metrics", figures);
    if (!all) return tk_fail_memory(error, "the figures");
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return TK_OK;
}

static void print_row(const char *name, double value, const char *note) {
    if (isnan(value))
        printf("  %-24s not available%s%s\n", name, *note ? ": " : "", note);
    else
        printf("  %-24s %.6g%s%s\n", name, value, *note ? "  " : "", note);
}

static void print_source(const char *role, const tk_source *source) {
    const tk_image_info *info = source->info;
    printf("%-8s %s  (%s, %s, %" PRId64 " x %" PRId64 " x %" PRId64 " z y x", role, source->spec, info->format,
           tk_dtype_text(info->type), info->size[0], info->size[1], info->size[2]);
    if (info->times > 1) printf(", time %" PRId64 " of %" PRId64, source->time, info->times);
    if (info->channels > 1) printf(", channel %" PRId64 " of %" PRId64, source->channel, info->channels);
    puts(")");
}

static void print_difference(int64_t differing, int64_t voxels) {
    if (differing == 0)
        printf("  identical: not one of %" PRId64 " voxels differs\n", voxels);
    else
        printf("  %" PRId64 " of %" PRId64 " voxels differ\n", differing, voxels);
}

static void print_image(const tk_comparison *c) {
    const tk_image_metrics m = tk_image_metrics_of(&c->sums);
    char percent[32];
    snprintf(percent, sizeof percent, "(%.4g %%)", 100 * m.nrmse);
    print_difference(c->sums.differing, c->sums.count);
    print_row("NRMSE |x - t| / |t|", m.nrmse, isnan(m.nrmse) ? "there are voxels that are not numbers" : percent);
    print_row("RMSE", m.rmse, "");
    print_row("largest difference", m.max_difference, "");
    print_row("PSNR", m.psnr, isnan(m.psnr) ? "" : "dB");
    print_row("Pearson correlation", m.pearson, isnan(m.pearson) ? "an image is constant, or not all numbers" : "");
    print_row("SSIM", c->ssim,
              isnan(c->ssim) ? "an axis is shorter than 7 voxels, or the truth is constant or not all numbers" : "");
}

static void print_labels(const tk_label_metrics *m) {
    const char *none = "there are no objects";
    print_difference(m->differing, m->voxels);
    if (m->differing > 0 && m->same_partition) puts("  the same objects, numbered differently");
    printf("  %-24s %" PRId64 " in the truth, %" PRId64 " in the result\n", "objects", m->truth_objects,
           m->result_objects);
    print_row("F1 at IoU 0.5", m->f1, isnan(m->f1) ? none : "");
    print_row("precision at IoU 0.5", m->precision, isnan(m->precision) ? none : "");
    print_row("recall at IoU 0.5", m->recall, isnan(m->recall) ? none : "");
    print_row("SEG", m->seg, isnan(m->seg) ? none : "");
    print_row("DET", m->det, isnan(m->det) ? none : "");
    print_row("panoptic quality", m->pq, isnan(m->pq) ? none : "");
    print_row("  segmentation quality", m->sq, isnan(m->sq) ? "there are no matches" : "");
    print_row("Dice of the foreground", m->dice, isnan(m->dice) ? none : "");
    print_row("Dice of objects", m->object_dice, isnan(m->object_dice) ? none : "");
    printf("  average precision at\n");
    for (int k = 0; k < TK_AP_THRESHOLDS; k++) {
        char name[32];
        snprintf(name, sizeof name, "  IoU %.2f", 0.5 + 0.05 * k);
        print_row(name, m->ap[k], "");
    }
    print_row("  mean", m->mean_ap, "");
    print_row("adapted Rand error", m->are, isnan(m->are) ? "no true object has two voxels together" : "");
    print_row("Rand index", m->rand_index, "");
    print_row("VOI split", m->voi_split, "bit");
    print_row("VOI merge", m->voi_merge, "bit");
}

tk_status tk_comparison_print(const tk_comparison *c, bool json, tk_error *error) {
    if (json) return print_json(c, error);
    print_source("result", &c->result);
    print_source("truth", &c->truth);
    printf("as %s: %s\n", c->as_labels ? "labels" : "an image", c->reason);
    if (c->as_labels)
        print_labels(&c->labels);
    else
        print_image(c);
    return TK_OK;
}
