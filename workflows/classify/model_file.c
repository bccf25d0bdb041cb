/* Models in files: an HDF5 file of arrays. docs/result.md has the layout. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/arrays.h"
#include "workflows/classify/bank.h"
#include "workflows/classify/ilastik.h"
#include "workflows/classify/model.h"

static const char format[] = "tarkka pixel classifier";
enum { VERSION = 1 };
static const int64_t most_bytes = (int64_t)4 << 30; /* of arrays in memory */
static const char *const kinds[] = {[TK_MODEL_FOREST] = "forest", [TK_MODEL_MLP] = "mlp"};

void tk_model_free(tk_model *model) {
    for (int c = 0; model->class_name && c < model->classes; c++) free(model->class_name[c]);
    free(model->class_name);
    free(model->column);
    free(model->training);
    tk_forest_data_free(&model->forest);
    tk_mlp_data_free(&model->mlp);
    *model = (tk_model){0};
}

/* ---- reading ---- */

static tk_status check_column(const tk_arrays *arrays, const tk_feature_column *c, tk_error *error) {
    const bool two = c->feature == TK_FEATURE_DOG || c->feature == TK_FEATURE_STRUCTURE;
    if (!c->feature)
        return tk_fail(error, TK_UNREADABLE, "%s:/columns/feature: holds a name that is no feature; train it again",
                       arrays->file);
    if (c->sigma > 0 && isfinite(c->sigma) && (!two || (c->second > 0 && isfinite(c->second)))) return TK_OK;
    return tk_fail(error, TK_UNREADABLE, "%s:/columns/sigma: holds %g and, second, %g; train it again", arrays->file,
                   c->sigma, c->second);
}

static tk_status read_columns(const tk_arrays *arrays, tk_model *model, tk_error *error) {
    const tk_array *feature = NULL, *sigma = NULL, *second = NULL;
    int32_t *output = NULL, *plane = NULL;
    TK_TRY(tk_arrays_get(arrays, "columns/feature", TK_ARRAY_TEXT, 1, (const int64_t[]){-1}, &feature, error));
    const int64_t columns[] = {feature->count};
    if (columns[0] < 1 || columns[0] > TK_CLASSIFIER_FEATURES_MOST)
        return tk_fail(error, TK_UNREADABLE, "%s:/columns/feature: from 1 to %d features are possible", arrays->file,
                       TK_CLASSIFIER_FEATURES_MOST);
    TK_TRY(tk_arrays_get(arrays, "columns/sigma", TK_ARRAY_REAL, 1, columns, &sigma, error));
    TK_TRY(tk_arrays_get(arrays, "columns/second", TK_ARRAY_REAL, 1, columns, &second, error));
    TK_TRY(tk_arrays_copy_i32(arrays, "columns/output", 1, columns, 0, 2, &output, error));
    tk_status status = tk_arrays_copy_i32(arrays, "columns/plane", 1, columns, 0, 1, &plane, error);
    if (status == TK_OK && !(model->column = calloc((size_t)columns[0], sizeof *model->column)))
        status = tk_fail_memory(error, "a classifier");
    model->columns = status == TK_OK ? (int)columns[0] : 0;
    for (int i = 0; i < model->columns && status == TK_OK; i++) {
        model->column[i] = (tk_feature_column){.feature = tk_bank_feature(feature->texts[i]),
                                               .sigma = sigma->reals[i],
                                               .second = second->reals[i],
                                               .output = output[i],
                                               .plane = plane[i] == 1};
        status = check_column(arrays, &model->column[i], error);
    }
    free(output);
    free(plane);
    return status;
}

static tk_status read_classes(const tk_arrays *arrays, tk_model *model, tk_error *error) {
    const tk_array *names = NULL;
    TK_TRY(tk_arrays_get(arrays, "classes", TK_ARRAY_TEXT, 1, (const int64_t[]){-1}, &names, error));
    if (names->count < 2 || names->count > TK_CLASSES_MOST)
        return tk_fail(error, TK_UNREADABLE, "%s:/classes: from 2 to %d classes are possible", arrays->file,
                       TK_CLASSES_MOST);
    model->class_name = calloc((size_t)names->count, sizeof *model->class_name);
    if (!model->class_name) return tk_fail_memory(error, "a classifier");
    model->classes = (int)names->count;
    for (int c = 0; c < model->classes; c++)
        if (!(model->class_name[c] = strdup(names->texts[c]))) return tk_fail_memory(error, "a classifier");
    return TK_OK;
}

/* How long the first axis of an array is. */
static tk_status length_of(const tk_arrays *arrays, const char *name, tk_array_type type, int rank, int64_t *length,
                           tk_error *error) {
    const tk_array *array = NULL;
    TK_TRY(tk_arrays_get(arrays, name, type, rank, (const int64_t[]){-1, -1}, &array, error));
    *length = array->size[0];
    if (*length > 0 && *length < INT32_MAX) return TK_OK;
    return tk_fail(error, TK_UNREADABLE, "%s:/%s: %s; train it again", arrays->file, name,
                   *length > 0 ? "too long" : "empty");
}

static tk_status read_forest(const tk_arrays *arrays, const tk_model *model, tk_forest_data *f, tk_error *error) {
    int64_t trees = 0;
    TK_TRY(length_of(arrays, "forest/root", TK_ARRAY_INT, 1, &trees, error));
    TK_TRY(length_of(arrays, "forest/feature", TK_ARRAY_INT, 1, &f->nodes, error));
    TK_TRY(length_of(arrays, "forest/probability", TK_ARRAY_REAL, 2, &f->leaves, error));
    f->features = model->columns;
    f->classes = model->classes;
    f->trees = (int)trees;
    const int32_t nodes = (int32_t)f->nodes;
    const int64_t rows[2] = {f->leaves, model->classes}, *of_nodes = &f->nodes;
    TK_TRY(tk_arrays_copy_i32(arrays, "forest/root", 1, &trees, 0, nodes - 1, &f->root, error));
    TK_TRY(tk_arrays_copy_i32(arrays, "forest/feature", 1, of_nodes, -1, model->columns - 1, &f->feature, error));
    TK_TRY(tk_arrays_copy_f32(arrays, "forest/threshold", 1, of_nodes, &f->threshold, error));
    TK_TRY(tk_arrays_copy_i32(arrays, "forest/child", 1, of_nodes, 0, INT32_MAX - 1, &f->child, error));
    return tk_arrays_copy_f32(arrays, "forest/probability", 2, rows, &f->probability, error);
}

static tk_status read_mlp(const tk_arrays *arrays, const tk_model *model, tk_mlp_data *m, tk_error *error) {
    int64_t hidden = 0;
    TK_TRY(length_of(arrays, "mlp/bias1", TK_ARRAY_REAL, 1, &hidden, error));
    if (hidden > TK_MLP_HIDDEN_MOST)
        return tk_fail(error, TK_UNREADABLE, "%s:/mlp/bias1: at most %d hidden units are possible", arrays->file,
                       TK_MLP_HIDDEN_MOST);
    *m = (tk_mlp_data){.features = model->columns, .hidden = (int)hidden, .classes = model->classes};
    const int64_t features = model->columns, classes = model->classes;
    TK_TRY(tk_arrays_copy_f32(arrays, "mlp/mean", 1, &features, &m->mean, error));
    TK_TRY(tk_arrays_copy_f32(arrays, "mlp/scale", 1, &features, &m->scale, error));
    TK_TRY(tk_arrays_copy_f32(arrays, "mlp/weight1", 2, (const int64_t[]){hidden, features}, &m->weight1, error));
    TK_TRY(tk_arrays_copy_f32(arrays, "mlp/bias1", 1, &hidden, &m->bias1, error));
    TK_TRY(tk_arrays_copy_f32(arrays, "mlp/weight2", 2, (const int64_t[]){classes, hidden}, &m->weight2, error));
    return tk_arrays_copy_f32(arrays, "mlp/bias2", 1, &classes, &m->bias2, error);
}

static tk_status read_head(const tk_arrays *arrays, tk_model *model, tk_error *error) {
    const char *kind = NULL;
    int64_t version = 0, um = 0;
    TK_TRY(tk_arrays_integer(arrays, "@version", 1, INT64_MAX, &version, error));
    if (version > VERSION)
        return tk_fail(error, TK_UNREADABLE, "%s: was written by a newer tarkka; train it with this one", arrays->file);
    TK_TRY(tk_arrays_text(arrays, "@kind", &kind, error));
    model->kind = !strcmp(kind, kinds[TK_MODEL_MLP]) ? TK_MODEL_MLP : TK_MODEL_FOREST;
    if (strcmp(kind, kinds[model->kind]) != 0)
        return tk_fail(error, TK_UNREADABLE, "%s: a classifier of an unknown kind, %s", arrays->file, kind);
    TK_TRY(tk_arrays_integer(arrays, "@um", 0, 1, &um, error));
    model->um = um == 1;
    return TK_OK;
}

static tk_status read_model(const tk_arrays *arrays, tk_model *model, tk_error *error) {
    TK_TRY(read_head(arrays, model, error));
    TK_TRY(read_classes(arrays, model, error));
    TK_TRY(read_columns(arrays, model, error));
    return model->kind == TK_MODEL_FOREST ? read_forest(arrays, model, &model->forest, error)
                                          : read_mlp(arrays, model, &model->mlp, error);
}

static bool is_model(const tk_arrays *arrays) {
    const tk_array *said = tk_arrays_find(arrays, "@format");
    return said && said->type == TK_ARRAY_TEXT && said->count == 1 && !strcmp(said->texts[0], format);
}

/* An ilastik project as a model, which takes over what the project owns. */
static tk_status read_project(const char *file, tk_model *model, tk_error *error) {
    tk_ilastik project;
    TK_TRY(tk_ilastik_read(file, &project, error));
    if (project.channels > 1) {
        tk_ilastik_free(&project);
        return tk_fail(error, TK_UNREADABLE,
                       "%s: was trained on images of several channels, but one is worked on; train it on one", file);
    }
    *model = (tk_model){.kind = TK_MODEL_FOREST,
                        .columns = project.forest.features,
                        .classes = project.forest.classes,
                        .column = project.column,
                        .class_name = project.name,
                        .forest = project.forest};
    project.forest = (tk_forest_data){0};
    project.column = NULL;
    project.name = NULL;
    tk_ilastik_free(&project);
    return TK_OK;
}

/* "project.ilp" */
static bool is_project(const char *file) {
    const size_t length = strlen(file);
    return length > 4 && !strcmp(file + length - 4, ".ilp");
}

tk_status tk_model_load(const char *file, tk_model *model, tk_error *error) {
    tk_arrays arrays;
    *model = (tk_model){0};
    if (is_project(file)) return read_project(file, model, error);
    TK_TRY(tk_arrays_load(file, NULL, most_bytes, &arrays, error));
    tk_status status = is_model(&arrays)
                           ? read_model(&arrays, model, error)
                           : tk_fail(error, TK_UNREADABLE, "%s: is no classifier; `tarkka train` writes one", file);
    tk_arrays_free(&arrays);
    if (status != TK_OK) tk_model_free(model);
    return status;
}

/* ---- writing ---- */

static tk_status add_integer(tk_arrays *arrays, const char *name, int32_t value, tk_error *error) {
    return tk_arrays_add(arrays, name, TK_I32, 0, NULL, &value, error);
}

static tk_status add_head(tk_arrays *arrays, const tk_model *model, tk_error *error) {
    const char *said = format;
    TK_TRY(tk_arrays_add_texts(arrays, "@format", -1, &said, error));
    TK_TRY(tk_arrays_add_texts(arrays, "@kind", -1, &kinds[model->kind], error));
    TK_TRY(add_integer(arrays, "@version", VERSION, error));
    TK_TRY(add_integer(arrays, "@um", model->um, error));
    if (model->training)
        TK_TRY(tk_arrays_add_texts(arrays, "training", -1, (const char *const *)&model->training, error));
    return tk_arrays_add_texts(arrays, "classes", model->classes, (const char *const *)model->class_name, error);
}

static tk_status add_columns(tk_arrays *arrays, const tk_model *model, tk_error *error) {
    const char *feature[TK_CLASSIFIER_FEATURES_MOST];
    double sigma[TK_CLASSIFIER_FEATURES_MOST], second[TK_CLASSIFIER_FEATURES_MOST];
    int32_t output[TK_CLASSIFIER_FEATURES_MOST], plane[TK_CLASSIFIER_FEATURES_MOST];
    const int64_t count = model->columns;
    for (int i = 0; i < model->columns; i++) {
        feature[i] = tk_bank_feature_text(model->column[i].feature);
        sigma[i] = model->column[i].sigma;
        second[i] = model->column[i].second;
        output[i] = model->column[i].output;
        plane[i] = model->column[i].plane;
    }
    TK_TRY(tk_arrays_add_texts(arrays, "columns/feature", count, feature, error));
    TK_TRY(tk_arrays_add(arrays, "columns/sigma", TK_F64, 1, &count, sigma, error));
    TK_TRY(tk_arrays_add(arrays, "columns/second", TK_F64, 1, &count, second, error));
    TK_TRY(tk_arrays_add(arrays, "columns/output", TK_I32, 1, &count, output, error));
    return tk_arrays_add(arrays, "columns/plane", TK_I32, 1, &count, plane, error);
}

static tk_status add_forest(tk_arrays *arrays, const tk_forest_data *f, tk_error *error) {
    const int64_t trees = f->trees, rows[2] = {f->leaves, f->classes};
    TK_TRY(tk_arrays_add(arrays, "forest/root", TK_I32, 1, &trees, f->root, error));
    TK_TRY(tk_arrays_add(arrays, "forest/feature", TK_I32, 1, &f->nodes, f->feature, error));
    TK_TRY(tk_arrays_add(arrays, "forest/threshold", TK_F32, 1, &f->nodes, f->threshold, error));
    TK_TRY(tk_arrays_add(arrays, "forest/child", TK_I32, 1, &f->nodes, f->child, error));
    return tk_arrays_add(arrays, "forest/probability", TK_F32, 2, rows, f->probability, error);
}

static tk_status add_mlp(tk_arrays *arrays, const tk_mlp_data *m, tk_error *error) {
    const int64_t features = m->features, hidden = m->hidden, classes = m->classes;
    TK_TRY(tk_arrays_add(arrays, "mlp/mean", TK_F32, 1, &features, m->mean, error));
    TK_TRY(tk_arrays_add(arrays, "mlp/scale", TK_F32, 1, &features, m->scale, error));
    TK_TRY(tk_arrays_add(arrays, "mlp/weight1", TK_F32, 2, (const int64_t[]){hidden, features}, m->weight1, error));
    TK_TRY(tk_arrays_add(arrays, "mlp/bias1", TK_F32, 1, &hidden, m->bias1, error));
    TK_TRY(tk_arrays_add(arrays, "mlp/weight2", TK_F32, 2, (const int64_t[]){classes, hidden}, m->weight2, error));
    return tk_arrays_add(arrays, "mlp/bias2", TK_F32, 1, &classes, m->bias2, error);
}

tk_status tk_model_save(const char *file, const tk_model *model, tk_error *error) {
    tk_arrays arrays = {0};
    tk_status status = add_head(&arrays, model, error);
    if (status == TK_OK) status = add_columns(&arrays, model, error);
    if (status == TK_OK)
        status = model->kind == TK_MODEL_FOREST ? add_forest(&arrays, &model->forest, error)
                                                : add_mlp(&arrays, &model->mlp, error);
    if (status == TK_OK) status = tk_arrays_save(file, &arrays, true, error);
    tk_arrays_free(&arrays);
    return status;
}
