/* What tarkka makes of an ilastik project: ilastik_check PROJECT.ilp VALUES COUNT. VALUES are COUNT rows of float32,
 * one number a feature. Prints a JSON object with the columns, labels, names and the probabilities of each row, by the
 * slow obvious walk from root to leaf in double; test_ilastik.py compares them with vigra's. Exit code 3, and the
 * message on standard error, when the project is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "workflows/classify/ilastik.h"

static void print_columns(const tk_ilastik *project) {
    printf("{\"channels\": %d, \"columns\": [", project->channels);
    for (int f = 0; f < project->forest.features; f++) {
        const tk_feature_column *c = &project->column[f];
        printf("%s[%u, %.17g, %.17g, %d, %d, %d]", f ? ", " : "", c->feature, c->sigma, c->second, c->output,
               c->channel, c->plane);
    }
    printf("], \"classes\": [");
    for (int c = 0; c < project->forest.classes; c++)
        printf("%s[%d, \"%s\"]", c ? ", " : "", project->label[c], project->name[c]);
}

/* Are all places in range, and children beyond their nodes? */
static int is_sound(const tk_forest_data *forest) {
    for (int64_t n = 0; n < forest->nodes; n++) {
        const int64_t child = forest->child[n];
        if (forest->feature[n] >= forest->features || forest->feature[n] < -1) return 0;
        if (forest->feature[n] < 0 ? child < 0 || child >= forest->leaves : child <= n || child + 1 >= forest->nodes)
            return 0;
    }
    return 1;
}

static void print_probabilities(const tk_forest_data *forest, const float *value) {
    for (int c = 0; c < forest->classes; c++) {
        double sum = 0;
        for (int tree = 0; tree < forest->trees; tree++) {
            int64_t node = forest->root[tree];
            while (forest->feature[node] >= 0)
                node = forest->child[node] + (value[forest->feature[node]] < forest->threshold[node] ? 0 : 1);
            sum += (double)forest->probability[forest->child[node] * (int64_t)forest->classes + c];
        }
        printf("%s%.17g", c ? ", " : "", sum / forest->trees);
    }
}

static int predict(const tk_ilastik *project, const char *file, int64_t count) {
    const size_t features = (size_t)project->forest.features;
    float *value = malloc(features * sizeof *value);
    FILE *values = fopen(file, "rb");
    int done = value && values && is_sound(&project->forest);
    printf("], \"probabilities\": [");
    for (int64_t i = 0; done && i < count; i++) {
        done = fread(value, sizeof *value, features, values) == features;
        if (!done) break;
        printf("%s[", i ? ", " : "");
        print_probabilities(&project->forest, value);
        printf("]");
    }
    printf("]}\n");
    if (values) fclose(values);
    free(value);
    return done ? 0 : 1;
}

int main(int count, char **arguments) {
    tk_ilastik project;
    tk_error error = TK_ERROR_NONE;
    if (count != 4) return 2;
    if (tk_ilastik_read(arguments[1], &project, &error) != TK_OK) {
        fprintf(stderr, "%s\n", error.text);
        return tk_status_exit_code(error.status);
    }
    print_columns(&project);
    const int code = predict(&project, arguments[2], strtoll(arguments[3], NULL, 10));
    tk_ilastik_free(&project);
    return code;
}
