/* Step classify: the probability of a class at each voxel, by a classifier that was trained on labelled voxels. */
#include <math.h>
#include <stdlib.h>

#include "engine/step.h"
#include "workflows/classify/bank.h"
#include "workflows/classify/model.h"

/* Threads that scratch memory is planned for; more would wait for memory bandwidth anyway. */
enum { PLANNED_THREADS = 64 };

typedef struct classify_state {
    tk_bank *bank;             /* owned */
    tk_classifier *classifier; /* owned */
    size_t bytes;              /* of the classifier */
    int64_t size[3];           /* of the image */
    int columns, classes;
    int of_class; /* whose probability is wanted; -1: the number of the most probable one */
} classify_state;

static const tk_param params[] = {
    {.name = "model",
     .type = TK_PARAM_FILE,
     .required = true,
     .help = "what `tarkka train` wrote, or an ilastik project (.ilp) with a trained pixel classifier"},
    {.name = "give",
     .type = TK_PARAM_CHOICE,
     .fallback = "probability",
     .choices = "probability|class",
     .help = "the probability of one class, or the number of the most probable one, from 1 on"},
    {.name = "class",
     .type = TK_PARAM_INTEGER,
     .least = 1,
     .most = TK_CLASSES_MOST,
     .help = "whose probability: its number in the labels that it was trained on (default: the last)"},
    TK_PARAM_END,
};

static tk_status check(const tk_params *p, tk_error *error) {
    if (tk_params_integer(p, "give") == 1 && tk_params_get(p, "class")->set)
        return tk_params_fail(p, "class", error, "is of use with `give: probability` only");
    return TK_OK;
}

static tk_status choose_class(const tk_params *p, const tk_model *model, classify_state *s, tk_error *error) {
    const tk_value *value = tk_params_get(p, "class");
    s->of_class = tk_params_integer(p, "give") == 1 ? -1 : value->set ? (int)value->integer - 1 : model->classes - 1;
    if (s->of_class >= model->classes)
        return tk_params_fail(p, "class", error, "is %d, but the classifier knows %d classes", s->of_class + 1,
                              model->classes);
    return TK_OK;
}

static tk_status make_bank(const tk_binding *binding, const tk_model *model, tk_bank **bank, tk_error *error) {
    const tk_bank_choice choice = {
        .column = model->column, .columns = model->columns, .um = model->um, .image = binding->input};
    tk_error reason = TK_ERROR_NONE;
    const tk_status status = tk_bank_new(&choice, bank, &reason);
    if (status == TK_NO_MEMORY) return tk_fail(error, status, "%s", reason.text);
    const char *file = tk_params_text(binding->params, "model");
    return status == TK_OK ? TK_OK : tk_params_fail(binding->params, "model", error, "%s %s", file, reason.text);
}

static void release(void *state) {
    classify_state *s = state;
    if (!s) return;
    tk_bank_free(s->bank);
    tk_classifier_free(s->classifier);
    free(s);
}

static tk_status bind_model(const tk_binding *binding, const tk_model *model, classify_state *s, tk_error *error) {
    for (int a = 0; a < 3; a++) s->size[a] = binding->input.size[a];
    s->columns = model->columns;
    s->classes = model->classes;
    s->bytes = tk_classifier_bytes(model);
    TK_TRY(choose_class(binding->params, model, s, error));
    TK_TRY(make_bank(binding, model, &s->bank, error));
    return tk_classifier_new(model, tk_params_text(binding->params, "model"), &s->classifier, error);
}

static tk_status bind(const tk_binding *binding, void **state, tk_error *error) {
    tk_model model = {0};
    TK_TRY(tk_model_load(tk_params_text(binding->params, "model"), &model, error));
    classify_state *s = calloc(1, sizeof *s);
    const tk_status status = s ? bind_model(binding, &model, s, error) : tk_fail_memory(error, "the step classify");
    tk_model_free(&model);
    if (status == TK_OK)
        *state = s;
    else
        release(s);
    return status;
}

static void halo(const void *state, int64_t halo[3]) { tk_bank_halo(((const classify_state *)state)->bank, halo); }

/* Images that apply makes for itself beside the columns: the probabilities that it needs. */
static int probabilities(const classify_state *s) { return s->of_class < 0 ? s->classes : 1; }

/* The most voxels that come of an input block of this size: along an axis where it is not the whole image, at least one
 * side of it is halo. */
static int64_t most_out(const classify_state *s, const int64_t in[3]) {
    int64_t halo[3], count = 1;
    tk_bank_halo(s->bank, halo);
    for (int a = 0; a < 3; a++) {
        const int64_t out = in[a] < s->size[a] ? in[a] - halo[a] : in[a];
        count *= out > 1 ? out : 1;
    }
    return count;
}

static tk_need bytes(const void *state, const int64_t in[3]) {
    const classify_state *s = state;
    const size_t images = (size_t)s->columns + (size_t)probabilities(s);
    const size_t one = tk_scratch_cost(most_out(s, in), sizeof(float));
    const size_t filters = tk_bank_scratch(s->bank, in, PLANNED_THREADS);
    const size_t predicting = tk_classifier_scratch(s->classifier, PLANNED_THREADS);
    return (tk_need){.bound = s->bytes,
                     .binding = 3 * s->bytes, /* the file's arrays and what is made of them */
                     .scratch = tk_size_add(filters > predicting ? filters : predicting, images * one)};
}

static double cost(const void *state, const int64_t in[3], const int64_t largest[3]) {
    const classify_state *s = state;
    (void)largest;
    return tk_bank_cost(s->bank, in) + tk_classifier_cost(s->classifier) * (double)most_out(s, in);
}

/* Of the most probable class, the first of equals; NaN where the probabilities are. */
static float best_class(float *const probability[], int classes, int64_t i) {
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (probability[c][i] > probability[best][i]) best = c;
    return isnan(probability[0][i]) ? NAN : (float)(best + 1);
}

static void deliver(const classify_state *s, float *const probability[], tk_view_f32 out, const tk_work *work) {
    const int64_t rows = out.size[TK_Z] * out.size[TK_Y], width = out.size[TK_X];
#pragma omp parallel for num_threads(work->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        float *to = out.data + row / out.size[TK_Y] * out.stride[TK_Z] + row % out.size[TK_Y] * out.stride[TK_Y];
        for (int64_t x = 0; x < width; x++)
            to[x] = s->of_class < 0 ? best_class(probability, s->classes, row * width + x)
                                    : probability[s->of_class][row * width + x];
    }
}

static tk_status classify(const classify_state *s, const tk_block *in, tk_block *out, tk_work *work) {
    const float *value[TK_CLASSIFIER_FEATURES_MOST];
    float *probability[TK_CLASSES_MOST] = {NULL};
    const int64_t count = tk_box_count(&out->box);
    float *columns = tk_scratch_take(&work->scratch, count * s->columns, sizeof *columns);
    float *chances = tk_scratch_take(&work->scratch, count * probabilities(s), sizeof *chances);
    if (!columns || !chances) return TK_NO_MEMORY;
    TK_TRY(tk_bank_apply(s->bank, &in->image, &in->box, tk_read_f32(in->f32), &out->box, columns, work));
    for (int i = 0; i < s->columns; i++) value[i] = columns + i * count;
    for (int c = 0; c < s->classes; c++) {
        if (s->of_class < 0) probability[c] = chances + c * count;
        if (s->of_class == c) probability[c] = chances;
    }
    TK_TRY(tk_classifier_predict(s->classifier, count, value, probability, work));
    deliver(s, probability, out->f32, work);
    return TK_OK;
}

static tk_status apply(const void *state, const tk_block *const in[], tk_block *out, tk_work *work) {
    const size_t mark = tk_scratch_mark(&work->scratch);
    const tk_status status = classify(state, in[0], out, work);
    tk_scratch_rewind(&work->scratch, mark);
    return status;
}

const tk_step tk_step_classify = {
    .name = "classify",
    .version = 1,
    .summary = "tell the class of each voxel, as a classifier has learned it",
    .citation = "S. Berg et al., ilastik, Nature Methods 16:1226, 2019",
    .exact = true,
    .example = "{model: model.h5}",
    .input = TK_KIND_IMAGE,
    .output = TK_KIND_IMAGE,
    .params = params,
    .check = check,
    .bind = bind,
    .release = release,
    .halo = halo,
    .bytes = bytes,
    .cost = cost,
    .apply = apply,
};
