/* From a YAML file to a validated list of steps: names, parameters, which value each step reads, what is kept. */
#include "engine/workflow.h"

#include <stdlib.h>
#include <string.h>

#include "engine/connect.h"
#include "engine/images.h"
#include "engine/params_read.h"
#include "engine/syntax/named_values.h"
#include "engine/syntax/suggest.h"

/* What a function here needs to know of the file being read. */
typedef struct reading {
    const char *file;
    tk_workflow *workflow;
    tk_error *error;
} reading;

#define FAIL(r, node, ...) tk_node_fail((r)->file, node, (r)->error, __VA_ARGS__)

/* Refuses keys of a map that are not in `known` (ended by NULL). */
static tk_status check_keys(const reading *r, const tk_node *map, const char *where, const char *const *known) {
    for (int i = 0; i < map->count; i++) {
        const char *key = map->keys[i].text, *best = NULL;
        int apart = 0;
        bool found = false;
        for (int k = 0; known[k] && !found; k++) {
            found = !strcmp(key, known[k]);
            tk_suggest(key, known[k], &best, &apart);
        }
        if (found) continue;
        if (tk_suggest_is_near(key, best, apart))
            return FAIL(r, &map->keys[i], "%s has no key '%s'; did you mean '%s'?", where, key, best);
        return FAIL(r, &map->keys[i], "%s has no key '%s'", where, key);
    }
    return TK_OK;
}

static tk_status read_text(const reading *r, const tk_node *node, const char *what, const char **text) {
    if (node->type != TK_NODE_SCALAR || !*node->text) return FAIL(r, node, "expected %s", what);
    *text = node->text;
    return TK_OK;
}

static tk_status copy(const reading *r, const char *text, char **to) {
    *to = strdup(text);
    return *to ? TK_OK : tk_fail_memory(r->error, "the workflow");
}

static tk_status read_path(const reading *r, const tk_node *node, const char *what, char **path) {
    const char *text = NULL;
    TK_TRY(read_text(r, node, what, &text));
    *path = tk_path_from(r->workflow->folder, text);
    return *path ? TK_OK : tk_fail_memory(r->error, "the workflow");
}

static tk_status read_selection(const reading *r, const tk_node *input, const char *key, tk_selection *selection) {
    const tk_node *node = tk_node_get(input, key);
    return node ? tk_selection_read(node, r->file, key, selection, r->error) : TK_OK;
}

/* The keys that describe one image, or each of many. */
static tk_status read_choice(const reading *r, const tk_node *node) {
    const tk_node *axes = tk_node_get(node, "axes");
    tk_workflow *w = r->workflow;
    if (axes) {
        const char *text = NULL;
        TK_TRY(read_text(r, axes, "axes, as in tyx", &text));
        TK_TRY(copy(r, text, &w->axes));
    }
    TK_TRY(read_selection(r, node, "channel", &w->channel));
    return read_selection(r, node, "time", &w->time);
}

static tk_status read_input(const reading *r, const tk_node *node) {
    static const char *const known[] = {"image", "channel", "time", "axes", NULL};
    tk_workflow *w = r->workflow;
    if (!node) return TK_OK;
    if (node->type == TK_NODE_SCALAR) return read_path(r, node, "an image", &w->image);
    if (node->type != TK_NODE_MAP) return FAIL(r, node, "input: expected {image: FILE, …}");
    TK_TRY(check_keys(r, node, "input", known));
    const tk_node *image = tk_node_get(node, "image");
    if (image) TK_TRY(read_path(r, image, "the name of an image", &w->image));
    return read_choice(r, node);
}

static tk_status read_inputs(const reading *r, const tk_node *root) {
    static const char *const known[] = {"images", "channel", "time", "axes", NULL};
    const tk_node *node = tk_node_get(root, "inputs");
    if (!node) return TK_OK;
    if (node->type != TK_NODE_MAP || !tk_node_get(node, "images"))
        return FAIL(r, node, "inputs: expected {images: PATTERN}, as in {images: \"raw/*.tif\"}");
    if (tk_node_get(root, "input")) return FAIL(r, node, "inputs: there is an input already; give one of them");
    TK_TRY(check_keys(r, node, "inputs", known));
    TK_TRY(read_path(r, tk_node_get(node, "images"), "a pattern of images", &r->workflow->images));
    return read_choice(r, node);
}

/* --- Steps -------------------------------------------------------------------------------------------------------- */

tk_kind tk_workflow_value_kind(const tk_workflow *workflow, int value) {
    return value == 0 ? TK_KIND_IMAGE : workflow->steps[value - 1].step->output;
}

static tk_status unknown_step(const reading *r, const tk_node *node, const char *name) {
    const char *best = NULL;
    int apart = 0;
    for (int i = 0; tk_steps[i]; i++) tk_suggest(name, tk_steps[i]->name, &best, &apart);
    if (tk_suggest_is_near(name, best, apart))
        return FAIL(r, node, "there is no step '%s'; did you mean '%s'?", name, best);
    return FAIL(r, node, "there is no step '%s' (see: tarkka steps)", name);
}

enum { LONGEST_NAME = 64 };

static tk_status name_step(const reading *r, const tk_node *node, const tk_node *map, int i) {
    tk_workflow *w = r->workflow;
    const tk_node *given = map ? tk_node_get(map, "name") : NULL;
    const char *name = w->steps[i].step->name;
    if (given) TK_TRY(read_text(r, given, "a name", &name));
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != strlen(name))
        return FAIL(r, given, "the name '%s' may hold only letters, digits, _ and -", name);
    if (strlen(name) > LONGEST_NAME) return FAIL(r, given, "a name has at most %d letters", LONGEST_NAME);
    if (!strcmp(name, "input"))
        return FAIL(r, given ? given : node, "'input' is the image that is read; choose another name");
    for (int k = 0; k < i; k++)
        if (!strcmp(w->steps[k].name, name))
            return FAIL(r, given ? given : node, "two steps are called '%s'; give one of them a name: of its own",
                        name);
    return copy(r, name, &w->steps[i].name);
}

static tk_status read_keep(const reading *r, const tk_node *map, tk_workflow_step *step) {
    const tk_node *node = map ? tk_node_get(map, "keep") : NULL;
    step->keep_given = node != NULL;
    if (!node) return TK_OK;
    step->keep = node->type == TK_NODE_SCALAR && !strcmp(node->text, "true");
    if (!step->keep && (node->type != TK_NODE_SCALAR || strcmp(node->text, "false") != 0))
        return FAIL(r, node, "keep: expected true or false");
    return TK_OK;
}

static tk_status read_params(const reading *r, const tk_node *name, const tk_node *map, int i) {
    tk_workflow_step *step = &r->workflow->steps[i];
    TK_TRY(tk_params_make(step->name, step->step->params, r->workflow->file, name, &step->params, r->error));
    for (int k = 0; map && k < map->count; k++) {
        const char *key = map->keys[k].text;
        if (!strcmp(key, "name") || !strcmp(key, "keep")) continue;
        TK_TRY(tk_params_set(step->params, key, &map->keys[k], &map->items[k], r->file, r->workflow->folder, r->error));
    }
    return TK_OK;
}

/* A step is written `NAME`, `NAME:` or `NAME: {PARAMETER: VALUE, …}`. */
static tk_status split_step(const reading *r, const tk_node *node, const tk_node **name, const tk_node **map) {
    *name = node;
    *map = NULL;
    if (node->type == TK_NODE_SCALAR) return TK_OK;
    if (node->type != TK_NODE_MAP || node->count != 1)
        return FAIL(r, node, "expected one step, as in '- NAME: {PARAMETER: VALUE}'");
    *name = &node->keys[0];
    const tk_node *value = &node->items[0];
    if (value->type == TK_NODE_SCALAR && !*value->text && !value->quoted) return TK_OK;
    if (value->type != TK_NODE_MAP) return FAIL(r, value, "expected parameters, as in {PARAMETER: VALUE}");
    *map = value;
    return TK_OK;
}

static tk_status read_step(const reading *r, const tk_node *node, int i) {
    const tk_node *name = NULL, *map = NULL;
    tk_workflow_step *step = &r->workflow->steps[i];
    TK_TRY(split_step(r, node, &name, &map));
    step->step = tk_step_find(name->text);
    if (!step->step) return unknown_step(r, name, name->text);
    r->workflow->count = i + 1;
    TK_TRY(name_step(r, name, map, i));
    TK_TRY(read_keep(r, map, step));
    TK_TRY(read_params(r, name, map, i));
    if (!step->keep_given) step->keep = step->step->output == TK_KIND_LABELS || step->step->output == TK_KIND_TABLE;
    if (step->keep_given && !step->keep && step->step->output == TK_KIND_TABLE)
        return FAIL(r, tk_node_get(map, "keep"), "a table is always kept; leave the step out if you do not want it");
    return TK_OK;
}

/* By default the last image is kept, and what the last step makes; a workflow that keeps nothing is a mistake. */
static tk_status keep_last(const reading *r, const tk_node *list) {
    tk_workflow *w = r->workflow;
    int image = w->count - 1;
    bool any = false;
    while (image >= 0 && w->steps[image].step->output != TK_KIND_IMAGE) image--;
    for (int i = 0; i < w->count; i++) {
        tk_workflow_step *step = &w->steps[i];
        if (!step->keep_given && (i == image || i == w->count - 1)) step->keep = true;
        any = any || step->keep;
    }
    return any ? TK_OK : FAIL(r, list, "no step's outcome is kept; give one of them keep: true");
}

static tk_status read_steps(const reading *r, const tk_node *root) {
    const tk_node *list = tk_node_get(root, "steps");
    if (!list) return FAIL(r, root, "no 'steps:'; a workflow needs at least one step");
    if (list->type != TK_NODE_LIST || list->count < 1) return FAIL(r, list, "steps: expected a list of steps");
    r->workflow->steps = calloc((size_t)list->count, sizeof *r->workflow->steps);
    if (!r->workflow->steps) return tk_fail_memory(r->error, "the workflow");
    for (int i = 0; i < list->count; i++) TK_TRY(read_step(r, &list->items[i], i));
    return TK_OK;
}

/* Once all values are in: what is missing, contradictory or unconnected. */
static tk_status complete_steps(const reading *r, const tk_node *root) {
    const tk_node *list = tk_node_get(root, "steps");
    for (int i = 0; i < r->workflow->count; i++) {
        const tk_workflow_step *step = &r->workflow->steps[i];
        const tk_node *item = &list->items[i], *name = item->type == TK_NODE_MAP ? &item->keys[0] : item;
        TK_TRY(tk_params_complete(step->params, name, r->error));
        if (step->step->check) TK_TRY(step->step->check(step->params, r->error));
        TK_TRY(tk_connect_step(r->workflow, i, name, r->error));
    }
    return keep_last(r, list);
}

/* --- The whole file ----------------------------------------------------------------------------------------------- */

/* One "step.param=value" of the command line. */
static tk_status apply_set(const reading *r, const char *set) {
    const char *dot = strchr(set, '.'), *equals = strchr(set, '=');
    if (!equals) return tk_fail(r->error, TK_USAGE, "--set %s: expected STEP.PARAMETER=VALUE", set);
    for (int i = 0; i < r->workflow->count; i++) {
        const tk_workflow_step *step = &r->workflow->steps[i];
        if (strlen(step->name) != (size_t)(dot - set) || strncmp(step->name, set, (size_t)(dot - set)) != 0) continue;
        char *name = strndup(dot + 1, (size_t)(equals - dot - 1));
        tk_document document = {0};
        tk_status status =
            name ? tk_document_parse("--set", equals + 1, &document, r->error) : tk_fail_memory(r->error, "--set");
        document.root.line = 0;
        if (status == TK_OK)
            status = tk_params_set(step->params, name, &document.root, &document.root, "--set", "", r->error);
        if (document.name) tk_document_free(&document);
        free(name);
        return status;
    }
    return tk_fail(r->error, TK_USAGE, "--set %s: the workflow has no step '%.*s'", set, (int)(dot - set), set);
}

static tk_status check_version(const reading *r, const tk_node *root) {
    const tk_node *version = tk_node_get(root, "tarkka");
    if (!version) return FAIL(r, root, "no 'tarkka: 1'; say which version of the format this is");
    if (version->type != TK_NODE_SCALAR || strcmp(version->text, "1") != 0)
        return FAIL(r, version, "this program reads workflows of format 1");
    return TK_OK;
}

static tk_status read_document(const reading *r, const tk_node *root, const tk_overrides *overrides) {
    static const char *const known[] = {"tarkka", "input", "inputs", "output", "values", "steps", NULL};
    tk_workflow *w = r->workflow;
    if (root->type != TK_NODE_MAP) return FAIL(r, root, "expected a workflow: tarkka, input, output, steps");
    TK_TRY(check_keys(r, root, "a workflow", known));
    TK_TRY(check_version(r, root));
    TK_TRY(read_input(r, tk_node_get(root, "input")));
    TK_TRY(read_inputs(r, root));
    const tk_node *output = tk_node_get(root, "output");
    if (output) TK_TRY(read_path(r, output, "the name of the result", &w->output));
    TK_TRY(read_steps(r, root));
    for (int i = 0; overrides->set && overrides->set[i]; i++)
        if (!tk_named_values_is_set(overrides->set[i])) TK_TRY(apply_set(r, overrides->set[i]));
    return complete_steps(r, root);
}

static tk_status override_path(const reading *r, const char *given, char **path) {
    if (!given) return TK_OK;
    free(*path);
    return copy(r, given, path);
}

/* Of many images: the one that is asked for, by number or by name, and its output. */
static tk_status choose_image(const reading *r, const char *item) {
    tk_workflow *w = r->workflow;
    if (!w->images)
        return item ? tk_fail(r->error, TK_USAGE, "--item %s: the workflow has no inputs: to choose from", item)
                    : TK_OK;
    if (!w->image && (!w->output || !strstr(w->output, "{stem}")))
        return tk_fail(r->error, TK_INVALID,
                       "%s: many images need an output: with {stem} in it, as in results/{stem}.h5", r->file);
    if (item) TK_TRY(tk_images_choose(w->images, item, &w->image, r->error));
    if (!w->image || !w->output) return TK_OK;
    char *output = tk_images_output(w->output, w->image);
    if (!output) return tk_fail_memory(r->error, "the workflow");
    free(w->output);
    w->output = output;
    return TK_OK;
}

static tk_status set_folder(const reading *r) {
    const char *slash = strrchr(r->file, '/');
    r->workflow->folder = strndup(r->file, slash == r->file ? 1 : slash ? (size_t)(slash - r->file) : 0);
    return r->workflow->folder ? TK_OK : tk_fail_memory(r->error, "the workflow");
}

static tk_status read_all(const reading *r, tk_node *root, const tk_overrides *overrides) {
    TK_TRY(tk_named_values_apply(r->file, root, overrides->set, r->error));
    TK_TRY(read_document(r, root, overrides));
    TK_TRY(override_path(r, overrides->input, &r->workflow->image));
    TK_TRY(override_path(r, overrides->output, &r->workflow->output));
    return choose_image(r, overrides->item);
}

/* `text` NULL: the file's. */
static tk_status read_workflow(const char *file, const char *text, const char *folder, const tk_overrides *overrides,
                               tk_workflow *workflow, tk_error *error) {
    *workflow = (tk_workflow){.file = strdup(file), .folder = folder ? strdup(folder) : NULL};
    if (!workflow->file || (folder && !workflow->folder)) {
        tk_workflow_free(workflow);
        return tk_fail_memory(error, "the workflow");
    }
    const reading r = {workflow->file, workflow, error};
    tk_document document = {0};
    tk_status status = folder ? TK_OK : set_folder(&r);
    if (status == TK_OK)
        status = text ? tk_document_parse(file, text, &document, error) : tk_document_read(file, &document, error);
    if (status == TK_OK) status = read_all(&r, &document.root, overrides);
    if (document.name) tk_document_free(&document);
    if (status != TK_OK) tk_workflow_free(workflow);
    return status;
}

tk_status tk_workflow_read(const char *file, const tk_overrides *overrides, tk_workflow *workflow, tk_error *error) {
    return read_workflow(file, NULL, NULL, overrides, workflow, error);
}

tk_status tk_workflow_parse(const char *name, const char *text, const char *folder, const tk_overrides *overrides,
                            tk_workflow *workflow, tk_error *error) {
    return read_workflow(name, text, folder, overrides, workflow, error);
}

void tk_workflow_free(tk_workflow *workflow) {
    for (int i = 0; i < workflow->count; i++) {
        free(workflow->steps[i].name);
        tk_params_free(workflow->steps[i].params);
    }
    free(workflow->steps);
    free(workflow->file);
    free(workflow->folder);
    free(workflow->image);
    free(workflow->images);
    free(workflow->axes);
    free(workflow->output);
    tk_selection_free(&workflow->channel);
    tk_selection_free(&workflow->time);
    *workflow = (tk_workflow){0};
}

static json_t *step_to_json(const tk_workflow_step *step, bool defaults) {
    json_t *params = tk_params_to_json(step->params, defaults);
    json_object_set_new(params, "name", json_string(step->name));
    json_object_set_new(params, "keep", json_boolean(step->keep));
    return json_pack("{s:o}", step->step->name, params);
}

json_t *tk_workflow_to_json(const tk_workflow *workflow, bool defaults) {
    json_t *input = json_object(), *steps = json_array();
    if (workflow->image) json_object_set_new(input, "image", json_string(workflow->image));
    if (workflow->axes) json_object_set_new(input, "axes", json_string(workflow->axes));
    json_object_set_new(input, "channel", tk_selection_to_json(&workflow->channel));
    json_object_set_new(input, "time", tk_selection_to_json(&workflow->time));
    for (int i = 0; i < workflow->count; i++) json_array_append_new(steps, step_to_json(&workflow->steps[i], defaults));
    if (workflow->images && !workflow->image) json_object_set_new(input, "images", json_string(workflow->images));
    const char *key = workflow->images && !workflow->image ? "inputs" : "input";
    json_t *root = json_pack("{s:i, s:o, s:o}", "tarkka", 1, key, input, "steps", steps);
    if (workflow->output) json_object_set_new(root, "output", json_string(workflow->output));
    return root;
}
