/* Two passes over the labels: the first counts them, so that the second knows which share of each class to take. */
#include "workflows/classify/training.h"

#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/common/rng.h"
#include "workflows/classify/bank.h"

/* Labels are read in blocks of this many voxels along each axis. */
static const int64_t block_size[3] = {32, 128, 128};

enum { CHOICE = 41 }; /* purpose of the random numbers that choose samples */

/* What works on the pair's blocks. */
typedef struct passing {
    const tk_training_pair *pair;
    const tk_image_info *info;
    uint32_t *labels; /* of one block; owned */
    tk_bank *bank;    /* owned */
    tk_work work;     /* its scratch is owned */
} passing;

static void pass_free(passing *pass) {
    free(pass->labels);
    tk_bank_free(pass->bank);
    tk_scratch_release(&pass->work.scratch);
}

static tk_status pass_begin(const tk_training_pair *pair, passing *pass, tk_error *error) {
    *pass = (passing){.pair = pair, .info = tk_image_info_of(pair->image)};
    pass->work = (tk_work){.threads = omp_get_max_threads(), .isa = tk_isa_detect()};
    pass->labels = malloc((size_t)(block_size[0] * block_size[1] * block_size[2]) * sizeof *pass->labels);
    return pass->labels ? TK_OK : tk_fail_memory(error, "the labels");
}

/* The next block of the image in z y x order, from *box on (empty at first); false: that was the last. */
static bool next_block(const int64_t size[3], tk_box *box) {
    if (tk_box_count(box) == 0) {
        memset(box->lo, 0, sizeof box->lo);
    } else {
        int axis = TK_X;
        while (axis >= 0 && box->hi[axis] == size[axis]) box->lo[axis--] = 0;
        if (axis < 0) return false;
        box->lo[axis] = box->hi[axis];
    }
    for (int a = 0; a < 3; a++)
        box->hi[a] = box->lo[a] + block_size[a] < size[a] ? box->lo[a] + block_size[a] : size[a];
    return true;
}

static tk_status read_labels(const passing *pass, const tk_box *box, tk_error *error) {
    const int64_t size[3] = {tk_box_size(box, 0), tk_box_size(box, 1), tk_box_size(box, 2)};
    return tk_image_read_labels(pass->pair->labels, pass->pair->labels_time, 0, box, tk_dense_u32(pass->labels, size),
                                error);
}

static tk_status count_block(tk_training *t, const passing *pass, const tk_box *box, tk_error *error) {
    const int64_t count = tk_box_count(box);
    for (int64_t i = 0; i < count; i++) {
        const uint32_t label = pass->labels[i];
        if (label == 0) continue;
        if (label > TK_CLASSES_MOST)
            return tk_fail(error, TK_UNREADABLE, "%s: has the label %" PRIu32 ", but classes are numbered 1 to %d",
                           pass->pair->labels_spec, label, TK_CLASSES_MOST);
        if ((int)label > t->classes) t->classes = (int)label;
        t->labelled[label - 1]++;
    }
    return TK_OK;
}

static tk_status check_sizes(const tk_training_pair *pair, tk_error *error) {
    const int64_t *a = tk_image_info_of(pair->image)->size, *b = tk_image_info_of(pair->labels)->size;
    if (!memcmp(a, b, 3 * sizeof *a)) return TK_OK;
    return tk_fail(error, TK_DIFFERENT,
                   "%s has %" PRId64 " x %" PRId64 " x %" PRId64 " voxels (z y x), but its labels %s have %" PRId64
                   " x %" PRId64 " x %" PRId64,
                   pair->image_spec, a[0], a[1], a[2], pair->labels_spec, b[0], b[1], b[2]);
}

tk_status tk_training_count(tk_training *training, const tk_training_pair *pair, tk_error *error) {
    passing pass;
    tk_box box = {{0}, {0}};
    TK_TRY(check_sizes(pair, error));
    tk_status status = pass_begin(pair, &pass, error);
    while (status == TK_OK && next_block(pass.info->size, &box)) {
        status = read_labels(&pass, &box, error);
        if (status == TK_OK) status = count_block(training, &pass, &box, error);
    }
    pass_free(&pass);
    return status;
}

/* Is this labelled voxel a sample? Of each class an equal share is taken, or all there are. */
static bool is_chosen(tk_training *t, int class) {
    const int64_t share = t->most / t->classes;
    tk_rng rng = tk_rng_stream(t->seed, CHOICE, (uint64_t)t->met++);
    return t->labelled[class] <= share || tk_rng_uniform(&rng) < (double)share / (double)t->labelled[class];
}

/* Makes 0 of all labels that are not chosen; `chosen` becomes the box around those that are, empty when there are none.
 */
static void choose(tk_training *t, const passing *pass, const tk_box *box, tk_box *chosen) {
    uint32_t *label = pass->labels;
    *chosen = (tk_box){{INT64_MAX, INT64_MAX, INT64_MAX}, {0}};
    for (int64_t z = box->lo[0]; z < box->hi[0]; z++)
        for (int64_t y = box->lo[1]; y < box->hi[1]; y++)
            for (int64_t x = box->lo[2]; x < box->hi[2]; x++, label++) {
                if (*label == 0) continue;
                if (!is_chosen(t, (int)*label - 1)) {
                    *label = 0;
                    continue;
                }
                const int64_t at[3] = {z, y, x};
                for (int a = 0; a < 3; a++) {
                    if (at[a] < chosen->lo[a]) chosen->lo[a] = at[a];
                    if (at[a] >= chosen->hi[a]) chosen->hi[a] = at[a] + 1;
                }
            }
    if (chosen->hi[0] == 0) *chosen = (tk_box){{0}, {0}};
}

/* Appends one sample; `value` are the columns at its voxel, `apart` from each other. */
static tk_status append(tk_training *t, const float *value, int64_t apart, int class) {
    float row[TK_CLASSIFIER_FEATURES_MOST];
    const uint8_t label = (uint8_t) class;
    bool finite = true;
    for (int i = 0; i < t->model->columns; i++) {
        row[i] = value[i * apart];
        finite = finite && isfinite(row[i]);
    }
    if (!finite) {
        t->left_out++;
        return TK_OK;
    }
    t->used[class]++;
    TK_TRY(tk_bytes_append(&t->row, row, (size_t)t->model->columns * sizeof *row));
    return tk_bytes_append(&t->label, &label, 1);
}

static tk_status append_chosen(tk_training *t, const passing *pass, const tk_box *box, const tk_box *chosen,
                               const float *value) {
    const uint32_t *label = pass->labels;
    const int64_t apart = tk_box_count(chosen), height = tk_box_size(chosen, 1), width = tk_box_size(chosen, 2);
    for (int64_t z = box->lo[0]; z < box->hi[0]; z++)
        for (int64_t y = box->lo[1]; y < box->hi[1]; y++)
            for (int64_t x = box->lo[2]; x < box->hi[2]; x++, label++) {
                if (*label == 0) continue;
                const int64_t at = ((z - chosen->lo[0]) * height + y - chosen->lo[1]) * width + x - chosen->lo[2];
                TK_TRY(append(t, value + at, apart, (int)*label - 1));
            }
    return TK_OK;
}

/* The columns over the chosen box, after which the samples in it are appended. */
static tk_status gather_box(tk_training *t, passing *pass, const tk_box *box, const tk_box *chosen, tk_error *error) {
    int64_t halo[3];
    tk_bank_halo(pass->bank, halo);
    const tk_box image = tk_box_of_size(pass->info->size), in = tk_box_grow(chosen, halo, &image);
    const int64_t size[3] = {tk_box_size(&in, 0), tk_box_size(&in, 1), tk_box_size(&in, 2)};
    const int64_t values = tk_box_count(chosen) * t->model->columns;
    const size_t need = tk_size_add(
        tk_bank_scratch(pass->bank, size, pass->work.threads),
        tk_size_add(tk_scratch_cost(tk_box_count(&in), sizeof(float)), tk_scratch_cost(values, sizeof(float))));
    tk_scratch_release(&pass->work.scratch);
    if (tk_scratch_reserve(&pass->work.scratch, need) != TK_OK) return tk_fail_memory(error, "the features");
    float *voxels = tk_scratch_take(&pass->work.scratch, tk_box_count(&in), sizeof *voxels);
    float *value = tk_scratch_take(&pass->work.scratch, values, sizeof *value);
    if (!voxels || !value) return tk_fail_memory(error, "the features");
    const tk_view_f32 view = tk_dense_f32(voxels, size);
    const tk_training_pair *pair = pass->pair;
    TK_TRY(tk_image_read(pair->image, pair->image_time, pair->image_channel, &in, view, error));
    tk_status status = tk_bank_apply(pass->bank, &image, &in, tk_read_f32(view), chosen, value, &pass->work);
    if (status == TK_OK) status = append_chosen(t, pass, box, chosen, value);
    return status == TK_OK ? TK_OK : tk_fail(error, status, "%s: its features cannot be computed", pair->image_spec);
}

static tk_status make_bank(const tk_training *t, passing *pass, tk_error *error) {
    tk_bank_choice choice = {.column = t->model->column, .columns = t->model->columns, .um = t->model->um};
    memcpy(choice.image.size, pass->info->size, sizeof choice.image.size);
    memcpy(choice.image.voxel_um, pass->info->voxel_um, sizeof choice.image.voxel_um);
    tk_error reason = TK_ERROR_NONE;
    const tk_status status = tk_bank_new(&choice, &pass->bank, &reason);
    return status == TK_OK ? TK_OK
                           : tk_fail(error, status, "%s: the classifier %s", pass->pair->image_spec, reason.text);
}

tk_status tk_training_gather(tk_training *training, const tk_training_pair *pair, tk_error *error) {
    passing pass;
    tk_box box = {{0}, {0}}, chosen;
    tk_status status = pass_begin(pair, &pass, error);
    if (status == TK_OK) status = make_bank(training, &pass, error);
    while (status == TK_OK && next_block(pass.info->size, &box)) {
        status = read_labels(&pass, &box, error);
        if (status != TK_OK) break;
        choose(training, &pass, &box, &chosen);
        if (tk_box_count(&chosen) > 0) status = gather_box(training, &pass, &box, &chosen, error);
    }
    pass_free(&pass);
    return status;
}

/* Features become contiguous, one column after the other. */
tk_status tk_training_samples(tk_training *training, tk_samples *samples, tk_error *error) {
    const int columns = training->model->columns;
    const int64_t count = (int64_t)training->label.size;
    training->value = malloc((size_t)(count > 0 ? count : 1) * (size_t)columns * sizeof(float));
    if (!training->value) return tk_fail_memory(error, "the samples");
    for (int64_t i = 0; i < count; i++)
        for (int f = 0; f < columns; f++)
            memcpy(&training->value[f * count + i],
                   training->row.data + ((size_t)i * (size_t)columns + (size_t)f) * sizeof(float), sizeof(float));
    *samples = (tk_samples){.count = count,
                            .features = columns,
                            .classes = training->classes,
                            .value = training->value,
                            .label = training->label.data};
    return TK_OK;
}

void tk_training_free(tk_training *training) {
    tk_bytes_free(&training->row);
    tk_bytes_free(&training->label);
    free(training->value);
    training->value = NULL;
}
