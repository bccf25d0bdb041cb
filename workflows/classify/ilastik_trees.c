/* vigra's decision trees, laid out anew.
 *
 * A forest is a group with _ext_param/{class_count_, column_count_, labels}, _options/tree_count_ and a group for each
 * tree with two arrays (vigra/random_forest_hdf5_impex.hxx, random_forest/rf_decisionTree.hxx, rf_nodeproxy.hxx):
 *   topology    int32: [0] features, [1] classes, then nodes anywhere, the root at 2. A node at n has its type at n,
 * the place of its parameters at n + 1, and, unless it is a leaf, the places of its children at n + 2 and n + 3 and its
 * feature at n + 4 parameters  float64: of a node at p, [p] is a weight that ilastik does not use; [p + 1] the
 * threshold, or in a leaf [p + 1 …] the probabilities A value below the threshold goes to the first child. Here the two
 * children of a node lie beside each other and beyond it, which is the order in which they are found from the root on.
 */
#include "workflows/classify/ilastik_trees.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOT = 2, THRESHOLD_NODE = 0, LEAF = 0x40000000, TREES_MOST = 10000, LEAF_LENGTH = 2, NODE_LENGTH = 5 };

/* One tree as it is in the file. */
typedef struct tree {
    const char *file, *name; /* of its topology */
    const tk_array *topology, *parameters;
} tree;

/* What is being built. */
typedef struct builder {
    tk_forest_data *forest;
    int64_t node_room, leaf_room;
    int32_t *place; /* [node_room]: where each node of the tree is in its topology */
    tk_error *error;
} builder;

static tk_status damaged(const builder *build, const tree *of, const char *what) {
    return tk_fail(build->error, TK_UNREADABLE, "%s: '%s' %s (the project is damaged: train and save it again)",
                   of->file, of->name, what);
}

static bool resize_i32(int32_t **array, int64_t count) {
    int32_t *resized = realloc(*array, (size_t)count * sizeof *resized);
    if (resized) *array = resized;
    return resized != NULL;
}

static bool resize_f32(float **array, int64_t count) {
    float *resized = realloc(*array, (size_t)count * sizeof *resized);
    if (resized) *array = resized;
    return resized != NULL;
}

/* Nodes that a tree has at most: none is shorter than a leaf. */
static int64_t most_nodes(const tree *of) { return of->topology->count / LEAF_LENGTH; }

/* Makes room for what a tree can have at most, and a split more. */
static tk_status make_room(builder *build, const tree *of) {
    tk_forest_data *forest = build->forest;
    const int64_t nodes = forest->nodes + most_nodes(of) + 2;
    const int64_t leaves = forest->leaves + of->parameters->count / (forest->classes + 1);
    if (nodes > INT32_MAX / 2 || leaves > INT32_MAX / 2) return damaged(build, of, "is one tree too many");
    if (!build->place || nodes > build->node_room) {
        build->node_room = 2 * nodes;
        if (!resize_i32(&forest->feature, build->node_room) || !resize_f32(&forest->threshold, build->node_room) ||
            !resize_i32(&forest->child, build->node_room) || !resize_i32(&build->place, build->node_room))
            return tk_fail_memory(build->error, of->file);
    }
    if (leaves > build->leaf_room) {
        build->leaf_room = 2 * leaves;
        if (!resize_f32(&forest->probability, build->leaf_room * forest->classes))
            return tk_fail_memory(build->error, of->file);
    }
    return TK_OK;
}

/* The smallest float32 that is not below a threshold: the same float32 values are below it. */
static float round_up(double threshold) {
    const float nearest = (float)threshold;
    return (double)nearest < threshold ? nextafterf(nearest, INFINITY) : nearest;
}

/* The parameters of the node at `at`, of which there must be `count` behind the weight; NULL: they lie outside. */
static const double *parameters_of(const tree *of, int64_t at, int64_t count) {
    const int64_t place = of->topology->ints[at + 1];
    const bool inside = place >= 0 && place < of->parameters->count - count;
    return inside ? of->parameters->reals + place + 1 : NULL;
}

static tk_status add_leaf(builder *build, const tree *of, int64_t at, int64_t node) {
    tk_forest_data *forest = build->forest;
    const double *probability = parameters_of(of, at, forest->classes);
    double sum = 0;
    if (!probability) return damaged(build, of, "has a leaf without probabilities");
    if (forest->leaves >= build->leaf_room) return damaged(build, of, "has more leaves than parameters");
    float *row = forest->probability + forest->leaves * forest->classes;
    for (int c = 0; c < forest->classes; c++) {
        if (!(probability[c] >= 0 && probability[c] <= 1)) return damaged(build, of, "has a probability beyond 0 to 1");
        row[c] = (float)probability[c];
        sum += probability[c];
    }
    if (fabs(sum - 1) > 1e-6) return damaged(build, of, "has a leaf whose probabilities are not 1 together");
    forest->feature[node] = -1;
    forest->threshold[node] = 0;
    forest->child[node] = (int32_t)forest->leaves++;
    return TK_OK;
}

/* Appends two nodes for the children of `node`, to be filled later. */
static tk_status add_split(builder *build, const tree *of, int64_t at, int64_t node) {
    tk_forest_data *forest = build->forest;
    const int64_t *topology = of->topology->ints;
    const double *threshold = parameters_of(of, at, 1);
    if (at > of->topology->count - NODE_LENGTH || !threshold || isnan(*threshold))
        return damaged(build, of, "has a node without its threshold");
    if (topology[at + 4] < 0 || topology[at + 4] >= forest->features)
        return damaged(build, of, "asks for a feature that there is not");
    forest->feature[node] = (int32_t)topology[at + 4];
    forest->threshold[node] = round_up(*threshold);
    forest->child[node] = (int32_t)forest->nodes;
    for (int side = 0; side < 2; side++) {
        const int64_t child = topology[at + 2 + side];
        if (child < ROOT || child > of->topology->count - LEAF_LENGTH)
            return damaged(build, of, "has a node whose child lies outside");
        build->place[forest->nodes++] = (int32_t)child;
    }
    return TK_OK;
}

static tk_status add_node(builder *build, const tree *of, int64_t node) {
    const int64_t at = build->place[node], type = of->topology->ints[at];
    if (type == LEAF) return add_leaf(build, of, at, node);
    if (type == THRESHOLD_NODE) return add_split(build, of, at, node);
    return tk_fail(
        build->error, TK_UNREADABLE,
        "%s: '%s' has a node of type %lld; only thresholds and plain leaves can be read (train with ilastik's "
        "own random forest)",
        of->file, of->name, (long long)type);
}

static tk_status add_tree(builder *build, const tree *of) {
    tk_forest_data *forest = build->forest;
    const int64_t *topology = of->topology->ints;
    if (of->topology->count < ROOT + LEAF_LENGTH || of->topology->count > INT32_MAX ||
        topology[0] != forest->features || topology[1] != forest->classes)
        return damaged(build, of, "is not a tree of as many features and classes as its forest says");
    TK_TRY(make_room(build, of));
    const int64_t first = forest->nodes;
    forest->root[forest->trees++] = (int32_t)first;
    build->place[forest->nodes++] = ROOT;
    for (int64_t node = first; node < forest->nodes; node++) {
        /* Where places are used twice, in a ring for instance, there come to be more nodes than the array holds. */
        if (forest->nodes - first > most_nodes(of)) return damaged(build, of, "has nodes within themselves");
        TK_TRY(add_node(build, of, node));
    }
    return TK_OK;
}

/* "Forest0001/Tree_07/topology": the tree of this name when it is one. The caller frees parameters_name. */
static tk_status find_tree(const builder *build, const tk_arrays *arrays, const tk_array *topology, tree *found) {
    static const int64_t any[1] = {-1};
    char *parameters = NULL;
    const int stem = (int)(strlen(topology->name) - strlen("topology"));
    *found = (tree){.file = arrays->file, .name = topology->name};
    if (asprintf(&parameters, "%.*sparameters", stem, topology->name) < 0)
        return tk_fail_memory(build->error, arrays->file);
    tk_status status = tk_arrays_get(arrays, topology->name, TK_ARRAY_INT, 1, any, &found->topology, build->error);
    if (status == TK_OK)
        status = tk_arrays_get(arrays, parameters, TK_ARRAY_REAL, 1, any, &found->parameters, build->error);
    free(parameters);
    return status;
}

static bool is_tree_of(const tk_array *array, const char *forest, size_t length) {
    const char *slash = strrchr(array->name, '/');
    return strncmp(array->name, forest, length) == 0 && array->name[length] == '/' && array->name[length + 1] != '_' &&
           slash && strcmp(slash, "/topology") == 0;
}

/* One number of a forest, "Forest0000/_ext_param/class_count_". */
static tk_status read_number(const tk_arrays *arrays, const char *forest, int length, const char *name, int64_t most,
                             int *value, tk_error *error) {
    char *path = NULL;
    int64_t number = 0;
    if (asprintf(&path, "%.*s/%s", length, forest, name) < 0) return tk_fail_memory(error, arrays->file);
    const tk_status status = tk_arrays_integer(arrays, path, 1, most, &number, error);
    free(path);
    *value = (int)number;
    return status;
}

/* The numbers of features and classes, which all forests of a project share. */
static tk_status read_sizes(builder *build, const tk_arrays *arrays, const char *name, int length, int *trees) {
    tk_forest_data *forest = build->forest;
    int features = 0, classes = 0;
    double weighted = 0;
    char *path = NULL;
    TK_TRY(read_number(arrays, name, length, "_ext_param/column_count_", TK_CLASSIFIER_FEATURES_MOST, &features,
                       build->error));
    TK_TRY(read_number(arrays, name, length, "_ext_param/class_count_", TK_CLASSES_MOST, &classes, build->error));
    TK_TRY(read_number(arrays, name, length, "_options/tree_count_", TREES_MOST, trees, build->error));
    if (asprintf(&path, "%.*s/_options/predict_weighted_", length, name) < 0)
        return tk_fail_memory(build->error, arrays->file);
    const tk_status status =
        tk_arrays_find(arrays, path) ? tk_arrays_number(arrays, path, &weighted, build->error) : TK_OK;
    free(path);
    TK_TRY(status);
    if (weighted != 0)
        return tk_fail(build->error, TK_UNREADABLE,
                       "%s: '%.*s' weighs the votes of its trees by their leaves' samples, which cannot be read (train "
                       "with ilastik's own random forest)",
                       arrays->file, length, name);
    if (forest->trees > 0 && (features != forest->features || classes != forest->classes))
        return tk_fail(build->error, TK_UNREADABLE,
                       "%s: '%.*s' has not the features and classes of the forests before it (the project is damaged: "
                       "train and save it again)",
                       arrays->file, length, name);
    forest->features = features;
    forest->classes = classes;
    return TK_OK;
}

/* The trees of one forest, of which array `first` is the first array. */
static tk_status add_forest(builder *build, const tk_arrays *arrays, int64_t first, size_t length) {
    const char *name = arrays->array[first].name;
    int trees = 0, found = 0;
    TK_TRY(read_sizes(build, arrays, name, (int)length, &trees));
    if (build->forest->trees + trees > TREES_MOST)
        return tk_fail(build->error, TK_UNREADABLE, "%s: has more than %d trees (train with fewer)", arrays->file,
                       TREES_MOST);
    if (!resize_i32(&build->forest->root, build->forest->trees + trees))
        return tk_fail_memory(build->error, arrays->file);
    for (int64_t i = first; i < arrays->count && strncmp(arrays->array[i].name, name, length) == 0; i++) {
        tree one;
        if (!is_tree_of(&arrays->array[i], name, length) || found++ >= trees) continue;
        TK_TRY(find_tree(build, arrays, &arrays->array[i], &one));
        TK_TRY(add_tree(build, &one));
    }
    if (found == trees) return TK_OK;
    return tk_fail(build->error, TK_UNREADABLE,
                   "%s: '%.*s' has %d trees where it says %d (the project is damaged: train and save it again)",
                   arrays->file, (int)length, name, found, trees);
}

tk_status tk_ilastik_trees(const tk_arrays *arrays, tk_forest_data *forest, tk_error *error) {
    builder build = {.forest = forest, .error = error};
    tk_status status = TK_OK;
    size_t length = 0;
    const char *last = NULL; /* the forest whose arrays are being passed */
    *forest = (tk_forest_data){0};
    for (int64_t i = 0; status == TK_OK && i < arrays->count; i++) {
        const char *name = arrays->array[i].name, *slash = strchr(name, '/');
        if (strncmp(name, "Forest", strlen("Forest")) != 0 || !slash) continue;
        if (last && strncmp(name, last, length + 1) == 0) continue;
        last = name;
        length = (size_t)(slash - name);
        status = add_forest(&build, arrays, i, length);
    }
    free(build.place);
    if (status == TK_OK && forest->trees == 0)
        status =
            tk_fail(error, TK_UNREADABLE,
                    "%s: has no random forest of ilastik's (switch Live Update on once in the step Training of Pixel "
                    "Classification, and save the project)",
                    arrays->file);
    return status;
}
