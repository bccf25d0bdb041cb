/* The commands that need the engine alone. */
#ifndef TK_ENGINE_COMMANDS_H
#define TK_ENGINE_COMMANDS_H

#include "engine/command.h"
#include "engine/plan.h"
#include "engine/workflow.h"

extern const tk_command tk_command_run, tk_command_plan, tk_command_check, tk_command_steps, tk_command_info;

/* Options that name the job: shared by run, plan and check. */
#define TK_JOB_OPTIONS                                                                                                 \
    {"input", "FILE", "read this image instead of the workflow's"},                                                    \
        {"output", "FILE", "write the result here instead of where the workflow says"}, {                              \
        "set", "STEP.PARAM=VALUE", "give a step's parameter another value; may be repeated"                            \
    }

/* Options that shape the plan: shared by run and plan. */
#define TK_PLAN_OPTIONS                                                                                                \
    {"memory", "SIZE", "memory a rank may use, as in 8GiB (default: 1792MiB)"},                                        \
        {"tile", "whole|ZxYxX", "tile of this size instead of the planned one"}, {                                     \
        "halo", "ZxYxX", "halo of steps whose tiles are not exact, instead of their own"                               \
    }

/* The workflow a command line names. The caller frees it. */
tk_status tk_read_workflow(const tk_arguments *arguments, tk_workflow *workflow, tk_error *error);

/* What a command line asks of the plan. `size` is the image's, for --tile whole. Errors: TK_USAGE. */
tk_status tk_read_plan_request(const tk_arguments *arguments, const int64_t size[3], tk_plan_request *request,
                               tk_error *error);

/* Prints a JSON value and frees it. Errors: TK_NO_MEMORY, TK_UNWRITABLE. */
tk_status tk_print_json(json_t *value, tk_error *error);

#endif
