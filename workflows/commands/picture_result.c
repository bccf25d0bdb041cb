/* Reads the record: inputs, outputs, and which channel and time point were worked on. */
#include "workflows/commands/picture_result.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/command.h"
#include "io/image.h"
#include "io/result.h"

static json_t *read_record(const char *file) {
    char *text = NULL;
    tk_result_read_text(file, "/provenance/run", &text);
    json_t *record = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return record;
}

bool tk_picture_is_result(const char *file) {
    json_t *record = read_record(file);
    json_decref(record);
    return record != NULL;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The path of the last output of a kind; "": there is none. */
static const char *last_of_kind(const json_t *record, const char *kind) {
    const json_t *outputs = json_object_get(record, "outputs");
    for (size_t i = json_array_size(outputs); i-- > 0;)
        if (!strcmp(text_of(json_array_get(outputs, i), "kind"), kind))
            return text_of(json_array_get(outputs, i), "path");
    return "";
}

/* The first that a selection names: a number, a list, or a text such as "2-5" or "all". */
static int64_t first_of(const json_t *selection) {
    if (json_is_array(selection)) return first_of(json_array_get(selection, 0));
    if (json_is_integer(selection)) return json_integer_value(selection);
    return json_is_string(selection) ? strtoll(json_string_value(selection), NULL, 10) : 0;
}

/* The image of the run, from the folder where it was started. NULL: no memory. */
static char *input_spec(const json_t *record) {
    const json_t *inputs = json_object_get(record, "inputs");
    const char *spec = "", *folder = text_of(record, "folder");
    char *whole = NULL;
    for (size_t i = 0; i < json_array_size(inputs); i++)
        if (!strcmp(text_of(json_array_get(inputs, i), "role"), "image"))
            spec = text_of(json_array_get(inputs, i), "file");
    if (*spec == '/' || !*folder || tk_image_is_computed(spec)) return strdup(spec);
    return asprintf(&whole, "%s/%s", folder, spec) < 0 ? NULL : whole;
}

static bool can_be_opened(const char *spec, const char *axes) {
    tk_error ignored = TK_ERROR_NONE;
    tk_image *image = NULL;
    const bool can = *spec && tk_image_open(spec, axes, &image, &ignored) == TK_OK;
    tk_image_close(image);
    return can;
}

static tk_status find_image(const char *file, const json_t *record, tk_picture_result *result, tk_error *error) {
    const json_t *input = json_object_get(json_object_get(record, "workflow"), "input");
    const char *kept = last_of_kind(record, "image");
    char *spec = input_spec(record);
    if (!spec) return tk_fail_memory(error, "the picture");
    const char *axes = json_string_value(json_object_get(input, "axes"));
    if (can_be_opened(spec, axes)) {
        result->texts[0] = spec;
        if (axes && !(result->texts[2] = strdup(axes))) return tk_fail_memory(error, "the picture");
        result->image = (tk_picture_source){spec, result->texts[2], first_of(json_object_get(input, "time")),
                                            first_of(json_object_get(input, "channel"))};
        return TK_OK;
    }
    free(spec);
    if (!*kept)
        return tk_fail(error, TK_UNREADABLE,
                       "%s: it keeps no image, and the one it was made from cannot be opened; "
                       "give --image",
                       file);
    if (asprintf(&result->texts[0], "%s:%s", file, kept) < 0) return tk_fail_memory(error, "the picture");
    result->image = (tk_picture_source){.spec = result->texts[0]};
    return TK_OK;
}

static tk_status find_labels(const char *file, const json_t *record, tk_picture_result *result, tk_error *error) {
    const char *labels = last_of_kind(record, "labels");
    if (!*labels) return TK_OK;
    if (asprintf(&result->texts[1], "%s:%s", file, labels) < 0) return tk_fail_memory(error, "the picture");
    result->labels = (tk_picture_source){.spec = result->texts[1]};
    return TK_OK;
}

/* "result.h5" → "result.png" */
static tk_status name_output(const char *file, tk_picture_result *result, tk_error *error) {
    const char *dot = strrchr(file, '.'), *slash = strrchr(file, '/');
    const int length = dot && (!slash || dot > slash) ? (int)(dot - file) : (int)strlen(file);
    if (asprintf(&result->output, "%.*s.png", length, file) >= 0) return TK_OK;
    result->output = NULL;
    return tk_fail_memory(error, "the picture");
}

tk_status tk_picture_of_result(const char *file, tk_picture_result *result, tk_error *error) {
    *result = (tk_picture_result){0};
    json_t *record = read_record(file);
    if (!record) return tk_fail(error, TK_UNREADABLE, "%s: is not a result of tarkka, or cannot be read", file);
    tk_status status = find_image(file, record, result, error);
    if (status == TK_OK) status = find_labels(file, record, result, error);
    if (status == TK_OK) status = name_output(file, result, error);
    json_decref(record);
    return status;
}

void tk_picture_result_free(tk_picture_result *result) {
    for (int i = 0; i < 3; i++) free(result->texts[i]);
    free(result->output);
    *result = (tk_picture_result){0};
}

tk_status tk_draw_result(const char *file, tk_error *error) {
    tk_picture_result result;
    int64_t width = 0, height = 0;
    tk_status status = tk_picture_of_result(file, &result, error);
    const tk_picture_request request = {
        .image = {result.image}, .images = 1, .labels = result.labels, .gamma = 1, .output = result.output};
    if (status == TK_OK) status = tk_picture_make(&request, &width, &height, error);
    if (status == TK_OK) printf("picture     %s\n", result.output);
    tk_picture_result_free(&result);
    return status;
}
