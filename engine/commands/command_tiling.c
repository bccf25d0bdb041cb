/* tarkka tiling: runs a result's workflow again in other tiles, and compares. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/commands.h"
#include "engine/keeping/output.h"
#include "engine/merge.h"
#include "engine/syntax/json.h"

static const tk_option options[] = {
    {"input", "FILE", "the image, where it is no longer where it was"},
    {"output", "FILE", "keep the second result under this name (default: it is removed)"},
    {"memory", "SIZE", "memory a rank may use, as in 8GiB"},
    {"tile", "whole|ZxYxX", "tile of the second run (default: about two thirds of the first one's)"},
    {"threads", "N", "threads of each rank"},
    {"json", NULL, "print as JSON"},
    TK_OPTION_END,
};

/* --- What is run again -------------------------------------------------------------------------------------------- */

/* The record of a result: a new reference. */
static tk_status read_record(const char *file, json_t **record, tk_error *error) {
    char *text = NULL;
    tk_result_read_text(file, TK_PROVENANCE_PATH, &text);
    *record = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (*record) return TK_OK;
    return tk_fail(error, TK_UNREADABLE, "%s: is not a result of tarkka, or cannot be read", file);
}

/* Two thirds of the first run's tile, in multiples of 8, of which the result's chunks can be made. */
static tk_status other_tile(const char *file, const json_t *record, int64_t tile[3], tk_error *error) {
    int64_t size[3] = {0}, first[3] = {0};
    const json_t *plan = json_object_get(record, "plan");
    tk_json_read_triple(json_object_get(plan, "size"), size);
    tk_json_read_triple(json_object_get(plan, "tile"), first);
    if (size[0] < 1 || first[0] < 1) return tk_fail(error, TK_UNREADABLE, "%s: its record has no plan", file);
    for (int a = 0; a < 3; a++) {
        tile[a] = first[a] * 2 / 3 / 8 * 8;
        if (tile[a] < 8) tile[a] = first[a] < 8 ? first[a] : 8;
    }
    if (!memcmp(tile, first, sizeof first)) memcpy(tile, size, sizeof size);
    return TK_OK;
}

static tk_status read_workflow(const tk_arguments *arguments, const char *file, const json_t *record,
                               const char *output, tk_workflow *workflow, tk_error *error) {
    const tk_overrides overrides = {.input = tk_option_value(arguments, "input"), .output = output};
    const char *folder = json_string_value(json_object_get(record, "folder"));
    char *text = json_dumps(json_object_get(record, "workflow_given"), JSON_COMPACT);
    if (!text) return tk_fail(error, TK_UNREADABLE, "%s: its record has no workflow", file);
    const tk_status status = tk_workflow_parse(file, text, folder ? folder : "", &overrides, workflow, error);
    free(text);
    return status;
}

/* --- What comes out ----------------------------------------------------------------------------------------------- */

/* The first step of the workflow whose tiles are not exact; NULL: there is none. What it and later steps make may
 * differ. */
static const char *first_inexact(const json_t *record, size_t *number) {
    const json_t *steps = json_object_get(record, "steps");
    for (*number = 0; *number < json_array_size(steps); ++*number) {
        const json_t *step = json_array_get(steps, *number);
        if (!json_is_true(json_object_get(step, "exact"))) return json_string_value(json_object_get(step, "name"));
    }
    return NULL;
}

static bool comes_before(const json_t *record, const char *step, size_t limit) {
    for (size_t i = 0; i < limit; i++) {
        const json_t *entry = json_array_get(json_object_get(record, "steps"), i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name && step && !strcmp(name, step)) return true;
    }
    return false;
}

/* The checksum that a record has for the output of this path; NULL: none. */
static const char *checksum_of(const json_t *record, const char *path) {
    size_t i = 0;
    json_t *output = NULL;
    json_array_foreach(json_object_get(record, "outputs"), i, output) {
        const char *name = json_string_value(json_object_get(output, "path"));
        if (name && path && !strcmp(name, path)) return json_string_value(json_object_get(output, "sha256"));
    }
    return NULL;
}

typedef struct verdict {
    json_t *outputs; /* path, outcome */
    int same, different, open;
    const char *inexact; /* the step on which the open ones depend */
} verdict;

static tk_status compare(const json_t *first, const json_t *second, verdict *v, tk_error *error) {
    size_t i = 0, limit = 0;
    json_t *output = NULL;
    v->inexact = first_inexact(first, &limit);
    v->outputs = json_array();
    json_array_foreach(json_object_get(first, "outputs"), i, output) {
        const char *path = json_string_value(json_object_get(output, "path"));
        const char *was = checksum_of(first, path), *is = checksum_of(second, path);
        const bool same = was && is && !strcmp(was, is);
        const bool exact = comes_before(first, json_string_value(json_object_get(output, "step")), limit);
        v->same += same;
        v->different += !same && exact;
        v->open += !same && !exact;
        const char *outcome = same ? "identical" : exact ? "different" : "not exact";
        json_array_append_new(v->outputs, json_pack("{s:s?, s:s}", "path", path, "outcome", outcome));
    }
    return v->outputs ? TK_OK : tk_fail_memory(error, "the comparison");
}

static void print_verdict(const verdict *v, const json_t *first, const json_t *second) {
    size_t i = 0;
    json_t *output = NULL;
    int64_t a[3] = {0}, b[3] = {0};
    tk_json_read_triple(json_object_get(json_object_get(first, "plan"), "tile"), a);
    tk_json_read_triple(json_object_get(json_object_get(second, "plan"), "tile"), b);
    printf("tiles of %lldx%lldx%lld, and of %lldx%lldx%lld\n", (long long)a[0], (long long)a[1], (long long)a[2],
           (long long)b[0], (long long)b[1], (long long)b[2]);
    json_array_foreach(v->outputs, i, output)
        printf("%-10s %s\n", json_string_value(json_object_get(output, "outcome")),
               json_string_value(json_object_get(output, "path")));
    if (v->open > 0)
        printf("what is not exact depends on %s, whose tiles differ a little from the un-tiled result\n", v->inexact);
}

static tk_status conclude(const tk_arguments *arguments, const char *file, const json_t *first, const char *second_file,
                          tk_error *error) {
    json_t *second = NULL;
    verdict v = {0};
    tk_status status = read_record(second_file, &second, error);
    if (status == TK_OK) status = compare(first, second, &v, error);
    if (status == TK_OK && tk_option_value(arguments, "json"))
        status = tk_print_json(json_pack("{s:O, s:i, s:i, s:i}", "outputs", v.outputs, "identical", v.same, "different",
                                         v.different, "not_exact", v.open),
                               error);
    else if (status == TK_OK)
        print_verdict(&v, first, second);
    json_decref(v.outputs);
    json_decref(second);
    if (status == TK_OK && v.different > 0)
        return tk_fail(error, TK_DIFFERENT, "%s: other tiles give another result", file);
    if (status == TK_OK && v.same == 0)
        return tk_fail(error, TK_UNSOLVABLE,
                       "%s: all of it depends on %s, whose tiles are not exact; nothing can be "
                       "proved (tarkka compare says how much two results differ)",
                       file, v.inexact ? v.inexact : "nothing");
    return status;
}

/* --- The command -------------------------------------------------------------------------------------------------- */

static void remove_result(const char *file) {
    char *provenance = tk_output_provenance_file(file);
    (void)unlink(file);
    if (provenance) (void)unlink(provenance);
    free(provenance);
}

static tk_status run_again(tk_comm *comm, const tk_arguments *arguments, const char *output, tk_error *error) {
    const char *file = tk_positional(arguments, 0);
    json_t *record = NULL;
    tk_workflow workflow = {0};
    int64_t tile[3] = {0}, tiles = 0;
    if (read_record(file, &record, error) == TK_OK && other_tile(file, record, tile, error) == TK_OK)
        read_workflow(arguments, file, record, output, &workflow, error);
    tk_run_job(comm, arguments, tile, &workflow, &tiles, error);
    if (error->status == TK_OK && tk_comm_rank(comm) == 0) conclude(arguments, file, record, output, error);
    if (tk_comm_rank(comm) == 0 && !tk_option_value(arguments, "output")) remove_result(output);
    tk_workflow_free(&workflow);
    json_decref(record);
    return error->status;
}

static tk_status run_on(tk_comm *comm, const tk_arguments *arguments, tk_error *error) {
    const char *given = tk_option_value(arguments, "output");
    char *output = NULL;
    if (asprintf(&output, "%s%s", given ? given : tk_positional(arguments, 0), given ? "" : ".tiling.h5") < 0)
        return tk_fail_memory(error, "the second result");
    const tk_status status = run_again(comm, arguments, output, error);
    free(output);
    return status;
}

static tk_status run(const tk_arguments *arguments, tk_error *error) { return tk_on_ranks(arguments, run_on, error); }

const tk_command tk_command_tiling = {
    .name = "tiling",
    .summary = "Runs a result's workflow again in other tiles, and says whether the results are identical.",
    .synopsis = "RESULT [OPTION]...",
    .details =
        "Labels, tables and images of all steps that are exact must be the same, bit for bit, whatever the tiles.\n"
        "This proves it for a result at hand. The second result is written beside the first, as RESULT.tiling.h5,\n"
        "and removed in the end. What depends on a step whose tiles are not exact (tarkka steps says which) is named.\n"
        "\n"
        "Exit codes: 0 identical, 1 failed, or nothing exact to compare, 3 input unreadable, 5 different.",
    .options = options,
    .least = 1,
    .most = 1,
    .ranks = true,
    .run = run,
};
