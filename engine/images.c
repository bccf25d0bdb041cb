/* Patterns of files, by glob(3). */
#include "engine/images.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char place[] = "{stem}";

static bool ends_with(const char *text, size_t length, const char *end) {
    const size_t most = strlen(end);
    return length > most && !strncmp(text + length - most, end, most);
}

/* The name of an image without folder, extension and the .ome before that. */
static void find_stem(const char *image, const char **stem, size_t *length) {
    const char *slash = strrchr(image, '/'), *dot = NULL;
    *stem = slash ? slash + 1 : image;
    dot = strrchr(*stem, '.');
    *length = dot && dot != *stem ? (size_t)(dot - *stem) : strlen(*stem);
    if (ends_with(*stem, *length, ".ome")) *length -= strlen(".ome");
}

char *tk_images_output(const char *output, const char *image) {
    const char *at = strstr(output, place), *stem = NULL;
    size_t length = 0;
    char *made = NULL;
    if (!at) return strdup(output);
    find_stem(image, &stem, &length);
    if (asprintf(&made, "%.*s%.*s%s", (int)(at - output), output, (int)length, stem, at + strlen(place)) < 0)
        return NULL;
    return made;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static tk_status name_outputs(const char *output, tk_images *images, tk_error *error) {
    for (int64_t i = 0; i < images->count; i++) {
        images->output[i] = tk_images_output(output, images->image[i]);
        if (!images->output[i]) return tk_fail_memory(error, "the list of images");
    }
    char **sorted = calloc((size_t)images->count, sizeof *sorted);
    if (!sorted) return tk_fail_memory(error, "the list of images");
    memcpy(sorted, images->output, (size_t)images->count * sizeof *sorted);
    qsort(sorted, (size_t)images->count, sizeof *sorted, by_bytes);
    tk_status status = TK_OK;
    for (int64_t i = 1; i < images->count && status == TK_OK; i++)
        if (!strcmp(sorted[i - 1], sorted[i]))
            status = tk_fail(error, TK_INVALID,
                             "%s: two images would have this result; the output needs {stem}, and "
                             "names that differ in more than the extension",
                             sorted[i]);
    free(sorted);
    return status;
}

static tk_status copy_names(const glob_t *found, tk_images *images, tk_error *error) {
    images->image = calloc(found->gl_pathc, sizeof *images->image);
    images->output = calloc(found->gl_pathc, sizeof *images->output);
    if (!images->image || !images->output) return tk_fail_memory(error, "the list of images");
    images->count = (int64_t)found->gl_pathc;
    for (int64_t i = 0; i < images->count; i++) {
        images->image[i] = strdup(found->gl_pathv[i]);
        if (!images->image[i]) return tk_fail_memory(error, "the list of images");
    }
    qsort(images->image, (size_t)images->count, sizeof *images->image, by_bytes);
    return TK_OK;
}

tk_status tk_images_find(const char *pattern, const char *output, tk_images *images, tk_error *error) {
    glob_t found = {0};
    *images = (tk_images){0};
    const int failed = glob(pattern, GLOB_NOSORT, NULL, &found);
    tk_status status = TK_OK;
    if (failed == GLOB_NOSPACE)
        status = tk_fail_memory(error, "the list of images");
    else if (failed)
        status = tk_fail(error, TK_UNREADABLE, "%s: no image matches this pattern", pattern);
    if (status == TK_OK) status = copy_names(&found, images, error);
    if (status == TK_OK) status = name_outputs(output, images, error);
    globfree(&found);
    if (status != TK_OK) tk_images_free(images);
    return status;
}

tk_status tk_images_choose(const char *pattern, const char *item, char **image, tk_error *error) {
    tk_images images;
    char *end = NULL;
    const long long number = strtoll(item, &end, 10);
    TK_TRY(tk_images_find(pattern, place, &images, error));
    tk_status status = TK_OK;
    if (end == item || *end || number < 0 || number >= images.count) {
        status = tk_fail(error, TK_USAGE, "--item %s: %lld images match %s, numbered from 0", item,
                         (long long)images.count, pattern);
    } else {
        free(*image);
        *image = images.image[number];
        images.image[number] = NULL;
    }
    tk_images_free(&images);
    return status;
}

void tk_images_free(tk_images *images) {
    for (int64_t i = 0; i < images->count; i++) {
        free(images->image[i]);
        free(images->output[i]);
    }
    free(images->image);
    free(images->output);
    *images = (tk_images){0};
}
