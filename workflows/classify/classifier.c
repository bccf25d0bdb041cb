/* The one place that tells the kinds of classifiers apart once they are loaded. */
#include <stdlib.h>

#include "workflows/classify/model.h"

struct tk_classifier {
    tk_forest *forest; /* one of them */
    tk_mlp *mlp;
};

tk_status tk_classifier_new(const tk_model *model, const char *file, tk_classifier **classifier, tk_error *error) {
    tk_classifier *c = calloc(1, sizeof *c);
    if (!c) return tk_fail_memory(error, "a classifier");
    const tk_status status =
        model->kind == TK_MODEL_FOREST ? tk_forest_new(&model->forest, &c->forest) : tk_mlp_new(&model->mlp, &c->mlp);
    if (status == TK_OK) {
        *classifier = c;
        return TK_OK;
    }
    free(c);
    return status == TK_NO_MEMORY
               ? tk_fail_memory(error, "a classifier")
               : tk_fail(error, status, "%s: the classifier's numbers contradict each other; train it again", file);
}

void tk_classifier_free(tk_classifier *classifier) {
    if (!classifier) return;
    tk_forest_free(classifier->forest);
    tk_mlp_free(classifier->mlp);
    free(classifier);
}

size_t tk_classifier_bytes(const tk_model *model) {
    return model->kind == TK_MODEL_FOREST ? tk_forest_bytes(&model->forest) : tk_mlp_bytes(&model->mlp);
}

double tk_classifier_cost(const tk_classifier *classifier) {
    return classifier->forest ? tk_forest_cost(classifier->forest) : tk_mlp_cost(classifier->mlp);
}

size_t tk_classifier_scratch(const tk_classifier *classifier, int threads) {
    return classifier->forest ? tk_forest_scratch(classifier->forest, threads)
                              : tk_mlp_scratch(classifier->mlp, threads);
}

tk_status tk_classifier_predict(const tk_classifier *classifier, int64_t count, const float *const value[],
                                float *const probability[], tk_work *work) {
    return classifier->forest ? tk_forest_predict(classifier->forest, count, value, probability, work)
                              : tk_mlp_predict(classifier->mlp, count, value, probability, work);
}
