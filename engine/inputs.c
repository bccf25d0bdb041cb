/* Identity of files by device, inode, size and time of change. */
#include "engine/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "engine/params_read.h"
#include "io/image.h"

/* Provenance is JSON: a name that JSON cannot hold would be lost from it. */
static tk_status check_name(const char *spec, tk_error *error) {
    json_t *text = json_string(spec);
    json_decref(text);
    if (text) return TK_OK;
    return tk_fail(error, TK_INVALID,
                   "%s: the name is not UTF-8, so the provenance could not record it; rename the file", spec);
}

static tk_status add(tk_inputs *inputs, const char *role, const char *spec, tk_error *error) {
    tk_input *grown = realloc(inputs->input, ((size_t)inputs->count + 1) * sizeof *grown);
    if (!grown) return tk_fail_memory(error, "the list of inputs");
    inputs->input = grown;
    tk_input *input = &grown[inputs->count];
    *input =
        (tk_input){.role = role, .spec = spec, .file = tk_image_file(spec), .computed = tk_image_is_computed(spec)};
    if (!input->file) return tk_fail_memory(error, "the list of inputs");
    inputs->count++;
    TK_TRY(check_name(spec, error));
    if (input->computed || stat(input->file, &input->identity) == 0) return TK_OK;
    return tk_fail_errno(error, TK_UNREADABLE, input->file, "cannot be opened");
}

/* Is it noted for the same step of an earlier channel? */
static bool is_noted(const tk_inputs *inputs, int before, const char *role, const char *spec) {
    for (int i = 0; i < before; i++)
        if (!strcmp(inputs->input[i].role, role) && !strcmp(inputs->input[i].spec, spec)) return true;
    return false;
}

static tk_status note_files(const tk_workflow *workflow, tk_inputs *inputs, tk_error *error) {
    int before = 0; /* what earlier channels have noted */
    for (int i = 0; i < workflow->count; i++) {
        const tk_value *value = NULL;
        const tk_param *param = NULL;
        if (i > 0 && workflow->steps[i].channel != workflow->steps[i - 1].channel) before = inputs->count;
        if (!workflow->steps[i].params) continue;
        for (int k = 0; (param = tk_params_at(workflow->steps[i].params, k, &value)); k++)
            if (param->type == TK_PARAM_FILE && value->set && !is_noted(inputs, before, param->name, value->text))
                TK_TRY(add(inputs, param->name, value->text, error));
    }
    return TK_OK;
}

tk_status tk_inputs_note(const tk_workflow *workflow, tk_inputs *inputs, tk_error *error) {
    *inputs = (tk_inputs){0};
    tk_status status = add(inputs, "workflow", workflow->file, error);
    if (status == TK_OK) status = add(inputs, "image", workflow->image, error);
    if (status != TK_OK) tk_inputs_free(inputs);
    return status;
}

tk_status tk_inputs_note_files(const tk_workflow *workflow, tk_inputs *inputs, tk_error *error) {
    const tk_status status = note_files(workflow, inputs, error);
    if (status != TK_OK) tk_inputs_free(inputs);
    return status;
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_unchanged(const struct stat *a, const struct stat *b) {
    return is_same_file(a, b) && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

tk_status tk_inputs_unchanged(const tk_inputs *inputs, tk_error *error) {
    for (int i = 0; i < inputs->count; i++) {
        struct stat now;
        if (inputs->input[i].computed) continue;
        if (stat(inputs->input[i].file, &now) == 0 && is_unchanged(&now, &inputs->input[i].identity)) continue;
        return tk_fail(error, TK_UNREADABLE,
                       "%s: changed while the run was reading it, so the result would be of neither; run again",
                       inputs->input[i].file);
    }
    return TK_OK;
}

const char *tk_inputs_role_of(const tk_inputs *inputs, const struct stat *file) {
    for (int i = 0; i < inputs->count; i++)
        if (!inputs->input[i].computed && is_same_file(&inputs->input[i].identity, file)) return inputs->input[i].role;
    return NULL;
}

void tk_inputs_free(tk_inputs *inputs) {
    for (int i = 0; i < inputs->count; i++) free(inputs->input[i].file);
    free(inputs->input);
    *inputs = (tk_inputs){0};
}
