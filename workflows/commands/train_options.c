/* What the command line of tarkka train says, and how it becomes a list of columns. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workflows/classify/bank.h"
#include "workflows/commands/train.h"

enum { SIGMAS_MOST = 64 };

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

static tk_status read_numbers(const tk_arguments *arguments, tk_training_run *run, tk_error *error) {
    int64_t trees = 0, depth = 0, hidden = 0, epochs = 0, seed = 0;
    TK_TRY(tk_option_integer(arguments, "trees", 1, 10000, 100, &trees, error));
    TK_TRY(tk_option_integer(arguments, "depth", 0, 1000, 0, &depth, error));
    TK_TRY(tk_option_integer(arguments, "hidden", 1, TK_MLP_HIDDEN_MOST, 64, &hidden, error));
    TK_TRY(tk_option_integer(arguments, "epochs", 1, 10000, 50, &epochs, error));
    TK_TRY(tk_option_integer(arguments, "seed", 0, INT64_MAX, 0, &seed, error));
    TK_TRY(tk_option_integer(arguments, "samples", 2, INT32_MAX, 200000, &run->training.most, error));
    run->training.seed = (uint64_t)seed;
    run->forest = (tk_forest_choice){
        .trees = (int)trees, .least = 1, .depth = (int)depth, .balanced = true, .seed = (uint64_t)seed};
    run->mlp = (tk_mlp_choice){
        .hidden = (int)hidden, .epochs = (int)epochs, .rate = 1e-3, .decay = 1e-4, .seed = (uint64_t)seed};
    return TK_OK;
}

static tk_status read_wish(const tk_arguments *arguments, tk_training_run *run, tk_error *error) {
    while (tk_positional(arguments, 2 * run->pairs)) run->pairs++;
    if (!tk_positional(arguments, 2 * run->pairs - 1))
        return tk_fail(error, TK_USAGE, "train: %s: each image is followed by its labels",
                       tk_positional(arguments, 2 * run->pairs - 2));
    run->output = tk_option_value(arguments, "output");
    if (!run->output) return tk_fail(error, TK_USAGE, "train: --output MODEL.h5 is missing");
    TK_TRY(tk_may_write(arguments, run->output, error));
    TK_TRY(read_method(arguments, &run->model, error));
    TK_TRY(refuse_useless(arguments, &run->model, error));
    return read_numbers(arguments, run, error);
}

/* Features of planes? As asked, or when the first image is one. */
static tk_status choose_plane(const tk_arguments *arguments, bool *plane, tk_error *error) {
    tk_source image;
    TK_TRY(tk_source_open(arguments, tk_positional(arguments, 0), &image, error));
    *plane = tk_option_value(arguments, "planes") || image.info->size[TK_Z] == 1;
    tk_source_close(&image);
    return TK_OK;
}

tk_status tk_train_options(const tk_arguments *arguments, tk_training_run *run, tk_error *error) {
    double sigma[SIGMAS_MOST];
    unsigned which = 0;
    int sigmas = 0;
    bool plane = false;
    TK_TRY(read_wish(arguments, run, error));
    TK_TRY(read_features(arguments, &which, error));
    TK_TRY(read_sigmas(arguments, sigma, &sigmas, &run->model.um, error));
    TK_TRY(choose_plane(arguments, &plane, error));
    return list_columns(&run->model, which, sigma, sigmas, plane, error);
}

tk_status tk_train_name_classes(const tk_arguments *arguments, tk_model *model, tk_error *error) {
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
