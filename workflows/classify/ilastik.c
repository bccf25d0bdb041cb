/* Reads what is needed of an ilastik project: forests and their labels, names of labels, choice of features. */
#include "workflows/classify/ilastik.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/arrays.h"
#include "workflows/classify/ilastik_features.h"
#include "workflows/classify/ilastik_trees.h"

/* Forests take some megabytes for each hundred trees; the rest is small. */
#define FORESTS_MOST ((int64_t)4 << 30)
enum { REST_MOST = 1 << 20, LABEL_MOST = 255 };

void tk_ilastik_free(tk_ilastik *project) {
    for (int c = 0; project->name && c < project->forest.classes; c++) free(project->name[c]);
    free(project->name);
    free(project->label);
    free(project->column);
    tk_forest_data_free(&project->forest);
    *project = (tk_ilastik){0};
}

/* --- classes -------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), its = strlen(end);
    return length >= its && strcmp(text + length - its, end) == 0;
}

/* The labels of each forest, the same for all of them: the numbers of the classes. */
static tk_status read_labels(const tk_arrays *forests, tk_ilastik *project, tk_error *error) {
    const int64_t classes[1] = {project->forest.classes};
    for (int64_t i = 0; i < forests->count; i++) {
        int32_t *label;
        if (!ends_with(forests->array[i].name, "/_ext_param/labels")) continue;
        TK_TRY(tk_arrays_copy_i32(forests, forests->array[i].name, 1, classes, 1, LABEL_MOST, &label, error));
        if (!project->label) {
            project->label = label;
            continue;
        }
        const bool same = memcmp(label, project->label, (size_t)classes[0] * sizeof *label) == 0;
        free(label);
        if (!same)
            return tk_fail(error, TK_UNREADABLE,
                           "%s: its forests differ in their labels (the project is damaged: train and save it again)",
                           forests->file);
    }
    if (project->label) return TK_OK;
    return tk_fail(error, TK_UNREADABLE, "%s: array '_ext_param/labels' is missing (is the file whole?)",
                   forests->file);
}

/* The name of a label: that in the project, or as ilastik calls one without. */
static char *name_of(const tk_array *names, int label) {
    char *name = NULL;
    if (names && names->type == TK_ARRAY_TEXT && label <= names->count && names->texts[label - 1][0])
        return strdup(names->texts[label - 1]);
    return asprintf(&name, "Label %d", label) < 0 ? NULL : name;
}

static tk_status read_names(const char *file, tk_ilastik *project, tk_error *error) {
    tk_arrays arrays;
    TK_TRY(tk_arrays_load(file, "PixelClassification/LabelNames", REST_MOST, &arrays, error));
    const tk_array *names = tk_arrays_find(&arrays, "LabelNames");
    project->name = calloc((size_t)project->forest.classes, sizeof *project->name);
    bool made = project->name != NULL;
    for (int c = 0; made && c < project->forest.classes; c++)
        made = (project->name[c] = name_of(names, project->label[c])) != NULL;
    tk_arrays_free(&arrays);
    return made ? TK_OK : tk_fail_memory(error, file);
}

/* --- the project ---------------------------------------------------------------------------------------------- */

static tk_status read_forests(const char *file, tk_ilastik *project, tk_error *error) {
    tk_arrays arrays;
    TK_TRY(tk_arrays_load(file, "PixelClassification/ClassifierForests", FORESTS_MOST, &arrays, error));
    tk_status status = TK_OK;
    if (tk_arrays_find(&arrays, "pickled_classifier"))
        status =
            tk_fail(error, TK_UNREADABLE,
                    "%s: its classifier is not ilastik's own random forest, and cannot be read (choose Parallel Random "
                    "Forest under Advanced, Classifier, and train again)",
                    file);
    if (status == TK_OK) status = tk_ilastik_trees(&arrays, &project->forest, error);
    if (status == TK_OK) status = read_labels(&arrays, project, error);
    tk_arrays_free(&arrays);
    return status;
}

static tk_status read_features(const char *file, tk_ilastik *project, tk_error *error) {
    tk_arrays arrays;
    TK_TRY(tk_arrays_load(file, "FeatureSelections", REST_MOST, &arrays, error));
    const tk_status status =
        tk_ilastik_features(&arrays, project->forest.features, &project->column, &project->channels, error);
    tk_arrays_free(&arrays);
    return status;
}

tk_status tk_ilastik_read(const char *file, tk_ilastik *project, tk_error *error) {
    *project = (tk_ilastik){0};
    tk_status status = read_forests(file, project, error);
    if (status == TK_OK) status = read_names(file, project, error);
    if (status == TK_OK) status = read_features(file, project, error);
    if (status != TK_OK) tk_ilastik_free(project);
    return status;
}
