/* What several commands share: reading workflow and plan options, printing JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/commands.h"
#include "engine/commands/arguments.h"
#include "engine/planning/limits.h"
#include "engine/running/stop.h"
#include "engine/syntax/quantity.h"

tk_status tk_read_workflow(const tk_arguments *arguments, tk_workflow *workflow, tk_error *error) {
    const tk_overrides overrides = {tk_option_value(arguments, "input"), tk_option_value(arguments, "output"),
                                    tk_option_value(arguments, "item"), tk_option_all(arguments, "set")};
    return tk_workflow_read(tk_positional(arguments, 0), &overrides, workflow, error);
}

tk_status tk_option_duration(const tk_arguments *arguments, const char *name, double fallback, double *seconds,
                             tk_error *error) {
    const char *text = tk_option_value(arguments, name);
    *seconds = fallback;
    if (!text || tk_quantity_seconds(text, seconds)) return TK_OK;
    return tk_fail(error, TK_USAGE, "--%s %s: expected a time with its unit, as in 90s, 20min or 35h", name, text);
}

tk_status tk_read_memory(const tk_arguments *arguments, int local_ranks, int64_t *memory, tk_error *error) {
    const char *given = tk_option_value(arguments, "memory");
    *memory = tk_memory_limit(local_ranks, NULL);
    if (!given || tk_quantity_bytes(given, memory)) return TK_OK;
    return tk_fail(error, TK_USAGE, "--memory %s: expected a size with its unit, as in 8GiB or 500MiB", given);
}

tk_status tk_read_plan_request(const tk_arguments *arguments, const int64_t size[3], int64_t memory,
                               tk_plan_request *request, tk_error *error) {
    const char *tile = tk_option_value(arguments, "tile");
    *request = tk_plan_defaults();
    request->memory = memory;
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

tk_status tk_on_ranks(const tk_arguments *arguments,
                      tk_status (*use)(tk_comm *comm, const tk_arguments *arguments, tk_error *error),
                      tk_error *error) {
    tk_comm *comm = NULL;
    tk_stop_listen();
    TK_TRY(tk_comm_open(&comm, error));
    const tk_status status = use(comm, arguments, error);
    tk_comm_close(comm);
    return status;
}
