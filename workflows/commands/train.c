/* tarkka train: a pixel classifier from images and sparse labels. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/checksum.h"
#include "workflows/commands/train.h"

/* ---- the pairs ---- */

/* Calls `use` for one pair of files. */
static tk_status with_pair(const tk_arguments *arguments, int i, tk_training *training,
                           tk_status (*use)(tk_training *, const tk_training_pair *, tk_error *), tk_error *error) {
    tk_source image, labels;
    TK_TRY(tk_source_open(arguments, tk_positional(arguments, 2 * i), &image, error));
    tk_status status = tk_source_open_at(tk_positional(arguments, 2 * i + 1), NULL, 0, 0, &labels, error);
    if (status == TK_OK) {
        const tk_training_pair pair = {.image_spec = image.spec,
                                       .labels_spec = labels.spec,
                                       .image = image.image,
                                       .labels = labels.image,
                                       .image_time = image.time,
                                       .image_channel = image.channel,
                                       .labels_time = labels.info->times > image.time ? image.time : 0};
        status = use(training, &pair, error);
        tk_source_close(&labels);
    }
    tk_source_close(&image);
    return status;
}

static tk_status record_file(const char *spec, const char *role, json_t *images, tk_error *error) {
    char hex[65] = "", *file = tk_image_file(spec);
    tk_status status = file ? TK_OK : tk_fail_memory(error, "the record");
    if (status == TK_OK && !tk_image_is_computed(spec)) status = tk_file_sha256(file, hex, NULL, error);
    free(file);
    if (status == TK_OK &&
        json_array_append_new(images, json_pack("{s:s, s:s, s:s}", "role", role, "file", spec, "sha256", hex)) != 0)
        status = tk_fail_memory(error, "the record");
    return status;
}

static tk_status gather(const tk_arguments *arguments, tk_training_run *run, tk_error *error) {
    for (int i = 0; i < run->pairs; i++) TK_TRY(with_pair(arguments, i, &run->training, tk_training_count, error));
    if (run->training.classes < 2)
        return tk_fail(error, TK_UNSOLVABLE,
                       "train: the labels hold %d class: at least two are needed (0 is for voxels without a label)",
                       run->training.classes);
    for (int c = 0; c < run->training.classes; c++)
        if (run->training.labelled[c] == 0)
            return tk_fail(error, TK_UNSOLVABLE, "train: no voxel has the label %d: number the classes from 1 on",
                           c + 1);
    for (int i = 0; i < run->pairs; i++) {
        TK_TRY(with_pair(arguments, i, &run->training, tk_training_gather, error));
        TK_TRY(record_file(tk_positional(arguments, 2 * i), "image", run->images, error));
        TK_TRY(record_file(tk_positional(arguments, 2 * i + 1), "labels", run->images, error));
    }
    return TK_OK;
}

/* ---- learning ---- */

static tk_status learn(tk_training_run *run, tk_error *error) {
    tk_samples samples;
    TK_TRY(tk_training_samples(&run->training, &samples, error));
    const int threads = tk_work_here().threads;
    const tk_status status =
        run->model.kind == TK_MODEL_FOREST
            ? tk_forest_train(&samples, &run->forest, threads, &run->model.forest, &run->error_share)
            : tk_mlp_train(&samples, &run->mlp, threads, &run->model.mlp, &run->error_share);
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the training");
    return status == TK_OK
               ? TK_OK
               : tk_fail(error, status, "train: nothing can be learned from these %" PRId64 " samples", samples.count);
}

static json_t *json_of_counts(const tk_training_run *run) {
    json_t *all = json_array();
    for (int c = 0; c < run->model.classes; c++)
        json_array_append_new(all, json_pack("{s:s, s:I, s:I}", "class", run->model.class_name[c], "labelled",
                                             (json_int_t)run->training.labelled[c], "used",
                                             (json_int_t)run->training.used[c]));
    return all;
}

static json_t *json_of_method(const tk_training_run *run) {
    if (run->model.kind == TK_MODEL_FOREST)
        return json_pack("{s:s, s:i, s:i, s:I, s:f}", "method", "forest", "trees", run->forest.trees, "depth",
                         run->forest.depth, "seed", (json_int_t)run->forest.seed, "out_of_bag_error", run->error_share);
    return json_pack("{s:s, s:i, s:i, s:I, s:f}", "method", "mlp", "hidden", run->mlp.hidden, "epochs", run->mlp.epochs,
                     "seed", (json_int_t)run->mlp.seed, "cross_entropy", run->error_share);
}

/* What anybody needs to train the same classifier again. */
static tk_status record(tk_training_run *run, tk_error *error) {
    json_t *all = json_of_method(run);
    if (all) {
        json_object_set_new(all, "samples_most", json_integer((json_int_t)run->training.most));
        json_object_set_new(all, "counts", json_of_counts(run));
        json_object_set(all, "inputs", run->images);
        run->model.training = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    }
    json_decref(all);
    return run->model.training ? TK_OK : tk_fail_memory(error, "the record");
}

static void print_text(const tk_training_run *run) {
    const tk_model *m = &run->model;
    const tk_training *t = &run->training;
    for (int c = 0; c < m->classes; c++)
        printf("class %d, %s: %" PRId64 " voxels labelled, %" PRId64 " learned from\n", c + 1, m->class_name[c],
               t->labelled[c], t->used[c]);
    if (t->left_out > 0) printf("%" PRId64 " left out: their features are not finite numbers\n", t->left_out);
    if (m->kind == TK_MODEL_FOREST)
        printf(
            "forest of %d trees on %d features: %.2f %% of the samples are told wrong by trees that did not see them\n",
            m->forest.trees, m->columns, 100 * run->error_share);
    else
        printf("perceptron of %d hidden units on %d features: cross entropy %.4f\n", m->mlp.hidden, m->columns,
               run->error_share);
    printf("written to %s\n", run->output);
}

static tk_status train(const tk_arguments *arguments, tk_training_run *run, tk_error *error) {
    TK_TRY(tk_train_options(arguments, run, error));
    TK_TRY(gather(arguments, run, error));
    run->model.classes = run->training.classes;
    TK_TRY(tk_train_name_classes(arguments, &run->model, error));
    TK_TRY(learn(run, error));
    TK_TRY(record(run, error));
    TK_TRY(tk_model_save(run->output, &run->model, error));
    if (tk_option_value(arguments, "json"))
        puts(run->model.training);
    else
        print_text(run);
    return TK_OK;
}

static tk_status run_train(const tk_arguments *arguments, tk_error *error) {
    tk_training_run run = {.images = json_array()};
    run.training.model = &run.model;
    const tk_status status = run.images ? train(arguments, &run, error) : tk_fail_memory(error, "the record");
    tk_training_free(&run.training);
    tk_model_free(&run.model);
    json_decref(run.images);
    return status;
}

static const tk_option options[] = {
    {"output", "MODEL.h5", "the classifier, for the step `classify`"},
    {"method", "NAME", "forest (default), or mlp: a perceptron with one hidden layer, several times faster to apply"},
    {"features", "LIST", "of gaussian, laplacian, gradient, dog, hessian, structure (default: all)"},
    {"sigmas", "LIST", "scales in voxels, or with um at the end in micrometres (default 0.7,1,1.6,3.5,5)"},
    {"planes", NULL, "features of each plane for itself, for stacks whose planes are far apart"},
    {"classes", "LIST", "the names of the labels 1, 2 … (default: their numbers)"},
    {"samples", "N", "voxels to learn from at most, an equal share of each class (default 200000)"},
    {"trees", "N", "of a forest (default 100)"},
    {"depth", "N", "splits from root to leaf at most; 0: no limit (default 0)"},
    {"hidden", "N", "units of the perceptron's hidden layer (default 64)"},
    {"epochs", "N", "passes over the samples (default 50)"},
    {"seed", "N", "of the random numbers (default 0)"},
    TK_SOURCE_OPTIONS,
    {"json", NULL, "print what the classifier's record says of its training"},
    {"overwrite", NULL, "replace an existing file"},
    TK_OPTION_END,
};

const tk_command tk_command_train = {
    .name = "train",
    .summary = "A pixel classifier from images and labelled voxels",
    .synopsis = "IMAGE LABELS [IMAGE LABELS]… --output MODEL.h5 [OPTION]…",
    .details =
        "LABELS is an image of the same size: 0 where nothing is labelled, 1, 2 … for the classes. A few strokes\n"
        "of each class are enough. The same images, labels and options make the same classifier, bit for bit.\n"
        "\n"
        "  tarkka train image.tif strokes.tif --output membranes.h5 --classes inside,membrane\n"
        "  tarkka train volume.h5:/raw labels.h5:/labels --method mlp --sigmas 1,1.6,3.5 --output model.h5",
    .options = options,
    .least = 2,
    .most = 2 * TK_TRAIN_PAIRS_MOST,
    .run = run_train,
};
