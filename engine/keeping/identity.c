/* The identity of a run as JSON, and the difference between two. */
#include "engine/keeping/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_info.h"
#include "engine/syntax/json.h"
#include "io/checksum.h"

static json_t *inputs(const tk_inputs *files) {
    json_t *list = json_array();
    for (int i = 0; i < files->count; i++) {
        const tk_input *input = &files->input[i];
        if (!strcmp(input->role, "workflow")) continue; /* what it says is here already */
        char *path = realpath(input->file, NULL);
        const json_int_t time =
            (json_int_t)input->identity.st_mtim.tv_sec * 1000000000 + input->identity.st_mtim.tv_nsec;
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I, s:I}", "role", input->role, "file", path ? path : input->spec,
                                        "bytes", (json_int_t)input->identity.st_size, "modified_ns", time));
        free(path);
    }
    return list;
}

/* The workflow without the names of files, which `inputs` has; the result may be called anything. */
static json_t *workflow(const tk_workflow *w) {
    json_t *root = tk_workflow_to_json(w, true);
    json_object_del(root, "output");
    json_object_del(json_object_get(root, "input"), "image");
    return root;
}

static json_t *grid(const tk_plan *plan) {
    json_t *halos = json_array();
    for (int i = 0; i < plan->steps; i++) json_array_append_new(halos, tk_json_triple(plan->halo[i]));
    return json_pack("{s:o, s:o, s:o}", "size", tk_json_triple(plan->size), "tile", tk_json_triple(plan->tile), "halo",
                     halos);
}

static json_t *versions(const tk_workflow *w) {
    json_t *list = json_array();
    for (int i = 0; i < w->count; i++) json_array_append_new(list, json_integer(w->steps[i].step->version));
    return list;
}

json_t *tk_identity_make(const tk_job *job, const tk_plan *plan, tk_isa isa) {
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s}", "workflow", workflow(job->given), "inputs", inputs(&job->inputs),
                     "grid", grid(plan), "step_versions", versions(job->given), "program", TK_VERSION " " TK_COMMIT,
                     "instruction_set", tk_isa_text(isa));
}

tk_status tk_identity_sha256(const json_t *identity, char sha256[65], tk_error *error) {
    char *text = json_dumps(identity, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text) return tk_fail_memory(error, "the identity of the run");
    const tk_status status = tk_bytes_sha256(text, strlen(text), sha256, error);
    free(text);
    return status;
}

/* --- Differences -------------------------------------------------------------------------------------------------- */

typedef struct difference {
    char *text;
    size_t room, used;
} difference;

static void note(difference *d, const char *path, json_t *was, json_t *is) {
    char *old = was ? json_dumps(was, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *new = is ? json_dumps(is, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    const int length = snprintf(d->text + d->used, d->room - d->used, "%s%s was %.80s and is %.80s",
                                d->used ? "; " : "", path, old ? old : "absent", new ? new : "absent");
    if (length > 0) d->used += (size_t)length < d->room - d->used ? (size_t)length : d->room - d->used - 1;
    free(old);
    free(new);
}

static void compare(difference *d, const char *path, json_t *was, json_t *is);

static void compare_objects(difference *d, const char *path, json_t *was, json_t *is) {
    json_t *all = json_copy(was), *value = NULL;
    const char *key = NULL;
    json_object_update_missing(all, is);
    json_object_foreach(all, key, value) {
        char *below = NULL;
        if (asprintf(&below, "%s%s%s", path, *path ? "." : "", key) < 0) continue;
        compare(d, below, json_object_get(was, key), json_object_get(is, key));
        free(below);
    }
    json_decref(all);
}

/* Elements are told apart by the file that they are about, or else by their number. */
static void compare_arrays(difference *d, const char *path, json_t *was, json_t *is) {
    for (size_t i = 0; i < json_array_size(was); i++) {
        const char *file = json_string_value(json_object_get(json_array_get(is, i), "file"));
        char *below = NULL;
        if ((file ? asprintf(&below, "%s[%s]", path, file) : asprintf(&below, "%s[%zu]", path, i)) < 0) continue;
        compare(d, below, json_array_get(was, i), json_array_get(is, i));
        free(below);
    }
}

static void compare(difference *d, const char *path, json_t *was, json_t *is) {
    if (was && is && json_equal(was, is)) return;
    if (json_is_object(was) && json_is_object(is)) {
        compare_objects(d, path, was, is);
    } else if (json_is_array(was) && json_array_size(was) == json_array_size(is) &&
               !json_is_number(json_array_get(was, 0))) {
        compare_arrays(d, path, was, is);
    } else {
        note(d, path, was, is);
    }
}

void tk_identity_difference(json_t *was, json_t *is, char *text, size_t room) {
    difference d = {text, room, 0};
    text[0] = 0;
    compare(&d, "", was, is);
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

bool tk_identity_isa(const json_t *identity, tk_isa *isa) {
    const char *text = json_string_value(json_object_get(identity, "instruction_set"));
    return text && tk_isa_from_text(text, isa);
}
