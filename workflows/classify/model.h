/* A pixel classifier as its file holds it: which columns it sees, which classes it tells, and the forest or perceptron
 * between them. `tarkka train` writes such files, the step `classify` reads them and ilastik's projects. */
#ifndef TK_WORKFLOWS_CLASSIFY_MODEL_H
#define TK_WORKFLOWS_CLASSIFY_MODEL_H

#include "io/error.h"
#include "kernels/classify/forest.h"
#include "kernels/classify/mlp.h"
#include "workflows/classify/columns.h"

typedef enum tk_model_kind { TK_MODEL_FOREST, TK_MODEL_MLP } tk_model_kind;

typedef struct tk_model {
    tk_model_kind kind;
    int columns, classes;
    tk_feature_column *column; /* owned */
    bool um;                   /* sigmas in micrometres, not voxels */
    char **class_name;         /* owned, `classes` of them */
    tk_forest_data forest;     /* TK_MODEL_FOREST */
    tk_mlp_data mlp;           /* TK_MODEL_MLP */
    char *training;            /* JSON: what it was trained on and how; NULL: not known. Owned */
} tk_model;

/* Reads a model, or an ilastik project that holds a trained classifier. What is in the file is checked but for the
 * numbers of forest and perceptron, which tk_classifier_new checks. Errors: TK_UNREADABLE with file, place and remedy,
 * TK_NO_MEMORY; the model is then empty. The caller frees it. */
tk_status tk_model_load(const char *file, tk_model *model, tk_error *error);

/* Writes a model, in place of a file that is there; it appears when it is whole. The same model makes the same bytes.
 * Errors: TK_UNWRITABLE, TK_NO_MEMORY. */
tk_status tk_model_save(const char *file, const tk_model *model, tk_error *error);

void tk_model_free(tk_model *model);

/* A classifier ready to predict, of either kind. */
typedef struct tk_classifier tk_classifier;

/* Makes one; the model is not kept. Errors: TK_INVALID, with `file` in the message, when its numbers contradict each
 * other; TK_NO_MEMORY. */
tk_status tk_classifier_new(const tk_model *model, const char *file, tk_classifier **classifier, tk_error *error);
void tk_classifier_free(tk_classifier *classifier);

/* Bytes that it takes, and estimated nanoseconds of one core for a voxel. */
size_t tk_classifier_bytes(const tk_model *model);
double tk_classifier_cost(const tk_classifier *classifier);

/* As tk_forest_scratch and tk_forest_predict, and those of tk_mlp. */
size_t tk_classifier_scratch(const tk_classifier *classifier, int threads);
tk_status tk_classifier_predict(const tk_classifier *classifier, int64_t count, const float *const value[],
                                float *const probability[], tk_work *work);

#endif
