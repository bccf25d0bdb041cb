/* Values by name, and by kind. */
#include "engine/connect.h"

#include <stdlib.h>
#include <string.h>

#include "engine/params_read.h"
#include "engine/syntax/suggest.h"

static const char *const kind_texts[TK_KIND_COUNT] = {"an image", "a mask", "labels", "a table"};

/* The latest value before step i that is not a table: what the step works on. */
static int value_before(const tk_workflow *w, int i) {
    while (i > 0 && tk_workflow_value_kind(w, i) == TK_KIND_TABLE) i--;
    return i;
}

/* What a parameter names: TK_KIND_COUNT when it names no step. */
static tk_kind named_kind(const tk_param *param) {
    switch (param->type) {
    case TK_PARAM_IMAGE:
        return TK_KIND_IMAGE;
    case TK_PARAM_MASK:
        return TK_KIND_MASK;
    case TK_PARAM_LABELS:
        return TK_KIND_LABELS;
    default:
        return TK_KIND_COUNT;
    }
}

static tk_status no_such_value(const tk_workflow *w, int i, const tk_param *param, const char *name, tk_error *error) {
    const tk_kind kind = named_kind(param);
    const char *best = kind == TK_KIND_IMAGE ? "input" : NULL;
    int apart = 0;
    if (best) tk_suggest(name, "input", &best, &apart);
    for (int k = 0; k < i; k++)
        if (w->steps[k].step->output == kind) tk_suggest(name, w->steps[k].name, &best, &apart);
    if (!best)
        return tk_params_fail(w->steps[i].params, param->name, error, "no earlier step makes %s", kind_texts[kind]);
    return tk_params_fail(w->steps[i].params, param->name, error, "no earlier step is called '%s'; did you mean '%s'?",
                          name, best);
}

/* Turns "input" or the name of an earlier step into a value. */
static tk_status find_value(const tk_workflow *w, int i, const tk_param *param, const char *name, int *found,
                            tk_error *error) {
    const tk_kind kind = named_kind(param);
    if (kind == TK_KIND_IMAGE && !strcmp(name, "input")) return *found = 0, TK_OK;
    for (int k = 0; k < i; k++) {
        if (strcmp(name, w->steps[k].name) != 0) continue;
        const tk_kind made = w->steps[k].step->output;
        if (made == kind) return *found = k + 1, TK_OK;
        return tk_params_fail(w->steps[i].params, param->name, error, "'%s' makes %s, not %s", name, kind_texts[made],
                              kind_texts[kind]);
    }
    return no_such_value(w, i, param, name, error);
}

/* Adds the values that a parameter names to what step i reads. */
static tk_status connect_names(tk_workflow *w, int i, const tk_node *node, const tk_param *param, int count,
                               tk_error *error) {
    tk_workflow_step *step = &w->steps[i];
    for (int n = 0; n < count; n++) {
        if (step->inputs == TK_MAX_INPUTS)
            return tk_node_fail(w->file, node, error, "%s reads too many images", step->name);
        char *name = tk_params_name(step->params, param->name, n);
        const tk_status status = name ? find_value(w, i, param, name, &step->input[step->inputs], error)
                                      : tk_fail_memory(error, "the workflow");
        free(name);
        TK_TRY(status);
        step->inputs++;
    }
    return TK_OK;
}

tk_status tk_connect_step(tk_workflow *workflow, int i, const tk_node *node, tk_error *error) {
    tk_workflow_step *step = &workflow->steps[i];
    const int before = value_before(workflow, i);
    const tk_kind kind = tk_workflow_value_kind(workflow, before);
    if (kind != step->step->input)
        return tk_node_fail(workflow->file, node, error, "%s works on %s, but %s gives %s", step->step->name,
                            tk_kind_text(step->step->input), before ? workflow->steps[before - 1].name : "the input",
                            tk_kind_text(kind));
    step->input[step->inputs++] = before;
    const tk_value *value = NULL;
    const tk_param *param = NULL;
    for (int k = 0; (param = tk_params_at(step->params, k, &value)); k++)
        if (named_kind(param) != TK_KIND_COUNT && value->set)
            TK_TRY(connect_names(workflow, i, node, param, value->count, error));
    return TK_OK;
}
