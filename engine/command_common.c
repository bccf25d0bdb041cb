/* What several commands share: reading workflow and plan options, printing JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arguments.h"
#include "engine/commands.h"

tk_status tk_read_workflow(const tk_arguments *arguments, tk_workflow *workflow, tk_error *error) {
    const tk_overrides overrides = {tk_option_value(arguments, "input"), tk_option_value(arguments, "output"),
                                    tk_option_all(arguments, "set")};
    return tk_workflow_read(tk_positional(arguments, 0), &overrides, workflow, error);
}

/* "8GiB", "500 MiB", "2GB" */
static tk_status read_memory(const char *text, int64_t *bytes, tk_error *error) {
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0},
                 {"kB", 1e3},     {"MB", 1e6},        {"GB", 1e9},           {"TB", 1e12}};
    char *end = NULL;
    const double number = strtod(text, &end);
    while (*end == ' ') end++;
    for (size_t i = 0; end != text && number > 0 && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) != 0 || number * units[i].factor > 9e18) continue;
        *bytes = (int64_t)(number * units[i].factor);
        return TK_OK;
    }
    return tk_fail(error, TK_USAGE, "--memory %s: expected a size with its unit, as in 8GiB or 500MiB", text);
}

tk_status tk_read_plan_request(const tk_arguments *arguments, const int64_t size[3], tk_plan_request *request,
                               tk_error *error) {
    const char *memory = tk_option_value(arguments, "memory"), *tile = tk_option_value(arguments, "tile");
    *request = tk_plan_defaults();
    if (memory) TK_TRY(read_memory(memory, &request->memory, error));
    TK_TRY(tk_option_size(arguments, "halo", request->halo, error));
    if (!tile) return TK_OK;
    if (!strcmp(tile, "whole")) {
        memcpy(request->tile, size, sizeof request->tile);
        return TK_OK;
    }
    TK_TRY(tk_option_size(arguments, "tile", request->tile, error));
    for (int a = 0; a < 3; a++)
        if (request->tile[a] < 1) return tk_fail(error, TK_USAGE, "--tile %s: a tile has at least one voxel", tile);
    return TK_OK;
}

tk_status tk_print_json(json_t *value, tk_error *error) {
    if (!value) return tk_fail_memory(error, "JSON");
    const int failed = json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    json_decref(value);
    if (failed || putchar('\n') == EOF)
        return tk_fail_errno(error, TK_UNWRITABLE, "standard output", "cannot be written");
    return TK_OK;
}
