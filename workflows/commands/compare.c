/* tarkka compare: how close is a result to the truth? Two images or two label images, read slab by slab. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workflows/commands/compare_print.h"

static bool holds_label_word(const char *spec) {
    return strcasestr(spec, "label") || strcasestr(spec, "mask") || strcasestr(spec, "segmentation");
}

static bool is_wide_integer(tk_dtype type) { return tk_dtype_is_integer(type) && tk_dtype_size(type) >= 4; }

/* Labels or image: what is asked for, else what the types and names suggest. */
static tk_status choose_kind(const tk_arguments *arguments, tk_comparison *c, tk_error *error) {
    const bool labels = tk_option_value(arguments, "labels"), image = tk_option_value(arguments, "image");
    const tk_dtype result = c->result.info->type, truth = c->truth.info->type;
    if (labels && image) return tk_fail(error, TK_USAGE, "--labels and --image exclude each other");
    c->as_labels = labels;
    if (labels || image)
        c->reason = labels ? "as --labels asks" : "as --image asks";
    else if (!tk_dtype_is_integer(result) || !tk_dtype_is_integer(truth))
        c->reason = "not both are integers (--labels compares them as labels)";
    else if (is_wide_integer(result) && is_wide_integer(truth))
        c->as_labels = true, c->reason = "both are integers of 32 bits or more (--image compares them as images)";
    else if (holds_label_word(c->result.spec) || holds_label_word(c->truth.spec))
        c->as_labels = true, c->reason = "both are integers, and a name says labels (--image compares them as images)";
    else
        c->reason = "integers of few bits, and no name says labels (--labels compares them as labels)";
    return TK_OK;
}

/* Two slabs of voxels, float or labels, with room for `planes` planes each. */
typedef struct slab_pair {
    void *result, *truth;
    int64_t size[3]; /* of the slab in it */
} slab_pair;

static tk_status make_slabs(const tk_comparison *c, int64_t planes, slab_pair *slabs, tk_error *error) {
    const int64_t *size = c->truth.info->size;
    *slabs = (slab_pair){.size = {0, size[TK_Y], size[TK_X]}};
    size_t bytes = 0;
    if (!__builtin_mul_overflow((size_t)planes * sizeof(float), (size_t)(size[TK_Y] * size[TK_X]), &bytes)) {
        slabs->result = malloc(bytes);
        slabs->truth = malloc(bytes);
    }
    return slabs->result && slabs->truth ? TK_OK : tk_fail_memory(error, "two slabs of the images");
}

static void free_slabs(slab_pair *slabs) {
    free(slabs->result);
    free(slabs->truth);
}

static tk_status read_slabs(const tk_comparison *c, int64_t from, int64_t to, slab_pair *slabs, tk_error *error) {
    slabs->size[TK_Z] = to - from;
    if (c->as_labels) {
        TK_TRY(tk_source_read_labels(&c->result, from, to, slabs->result, error));
        return tk_source_read_labels(&c->truth, from, to, slabs->truth, error);
    }
    TK_TRY(tk_source_read(&c->result, from, to, slabs->result, error));
    return tk_source_read(&c->truth, from, to, slabs->truth, error);
}

static tk_cview_f32 floats(const void *voxels, const slab_pair *slabs) {
    const int64_t *s = slabs->size;
    return (tk_cview_f32){voxels, {s[0], s[1], s[2]}, {s[1] * s[2], s[2], 1}};
}

static tk_cview_u32 labels_of(const void *voxels, const slab_pair *slabs) {
    const int64_t *s = slabs->size;
    return (tk_cview_u32){voxels, {s[0], s[1], s[2]}, {s[1] * s[2], s[2], 1}};
}

static tk_status sum_images(tk_comparison *c, int64_t planes, slab_pair *slabs, tk_work *work, tk_error *error) {
    const int64_t depth = c->truth.info->size[TK_Z];
    for (int64_t z = 0; z < depth; z += planes) {
        TK_TRY(read_slabs(c, z, z + planes < depth ? z + planes : depth, slabs, error));
        if (tk_image_sums_add(floats(slabs->result, slabs), floats(slabs->truth, slabs), work, &c->sums) != TK_OK)
            return tk_fail_memory(error, "the sums of the images");
    }
    return TK_OK;
}

/* The second pass, once the range of the truth is known; slabs overlap so that each window lies in one. An
 * image of one slab is still in memory. */
static tk_status measure_ssim(tk_comparison *c, int64_t planes, slab_pair *slabs, tk_work *work, tk_error *error) {
    const int64_t *size = c->truth.info->size, overlap = size[TK_Z] == 1 ? 0 : TK_SSIM_WINDOW - 1;
    const double range = c->sums.most - c->sums.least;
    tk_ssim_sum ssim = {0};
    c->ssim = (double)NAN;
    if (!tk_ssim_exists(size) || !(range > 0) || isinf(range)) return TK_OK;
    for (int64_t z = 0; z + overlap < size[TK_Z]; z += planes) {
        const int64_t end = z + planes + overlap < size[TK_Z] ? z + planes + overlap : size[TK_Z];
        if (planes < size[TK_Z]) TK_TRY(read_slabs(c, z, end, slabs, error));
        if (tk_ssim_add(floats(slabs->result, slabs), floats(slabs->truth, slabs), range, work, &ssim) != TK_OK)
            return tk_fail_memory(error, "the structural similarity");
    }
    c->ssim = ssim.sum / (double)ssim.windows;
    return TK_OK;
}

static tk_status compare_images(tk_comparison *c, tk_error *error) {
    const int64_t *size = c->truth.info->size, planes = tk_source_planes(size);
    const int64_t room = planes + TK_SSIM_WINDOW - 1, largest[3] = {room, size[TK_Y], size[TK_X]};
    slab_pair slabs;
    tk_work work = tk_work_here();
    const size_t sums = tk_image_sums_scratch(largest), ssim = tk_ssim_scratch(largest, work.threads);
    tk_status status = tk_work_reserve(&work, sums > ssim ? sums : ssim, error);
    if (status == TK_OK) {
        status = make_slabs(c, room, &slabs, error);
        if (status == TK_OK) status = sum_images(c, planes, &slabs, &work, error);
        if (status == TK_OK) status = measure_ssim(c, planes, &slabs, &work, error);
        free_slabs(&slabs);
    }
    tk_scratch_release(&work.scratch);
    return status;
}

static tk_status compare_labels(tk_comparison *c, tk_error *error) {
    const int64_t depth = c->truth.info->size[TK_Z], planes = tk_source_planes(c->truth.info->size);
    tk_contingency table = {0};
    slab_pair slabs;
    tk_status status = make_slabs(c, planes, &slabs, error);
    for (int64_t z = 0; z < depth && status == TK_OK; z += planes) {
        status = read_slabs(c, z, z + planes < depth ? z + planes : depth, &slabs, error);
        if (status == TK_OK &&
            tk_contingency_add(&table, labels_of(slabs.result, &slabs), labels_of(slabs.truth, &slabs)) != TK_OK)
            status = tk_fail_memory(error, "the table of label pairs");
    }
    if (status == TK_OK && tk_label_metrics_of(&table, &c->labels) != TK_OK)
        status = tk_fail_memory(error, "the table of label pairs");
    tk_contingency_free(&table);
    free_slabs(&slabs);
    return status;
}

/* With --tolerance: TK_DIFFERENT, saying why, when the result is too far from the truth. */
static tk_status judge(const tk_arguments *arguments, const tk_comparison *c, tk_error *error) {
    double tolerance = 0;
    if (!tk_option_value(arguments, "tolerance")) return TK_OK;
    TK_TRY(tk_option_number(arguments, "tolerance", 0, HUGE_VAL, 0, &tolerance, error));
    if (c->as_labels) {
        if (c->labels.same_partition) return TK_OK;
        return tk_fail(error, TK_DIFFERENT, "%s: not the same objects as in %s", c->result.spec, c->truth.spec);
    }
    const double nrmse = tk_image_metrics_of(&c->sums).nrmse;
    if (c->sums.differing == 0 || nrmse <= tolerance) return TK_OK; /* NRMSE is NaN where both have NaN */
    return tk_fail(error, TK_DIFFERENT, "%s: NRMSE %g against %s is above the tolerance %g", c->result.spec, nrmse,
                   c->truth.spec, tolerance);
}

static tk_status compare_open(const tk_arguments *arguments, tk_comparison *c, tk_error *error) {
    TK_TRY(tk_source_same_size(&c->result, &c->truth, error));
    TK_TRY(choose_kind(arguments, c, error));
    TK_TRY(c->as_labels ? compare_labels(c, error) : compare_images(c, error));
    TK_TRY(tk_comparison_print(c, tk_option_value(arguments, "json"), error));
    return judge(arguments, c, error);
}

static tk_status run(const tk_arguments *arguments, tk_error *error) {
    tk_comparison c = {0};
    double tolerance = 0; /* a wrong one is reported before the work */
    TK_TRY(tk_option_number(arguments, "tolerance", 0, HUGE_VAL, 0, &tolerance, error));
    TK_TRY(tk_source_open(arguments, tk_positional(arguments, 0), &c.result, error));
    tk_status status = tk_source_open(arguments, tk_positional(arguments, 1), &c.truth, error);
    if (status == TK_OK) status = compare_open(arguments, &c, error);
    tk_source_close(&c.truth);
    tk_source_close(&c.result);
    return status;
}

static const tk_option options[] = {
    {"image", NULL, "compare as images: NRMSE, PSNR, Pearson, SSIM"},
    {"labels", NULL, "compare as labels: F1, SEG, DET, AP, PQ, Dice, adapted Rand error, Rand index, VOI"},
    TK_SOURCE_OPTIONS,
    {"tolerance", "X", "exit with 5 when NRMSE > X; for labels, when the objects are not the same"},
    {"json", NULL, "print JSON"},
    TK_OPTION_END,
};

const tk_command tk_command_compare = {
    .name = "compare",
    .summary = "How close a result is to the truth",
    .synopsis = "RESULT TRUTH [OPTION]…",
    .details =
        "Images are file.tif or file.h5:/path/of/dataset. Without --image or --labels the types and the names decide,\n"
        "and the answer says why. Voxels are compared as float32, labels exactly.\n\n"
        "NRMSE is |x - t| / |t|; the peak of PSNR is the largest voxel of the truth; SSIM has a uniform window of 7\n"
        "voxels along each axis and the range of the truth. A match of objects at a threshold has an intersection "
        "over\n"
        "union above it; average precision is TP / (TP + FP + FN); SEG and DET are those of the Cell Tracking\n"
        "Challenge; panoptic quality is the sum of IoU over matches / (TP + FP / 2 + FN / 2).\n\n"
        "  tarkka compare result.h5:/labels/label phantom_labels.ome.tif\n"
        "  tarkka compare result.h5:/images/deconvolve other.h5:/images/deconvolve --tolerance 1e-4\n\n"
        "Exit codes: 0 compared (and within the tolerance), 3 unreadable, 5 different in size or beyond the tolerance.",
    .options = options,
    .least = 2,
    .most = 2,
    .run = run,
};
