/* tarkka train: a pixel classifier from images and sparse labels. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/checksum.h"
#include "kernels/filter/features.h"
#include "workflows/classify/bank.h"
#include "workflows/classify/training.h"
#include "workflows/commands/source.h"

enum { PAIRS_MOST = 64, SIGMAS_MOST = 64 };

/* What is asked for. */
typedef struct wish {
    const char *output;
    tk_forest_choice forest;
    tk_mlp_choice mlp;
    int pairs;
} wish;

typedef struct training_run {
    wish wish;
    tk_model model;       /* owned */
    tk_training training; /* owned */
    json_t *images;       /* owned */
    double error_share;   /* forest: out-of-bag error; perceptron: cross entropy */
} training_run;

/* ---- what is asked for ---- */

/* The next of "a,b,c": copies it to `word` and moves *at behind it; false: there is none. */
static bool next_word(const char **at, char word[64]) {
    const size_t length = strcspn(*at, ",");
    if (**at == '\0' || length >= 64) return false;
    memcpy(word, *at, length);
    word[length] = '\0';
    *at += length + ((*at)[length] == ',');
    return true;
}

static tk_status read_features(const tk_arguments *arguments, unsigned *which, tk_error *error) {
    const char *at = tk_option_value(arguments, "features");
    char word[64];
    *which = at ? 0 : TK_FEATURE_ALL;
    while (at && next_word(&at, word)) {
        const unsigned one = tk_bank_feature(word);
        if (!one)
            return tk_fail(error, TK_USAGE,
                           "--features %s: there are gaussian, laplacian, gradient, dog, hessian and structure", word);
        *which |= one;
    }
    if (*which && (!at || *at == '\0')) return TK_OK;
    return tk_fail(error, TK_USAGE, "--features: expected names with commas between them, as in gaussian,hessian");
}

/* "0.7,1.6,3.5", in voxels, or with um at the end in micrometres. */
static tk_status read_sigmas(const tk_arguments *arguments, double sigma[SIGMAS_MOST], int *count, bool *um,
                             tk_error *error) {
    const char *text = tk_option_value(arguments, "sigmas"), *at = text ? text : "0.7,1,1.6,3.5,5";
    char word[64];
    *count = 0;
    *um = false;
    while (*count < SIGMAS_MOST && next_word(&at, word)) {
        char *end = word;
        sigma[*count] = strtod(word, &end);
        *um = !strcmp(end, "um") && *at == '\0';
        const bool known = *um || *end == '\0' || (!strcmp(end, "px") && *at == '\0');
        if (end == word || !known || !(sigma[*count] > 0 && isfinite(sigma[*count]))) break;
        for (int i = 0; i < *count; i++)
            if (sigma[i] == sigma[*count])
                return tk_fail(error, TK_USAGE, "--sigmas %s: %g is there twice", text, sigma[i]);
        (*count)++;
        if (*at == '\0') return TK_OK;
    }
    return tk_fail(error, TK_USAGE,
                   "--sigmas %s: expected up to %d numbers above 0 with commas between them, as in 0.7,1.6,3.5 or, in "
                   "micrometres, 0.1,0.3um",
                   text ? text : "", SIGMAS_MOST);
}

/* How many outputs a feature has. */
static int outputs_of(unsigned feature, bool plane) {
    return feature == TK_FEATURE_HESSIAN || feature == TK_FEATURE_STRUCTURE ? (plane ? 2 : 3) : 1;
}

/* With the sigma s, dog is the difference to the Gaussian of 0.66 s, and the structure tensor's outer Gaussian has s /
 * 2, as in ilastik. */
static double second_of(unsigned feature, double sigma) {
    return feature == TK_FEATURE_DOG ? 0.66 * sigma : feature == TK_FEATURE_STRUCTURE ? 0.5 * sigma : 0;
}

/* Every feature at every sigma; at sigmas too narrow for derivatives, those without. */
static tk_status list_columns(tk_model *model, unsigned which, const double *sigma, int sigmas, bool plane,
                              tk_error *error) {
    const double least_derivative = 0.5;
    model->column = calloc((size_t)sigmas * TK_FEATURES_MOST, sizeof *model->column);
    if (!model->column) return tk_fail_memory(error, "the features");
    for (unsigned feature = 1; feature <= TK_FEATURE_ALL; feature <<= 1)
        for (int s = 0; s < sigmas; s++) {
            const bool derives = feature != TK_FEATURE_GAUSSIAN && feature != TK_FEATURE_DOG;
            if (!(which & feature) || (derives && !model->um && sigma[s] < least_derivative)) continue;
            for (int output = 0; output < outputs_of(feature, plane); output++)
                model->column[model->columns++] = (tk_feature_column){.feature = feature,
                                                                      .sigma = sigma[s],
                                                                      .second = second_of(feature, sigma[s]),
                                                                      .output = output,
                                                                      .plane = plane};
        }
    return model->columns > 0 ? TK_OK
                              : tk_fail(error, TK_USAGE, "--sigmas: at least 0.5 voxels are needed for these features");
}

static tk_status read_method(const tk_arguments *arguments, tk_model *model, tk_error *error) {
    const char *method = tk_option_value(arguments, "method");
    model->kind = method && !strcmp(method, "mlp") ? TK_MODEL_MLP : TK_MODEL_FOREST;
    if (!method || !strcmp(method, "mlp") || !strcmp(method, "forest")) return TK_OK;
    return tk_fail(error, TK_USAGE, "--method %s: there are forest and mlp", method);
}

static tk_status refuse_useless(const tk_arguments *arguments, const tk_model *model, tk_error *error) {
    static const char *const of_forest[] = {"trees", "depth"}, *const of_mlp[] = {"hidden", "epochs"};
    const bool forest = model->kind == TK_MODEL_FOREST;
    for (int i = 0; i < 2; i++) {
        const char *option = forest ? of_mlp[i] : of_forest[i];
        if (tk_option_value(arguments, option))
            return tk_fail(error, TK_USAGE, "--%s is of use with --method %s only", option, forest ? "mlp" : "forest");
    }
    return TK_OK;
}

static tk_status read_numbers(const tk_arguments *arguments, training_run *run, tk_error *error) {
    int64_t trees = 0, depth = 0, hidden = 0, epochs = 0, seed = 0;
    TK_TRY(tk_option_integer(arguments, "trees", 1, 10000, 100, &trees, error));
    TK_TRY(tk_option_integer(arguments, "depth", 0, 1000, 0, &depth, error));
    TK_TRY(tk_option_integer(arguments, "hidden", 1, TK_MLP_HIDDEN_MOST, 64, &hidden, error));
    TK_TRY(tk_option_integer(arguments, "epochs", 1, 10000, 50, &epochs, error));
    TK_TRY(tk_option_integer(arguments, "seed", 0, INT64_MAX, 0, &seed, error));
    TK_TRY(tk_option_integer(arguments, "samples", 2, INT32_MAX, 200000, &run->training.most, error));
    run->training.seed = (uint64_t)seed;
    run->wish.forest = (tk_forest_choice){
        .trees = (int)trees, .least = 1, .depth = (int)depth, .balanced = true, .seed = (uint64_t)seed};
    run->wish.mlp = (tk_mlp_choice){
        .hidden = (int)hidden, .epochs = (int)epochs, .rate = 1e-3, .decay = 1e-4, .seed = (uint64_t)seed};
    return TK_OK;
}

static tk_status read_wish(const tk_arguments *arguments, training_run *run, tk_error *error) {
    while (tk_positional(arguments, 2 * run->wish.pairs)) run->wish.pairs++;
    if (!tk_positional(arguments, 2 * run->wish.pairs - 1))
        return tk_fail(error, TK_USAGE, "train: %s: each image is followed by its labels",
                       tk_positional(arguments, 2 * run->wish.pairs - 2));
    run->wish.output = tk_option_value(arguments, "output");
    if (!run->wish.output) return tk_fail(error, TK_USAGE, "train: --output MODEL.h5 is missing");
    TK_TRY(tk_may_write(arguments, run->wish.output, error));
    TK_TRY(read_method(arguments, &run->model, error));
    TK_TRY(refuse_useless(arguments, &run->model, error));
    return read_numbers(arguments, run, error);
}

/* ---- the classes' names ---- */

static tk_status name_classes(const tk_arguments *arguments, tk_model *model, tk_error *error) {
    const char *at = tk_option_value(arguments, "classes");
    char word[64];
    model->class_name = calloc((size_t)model->classes, sizeof *model->class_name);
    if (!model->class_name) return tk_fail_memory(error, "the classes");
    for (int c = 0; c < model->classes; c++) {
        snprintf(word, sizeof word, "%d", c + 1);
        if (at && (!next_word(&at, word) || *word == '\0'))
            return tk_fail(error, TK_USAGE, "--classes: there are %d classes in the labels, each needs a name",
                           model->classes);
        model->class_name[c] = strdup(word);
        if (!model->class_name[c]) return tk_fail_memory(error, "the classes");
    }
    if (at && *at) return tk_fail(error, TK_USAGE, "--classes: the labels hold %d classes only", model->classes);
    return TK_OK;
}

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

/* Features of planes? As asked, or when the first image is one. */
static tk_status choose_plane(const tk_arguments *arguments, bool *plane, tk_error *error) {
    tk_source image;
    TK_TRY(tk_source_open(arguments, tk_positional(arguments, 0), &image, error));
    *plane = tk_option_value(arguments, "planes") || image.info->size[TK_Z] == 1;
    tk_source_close(&image);
    return TK_OK;
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

static tk_status gather(const tk_arguments *arguments, training_run *run, tk_error *error) {
    for (int i = 0; i < run->wish.pairs; i++) TK_TRY(with_pair(arguments, i, &run->training, tk_training_count, error));
    if (run->training.classes < 2)
        return tk_fail(error, TK_UNSOLVABLE,
                       "train: the labels hold %d class: at least two are needed (0 is for voxels without a label)",
                       run->training.classes);
    for (int c = 0; c < run->training.classes; c++)
        if (run->training.labelled[c] == 0)
            return tk_fail(error, TK_UNSOLVABLE, "train: no voxel has the label %d: number the classes from 1 on",
                           c + 1);
    for (int i = 0; i < run->wish.pairs; i++) {
        TK_TRY(with_pair(arguments, i, &run->training, tk_training_gather, error));
        TK_TRY(record_file(tk_positional(arguments, 2 * i), "image", run->images, error));
        TK_TRY(record_file(tk_positional(arguments, 2 * i + 1), "labels", run->images, error));
    }
    return TK_OK;
}

/* ---- learning ---- */

static tk_status learn(training_run *run, tk_error *error) {
    tk_samples samples;
    TK_TRY(tk_training_samples(&run->training, &samples, error));
    const int threads = tk_work_here().threads;
    const tk_status status =
        run->model.kind == TK_MODEL_FOREST
            ? tk_forest_train(&samples, &run->wish.forest, threads, &run->model.forest, &run->error_share)
            : tk_mlp_train(&samples, &run->wish.mlp, threads, &run->model.mlp, &run->error_share);
    if (status == TK_NO_MEMORY) return tk_fail_memory(error, "the training");
    return status == TK_OK
               ? TK_OK
               : tk_fail(error, status, "train: nothing can be learned from these %" PRId64 " samples", samples.count);
}

static json_t *json_of_counts(const training_run *run) {
    json_t *all = json_array();
    for (int c = 0; c < run->model.classes; c++)
        json_array_append_new(all, json_pack("{s:s, s:I, s:I}", "class", run->model.class_name[c], "labelled",
                                             (json_int_t)run->training.labelled[c], "used",
                                             (json_int_t)run->training.used[c]));
    return all;
}

static json_t *json_of_method(const training_run *run) {
    if (run->model.kind == TK_MODEL_FOREST)
        return json_pack("{s:s, s:i, s:i, s:I, s:f}", "method", "forest", "trees", run->wish.forest.trees, "depth",
                         run->wish.forest.depth, "seed", (json_int_t)run->wish.forest.seed, "out_of_bag_error",
                         run->error_share);
    return json_pack("{s:s, s:i, s:i, s:I, s:f}", "method", "mlp", "hidden", run->wish.mlp.hidden, "epochs",
                     run->wish.mlp.epochs, "seed", (json_int_t)run->wish.mlp.seed, "cross_entropy", run->error_share);
}

/* What anybody needs to train the same classifier again. */
static tk_status record(training_run *run, tk_error *error) {
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

static void print_text(const training_run *run) {
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
    printf("written to %s\n", run->wish.output);
}

static tk_status train(const tk_arguments *arguments, training_run *run, tk_error *error) {
    double sigma[SIGMAS_MOST];
    unsigned which = 0;
    int sigmas = 0;
    bool plane = false;
    TK_TRY(read_wish(arguments, run, error));
    TK_TRY(read_features(arguments, &which, error));
    TK_TRY(read_sigmas(arguments, sigma, &sigmas, &run->model.um, error));
    TK_TRY(choose_plane(arguments, &plane, error));
    TK_TRY(list_columns(&run->model, which, sigma, sigmas, plane, error));
    TK_TRY(gather(arguments, run, error));
    run->model.classes = run->training.classes;
    TK_TRY(name_classes(arguments, &run->model, error));
    TK_TRY(learn(run, error));
    TK_TRY(record(run, error));
    TK_TRY(tk_model_save(run->wish.output, &run->model, error));
    if (tk_option_value(arguments, "json"))
        puts(run->model.training);
    else
        print_text(run);
    return TK_OK;
}

static tk_status run_train(const tk_arguments *arguments, tk_error *error) {
    training_run run = {.images = json_array()};
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
    .most = 2 * PAIRS_MOST,
    .run = run_train,
};
